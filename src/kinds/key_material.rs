//! Public keys in PEM: what the two kinds of key (`public_key`, `playback_key_pair`) have in common. Facts, the file
//! that the key may stand in, rules, and the fingerprint that tells two keys apart.
//!
//! MD5 names a key here, as it does in AWS, and protects nothing. Never quotes material: what stands where
//! a public key should be may be a private one.

use super::{Check, Exclusive, Facts, FileSource, Mutable, Replace, Service};
use crate::diag::Code;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The DER of every `SubjectPublicKeyInfo` with an uncompressed point of P-384 (RFC 5480), up to the
/// point: algorithm `id-ecPublicKey`, curve `secp384r1`, and the head of a string of 97 bytes.
const P384: [u8; 24] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];
const POINT: usize = 96;

/// The base64 inside a PEM public key, without spaces and line ends.
fn inner(material: &str) -> Option<String> {
    let (before, rest) = material.split_once(BEGIN)?;
    let (inner, after) = rest.split_once(END)?;
    // Nothing else may stand in the text: another block would go to AWS with it.
    (before.trim().is_empty() && after.trim().is_empty())
        .then(|| inner.chars().filter(|it| !it.is_whitespace()).collect())
}

/// The key itself in DER, or what is wrong with it.
fn der(material: &str) -> Result<Vec<u8>, &'static str> {
    let inner = inner(material).ok_or("not a public key in PEM")?;
    let der = BASE64_STANDARD
        .decode(inner)
        .map_err(|_| "not a public key in PEM: the text inside is not base64")?;
    if der.len() != P384.len() + POINT || !der.starts_with(&P384) {
        return Err("a public key, but not an ECDSA key on curve P-384");
    }
    Ok(der)
}

/// What AWS calls the fingerprint of a playback key: the MD5 of its DER, as hexadecimal bytes with colons.
/// `None` for what is no P-384 key.
pub(super) fn fingerprint(material: &str) -> Option<String> {
    let bytes: Vec<String> =
        Md5::digest(der(material).ok()?).iter().map(|byte| format!("{byte:02x}")).collect();
    Some(bytes.join(":"))
}

/// The same key in the one form that `openssl` writes, so that equal keys are equal texts.
pub(super) fn canonical(material: &str) -> Option<String> {
    der(material).ok()?;
    let inner = inner(material)?;
    let mut text = format!("{BEGIN}\n");
    let mut rest = inner.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    Some(format!("{text}{END}\n"))
}

/// What is fixed about both kinds.
pub(super) const fn facts(service: Service, arn_type: &'static str) -> Facts {
    Facts {
        mutable: Mutable::TagsOnly,
        // The same key cannot be imported twice, and three are all an account may have.
        replace: Replace::DeleteFirst,
        quota: Some(3),
        ..Facts::plain(service, arn_type)
    }
}

/// The key may stand in a file of its own.
pub(super) fn file_source<'a>(
    file: &'a mut Option<String>,
    text: &'a mut Option<String>,
) -> FileSource<'a> {
    FileSource { file_field: FILE_FIELD, file, text_field: FIELD, text }
}

/// AWS takes a key once, whichever name it gets.
pub(super) fn exclusive(fingerprint: Option<String>) -> Option<Exclusive> {
    Some(Exclusive { value: fingerprint?, what: "this key" })
}

/// Rule 20, for material that stands in the manifest or was read from beside it. It may be absent where the key is
/// given in another way.
pub(super) fn check(at: &mut Check<'_>, material: Option<&str>, is_given_elsewhere: bool) {
    match material.map(der) {
        Some(Ok(_)) => {}
        Some(Err(why)) => {
            let message = format!("this is {why}");
            at.report(Code::PatternMismatch, FIELD, message).help(
                "create one with `openssl ecparam -name secp384r1 -genkey -noout -out private.pem` and \
                 `openssl ec -in private.pem -pubout -out public.pem`",
            );
        }
        None if is_given_elsewhere => {}
        None => {
            at.report(Code::MissingField, FIELD, "missing field `publicKeyMaterial`")
                .help("give the public key here, or name its file with `publicKeyFile`");
        }
    }
}

/// Where material stands in a spec.
pub(super) const FIELD: &str = "publicKeyMaterial";

/// Where the name of its file stands.
pub(super) const FILE_FIELD: &str = "publicKeyFile";

/// A P-384 public key for examples; its private half was deleted.
pub(super) const EXAMPLE: &str = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEhg67zkFx1c6cyYLnMQ4G625SW6J3So85
R81rdlLQ6NgPlH1OMPJHv10OwAYjRF/VrmrLDAOvExsM+RnfOiFJpS3lIECm/duH
PLllx1yAN2u4eFT0Ffc58ZVHiri/t2jN
-----END PUBLIC KEY-----
";

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by `openssl pkey -pubin -outform DER | openssl md5 -c`.
    #[test]
    fn a_fingerprint_is_the_md5_of_the_der_form() {
        assert_eq!(
            fingerprint(EXAMPLE).as_deref(),
            Some("56:43:e9:1f:56:c1:30:d6:3f:30:fe:40:5d:4f:ee:27")
        );
    }

    #[test]
    fn the_form_of_the_text_does_not_matter() {
        let one_line = EXAMPLE.replace(BEGIN, "").replace(END, "").replace('\n', "");
        for other in [
            EXAMPLE.replace('\n', "\r\n"),
            EXAMPLE.trim_end().to_owned(),
            format!("{BEGIN}\n{one_line}\n{END}"),
        ] {
            assert_eq!(fingerprint(&other), fingerprint(EXAMPLE));
            assert_eq!(canonical(&other).as_deref(), Some(EXAMPLE));
        }
    }

    #[test]
    fn only_p384_public_keys_will_do() {
        for bad in [
            String::new(),
            format!("{BEGIN}\nAAAA\n{END}"),
            format!("{BEGIN}\n!!\n{END}"),
            format!("{EXAMPLE}{EXAMPLE}"),
            EXAMPLE.replace("MHYw", "MHYx"),
            EXAMPLE.replace("PUBLIC", "EC PRIVATE"),
            // P-256, by openssl.
            "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEleYfqWNsGKv6dMJ+pA6oXFxgOeb8\nCWvTCZbi6tF6LCQ2dsmdHQ3STLW0INP98lvjqCrhCQgpKHl5WeRlRiBc7Q==\n-----END PUBLIC KEY-----\n".to_owned(),
        ] {
            assert_eq!(fingerprint(&bad), None, "{bad}");
            assert_eq!(canonical(&bad), None);
        }
    }
}
