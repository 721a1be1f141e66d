//! The child of one run: started with a clean environment, ended with the operator, its answer read with a bound.
//!
//! Never passes on a variable that is not listed here, and never keeps a child beyond the operator's time as leader.

use crate::answer::Answer;
use crate::secrets::Secrets;
use crate::verdict::{Ended, Work};
use rustix::process::{Pid, Signal, getppid, kill_process_group, set_parent_process_death_signal};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::sync::watch;

/// The most bytes of an answer, and of messages.
const MOST_BYTES: u64 = 64 << 20;

/// How long a child that was told to end may take over it, where nothing presses.
const GRACE: Duration = Duration::from_secs(30);

/// Variables that every child has.
const PASSED: [&str; 15] = [
    "PATH",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "https_proxy",
    "http_proxy",
    "no_proxy",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_IVS",
    "AWS_ENDPOINT_URL_IVS_REALTIME",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_CA_BUNDLE",
];

/// Variables with credentials of the operator itself.
const OWN: [&str; 10] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
];

/// Whose credentials a child has.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// Those of the operator.
    Own,
    /// A role, for the token of a service account.
    Token {
        /// The file of the token.
        file: PathBuf,
        /// The role.
        role: String,
        /// The name of its session.
        session: String,
    },
}

/// What the operator asks of its children as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They run.
    Run,
    /// They are told to end.
    End,
    /// They are ended.
    Kill,
}

/// How children are started.
#[derive(Clone, Debug)]
pub(crate) struct Children {
    /// The program `ivs-apply`.
    pub(crate) program: PathBuf,
    /// How long one may take.
    pub(crate) timeout: Duration,
    /// Flags of the connection, such as `--endpoint-url`.
    pub(crate) endpoint: Option<String>,
    /// What is asked of all of them.
    pub(crate) phase: watch::Receiver<Phase>,
}

/// A child that ended, and what it wrote to standard output.
struct Output {
    code: Option<i32>,
    timed_out: bool,
    bytes: Vec<u8>,
}

/// A child that was to hand over secrets.
pub(crate) struct HandedOver {
    /// Its exit code; none where a signal ended it.
    pub(crate) code: Option<i32>,
    /// The secrets, where it could read all of them.
    pub(crate) secrets: Option<Secrets>,
}

impl Children {
    /// Runs a child in its folder, which has `target.yaml`. Nothing where the operator stops meanwhile.
    pub(crate) async fn run(
        &self,
        work: Work,
        folder: &Path,
        credentials: &Credentials,
    ) -> io::Result<Option<Ended>> {
        let more = match work {
            Work::Apply => vec!["--yes".to_owned()],
            Work::Destroy(count) => {
                vec!["--yes".to_owned(), "--confirm-deletes".to_owned(), count.to_string()]
            }
            Work::Observe | Work::CountDeletes => Vec::new(),
        };
        let output = self.start(work.command(), &more, folder, credentials).await?;
        Ok(output.map(|it| Ended {
            code: it.code,
            timed_out: it.timed_out,
            answer: Answer::read(&it.bytes),
        }))
    }

    /// Has a child read the secrets of its stack. They come through the pipe alone.
    pub(crate) async fn secrets(
        &self,
        folder: &Path,
        credentials: &Credentials,
    ) -> io::Result<Option<HandedOver>> {
        let more = ["--secrets-to".to_owned(), "-".to_owned()];
        let output = self.start("output", &more, folder, credentials).await?;
        Ok(output.map(|it| HandedOver {
            code: it.code,
            secrets: Secrets::read(&it.bytes).filter(|_| it.code == Some(0)),
        }))
    }

    async fn start(
        &self,
        command_name: &'static str,
        more: &[String],
        folder: &Path,
        credentials: &Credentials,
    ) -> io::Result<Option<Output>> {
        let mut phase = self.phase.clone();
        if *phase.borrow() != Phase::Run {
            return Ok(None);
        }
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.arg("child").arg(std::process::id().to_string()).arg(&self.program);
        command.arg(command_name).args([
            "--target",
            "target.yaml",
            "--format",
            "json",
            "--ci",
            "off",
            "--color",
            "never",
        ]);
        command.args(more);
        if let Some(endpoint) = &self.endpoint {
            command.args(["--endpoint-url", endpoint]);
        }
        let passed = |names: &[&'static str]| -> Vec<(&'static str, OsString)> {
            names.iter().filter_map(|it| Some((*it, std::env::var_os(it)?))).collect()
        };
        command.env_clear().envs(passed(&PASSED)).env("HOME", folder).current_dir(folder);
        match credentials {
            Credentials::Own => {
                command.envs(passed(&OWN));
            }
            Credentials::Token { file, role, session } => {
                command.env("AWS_WEB_IDENTITY_TOKEN_FILE", file).env("AWS_ROLE_ARN", role);
                command
                    .env("AWS_ROLE_SESSION_NAME", session)
                    .env("AWS_EC2_METADATA_DISABLED", "true");
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
        let group = child.id().and_then(|it| i32::try_from(it).ok()).and_then(Pid::from_raw);
        let signal = |signal: Signal| {
            if let Some(group) = group {
                // One that has ended already needs none; a suspended one takes it only when it goes on.
                let _ = kill_process_group(group, signal)
                    .and_then(|()| kill_process_group(group, Signal::CONT));
            }
        };
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let reading = async { tokio::join!(bounded(out), bounded(err)) };
        let whole = async {
            let ((out, err), code) = tokio::join!(reading, child.wait());
            (out, err, code)
        };
        tokio::pin!(whole);
        let (mut timed_out, mut stopped) = (false, false);
        let mut deadline = std::pin::pin!(tokio::time::sleep(self.timeout));
        let (out, err, code) = loop {
            tokio::select! {
                ended = &mut whole => break ended,
                () = &mut deadline => {
                    signal(if timed_out { Signal::KILL } else { Signal::TERM });
                    timed_out = true;
                    deadline.as_mut().reset(tokio::time::Instant::now() + GRACE);
                }
                changed = phase.changed() => {
                    stopped = true;
                    let kill = changed.is_err() || *phase.borrow() == Phase::Kill;
                    signal(if kill { Signal::KILL } else { Signal::TERM });
                    if changed.is_err() {
                        break (&mut whole).await;
                    }
                }
            }
        };
        if stopped {
            return Ok(None);
        }
        let code = code?.code();
        let err = String::from_utf8_lossy(&err?).into_owned();
        if !matches!(code, Some(0 | 2)) {
            let shown: String = err.chars().take(4_000).collect();
            tracing::warn!(command = command_name, ?code, folder = %folder.display(), messages = %shown.escape_debug(), "the run ended badly");
        }
        Ok(Some(Output { code, timed_out, bytes: out? }))
    }
}

/// Everything of a stream, as far as the bound; what is beyond is read and forgotten, so that its writer never waits.
async fn bounded(stream: Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        (&mut stream).take(MOST_BYTES).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

/// Tells all children to end, ends those that have not by then, and comes back once the time for it is over or none is left.
pub(crate) async fn end_all(phase: &watch::Sender<Phase>, within: Duration) {
    let is_none_left = || phase.receiver_count() <= 1;
    phase.send_replace(Phase::End);
    let until = tokio::time::Instant::now() + within;
    while tokio::time::Instant::now() < until && !is_none_left() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    phase.send_replace(Phase::Kill);
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// The process between the operator and `ivs-apply`: it asks the kernel to be killed with the operator, and becomes the
/// program. Where the operator is gone already, it does not.
pub(crate) fn become_program(operator: u32, line: &[OsString]) -> ExitCode {
    let asked = set_parent_process_death_signal(Some(Signal::KILL));
    let is_there =
        getppid().is_some_and(|it| u32::try_from(it.as_raw_nonzero().get()) == Ok(operator));
    if let (Ok(()), true, [program, arguments @ ..]) = (asked, is_there, line) {
        let error = std::process::Command::new(program).args(arguments).exec();
        tracing::error!(%error, program = %Path::new(program).display(), "the program could not be started");
    }
    ExitCode::from(126)
}
