//! A client of the emulator's socket that is independent of the program: for changes by hand and for checks.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

fn connected(address: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).expect("the emulator listens");
    stream.set_nodelay(true).expect("a socket option");
    BufReader::new(stream)
}

/// One connection, kept alive as long as the server keeps it.
pub(crate) struct Client {
    address: String,
    stream: BufReader<TcpStream>,
    pub(crate) sent: u64,
}

impl Client {
    pub(crate) fn new(url: &str) -> Self {
        let address = url.strip_prefix("http://").expect("an address");
        Self { address: address.to_owned(), stream: connected(address), sent: 0 }
    }

    /// The server closes a connection on which no request has come for a while.
    fn reconnect_if_closed(&mut self) {
        let stream = self.stream.get_ref();
        stream.set_nonblocking(true).expect("a socket option");
        let is_closed = matches!(stream.peek(&mut [0]), Ok(0));
        stream.set_nonblocking(false).expect("a socket option");
        if is_closed {
            self.stream = connected(&self.address);
        }
    }

    fn exchange(&mut self, method: &str, path: &str, headers: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        self.reconnect_if_closed();
        self.stream.get_mut().write_all(request.as_bytes()).expect("sent");
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("an answer");
        let status = line.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status");
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line).expect("a header");
            if line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a number");
            }
        }
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).expect("a body");
        (status, serde_json::from_slice(&text).unwrap_or_default())
    }

    /// A request of the API, which must end with this status.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &Value, wanted: u16) -> Value {
        const SIGNED: &str = "x-amz-date: 20260101T000000Z\r\nauthorization: AWS4-HMAC-SHA256 \
            Credential=AKID/20260101/us-west-2/ivs/aws4_request, SignedHeaders=host;x-amz-date, \
            Signature=0000000000000000000000000000000000000000000000000000000000000000\r\n";
        self.sent += 1;
        let (status, answer) = self.exchange(method, path, SIGNED, &body.to_string());
        assert_eq!(status, wanted, "{method} {path} {body}: {answer}");
        answer
    }

    pub(crate) fn call(&mut self, operation: &str, body: &Value) -> Value {
        let status = match operation {
            "DeleteChannel"
            | "DeleteStreamKey"
            | "DeleteRecordingConfiguration"
            | "DeletePlaybackRestrictionPolicy"
            | "PutMetadata" => 204,
            _ => 200,
        };
        self.send("POST", &format!("/{operation}"), body, status)
    }

    pub(crate) fn refused(&mut self, operation: &str, body: &Value, status: u16) {
        self.send("POST", &format!("/{operation}"), body, status);
    }

    pub(crate) fn control(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let path = format!("/_emulator/{path}");
        let (status, answer) = self.exchange(method, &path, "", &body.to_string());
        assert_eq!(status, 200, "{method} {path} {body}: {answer}");
        answer
    }
}
