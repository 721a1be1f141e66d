//! One process from its start to its end: how long, how much processor time, how much memory at its peak.
//!
//! Memory is sampled from `/proc` while it runs, so that a process which grows in its last moments may have
//! had a little more.

use std::io;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// What a process took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// From start to end.
    pub(crate) wall: Duration,
    /// Of it and all its children.
    pub(crate) cpu: Duration,
    /// The most that it and the children had that ran at one time, each with its own peak, in bytes. Pages of files count once for
    /// all of them: they are those of the program, which every child shares.
    pub(crate) memory: u64,
}

/// The program that is measured, with nothing of this machine's configuration.
pub(crate) fn ivs_apply(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivs-apply"));
    command
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ACCESS_KEY_ID", "bench")
        .env("AWS_SECRET_ACCESS_KEY", "bench")
        .env("AWS_REGION", "us-west-2")
        .current_dir(home)
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> io::Result<Cost> {
    let folder = tempfile::tempdir()?;
    let said = folder.path().join("said");
    let talk = std::fs::File::create(&said)?;
    let before = children_ticks()?;
    let start = Instant::now();
    let mut child = command.stdout(Stdio::null()).stderr(talk).spawn()?;
    let (status, wall, memory) = watch(&mut child, start)?;
    if !status.success() {
        let said = std::fs::read_to_string(&said)?;
        return Err(io::Error::other(format!("{command:?} ended with {status}: {said}")));
    }
    // The kernel counts in hundredths of a second, whatever the machine.
    let cpu = Duration::from_millis(10 * (children_ticks()? - before));
    Ok(Cost { wall, cpu, memory })
}

/// Runs a command that starts many processes to its end, and gives its time and its processor time. Its memory is not sampled,
/// since that would take one part in twenty of the processor from it.
pub(crate) fn run_unsampled(command: &mut Command) -> io::Result<[Duration; 2]> {
    let before = children_ticks()?;
    let start = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    let wall = start.elapsed();
    if !status.success() {
        return Err(io::Error::other(format!("{command:?} ended with {status}")));
    }
    Ok([wall, Duration::from_millis(10 * (children_ticks()? - before))])
}

fn watch(child: &mut Child, start: Instant) -> io::Result<(ExitStatus, Duration, u64)> {
    let mut most = 0;
    loop {
        let looked = Instant::now();
        let (mut own, mut shared) = (0, 0);
        for id in family(child.id()) {
            let Some([peak, of_files]) = memory_of(id) else { continue };
            own += peak.saturating_sub(of_files);
            shared = shared.max(of_files);
        }
        most = most.max((own + shared) * 1024);
        if let Some(status) = child.try_wait()? {
            return Ok((status, start.elapsed(), most));
        }
        // To look at many processes takes the processor from them: at most one part in twenty.
        std::thread::sleep(Duration::from_millis(1).max(looked.elapsed() * 20));
    }
}

/// A process and its descendants that still run.
fn family(id: u32) -> Vec<u32> {
    let mut all = vec![id];
    let mut next = 0;
    while let Some(&id) = all.get(next) {
        all.extend(children(id));
        next += 1;
    }
    all
}

/// The processes that any thread of a process has started: the kernel lists them for each thread apart.
fn children(id: u32) -> Vec<u32> {
    let threads = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let of_thread = |it: std::fs::DirEntry| std::fs::read_to_string(it.path().join("children"));
    let lists = threads.filter_map(|it| of_thread(it).ok()).collect::<Vec<_>>().join(" ");
    lists.split_whitespace().filter_map(|it| it.parse().ok()).collect()
}

/// The most memory that a process ever had, and what of its memory now is pages of files, in KiB; nothing once it has ended.
fn memory_of(id: u32) -> Option<[u64; 2]> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let number = |name: &str| {
        let line = status.lines().find(|it| it.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some([number("VmHWM:")?, number("RssFile:")?])
}

/// Processor time of all children that have ended, in hundredths of a second.
fn children_ticks() -> io::Result<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    // The name in brackets may hold anything.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<u64>().ok());
    ticks(13).zip(ticks(14)).map(|(user, system)| user + system).ok_or_else(|| {
        io::Error::other("/proc/self/stat does not tell the processor time of children")
    })
}
