//! What the program says on request, and to people who know other tools.

use crate::binary::{Place, ivs_apply, run};

const CHANNEL: &str = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";

#[test]
fn flags_and_commands_of_other_tools_are_hidden_aliases_or_lead_to_ours() {
    let place = Place::new();
    place.write("channel.yaml", CHANNEL);
    let on = |words: &str| place.run(words);
    assert_eq!(on("diff --detailed-exitcode").code, Some(2));
    assert_eq!(on("apply --auto-approve --target Channel/main").code, Some(0));
    assert!(!on("plan --help").stdout.contains("auto-approve"));
    let list = on("list");
    assert_eq!(list.code, Some(1), "{list:?}");
    assert!(list.stderr.contains("'output'"), "{list:?}");
    let dash = on("apply -auto-approve");
    assert!(dash.stderr.contains("`--auto-approve`"), "{dash:?}");
}

#[test]
fn a_manifest_given_as_a_saved_plan_is_told_how_it_is_applied() {
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
fn progress_is_told_with_one_v_and_calls_with_two() {
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
