//! The table of everything that can be wrong with a manifest.
//!
//! One row is one code: its number, its name, and as its doc comment the explanation that is
//! published. Numbers are never used twice, also after a rule was removed.

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
    E0001 "unreadable-file" UnreadableFile;
    /// Only regular files are read: no device, no socket, no named pipe, no link inside a folder.
    E0002 "not-a-regular-file" NotARegularFile;
    /// The path leads out of the folder that was given with `-f`.
    E0003 "outside-root" OutsideRoot;
    /// A file is larger than 16 MiB, or one document in it is larger than 256 KiB.
    E0004 "too-large" TooLarge;
    /// The folders given with `-f` hold more than 10,000 files or folders.
    E0005 "too-many-files" TooManyFiles;
    /// Folders more than 16 deep, or values nested more than 64 deep.
    E0006 "too-deep" TooDeep;
    /// Manifests are UTF-8. Save the file with that encoding.
    E0007 "not-utf8" NotUtf8;
    /// No document was found at all. That is never taken to mean "delete everything".
    E0008 "no-manifests" NoManifests;
    /// The text is not YAML.
    E0009 "invalid-yaml" InvalidYaml;
    /// Tags such as `!include` are not carried out, and are refused, since they would have no effect.
    E0010 "unknown-tag" UnknownTag;
    /// Merge keys (`<<`) are not part of YAML 1.2. Write the fields out, or generate the file.
    E0011 "merge-key" MergeKey;
    /// A key appears twice in one mapping; only one of the two could count.
    E0012 "duplicate-key" DuplicateKey;
    /// Aliases that contain themselves, or expand to more than 8 MiB.
    E0013 "alias-limit" AliasLimit;
    /// A manifest must never hold a secret; the file is probably in version control.
    E0014 "secret-in-manifest" SecretInManifest;
    /// A character that cannot be seen and may steer a terminal.
    E0015 "control-character" ControlCharacter;
    /// A manifest in JSON is not valid JSON, or it ends too early.
    E0016 "invalid-json" InvalidJson;

    /// The `apiVersion` is not one this version reads.
    E0101 "unknown-api-version" UnknownApiVersion;
    /// The `kind` is not one of the kinds that exist.
    E0102 "unknown-kind" UnknownKind;
    /// A field names a resource that no manifest of this stack declares.
    E0103 "unknown-reference" UnknownReference;
    /// A field refers to a resource of a kind that does not fit there.
    E0104 "wrong-reference-kind" WrongReferenceKind;
    /// A field that does not exist in this place.
    E0106 "unknown-field" UnknownField;
    /// A field that must be given is not.
    E0107 "missing-field" MissingField;
    /// A value is of another type than the field takes.
    E0108 "wrong-type" WrongType;
    /// A value is not one of those that the field permits.
    E0109 "unknown-word" UnknownWord;
    /// Two documents declare the same kind and name.
    E0110 "duplicate-resource" DuplicateResource;
    /// More than one document of kind `Stack`, or two that disagree on the stack.
    E0111 "several-stacks" SeveralStacks;
    /// A name is not made of 1 to 63 letters, digits, `.`, `_` and `-`.
    E0112 "invalid-name" InvalidName;
    /// The tag keys `aws:*` and `ivs-apply:*` are not for manifests to set.
    E0113 "reserved-tag" ReservedTag;
    /// A label that a selector could not name.
    E0114 "unusable-label" UnusableLabel;
    /// The `lock` of the Stack does not name one object in S3 as `s3://bucket/key`.
    E0115 "malformed-lock" MalformedLock;
    /// A text that should be a glob is none: a bracket or a brace is not closed, or a `\` ends it.
    E0116 "malformed-glob" MalformedGlob;
    /// A `freeze` of the Stack has no reason, ends before it begins, or has no moment in RFC 3339 with an offset.
    E0119 "malformed-freeze" MalformedFreeze;
    /// A `${name}`, an entry of a file of `--values` or a `--set` names a value that `spec.values` of the Stack does not declare.
    E0121 "undeclared-value" UndeclaredValue;
    /// A value that is used has no default, and neither `--set` nor a file of `--values` gives it.
    E0122 "missing-value" MissingValue;
    /// A `${name}` stands where no value can be put in: in a key, a kind, a name, another value, or a field that a review must be able to read.
    E0123 "misplaced-value" MisplacedValue;
    /// A `${` does not begin a reference to a value, such as `${region}`. Write `$${` for a plain `${`.
    E0124 "malformed-value-reference" MalformedValueReference;
    /// `-f` names a file with a document of kind `Target`, which is no manifest. Give it with `--target`.
    E0125 "misplaced-target" MisplacedTarget;
    /// `spec.requires` of the Stack does not allow this version of ivs-apply. Nothing else of the manifests was checked.
    E0126 "unmet-requirement" UnmetRequirement;
    /// `spec.requires` of the Stack is not a requirement on versions, such as `>=0.2` or `>=0.2, <0.4`.
    E0127 "malformed-requirement" MalformedRequirement;

    /// A number or a length is outside of what AWS takes.
    E0201 "out-of-range" OutOfRange;
    /// A text does not have the form AWS asks for.
    E0202 "pattern-mismatch" PatternMismatch;
    /// Two fields cannot be given together.
    E0203 "conflicting-fields" ConflictingFields;
    /// A field needs another one beside it.
    E0204 "missing-companion" MissingCompanion;
    /// A list is longer than AWS takes.
    E0205 "too-many-items" TooManyItems;
    /// A list holds the same item twice.
    E0206 "duplicate-item" DuplicateItem;
    /// An ARN is malformed, or of another service, resource type, region or account.
    E0207 "wrong-arn" WrongArn;
    /// More tags than AWS takes on one resource, counting those that are added to every resource.
    E0208 "too-many-tags" TooManyTags;
    /// More resources of one kind than the account's quota.
    E0209 "quota-exceeded" QuotaExceeded;
    /// The manifest is for another region than the one in force.
    E0210 "wrong-region" WrongRegion;
    /// The manifest is for another account than the one in force.
    E0211 "wrong-account" WrongAccount;

    /// A setting that has no effect beside the others.
    W0301 "ineffective-setting" IneffectiveSetting;
    /// A setting that is allowed and often regretted.
    W0302 "risky-setting" RiskySetting;
    /// A value that the Stack declares and that no manifest uses.
    W0303 "unused-value" UnusedValue;
    /// A folder of manifests has documents of kind `Target`, and the run was not given one with `--target`.
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
