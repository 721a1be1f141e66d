//! Public keys in PEM: that they are ECDSA P-384 keys, and their fingerprint (the MD5 of the DER
//! form, as the service shows it). MD5 names a key here and protects nothing.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use md5::{Digest, Md5};

use super::failure::Failure;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// `SubjectPublicKeyInfo` of an uncompressed point on P-384, up to the point.
const P384: [u8; 24] = [
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00, 0x04,
];

/// Sixteen hexadecimal bytes with colons. Never echoes the material.
pub(crate) fn fingerprint(material: &str) -> Result<String, Failure> {
    let refused = |why: &str| Failure::validation(format!("Invalid publicKeyMaterial: {why}"));
    if material.contains("PRIVATE KEY") {
        return Err(refused("this is a private key"));
    }
    let inner = material
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(inner, _)| inner)
        .ok_or_else(|| refused("it is not a PEM public key"))?;
    let inner: String = inner.split_ascii_whitespace().collect();
    let der = BASE64_STANDARD.decode(inner).map_err(|_| refused("it is not base64"))?;
    if der.len() != P384.len() + 96 || !der.starts_with(&P384) {
        return Err(refused("it is not an ECDSA P-384 public key"));
    }
    let bytes: Vec<String> = Md5::digest(&der).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(bytes.join(":"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By `openssl ecparam -name secp384r1 -genkey`, `openssl ec -pubout` and
    /// `openssl pkey -pubin -outform DER | openssl md5 -c`.
    #[test]
    fn a_fingerprint_is_the_md5_of_the_key_in_der() {
        let key = "-----BEGIN PUBLIC KEY-----
MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEbbw/gFf4abe7qqX3kus6yJYPE75jfIDF
tphKOgmdUlE5yMZgn+0nN/gs8lrIyHrGPcGqTdxBqZeyYWGrTO/LN4Ey2DnffNNN
TcDrShRTqCauLlRZP30m5ygHFTR0DRe8
-----END PUBLIC KEY-----
";
        assert_eq!(
            fingerprint(key).as_deref(),
            Ok("f1:f6:ec:ff:1d:2a:32:a4:8f:a0:d3:06:1c:19:34:af")
        );
    }

    #[test]
    fn only_p384_public_keys_are_keys() {
        for bad in [
            "",
            "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\n!!\n-----END PUBLIC KEY-----",
            "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----",
        ] {
            assert!(fingerprint(bad).is_err(), "{bad}");
        }
    }
}
