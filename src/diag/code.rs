//! The table of everything that can be wrong with a manifest.
//!
//! One row is one code: its number, its name, and as its doc comment the explanation that is
//! published: what is wrong, and in a second paragraph what to do. Numbers are never used twice, also after a rule was removed.

use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is planned or written until it is mended.
    Error,
    /// The manifest means what it says, but probably not what was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! codes {
    ($( $(#[doc = $doc:literal])+ $code:ident $slug:literal $name:ident; )+) => {
        /// What is wrong, by a number that never changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $( $(#[doc = $doc])+ $name, )+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$( Self::$name, )+];

            /// The number, such as `E0103`.
            pub const fn code(self) -> &'static str {
                match self { $( Self::$name => stringify!($code), )+ }
            }

            /// The name, such as `unknown-reference`.
            pub const fn slug(self) -> &'static str {
                match self { $( Self::$name => $slug, )+ }
            }

            /// The published explanation.
            pub const fn explanation(self) -> &'static str {
                match self { $( Self::$name => concat!($( $doc, "\n" ),+), )+ }
            }
        }
    };
}

impl Code {
    /// Whether it is an error or a warning: the letter of the number.
    pub const fn severity(self) -> Severity {
        if self.code().as_bytes()[0] == b'W' { Severity::Warning } else { Severity::Error }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

codes! {
    /// A path given with `-f`, or something inside a folder given with it, could not be read.
    ///
    /// Check that the path exists and that you may read it; `-f` takes paths, and a shell expands globs.
    E0001 "unreadable-file" UnreadableFile;
    /// Only regular files are read: no device, no socket, no named pipe, no link inside a folder.
    ///
    /// Copy the manifest into the folder, or name the file itself with `-f`.
    E0002 "not-a-regular-file" NotARegularFile;
    /// The path leads out of the folder that was given with `-f`.
    ///
    /// Move the file into the folder of `-f`, or name the folder that holds both.
    E0003 "outside-root" OutsideRoot;
    /// A file is larger than 16 MiB, or one document in it is larger than 256 KiB.
    ///
    /// Split the file, or the document, into several.
    E0004 "too-large" TooLarge;
    /// The folders given with `-f` hold more than 10,000 files or folders.
    ///
    /// Name the folders with the manifests, not a folder above them.
    E0005 "too-many-files" TooManyFiles;
    /// Folders more than 16 deep, or values nested more than 64 deep.
    ///
    /// Move the manifests up, or name a deeper folder with `-f`.
    E0006 "too-deep" TooDeep;
    /// Manifests are UTF-8. Save the file with that encoding.
    ///
    /// `iconv -f WINDOWS-1252 -t UTF-8` converts a file of Windows.
    E0007 "not-utf8" NotUtf8;
    /// No document was found at all. An empty set of manifests is an error and deletes no resource.
    ///
    /// Name the folder of the manifests with `-f`. `ivs-apply init` writes a first set, and `ivs-apply destroy` deletes what a stack owns.
    E0008 "no-manifests" NoManifests;
    /// The text is not YAML.
    ///
    /// Correct the line that is shown. Tabs as indentation and a missing space behind a colon are the usual causes.
    E0009 "invalid-yaml" InvalidYaml;
    /// Tags such as `!include` are not carried out, and are refused, since they would have no effect.
    ///
    /// Write the value without the tag. `publicKeyFile` reads a key from a file, and `${name}` takes a value.
    E0010 "unknown-tag" UnknownTag;
    /// Merge keys (`<<`) are not part of YAML 1.2. Write the fields out, or generate the file.
    ///
    /// Write the fields out, use values (`${name}`), or let kustomize generate the file.
    E0011 "merge-key" MergeKey;
    /// A key appears twice in one mapping; only one of the two could count.
    ///
    /// Remove one of the two.
    E0012 "duplicate-key" DuplicateKey;
    /// Aliases that contain themselves, or expand to more than 8 MiB.
    ///
    /// Write the values out instead of the aliases.
    E0013 "alias-limit" AliasLimit;
    /// A manifest must never hold a secret; the file is probably in version control.
    ///
    /// Remove it, and replace the secret itself if the file was ever committed. AWS makes stream keys and passphrases; `ivs-apply output --secrets-to` hands them over.
    E0014 "secret-in-manifest" SecretInManifest;
    /// A character that cannot be seen and may steer a terminal.
    ///
    /// Delete the character and type the text again. The message shows it as `\u{…}`.
    E0015 "control-character" ControlCharacter;
    /// A manifest in JSON is not valid JSON, or it ends too early.
    ///
    /// Correct the place that is shown; JSON takes no comments and no comma after the last item.
    E0016 "invalid-json" InvalidJson;

    /// The `apiVersion` is not one this version reads.
    ///
    /// Write `apiVersion: ivs-apply.dev/v1`. If the file is not meant for ivs-apply, name another folder with `-f`.
    E0101 "unknown-api-version" UnknownApiVersion;
    /// The `kind` is not one of the kinds that exist.
    ///
    /// `ivs-apply explain` lists the kinds.
    E0102 "unknown-kind" UnknownKind;
    /// A field names a resource that no manifest of this stack declares.
    ///
    /// Correct the name, declare the resource, or write the ARN of an object that this stack does not own. A reference is the bare name, such as `archive`.
    E0103 "unknown-reference" UnknownReference;
    /// A field refers to a resource of a kind that does not fit there.
    ///
    /// `ivs-apply explain KIND.FIELD` says which kind the field takes.
    E0104 "wrong-reference-kind" WrongReferenceKind;
    /// A field that does not exist in this place.
    ///
    /// `ivs-apply explain KIND` lists the fields and where they belong: `spec`, `metadata` or `lifecycle`.
    E0106 "unknown-field" UnknownField;
    /// A field that must be given is not.
    ///
    /// Add the field; `ivs-apply explain KIND.FIELD` says what it takes.
    E0107 "missing-field" MissingField;
    /// A value is of another type than the field takes.
    ///
    /// `true`, `false` and numbers stand without quotes; account ids stand in quotes.
    E0108 "wrong-type" WrongType;
    /// A value is not one of those that the field permits.
    ///
    /// Use one of the values in the message.
    E0109 "unknown-word" UnknownWord;
    /// Two documents declare the same kind and name.
    ///
    /// Rename one of the two, or remove it. Names are unique for each kind within a stack.
    E0110 "duplicate-resource" DuplicateResource;
    /// More than one document of kind `Stack`, or two that disagree on the stack.
    ///
    /// Keep one `Stack` document, or run the two stacks apart, each with its own `-f`.
    E0111 "several-stacks" SeveralStacks;
    /// A name is not made of 1 to 63 letters, digits, `.`, `_` and `-`.
    ///
    /// Shorten the name, and replace other characters by `-`. What viewers or the console see is `spec.name`.
    E0112 "invalid-name" InvalidName;
    /// The tag keys `aws:*` and `ivs-apply:*` are not for manifests to set.
    ///
    /// Remove the tag. The tags `ivs-apply:*` are written by the program, `aws:*` by AWS.
    E0113 "reserved-tag" ReservedTag;
    /// A label that a selector could not name.
    ///
    /// Use letters, digits, `.`, `_` and `-`; a key may have a prefix that ends with `/`.
    E0114 "unusable-label" UnusableLabel;
    /// The `lock` of the Stack does not name one object in S3 as `s3://bucket/key`.
    ///
    /// Write `lock: s3://BUCKET/KEY`.
    E0115 "malformed-lock" MalformedLock;
    /// A text that should be a glob is none: a bracket or a brace is not closed, or a `\` ends it.
    ///
    /// Close the bracket or the brace, or put a `\` before a character that is meant as it stands.
    E0116 "malformed-glob" MalformedGlob;
    /// A `freeze` of the Stack has no reason, ends before it begins, or has no moment in RFC 3339 with an offset.
    ///
    /// Write `{ from: "2026-07-12T16:00:00+02:00", to: "…", reason: cup final }`, with `to` after `from`.
    E0119 "malformed-freeze" MalformedFreeze;
    /// A `${name}`, an entry of a file of `--values` or a `--set` names a value that `spec.values` of the Stack does not declare.
    ///
    /// Declare it below `spec.values` of the Stack, or correct the name.
    E0121 "undeclared-value" UndeclaredValue;
    /// A value that is used has no default, and neither `--set` nor a file of `--values` gives it.
    ///
    /// Give it with `--set NAME=VALUE`, in a file of `--values`, or as a `default`.
    E0122 "missing-value" MissingValue;
    /// A `${name}` stands where no value can be put in: in a key, a kind, a name, another value, or a field that a review must be able to read.
    ///
    /// Put it into a value of `spec`. What has to differ in structure is for kustomize.
    E0123 "misplaced-value" MisplacedValue;
    /// A `${` does not begin a reference to a value, such as `${region}`. Write `$${` for a plain `${`.
    ///
    /// `${name}` takes letters, digits, `_` and `-`; there are no functions and no defaults in it.
    E0124 "malformed-value-reference" MalformedValueReference;
    /// `-f` names a file with a document of kind `Target`, which is no manifest. Give it with `--target`.
    ///
    /// Run the command with `--target FILE#NAME`, and keep targets outside of the folder of manifests.
    E0125 "misplaced-target" MisplacedTarget;
    /// `spec.requires` of the Stack does not allow this version of ivs-apply. Nothing else of the manifests was checked.
    ///
    /// Install a version that fits, or change `spec.requires` if the manifests need nothing newer.
    E0126 "unmet-requirement" UnmetRequirement;
    /// `spec.requires` of the Stack is not a requirement on versions, such as `>=0.2` or `>=0.2, <0.4`.
    ///
    /// Write it as `">=0.2"` or `">=0.2, <0.4"`.
    E0127 "malformed-requirement" MalformedRequirement;

    /// A number or a length is outside of what AWS takes.
    ///
    /// Use a value within the limits in the message.
    E0201 "out-of-range" OutOfRange;
    /// A text does not have the form AWS asks for.
    ///
    /// Use the form in the message.
    E0202 "pattern-mismatch" PatternMismatch;
    /// Two fields cannot be given together.
    ///
    /// Remove one of the two.
    E0203 "conflicting-fields" ConflictingFields;
    /// A field needs another one beside it.
    ///
    /// Add the field in the message, or remove this one.
    E0204 "missing-companion" MissingCompanion;
    /// A list is longer than AWS takes.
    ///
    /// Shorten the list.
    E0205 "too-many-items" TooManyItems;
    /// A list holds the same item twice.
    ///
    /// Remove one of the two.
    E0206 "duplicate-item" DuplicateItem;
    /// An ARN is malformed, or of another service, resource type, region or account.
    ///
    /// Copy the ARN of an object of the right type, in the account and region of the stack. For a resource of this stack write its name instead.
    E0207 "wrong-arn" WrongArn;
    /// More tags than AWS takes on one resource, counting those that are added to every resource.
    ///
    /// Remove tags of the resource, or of `spec.tags` of the Stack. AWS takes 50, of which the program needs up to four.
    E0208 "too-many-tags" TooManyTags;
    /// More resources of one kind than the account's quota.
    ///
    /// Remove resources, or have AWS raise the quota and write the new number below `spec.quotas` of the Stack.
    E0209 "quota-exceeded" QuotaExceeded;
    /// The manifest is for another region than the one in force.
    ///
    /// Run with the region of the Stack: `AWS_REGION`, `--region`, or another profile.
    E0210 "wrong-region" WrongRegion;
    /// The manifest is for another account than the one in force.
    ///
    /// Sign in to the account of the Stack, or name its profile with `--profile`.
    E0211 "wrong-account" WrongAccount;

    /// A setting that has no effect beside the others.
    ///
    /// Remove the setting, or change the one in the message that makes it ineffective.
    W0301 "ineffective-setting" IneffectiveSetting;
    /// A setting that is valid but risky; the message names the risk.
    ///
    /// Read what the message says; keep the setting if it is what you want.
    W0302 "risky-setting" RiskySetting;
    /// A value that the Stack declares and that no manifest uses.
    ///
    /// Remove it from `spec.values`, or use it as `${name}`.
    W0303 "unused-value" UnusedValue;
    /// A folder of manifests has documents of kind `Target`, and the run was not given one with `--target`.
    ///
    /// Move the targets to a folder of their own, or run with `--target FILE#NAME`.
    W0304 "unused-target" UnusedTarget;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn numbers_and_names_are_unique_and_well_formed() {
        let numbers: BTreeSet<_> = Code::ALL.iter().map(|it| it.code()).collect();
        let names: BTreeSet<_> = Code::ALL.iter().map(|it| it.slug()).collect();
        assert_eq!(numbers.len(), Code::ALL.len());
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert_eq!(code.code().len(), 5, "{code}");
            assert!(code.code().starts_with(['E', 'W']), "{code}");
            assert!(!code.explanation().trim().is_empty(), "{code}");
        }
    }

    #[test]
    fn the_letter_is_the_severity() {
        assert_eq!(Code::UnknownReference.code(), "E0103");
        assert_eq!(Code::UnknownReference.severity(), Severity::Error);
        assert_eq!(Code::RiskySetting.severity(), Severity::Warning);
    }
}
