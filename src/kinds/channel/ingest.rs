//! Where an encoder publishes to a channel.

use super::Channel;
use crate::kinds::handover::{rtmp, srt};
use crate::kinds::{NamedSecret, WithSecrets};

/// The addresses of a channel for the broadcaster with this stream key
/// (<https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/getting-started-set-up-streaming.html>).
pub(in crate::kinds) fn ingest(channel: &WithSecrets<'_>, stream_key: &str) -> Vec<NamedSecret> {
    let mut addresses = Vec::new();
    if let Some(host) = channel.output("ingestEndpoint") {
        let server = format!("rtmps://{host}:443/app/");
        addresses.extend(rtmp(["rtmpsServer", "rtmpsUrl"], &server, stream_key));
    }
    if let Some(host) = channel.output("srtEndpoint") {
        // With insecure ingest there is no passphrase; without it a URL that lacks it would be refused.
        let spec = channel.observed.spec.as_ref().map(<&Channel>::try_from);
        let is_open = matches!(spec, Some(Ok(it)) if it.insecure_ingest);
        let passphrase = channel.secret("srtPassphrase");
        if is_open {
            addresses.push(srt(host, stream_key, None));
        } else if passphrase.is_some() {
            addresses.push(srt(host, stream_key, passphrase));
        }
    }
    addresses
}
