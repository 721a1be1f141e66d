//! One object in S3 that is read, written and deleted under conditions, each in one request.
//!
//! Does not know what the object is for. The SDK behind it is the cargo feature `lock-s3`; a build without it returns
//! an error instead of an object. Never repeats a request: after a lost reply the caller reads the object again.

#[cfg(feature = "lock-s3")]
mod s3;
#[cfg(not(feature = "lock-s3"))]
mod without;

#[cfg(feature = "lock-s3")]
pub use s3::Object;
#[cfg(not(feature = "lock-s3"))]
pub use without::Object;

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Where an object is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its bucket.
    pub bucket: String,
    /// Its key in the bucket.
    pub key: String,
}

impl Location {
    /// Its name in an IAM policy. Nothing in it means more to IAM than it says.
    pub fn arn(&self) -> String {
        format!("arn:aws:s3:::{}/{}", self.bucket, self.key)
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

impl Serialize for Location {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Location {
    /// What is wrong with it, to stand behind the text itself.
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let rest = text.strip_prefix("s3://").ok_or("does not begin with `s3://`")?;
        let (bucket, key) = rest.split_once('/').ok_or("has no key after the bucket")?;
        let plain = |it: char| it.is_ascii_lowercase() || it.is_ascii_digit();
        if !(3..=63).contains(&bucket.len())
            || !bucket.chars().all(|it| plain(it) || "-.".contains(it))
            || !bucket.starts_with(plain)
            || !bucket.ends_with(plain)
            || bucket.contains("..")
        {
            return Err("does not name a bucket: 3 to 63 lower-case letters, digits, `-` and `.`");
        }
        if key.is_empty() || key.ends_with('/') {
            return Err("has no key after the bucket");
        }
        // `*`, `?` and `$` would be patterns in an IAM policy; `.` and `..` are lost on the way.
        let good = |it: char| it.is_ascii_alphanumeric() || "/-_.=!'()".contains(it);
        if key.len() > 1_024
            || !key.chars().all(good)
            || key.split('/').any(|it| matches!(it, "" | "." | ".."))
        {
            return Err("has a key that is not made of 1 to 1,024 letters, digits and `/-_.=!'()`");
        }
        Ok(Self { bucket: bucket.to_owned(), key: key.to_owned() })
    }
}

/// An object as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What it holds.
    pub body: String,
    /// Changes whenever it is written (the `ETag`).
    pub version: String,
    /// How long it has not been written, by the store's clock alone; `None` where that does not say.
    pub age: Option<Duration>,
}

/// The condition under which an object is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only<'a> {
    /// The object does not exist.
    Absent,
    /// It is as it was when it had this version.
    Version(&'a str),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_is_a_bucket_and_a_key() {
        let good: Location = "s3://my-locks.prod/ivs/prod=1.json".parse().expect("good");
        assert_eq!((good.bucket.as_str(), good.key.as_str()), ("my-locks.prod", "ivs/prod=1.json"));
        assert_eq!(good.to_string(), "s3://my-locks.prod/ivs/prod=1.json");
        assert_eq!(good.arn(), "arn:aws:s3:::my-locks.prod/ivs/prod=1.json");
    }

    #[test]
    fn what_is_no_location_or_more_than_one_is_refused() {
        for bad in [
            "",
            "bucket/key",
            "https://bucket/key",
            "s3://bucket",
            "s3://bucket/",
            "s3://bucket/folder/",
            "s3:///key",
            "s3://ab/key",
            "s3://Bucket/key",
            "s3://-bucket/key",
            "s3://bu..cket/key",
            "s3://bucket/*",
            "s3://bucket/a?b",
            "s3://bucket/${aws:username}",
            "s3://bucket/../other/key",
            "s3://bucket/a//b",
            "s3://bucket/a b",
            "s3://user@bucket/key",
            "s3://bucket/\u{1b}[31m",
        ] {
            assert!(bad.parse::<Location>().is_err(), "{bad}");
        }
        assert!(format!("s3://bucket/{}", "k".repeat(1_025)).parse::<Location>().is_err());
    }
}
