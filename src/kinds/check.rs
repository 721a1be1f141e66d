//! AWS's rules that types cannot say, reported by field path and collected, never first-only.
//!
//! The checks that several kinds share (names, buckets, ranges) stand here once. Knows no lines: a
//! diagnostic finds its place when it is rendered.

use super::Kind;
use super::spec::spec_path;
use crate::aws::Tags;
use crate::diag::{Code, Diagnostic, Origin, Part, Place, Report, quote};
use std::fmt::Display;

/// Collects what is wrong with one resource.
pub struct Check<'a> {
    origin: Origin,
    report: &'a mut Report,
}

impl<'a> Check<'a> {
    /// A check of the document at `origin`.
    pub fn new(origin: Origin, report: &'a mut Report) -> Self {
        Self { origin, report }
    }

    /// Reports `code` at a field of the spec; `field` is relative to `spec`.
    pub fn report(&mut self, code: Code, field: &str, message: impl Into<String>) -> Found<'_> {
        let path = spec_path().join(field);
        let place = Place::Field { origin: self.origin, path, part: Part::Value };
        Found(self, Some(Diagnostic::new(code, place, message)))
    }

    /// An integer that must lie in a range.
    pub fn range<T: PartialOrd + Display + Copy>(
        &mut self,
        field: &str,
        value: T,
        low: T,
        high: T,
    ) {
        // Not `!contains`: a number that compares with nothing (NaN) is out of range as well.
        if value >= low && value <= high {
            return;
        }
        self.report(
            Code::OutOfRange,
            field,
            format!("`{value}` is out of range: {low} to {high} is allowed"),
        );
    }

    /// The IVS name rule (rule 1): at most 128 of `[a-zA-Z0-9-_]`.
    pub fn name(&mut self, field: &str, value: &str) {
        if value.chars().count() > 128 {
            self.report(Code::OutOfRange, field, "a name has at most 128 characters");
        }
        let is_odd = |it: char| !it.is_ascii_alphanumeric() && !"-_".contains(it);
        if let Some(odd) = value.chars().find(|it| is_odd(*it)) {
            let fits = value.replace(is_odd, "-");
            self.report(
                Code::PatternMismatch,
                field,
                format!("a name cannot contain {odd:?}: letters, digits, `-` and `_` are allowed"),
            )
            .help(format!("write `{fits}`"));
        }
    }

    /// The S3 bucket rule (rules 14 and 32).
    pub fn bucket(&mut self, field: &str, value: &str) {
        if !(3..=63).contains(&value.len()) {
            self.report(Code::OutOfRange, field, "a bucket name has 3 to 63 characters");
        }
        let odd =
            |it: &char| !it.is_ascii_lowercase() && !it.is_ascii_digit() && !"-.".contains(*it);
        if let Some(odd) = value.chars().find(odd) {
            self.report(
                Code::PatternMismatch,
                field,
                format!(
                    "a bucket name cannot contain {odd:?}: lower-case letters, digits, `-` and `.` \
                     are allowed"
                ),
            );
        }
    }

    /// A list whose items must differ, and may not be more than `most`.
    pub fn unique<'b>(&mut self, field: &str, items: impl Iterator<Item = &'b str>, most: usize) {
        let items: Vec<&str> = items.collect();
        if items.len() > most {
            self.report(
                Code::TooManyItems,
                field,
                format!("{} items: at most {most} are allowed", items.len()),
            );
        }
        for (index, item) in items.iter().enumerate() {
            if items[..index].contains(item) {
                self.report(
                    Code::DuplicateItem,
                    &format!("{field}[{index}]"),
                    format!("{} appears in this list twice", quote(item)),
                );
            }
        }
    }

    /// Tag rules 2 to 4, and our own prefix. Ours need room as well, so fewer than 50 are left. `of_stack` says how
    /// many of the tags are the Stack's.
    pub fn tags(&mut self, field: &str, tags: &Tags, of_stack: usize) {
        if tags.len() > MOST_USER_TAGS {
            let origin = match of_stack {
                0 => String::new(),
                _ => format!(" ({} here and {of_stack} of the Stack)", tags.len() - of_stack),
            };
            self.report(
                Code::TooManyTags,
                field,
                format!(
                    "{} tags{origin}: AWS allows {MOST_TAGS} on one resource, and ivs-apply adds {} of its own",
                    tags.len(),
                    MOST_TAGS - MOST_USER_TAGS
                ),
            )
            .help(match of_stack {
                0 => format!("keep at most {MOST_USER_TAGS}"),
                _ => format!("keep at most {MOST_USER_TAGS}, here and in `spec.tags` of the Stack together"),
            });
        }
        for (key, value) in tags {
            let at = format!("{field}[{key:?}]");
            if key.is_empty() || key.chars().count() > 128 {
                self.report(Code::OutOfRange, &at, "a tag key has 1 to 128 characters");
            }
            if value.chars().count() > 256 {
                self.report(Code::OutOfRange, &at, "a tag value has at most 256 characters");
            }
            let lower = key.to_ascii_lowercase();
            if lower.starts_with("aws:") || lower.starts_with(super::owner::PREFIX) {
                self.report(
                    Code::ReservedTag,
                    &at,
                    format!(
                        "tag `{key}` is reserved: keys cannot start with `aws:` or `ivs-apply:`"
                    ),
                );
            }
            for (what, text) in [("key", key), ("value", value)] {
                if let Some(odd) = text.chars().find(|it| !is_tag_character(*it)) {
                    self.report(
                        Code::PatternMismatch,
                        &at,
                        format!(
                            "a tag {what} cannot contain {odd:?}: letters, digits, spaces and \
                             `_ . : / = + - @` are allowed"
                        ),
                    );
                }
            }
        }
    }
}

/// Why a text cannot be the name of an S3 bucket, by AWS's naming rules for general purpose buckets.
pub fn bucket_fault(name: &str) -> Option<String> {
    let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
    let number = |it: &str| it.parse::<u8>().is_ok();
    if !(3..=63).contains(&name.chars().count()) {
        return Some("a bucket name has 3 to 63 characters".to_owned());
    }
    if let Some(odd) = name.chars().find(|it| !plain(*it) && !"-.".contains(*it)) {
        return Some(format!(
            "a bucket name cannot contain {odd:?}: lower-case letters, digits, `-` and `.` are allowed"
        ));
    }
    if !name.starts_with(plain) || !name.ends_with(plain) {
        return Some(
            "a bucket name begins and ends with a lower-case letter or a digit".to_owned(),
        );
    }
    if name.contains("..") {
        return Some("a bucket name has no two dots side by side".to_owned());
    }
    if name.split('.').count() == 4 && name.split('.').all(number) {
        return Some("a bucket name is not written like an IP address".to_owned());
    }
    let prefix = ["xn--", "sthree-", "amzn-s3-demo-"].into_iter().find(|it| name.starts_with(it));
    let suffix = ["-s3alias", "--ols-s3", ".mrap", "--x-s3", "--table-s3"];
    let suffix = suffix.into_iter().find(|it| name.ends_with(it));
    match (prefix, suffix) {
        (Some(prefix), _) => Some(format!("AWS keeps names that begin with `{prefix}` for itself")),
        (_, Some(suffix)) => Some(format!("AWS keeps names that end with `{suffix}` for itself")),
        (None, None) => None,
    }
}

/// AWS allows so many tags an object.
pub const MOST_TAGS: usize = 50;

/// Of these the program needs four: stack, name, record, protect.
pub const MOST_USER_TAGS: usize = MOST_TAGS - 4;

/// `[\p{L}\p{Z}\p{N}_.:/=+\-@]`, the rule of the low-latency model (rule 3). `char::is_alphanumeric` is
/// wider by a few combining letters than `\p{L}\p{N}`; AWS decides on those.
pub fn is_tag_character(it: char) -> bool {
    it.is_alphanumeric() || (it.is_whitespace() && !it.is_control()) || "_.:/=+-@".contains(it)
}

/// A diagnostic that can still be given a remedy; reported when it goes out of scope.
pub struct Found<'a>(&'a mut dyn Pushed, Option<Diagnostic>);

trait Pushed {
    fn push(&mut self, diagnostic: Diagnostic);
}

impl Pushed for Check<'_> {
    fn push(&mut self, diagnostic: Diagnostic) {
        self.report.push(diagnostic);
    }
}

impl Found<'_> {
    /// Says what to do about it.
    pub fn help(mut self, text: impl Into<String>) {
        self.1 = self.1.take().map(|it| it.help(text));
    }
}

impl Drop for Found<'_> {
    fn drop(&mut self) {
        if let Some(diagnostic) = self.1.take() {
            self.0.push(diagnostic);
        }
    }
}

/// A resource of `kind` for messages.
pub fn a(kind: Kind) -> String {
    let name = kind.to_string();
    let article = if name.starts_with(['A', 'E', 'I', 'O', 'U']) { "an" } else { "a" };
    format!("{article} {name}")
}
