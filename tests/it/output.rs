//! What a stack tells the rest of a product, and where its secrets go: into one file, and nowhere else.

use crate::binary::{Place, document, run};
use std::os::unix::fs::{PermissionsExt, symlink};

/// A channel with its stream key, and a stage.
pub(crate) const CHANNEL_AND_STAGE: &str = "apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
";

const MORE: &str = "---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: camera }
spec: { ingestProtocol: RTMPS, redundantIngest: true }
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  destinations: [{ name: out, channel: { channel: main } }]
";

fn manifests() -> String {
    format!("{CHANNEL_AND_STAGE}{MORE}")
}

/// A place in which these manifests are applied.
pub(crate) fn applied(manifests: &str) -> Place {
    let place = Place::new();
    place.write("all.yaml", manifests);
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    place
}

#[test]
fn outputs_are_printed_by_logical_name_in_each_format() {
    let place = applied(&manifests());
    let told = place.run("output --format json");
    assert_eq!(told.code, Some(0), "{told:?}");
    let document = document(&told);
    let outputs = &document["outputs"];
    let channel = &outputs["Channel/main"];
    let arn = channel["arn"].as_str().expect("an ARN");
    assert!(arn.contains(":channel/"), "{outputs:#}");
    let url = channel["playbackUrl"].as_str().expect("a URL");
    assert!(url.starts_with("https://") && url.contains(".playback."), "{url}");
    assert!(channel["ingestEndpoint"].is_string() && channel["srtEndpoint"].is_string());
    assert!(outputs["Stage/studio"]["whipEndpoint"].is_string(), "{outputs:#}");
    assert!(outputs["IngestConfiguration/camera"]["participantId"].is_string());
    assert!(
        outputs["StreamKey/main"]["arn"].as_str().is_some_and(|it| it.contains(":stream-key/"))
    );
    assert_eq!(document["missing"][0], "Composition/show", "it is dormant");
    assert_eq!(document["calls"]["ListChannels"], 1);
    assert_eq!(document["calls"]["GetStreamKey"], serde_json::Value::Null, "no secret is read");

    let env = place.run("output --format env");
    assert!(env.stdout.contains(&format!("IVS_CHANNEL_MAIN_PLAYBACK_URL='{url}'\n")), "{env:?}");
    assert!(env.stderr.contains("no object exists for: Composition/show"), "{env:?}");
    let part = self::document(&place.run("output --format json --only Stage/*"));
    let mut called = part["calls"].as_object().expect("calls").keys();
    let needed = |it: &str| it.contains("Stage") || it == "GetCallerIdentity";
    assert!(called.all(|it| needed(it)), "no more is read than is told: {part:#}");
    let github = place.run("output --format github --only Channel/*");
    let lines: Vec<&str> = github.stdout.lines().collect();
    let keys: Vec<&str> = lines.iter().filter_map(|it| Some(it.split_once('=')?.0)).collect();
    assert_eq!(keys, ["stack", "account", "region", "outputs"], "{github:?}");
    let outputs: serde_json::Value =
        serde_json::from_str(lines[3].strip_prefix("outputs=").expect("one line")).expect("JSON");
    assert_eq!(outputs["Channel/main"]["arn"], arn);
    assert_eq!(outputs.as_object().map(serde_json::Map::len), Some(1));
    let text = place.run("output");
    assert!(text.stdout.contains("Channel/main\n  arn             arn:"), "{text:?}");
    assert_eq!(place.run("plan --format env").code, Some(1));
    let refused = place.run("output --format svg");
    let forms = "[possible values: text, json, env, dotenv, github]";
    assert!(refused.stderr.contains(forms), "{refused:?}");
}

/// Collects texts that are secrets, by their names and their looks.
fn walk(name: &str, value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(map) => {
            map.iter().for_each(|(name, it)| walk(name, it, found));
        }
        serde_json::Value::Array(list) => list.iter().for_each(|it| walk(name, it, found)),
        serde_json::Value::String(text) => {
            let secret =
                matches!(name, "passphrase" | "streamKey") || text.starts_with("sk_emulator");
            if secret && !text.is_empty() {
                found.push(text.clone());
            }
        }
        _ => {}
    }
}

/// Every secret value of the emulated account.
fn canaries(place: &Place) -> Vec<String> {
    let state = std::fs::read_to_string(place.folder.path().join(".ivs-apply/emulator.json"));
    let state = state.expect("kept");
    let account = state.lines().nth(1).expect("the account stands behind a header");
    let state: serde_json::Value = serde_json::from_str(account).expect("JSON");
    let mut found = Vec::new();
    walk("", &state, &mut found);
    assert!(found.len() >= 4, "{found:?}");
    found
}

#[test]
fn secrets_go_into_the_file_that_was_named_and_nowhere_else() {
    let place = applied(&manifests());
    let canaries = canaries(&place);
    for format in ["text", "json", "env", "github"] {
        for to in ["", " --secrets-to keys.json"] {
            let mut command = place.command(&format!("output -vv --format {format}{to}"));
            let ran = run(command.env("RUST_LOG", "trace"));
            assert_eq!(ran.code, Some(0), "{ran:?}");
            for canary in &canaries {
                let said = ran.stdout.contains(canary) || ran.stderr.contains(canary);
                assert!(!said, "{format}{to}: {canary}");
            }
        }
    }
    let file = place.folder.path().join("keys.json");
    assert_eq!(file.metadata().expect("written").permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&file).expect("readable");
    let told: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let of = |address: &str, name: &str| {
        told["secrets"][address][name].as_str().expect(&text).to_owned()
    };
    let mut told = [
        of("StreamKey/main", "streamKey"),
        of("Channel/main", "srtPassphrase"),
        of("IngestConfiguration/camera", "streamKey"),
        of("IngestConfiguration/camera", "redundantStreamKey"),
    ];
    told.sort();
    let mut there = canaries.clone();
    there.sort();
    there.dedup();
    assert_eq!(told.to_vec(), there, "all of them, each where it belongs");
    let part = place.run("output --secrets-to keys.json --only StreamKey/*");
    assert_eq!(part.code, Some(0), "{part:?}");
    let text = std::fs::read_to_string(&file).expect("readable");
    assert!(text.contains("StreamKey/main") && !text.contains("srtPassphrase"), "{text}");
}

#[test]
fn secrets_are_never_written_through_a_link_or_over_another_file() {
    let place = applied(&manifests());
    let folder = place.folder.path();
    symlink("public.txt", folder.join("keys.json")).expect("linked");
    std::fs::write(folder.join("notes.txt"), "mine").expect("writable");
    for (file, why) in [("keys.json", "is a link"), ("notes.txt", "is not a file of secrets")] {
        let ran = place.run(&format!("output --secrets-to {file}"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(why), "{ran:?}");
    }
    assert!(!folder.join("public.txt").exists());
    assert_eq!(std::fs::read_to_string(folder.join("notes.txt")).expect("there"), "mine");
}
