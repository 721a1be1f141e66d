//! What an encoder is configured with: the address of a server and the secret that belongs to it, each alone and both in
//! one URL. Prints and logs nothing; what has a secret in it is a [`Secret`].

use super::{Kind, Observed, Pointer};
use crate::aws::Secret;

/// A secret of an object, or a text with one in it, by name.
pub type NamedSecret = (&'static str, Secret);

/// An object and its secrets.
#[derive(Clone, Copy)]
pub struct WithSecrets<'a> {
    /// The object as it was read, with its endpoints.
    pub observed: &'a Observed,
    /// Its secrets.
    pub secrets: &'a [NamedSecret],
}

impl std::fmt::Debug for WithSecrets<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WithSecrets").field("arn", &self.observed.arn).finish_non_exhaustive()
    }
}

impl WithSecrets<'_> {
    /// One of its secrets.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.secrets.iter().find(|it| it.0 == name).map(|it| it.1.expose())
    }

    /// One of the values that AWS assigns, such as an endpoint.
    pub fn output(&self, name: &str) -> Option<&str> {
        self.observed.outputs.get(name).map(String::as_str)
    }
}

impl WithSecrets<'_> {
    /// Its endpoints that an encoder publishes to with a credential that the application makes.
    pub fn open_endpoints(&self) -> Vec<NamedSecret> {
        let names = self.observed.kind.facts().open_endpoints.iter();
        let endpoint = |name| Some((name, Secret::new(self.output(name)?.to_owned())));
        names.copied().filter_map(endpoint).collect()
    }
}

impl Observed {
    /// What it receives the video of an encoder for: the channel of a stream key, the stage of an ingest
    /// configuration.
    pub fn publishes_to(&self) -> Option<Pointer> {
        let kind: Kind = self.kind.facts().publishes_to?;
        let edges = self.spec.as_ref()?.refs();
        edges.into_iter().find(|it| it.kind == kind).map(|it| it.to)
    }
}

/// The address of a server and the address with its stream key behind it, for RTMP and RTMPS.
pub(super) fn rtmp(names: [&'static str; 2], server: &str, stream_key: &str) -> [NamedSecret; 2] {
    let url = format!("{}/{stream_key}", server.trim_end_matches('/'));
    [(names[0], Secret::new(server.to_owned())), (names[1], Secret::new(url))]
}

/// The address for SRT, with stream key and passphrase as the encoder sends them.
pub(super) fn srt(host: &str, stream_key: &str, passphrase: Option<&str>) -> NamedSecret {
    let mut url = format!("srt://{host}:9000?streamid={}", encoded(stream_key));
    if let Some(passphrase) = passphrase {
        url.push_str("&passphrase=");
        url.push_str(&encoded(passphrase));
    }
    ("srtUrl", Secret::new(url))
}

/// A value of a query, with the characters that would end it or change it as `%…`.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text((name, secret): &NamedSecret) -> (&'static str, &str) {
        (name, secret.expose())
    }

    #[test]
    fn addresses_are_those_of_the_user_guide() {
        let [server, url] =
            rtmp(["rtmpsServer", "rtmpsUrl"], "rtmps://a1.live-video.net:443/app/", "sk_1");
        assert_eq!(text(&server), ("rtmpsServer", "rtmps://a1.live-video.net:443/app/"));
        assert_eq!(text(&url), ("rtmpsUrl", "rtmps://a1.live-video.net:443/app/sk_1"));
        let url = srt("a1.srt.live-video.net", "sk_us-west-2_ab", Some("ZU5A3y"));
        let wanted = "srt://a1.srt.live-video.net:9000?streamid=sk_us-west-2_ab&passphrase=ZU5A3y";
        assert_eq!(text(&url), ("srtUrl", wanted));
        let open = srt("h", "sk", None);
        assert_eq!(text(&open), ("srtUrl", "srt://h:9000?streamid=sk"));
        let odd = srt("h", "a&b", Some("c d%"));
        assert_eq!(text(&odd).1, "srt://h:9000?streamid=a%26b&passphrase=c%20d%25");
    }
}
