//! The files that the program keeps: the emulator's state, saved plans, secrets, exported manifests. A full disk, a
//! process that is killed while it writes, a second process, a file that was cut off or changed: an error, and
//! never a half file. `docs/files.md` lists what is checked.

use crate::binary::{Place, Ran, SIGNED_IN, Served, ivs_apply, run};
use ivs_apply::emulator::{Emulator, Settings};
use ivs_apply::plan::Approval;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

const STATE: &str = ".ivs-apply/emulator.json";

/// What happens to a process that writes more than the limit.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum AtTheLimit {
    /// The write fails, as on a full disk.
    Fails,
    /// The process dies in the middle of it.
    Dies,
}

/// The same command, with files of at most so many blocks of 512 bytes.
pub(crate) fn limited(inner: &Command, blocks: u64, then: AtTheLimit) -> Command {
    let mut command = Command::new("sh");
    let trap = if then == AtTheLimit::Fails { "trap '' XFSZ; " } else { "" };
    command
        .arg("-c")
        .arg(format!("{trap}ulimit -c 0; ulimit -f {blocks}; exec \"$0\" \"$@\""))
        .arg(inner.get_program())
        .args(inner.get_args())
        .env_clear()
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = inner.get_current_dir() {
        command.current_dir(folder);
    }
    command
}

fn stage(name: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
    )
}

fn stages(count: usize) -> String {
    (0..count).map(|it| stage(&format!("stage-{it}"))).collect()
}

/// A place with one stage applied.
fn one_stage() -> Place {
    let place = Place::new();
    place.write("all.yaml", &stages(1));
    assert_eq!(place.run("apply --yes").code, Some(0));
    place
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|it| it.expect("readable").file_name().to_string_lossy().into_owned()).collect()
}

#[track_caller]
fn failed(ran: &Ran, code: i32, said: &str) {
    assert_eq!(ran.code, Some(code), "{ran:?}");
    assert!(ran.stderr.contains(said), "{said}: {ran:?}");
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
}

#[test]
fn a_full_disk_under_the_emulators_state_is_an_error_and_leaves_a_whole_file() {
    let place = one_stage();
    let file = place.folder.path().join(STATE);
    let before = std::fs::read(&file).expect("kept");
    let blocks = before.len() as u64 / 512 + 2;
    place.write("all.yaml", &stages(60));
    for then in [AtTheLimit::Fails, AtTheLimit::Dies] {
        let ran = run(&mut limited(&place.command("apply --yes"), blocks, then));
        match then {
            AtTheLimit::Fails => failed(&ran, 3, "could not be kept"),
            AtTheLimit::Dies => assert_eq!(ran.code, None, "{ran:?}"),
        }
        // It is that of before, or one that was saved while the run went on, and can be opened either way.
        let again = place.run("plan --detailed-exitcode");
        assert_eq!(again.code, Some(2), "{again:?}");
    }
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
    let left: BTreeSet<String> = names(&place.folder.path().join(".ivs-apply"));
    assert_eq!(left, BTreeSet::from(["emulator.json".into(), "emulator.json.lock".into()]));
}

#[test]
fn an_emulator_that_ends_on_a_full_disk_names_the_file_that_could_not_be_saved() {
    let place = Place::new();
    place.write("all.yaml", &stages(60));
    let mut inner = ivs_apply(place.folder.path());
    inner.current_dir(place.folder.path());
    inner.args(["emulator", "--listen", "127.0.0.1:0", "--state", "account.json"]);
    let mut child = limited(&inner, 4, AtTheLimit::Fails)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let out = child.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut line).expect("it says where it listens");
    let url = line.trim().rsplit(' ').next().expect("an address").to_owned();
    let mut apply = ivs_apply(place.folder.path());
    apply.current_dir(place.folder.path()).envs(SIGNED_IN);
    let ran = run(apply.args(["apply", "--yes", "-f", "manifests", "--endpoint-url", &url]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
    assert!(killed.expect("kill").success());
    let ended = child.wait_with_output().expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{told}");
    let wanted = "error: the emulator's state could not be saved to `account.json`: ";
    assert!(
        told.contains(wanted) && told.contains("help: the file holds the account as"),
        "{told}"
    );
}

#[test]
fn an_emulators_state_that_cannot_be_written_at_all_is_an_error_before_the_first_request() {
    let place = Place::new();
    place.write("all.yaml", &stages(1));
    let ran = run(&mut limited(&place.command("apply --yes"), 0, AtTheLimit::Fails));
    failed(&ran, 1, "cannot write the emulator's state");
    let left = names(&place.folder.path().join(".ivs-apply"));
    assert_eq!(left, BTreeSet::from(["emulator.json.lock".into()]));
}

#[test]
fn a_state_file_of_the_emulator_that_was_truncated_or_changed_anywhere_is_refused_and_not_written()
{
    let place = one_stage();
    let file = place.folder.path().join(STATE);
    let whole = std::fs::read(&file).expect("kept");
    let refused = |text: &[u8], what: &str| {
        std::fs::write(&file, text).expect("writable");
        let opened = Emulator::open(&file, Settings::default());
        assert!(opened.is_err(), "{what} is taken for a state file");
        assert_eq!(std::fs::read(&file).expect("there"), text, "{what} is left alone");
    };
    // All of the first line, and places all over the second.
    let first_line = whole.iter().position(|it| *it == b'\n').expect("two lines");
    let places = |end: usize| (0..end).filter(move |it| *it <= first_line + 1 || it % 23 == 0);
    for end in places(whole.len()).chain([whole.len() - 1]) {
        refused(&whole[..end], &format!("a file of {end} bytes"));
    }
    for at in places(whole.len()).chain([whole.len() - 1]) {
        let mut text = whole.clone();
        text[at] ^= 1 << (at % 7);
        refused(&text, &format!("a file with another byte {at}"));
    }
    refused(&[whole.as_slice(), b"\n"].concat(), "a file with a line more");
    refused(&[whole.as_slice(), whole.as_slice()].concat(), "a file twice");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("writable");
    failed(&place.run("plan"), 1, "was cut off or changed");
    std::fs::write(&file, &whole).expect("writable");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
}

#[test]
fn an_emulators_state_is_for_one_process_at_a_time() {
    let place = one_stage();
    let file = place.folder.path().join(STATE);
    let served = Served::start(place.folder.path(), &["--state", &file.display().to_string()]);
    failed(&place.run("plan"), 1, "in use by another process");
    drop(served);
    // The lock is gone with the process, although it was killed.
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
}

#[test]
fn an_emulators_state_is_a_regular_file_and_no_link_is_followed() {
    let place = one_stage();
    let file = place.folder.path().join(STATE);
    let other = place.folder.path().join("other");
    let kept = std::fs::read(&file).expect("kept");
    std::fs::rename(&file, &other).expect("renamed");
    symlink(&other, &file).expect("a link");
    failed(&place.run("plan"), 1, "is not a regular file");
    std::fs::remove_file(&file).expect("removed");
    assert!(Command::new("mkfifo").arg(&file).status().expect("mkfifo is there").success());
    failed(&place.run("plan"), 1, "is not a regular file");
    std::fs::remove_file(&file).expect("removed");
    std::fs::create_dir(&file).expect("a folder");
    failed(&place.run("plan"), 1, "is not a regular file");
    std::fs::remove_dir(&file).expect("removed");
    std::fs::rename(&other, &file).expect("renamed");
    // Nor where the next state is prepared.
    let canary = place.folder.path().join("canary");
    std::fs::write(&canary, "mine").expect("writable");
    symlink(&canary, place.folder.path().join(".ivs-apply/emulator.json.tmp")).expect("a link");
    place.write("all.yaml", &stages(2));
    assert_eq!(place.run("apply --yes").code, Some(0));
    assert_eq!(std::fs::read_to_string(&canary).expect("there"), "mine");
    assert_ne!(std::fs::read(&file).expect("kept"), kept);
}

#[test]
fn a_saved_plan_that_was_truncated_or_changed_anywhere_is_refused() {
    let place = one_stage();
    place.write("all.yaml", &stages(2));
    assert_eq!(place.run("plan --out plan.json").code, Some(0));
    let file = place.folder.path().join("plan.json");
    let whole = std::fs::read_to_string(&file).expect("saved");
    assert!(Approval::read(&whole).is_ok());
    // The last byte is a line feed, without which the document is the same.
    for end in 0..whole.len() - 1 {
        assert!(Approval::read(&whole[..end]).is_err(), "the first {end} bytes");
    }
    for at in 0..whole.len() {
        for bit in [0, 5] {
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let Ok(text) = String::from_utf8(bytes) else { continue };
            let same = serde_json::from_str::<serde_json::Value>(&text).ok()
                == serde_json::from_str(&whole).ok();
            assert!(same || Approval::read(&text).is_err(), "another byte {at}");
        }
    }
    let state = std::fs::read(place.folder.path().join(STATE)).expect("kept");
    std::fs::write(&file, &whole[..whole.len() / 2]).expect("writable");
    failed(&place.run("apply plan.json"), 5, "nothing was written");
    std::fs::write(&file, whole.replace("stage-1", "stage-2")).expect("writable");
    failed(&place.run("apply plan.json"), 5, "was changed since it was saved");
    assert_eq!(std::fs::read(place.folder.path().join(STATE)).expect("kept"), state);
}

/// A program on an emulator of another process, so that a limit on files is no limit of the emulator's.
fn on(served: &Served, place: &Place, words: &str) -> Command {
    let mut command = ivs_apply(place.folder.path());
    command
        .current_dir(place.folder.path())
        .args(words.split_whitespace())
        .args(["--endpoint-url", &served.url, "--region", "us-west-2"])
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "secret");
    command
}

#[test]
fn a_full_disk_leaves_saved_plans_secrets_and_exports_as_they_were() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &[]);
    let channel = |name: &str| {
        let key = format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: StreamKey\nmetadata: {{ name: {name} }}\n\
             spec: {{ channel: {name} }}\n"
        );
        stage(name).replace("Stage", "Channel") + &key
    };
    let channels: String = (0..12).map(|it| channel(&format!("channel-{it}"))).collect();
    place.write("all.yaml", &channels);
    let manifests = ["-f", "manifests"];
    let apply = run(on(&served, &place, "apply --yes").args(manifests));
    assert_eq!(apply.code, Some(0), "{apply:?}");
    let small = run(on(&served, &place, "plan --out plan.json").args(manifests));
    let few = "output --secrets-to secrets.json --only StreamKey/channel-0";
    let few = run(on(&served, &place, few).args(manifests));
    assert_eq!((small.code, few.code), (Some(0), Some(0)), "{small:?} {few:?}");
    place.write("more.yaml", &stages(40));
    let read = |name: &str| std::fs::read(place.folder.path().join(name)).expect("written");
    let before = (read("plan.json"), read("secrets.json"), names(place.folder.path()));
    let attempts = ["plan --out plan.json", "output --secrets-to secrets.json"];
    for words in attempts {
        let mut inner = on(&served, &place, words);
        inner.args(manifests);
        let ran = run(&mut limited(&inner, 1, AtTheLimit::Fails));
        failed(&ran, 1, "cannot be written");
        assert_eq!((read("plan.json"), read("secrets.json")), (before.0.clone(), before.1.clone()));
        assert_eq!(names(place.folder.path()), before.2, "nothing is left over");
        let status = limited(&inner, 1, AtTheLimit::Dies).output().expect("it starts").status;
        assert!(status.signal().is_some() || status.code().is_some_and(|it| it > 128), "{status}");
        assert_eq!((read("plan.json"), read("secrets.json")), (before.0.clone(), before.1.clone()));
        // What a killed process leaves is no plan and no secrets file by name; the next run is not in its way.
        for name in names(place.folder.path()).difference(&before.2) {
            assert!(name.starts_with('.'), "{name}");
            std::fs::remove_file(place.folder.path().join(name)).expect("removed");
        }
    }
    let inner = on(&served, &place, "export --out exported");
    let ran = run(&mut limited(&inner, 1, AtTheLimit::Fails));
    failed(&ran, 1, "cannot be written");
    assert!(!place.folder.path().join("exported").exists(), "a folder is no result either");
    let ran = run(&mut on(&served, &place, "export --out exported"));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}

#[test]
fn processes_that_save_a_plan_under_one_name_leave_a_whole_one() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &[]);
    place.write("all.yaml", &stages(30));
    let children: Vec<_> = (0..6)
        .map(|_| {
            let mut command = on(&served, &place, "plan --out plan.json -f manifests");
            command.stdout(std::process::Stdio::null()).spawn().expect("it starts")
        })
        .collect();
    for mut child in children {
        assert!(child.wait().expect("it ends").success());
    }
    let text = std::fs::read_to_string(place.folder.path().join("plan.json")).expect("saved");
    assert!(Approval::read(&text).is_ok());
    let left: Vec<String> = names(place.folder.path()).into_iter().collect();
    assert_eq!(left, ["manifests", "plan.json"]);
}
