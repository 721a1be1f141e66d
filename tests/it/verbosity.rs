//! Output with `-v` and `-vv`, and hints for users of other tools.

use crate::binary::{KEYS, Place, Served, ivs_apply, run};
use crate::client::Client;
use serde_json::json;
use std::process::{Command, Stdio};

const CHANNEL: &str = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";

#[test]
fn flags_and_commands_of_other_tools_are_hidden_aliases_or_lead_to_ours() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let on = |words: &str| place.run(words);
    assert_eq!(on("diff --detailed-exitcode").code, Some(2));
    assert_eq!(on("apply --auto-approve --only Channel/main").code, Some(0));
    assert!(!on("plan --help").stdout.contains("auto-approve"));
    let list = on("list");
    assert_eq!(list.code, Some(1), "{list:?}");
    assert!(list.stderr.contains("`ivs-apply output`"), "{list:?}");
    let dash = on("apply -auto-approve");
    assert!(dash.stderr.contains("`--yes`"), "{dash:?}");
    let near = on("apply --auto-aprove");
    assert!(
        near.stderr.contains("'--yes'") && !near.stderr.contains("'--auto-approve'"),
        "{near:?}"
    );
}

#[test]
fn the_error_for_a_manifest_given_as_a_saved_plan_says_how_to_apply_it() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let folder = place.folder.path();
    let at =
        |path: &str| run(ivs_apply(folder).current_dir(folder).args(["apply", path, "--emulator"]));
    for path in ["manifests/channel.yaml", "manifests"] {
        let ran = at(path);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("not a saved plan"), "{ran:?}");
        assert!(ran.stderr.contains(&format!("apply -f {path}`")), "{ran:?}");
    }
}

#[test]
fn progress_is_logged_with_one_v_and_calls_with_two() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let quiet = place.run("plan");
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{quiet:?}");
    let once = place.run("plan -v").stderr;
    assert!(once.contains("reading the account"), "{once}");
    assert!(once.contains("the account was read with "), "{once}");
    assert!(!once.contains("ListChannels"), "{once}");
    let twice = place.run("plan -vv").stderr;
    let call = regex::Regex::new(r"ListChannels: 200 in \d+ ms, request [0-9A-Za-z-]+");
    assert!(call.expect("a pattern").is_match(&twice), "{twice}");
}

#[test]
fn on_a_terminal_the_reading_of_the_account_and_each_step_are_shown_while_they_last() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let served = Served::start(place.folder.path(), &[]);
    let slow = json!({ "operation": "*", "kind": "delay", "seconds": 0.5, "probability": 1.0 });
    Client::new(&served.url).control("POST", "faults", &slow);
    let words = format!(
        "{} apply --yes --color never --region us-west-2 --endpoint-url {} -f manifests",
        env!("CARGO_BIN_EXE_ivs-apply"),
        served.url
    );
    // Both of the program's outputs are the terminal that `script` opens.
    let shown = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command", &words, "/dev/null"])
        .current_dir(place.folder.path())
        .env_clear()
        .envs([("HOME", "."), ("TERM", "xterm"), ("COLUMNS", "100"), ("SHELL", "/bin/sh")])
        .envs([("PATH", "/usr/bin:/bin"), ("AWS_EC2_METADATA_DISABLED", "true")])
        .envs([("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")])
        .stdin(Stdio::null())
        .output()
        .expect("`script` of util-linux is there");
    let text = String::from_utf8_lossy(&shown.stdout);
    assert!(shown.status.success(), "{text}");
    let counted = regex::Regex::new(r"reading the account: [1-9]\d* calls").expect("a pattern");
    assert!(counted.is_match(&text), "{text}");
    assert!(text.contains("0/1 creating Channel/main"), "{text}");
    assert!(text.contains("Channel/main: create done"), "{text}");
}

#[test]
fn the_wait_for_listings_is_printed_where_no_terminal_shows_a_bar() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let served = Served::start(place.folder.path(), &[]);
    let lag =
        json!({ "operation": "ListChannels", "kind": "listLag", "seconds": 8, "probability": 1.0 });
    Client::new(&served.url).control("POST", "faults", &lag);
    let channel = place.folder.path().join("manifests/channel.yaml");
    let ran = run(ivs_apply(place.folder.path())
        .args(["apply", "--yes", "--region", "us-west-2", "--endpoint-url", &served.url, "-f"])
        .arg(channel)
        .envs(KEYS));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let told = "waiting at most 60 s for listings that show 1 new object\n";
    assert_eq!(ran.stderr.matches(told).count(), 1, "{ran:?}");
}
