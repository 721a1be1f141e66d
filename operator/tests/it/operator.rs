//! An operator as a process of its own: what it says, what it counts, which children it has.

use crate::server::until;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

/// An operator.
pub(crate) struct Operator {
    pub(crate) child: Child,
    /// The file of what it says.
    pub(crate) log: PathBuf,
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.said());
        }
    }
}

impl Operator {
    /// Everything it said.
    pub(crate) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until it leads.
    pub(crate) async fn leads(&self) {
        until("the operator leads", async || self.said().lines().any(|it| it.contains(" leads")))
            .await;
    }

    /// What `/metrics` answers.
    pub(crate) fn metrics(&self) -> String {
        let said = self.said();
        let address = said
            .split_once("address=")
            .and_then(|it| it.1.split_whitespace().next())
            .expect("it says where it listens");
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .expect("sent");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("an answer");
        text
    }

    /// A number of `/metrics`.
    pub(crate) fn metric(&self, name: &str) -> u64 {
        let name = format!("ivs_apply_operator_{name} ");
        let text = self.metrics();
        let found = text.lines().find_map(|it| it.strip_prefix(&name)).expect("it is counted");
        found.parse().expect("a number")
    }

    /// How many runs it has counted.
    pub(crate) fn runs(&self) -> u64 {
        let text = self.metrics();
        let lines = text.lines().filter(|it| it.starts_with("ivs_apply_operator_runs_total{"));
        lines.filter_map(|it| it.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    }
}

/// The children of a process.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let parent = parent.to_string();
    let output = Command::new("ps").args(["-o", "pid=", "--ppid", &parent]).output();
    let text = String::from_utf8(output.expect("ps starts").stdout).expect("text");
    text.split_whitespace().filter_map(|it| it.parse().ok()).collect()
}

/// Whether a process runs.
pub(crate) fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    !stat.is_empty() && !stat.contains(") Z ")
}

/// Waits until nothing more runs and gives the number of runs.
pub(crate) async fn settled(operator: &Operator) -> u64 {
    let mut before = operator.runs();
    loop {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let now = operator.runs();
        if now == before {
            return now;
        }
        before = now;
    }
}
