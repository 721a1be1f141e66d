//! Completion of a command line, tried in the shells themselves.

use crate::binary::{Place, ivs_apply};
use crate::left_out::left_out;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: studio }\n\
    ---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n\
    ---\napiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: live }\n\
    spec: { values: { mode: { type: string, default: LOW } } }\n";

/// Lines as typed up to the Tab key, and the completed line.
const LINES: [(&str, &str); 11] = [
    ("ivs-apply fleet dr", "ivs-apply fleet drift"),
    ("ivs-apply fleet apply --max", "ivs-apply fleet apply --max-failures"),
    ("ivs-apply render -f manifests --set mo", "ivs-apply render -f manifests --set mode="),
    ("ivs-apply render --valu", "ivs-apply render --values"),
    ("ivs-apply valid", "ivs-apply validate"),
    ("ivs-apply plan --refr", "ivs-apply plan --refresh"),
    ("ivs-apply -f manifests apply --confirm", "ivs-apply -f manifests apply --confirm-deletes"),
    ("ivs-apply plan -f manifests --only Sta", "ivs-apply plan -f manifests --only Stage/"),
    ("ivs-apply apply -f manifests --allow-live Chan", "--allow-live Channel/main"),
    ("ivs-apply schema Target --format c", "ivs-apply schema Target --format crd"),
    ("ivs-apply explain PlaybackK", "ivs-apply explain PlaybackKeyPair"),
];

/// Whether a shell is there. Where `CI` is set it has to be.
fn has(shell: &str) -> bool {
    let found = Command::new(shell).arg("--version").stdout(Stdio::null()).status();
    let found = found.is_ok_and(|it| it.success());
    if !found {
        left_out(&format!("completions in {shell}"), shell);
    }
    found
}

fn shell(place: &Place, program: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", folder.display()))
        .env("HOME", place.folder.path())
        .env("TERM", "dumb")
        .env("COLUMNS", "200")
        .current_dir(place.folder.path());
    command
}

/// A shell on a terminal of its own, where this is typed after what reads the script.
fn typed(place: &Place, start: &str, reading: &str, line: &str) -> String {
    // `script` gives the shell a terminal; `timeout` ends it if it waits for more.
    let mut child = shell(place, "timeout")
        .args(["60", "script", "-qec", start, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("script is there");
    let mut keys = child.stdin.take().expect("piped");
    let mut screen = std::io::BufReader::new(child.stdout.take().expect("piped"));
    let mut seen = String::new();
    // The key is pressed once the shell has read the script and asks for a line: before that it would complete
    // nothing.
    writeln!(keys, "{reading}; PS1=rea''dy'> '").expect("the shell reads");
    until(&mut screen, "ready> ", &mut seen);
    write!(keys, "{line}\t").expect("the shell reads");
    keys.flush().expect("the shell reads");
    // A mark of our own behind what was completed; the line is then left without being run.
    write!(keys, "#end").expect("the shell reads");
    keys.flush().expect("the shell reads");
    seen.clear();
    until(&mut screen, "#end", &mut seen);
    write!(keys, "\u{3}\nexit\n").expect("the shell reads");
    drop(keys);
    child.wait().expect("the shell ends");
    seen
}

fn until(screen: &mut impl std::io::Read, mark: &str, seen: &mut String) {
    let mut byte = [0];
    while !seen.ends_with(mark) && matches!(screen.read(&mut byte), Ok(1)) {
        seen.push(char::from(byte[0]));
    }
    assert!(seen.ends_with(mark), "the shell ended early: {seen:?}");
}

fn place() -> Place {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    place
}

/// What is on the line when it has been drawn over itself and coloured.
fn plain(screen: &str) -> String {
    let codes = regex::Regex::new("\u{1b}\\[[0-9;?]*[A-Za-z]|\u{1b}[=>]|\u{7}|.\u{8}");
    codes.expect("a pattern").replace_all(screen, "").into_owned()
}

#[test]
fn bash_completes_commands_flags_kinds_and_addresses() {
    if !has("bash") {
        return;
    }
    for (line, whole) in LINES {
        let place = place();
        let start = "bash --norc --noprofile -i";
        let seen = plain(&typed(&place, start, "source <(ivs-apply completions bash)", line));
        assert!(seen.contains(whole), "{line}: {seen:?}");
    }
}

#[test]
fn zsh_completes_commands_flags_kinds_and_addresses() {
    if !has("zsh") {
        return;
    }
    for (line, whole) in LINES {
        let place = place();
        let reading = "unsetopt zle_bracketed_paste 2>/dev/null; autoload -Uz compinit; \
            compinit -u -d dump; source <(ivs-apply completions zsh)";
        let seen = plain(&typed(&place, "zsh -f -i", reading, line));
        assert!(seen.contains(whole), "{line}: {seen:?}");
    }
}

#[test]
fn fish_completes_commands_flags_kinds_and_addresses() {
    if !has("fish") {
        return;
    }
    for (line, whole) in LINES {
        let place = place();
        // fish says what it would complete without a terminal.
        let text = format!("ivs-apply completions fish | source; complete -C '{line}'");
        let output = shell(&place, "fish").args(["--no-config", "-c", &text]).output();
        let output = output.expect("fish runs");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = whole.rsplit(' ').next().expect("a word");
        assert!(said.lines().any(|it| it.starts_with(last)), "{line}: {output:?}");
    }
}

#[test]
fn every_shell_has_a_script_that_calls_the_program() {
    let place = place();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = ivs_apply(place.folder.path()).args(["completions", shell]).output();
        let output = output.expect("the program runs");
        let script = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && script.contains("IVS_APPLY_COMPLETE"), "{output:?}");
    }
}
