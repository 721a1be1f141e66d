//! Commands of a user: the lines of an `N.sh`, a shell for each, with the real program on the scenario's account
//! behind a socket.
//!
//! The folder holds the manifests of the step at hand under the name they have in the story, and what earlier
//! lines left there. While a line runs, the emulator's clock runs with real time. Nothing of this
//! machine's configuration is seen.

use crate::account::Account;
use crate::binary::{Ran, run};
use std::fmt::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The address in every story, whatever port was free.
const ADDRESS: &str = "http://127.0.0.1:4599";

/// A folder to work in, and the way to the account.
pub(super) struct Terminal<'a> {
    folder: tempfile::TempDir,
    account: &'a Account,
    address: String,
}

impl<'a> Terminal<'a> {
    pub(super) async fn on(account: &'a Account) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = format!("http://{}", listener.local_addr().expect("bound"));
        let emulator = account.emulator.clone();
        // Ends with the story's runtime.
        tokio::spawn(async move {
            emulator
                .serve(listener, ivs_apply::emulator::Reach::Loopback, std::future::pending())
                .await
        });
        let folder = tempfile::tempdir().expect("a folder for the story");
        Self { folder, account, address }
    }

    /// Puts the manifests of a step there, and takes those of the others away.
    pub(super) fn declare(&self, name: &str, text: &str) {
        for step in 1..100 {
            let other = self.folder.path().join(format!("{step}.yaml"));
            if other.exists() {
                std::fs::remove_file(other).expect("writable");
            }
        }
        std::fs::write(self.folder.path().join(name), text).expect("writable");
    }

    /// Types these lines, and tells what each answers, says, ends with and calls.
    pub(super) async fn run(&self, lines: &str, story: &mut String) {
        for line in lines.lines().filter(|it| !it.trim().is_empty()) {
            let ran = in_step(self.shell(line)).await;
            let mut text = format!("$ {line}\n{}", ran.stdout);
            if !text.ends_with('\n') {
                text.push('\n');
            }
            for said in in_order(&ran.stderr) {
                let _ = writeln!(text, "2> {said}");
            }
            story.push_str(&text.replace(&self.address, ADDRESS));
            let code = ran.code.map_or("killed".to_owned(), |it| it.to_string());
            let _ = writeln!(story, "exit: {code}");
            let calls = self.account.calls();
            if calls != serde_json::json!({}) {
                let _ = writeln!(story, "calls: {calls}");
            }
            story.push('\n');
        }
    }

    fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", line])
            .env_clear()
            .env("PATH", format!("{}:/usr/bin:/bin", program.display()))
            .env("HOME", self.folder.path())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", "test")
            .env("AWS_SECRET_ACCESS_KEY", "test")
            .env("IVS_APPLY_REGION", "us-west-2")
            .env("IVS_APPLY_ENDPOINT_URL", &self.address)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }
}

/// Runs a command; until it ends, the paused clock runs with real time.
async fn in_step(mut command: Command) -> Ran {
    const TICK: Duration = Duration::from_millis(2);
    let running = tokio::task::spawn_blocking(move || run(&mut command));
    let mut told = Instant::now();
    while !running.is_finished() {
        tokio::task::spawn_blocking(|| std::thread::sleep(TICK)).await.expect("it only sleeps");
        let now = Instant::now();
        tokio::time::advance(now - told).await;
        told = now;
    }
    running.await.expect("the program starts")
}

/// Steps side by side end in any order, so what is said of each is put together, by address.
fn in_order(talk: &str) -> Vec<&str> {
    let address = |line: &str| -> Option<String> {
        let (address, _) = line.strip_prefix("  ")?.split_once(": ")?;
        address.contains('/').then(|| address.to_owned())
    };
    let mut lines: Vec<&str> = talk.lines().collect();
    for run in lines.chunk_by_mut(|a, b| address(a).is_some() && address(b).is_some()) {
        run.sort_by_key(|it| address(it));
    }
    lines
}
