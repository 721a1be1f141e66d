//! An emulated account in a process of its own, which enforces AWS's rates, and manifests for it.

use crate::process::ivs_apply;
use ivs_apply::kinds::Kind;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

/// An emulator that is ended with it.
pub(crate) struct Account {
    child: Child,
    /// Where it listens, `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Account {
    /// One that takes 50 ms over each answer.
    pub(crate) fn at_aws_rates(home: &Path) -> io::Result<Self> {
        let mut command = ivs_apply(home);
        command.args([
            "emulator",
            "--listen",
            "127.0.0.1:0",
            "--rates",
            "aws",
            "--latency",
            "50ms",
        ]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let talk = child.stderr.take().into_iter().map(|it| Box::new(it) as Box<dyn Read>);
        let answer = child.stdout.take().into_iter().map(|it| Box::new(it) as Box<dyn Read>);
        for stream in answer.chain(talk) {
            let mut lines = BufReader::new(stream);
            let mut line = String::new();
            while lines.read_line(&mut line)? > 0 {
                if let Some((_, rest)) = line.split_once("http://") {
                    let end = rest.find(|it: char| !it.is_ascii_digit() && !".:".contains(it));
                    let address = rest[..end.unwrap_or(rest.len())].to_owned();
                    return Ok(Self { child, address });
                }
                line.clear();
            }
        }
        Err(io::Error::other("the emulator did not say where it listens"))
    }

    /// Its address as clients take it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it refuses calls beyond AWS's rates from now on.
    pub(crate) fn enforce_rates(&self, enforced: bool) -> io::Result<()> {
        let body = format!("{{\"enforced\": {enforced}}}");
        self.send("POST", "rates", &body).map(|_| ())
    }

    fn control(&self, method: &str, path: &str) -> io::Result<Value> {
        self.send(method, path, "")
    }

    fn send(&self, method: &str, path: &str, body: &str) -> io::Result<Value> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "{method} /_emulator/{path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        serde_json::from_str(body).map_err(io::Error::other)
    }

    /// Clears the counts of calls.
    pub(crate) fn count_anew(&self) -> io::Result<()> {
        self.control("DELETE", "calls").map(|_| ())
    }

    /// Calls since then, and how many of them were throttled.
    pub(crate) fn calls(&self) -> io::Result<(BTreeMap<String, u64>, u64)> {
        let counts = |it: Value| {
            serde_json::from_value::<BTreeMap<String, u64>>(it).map_err(io::Error::other)
        };
        let throttled = counts(self.control("GET", "throttled")?)?;
        Ok((counts(self.control("GET", "calls")?)?, throttled.values().sum()))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        // Nothing is lost with it, and a bench that ends with an error has told another one already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// So many plain channels in one file.
pub(crate) fn channels(count: usize) -> String {
    let mut text = String::new();
    for index in 0..count {
        let _ = write!(
            text,
            "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: c{index} }}\nspec: {{ tags: {{ number: \"{index}\" }} }}\n"
        );
    }
    text
}

/// A stack to which no quota applies.
pub(crate) fn stack() -> String {
    let mut text =
        "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: bench }\nspec:\n  quotas:\n"
            .to_owned();
    for kind in Kind::ALL {
        let _ = writeln!(text, "    {kind}: 1000000");
    }
    text
}

/// So many resources of several kinds that refer to one another, twenty documents a text.
pub(crate) fn mixed(count: usize) -> Vec<String> {
    let document = |index: usize| {
        let group = index / 10;
        let (recording, policy, channel) = (group * 10, group * 10 + 1, group * 10 + 5);
        let (kind, spec) = match index % 10 {
            0 => (
                "RecordingConfiguration",
                format!(
                    "  destinationConfiguration:\n    s3: {{ bucketName: recordings-{group} }}\n  recordingReconnectWindowSeconds: 60\n"
                ),
            ),
            1 => (
                "PlaybackRestrictionPolicy",
                "  allowedCountries: [US, CA]\n  allowedOrigins: [\"https://example.com\"]\n"
                    .to_owned(),
            ),
            2 => ("EncoderConfiguration", "  video: { width: 1280, height: 720 }\n".to_owned()),
            3 => ("Stage", "  tags: { team: video }\n".to_owned()),
            4 => ("StreamKey", format!("  channel: r{channel}\n")),
            _ => (
                "Channel",
                format!(
                    "  latencyMode: LOW\n  type: STANDARD\n  recordingConfiguration: r{recording}\n  playbackRestrictionPolicy: r{policy}\n  tags: {{ team: sports, tier: gold }}\n"
                ),
            ),
        };
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata:\n  name: r{index}\n  labels: {{ team: sports }}\nspec:\n{spec}"
        )
    };
    let all: Vec<usize> = (0..count).collect();
    all.chunks(20).map(|some| some.iter().map(|index| document(*index)).collect()).collect()
}
