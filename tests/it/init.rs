//! `init` writes manifests that work as they are, or nothing; and what `export` writes for editors and says to people.

use crate::binary::{Place, Ran, ivs_apply, run};
use crate::files::{AtTheLimit, limited};
use crate::golden;
use crate::left_out::left_out;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

const USES: [&str; 4] = ["channel", "broadcast", "private", "real-time"];

fn in_folder(home: &Path, folder: &Path, words: &[&str]) -> Ran {
    run(ivs_apply(home).current_dir(folder).args(words))
}

/// Every file below a folder with its text, links with their target, and folders.
fn everything(folder: &Path) -> BTreeMap<PathBuf, String> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, String>) {
        for entry in std::fs::read_dir(folder).expect("readable") {
            let path = entry.expect("readable").path();
            let name = path.strip_prefix(root).expect("inside").to_owned();
            let is = std::fs::symlink_metadata(&path).expect("there");
            if is.is_symlink() {
                let to = std::fs::read_link(&path).expect("a link");
                found.insert(name, format!("-> {}", to.display()));
            } else if is.is_dir() {
                found.insert(name, "folder".to_owned());
                walk(&path, root, found);
            } else {
                found.insert(name, std::fs::read_to_string(&path).expect("readable"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

#[test]
fn what_is_written_for_each_use_is_valid_applied_and_then_clean() {
    let schema = ivs_apply::manifest::schema::of_manifest();
    let validator = jsonschema::draft7::new(&schema).expect("a valid schema");
    for purpose in USES {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("my shop");
        // A repository has files for other programs as well.
        std::fs::create_dir(&folder).expect("writable");
        std::fs::write(folder.join("package.json"), "{ \"name\": \"shop\" }").expect("writable");
        std::fs::write(folder.join("compose.yaml"), "services: {}\n").expect("writable");
        let ran = in_folder(place.path(), place.path(), &["init", purpose, "--out", "my shop"]);
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        let written = everything(&folder);
        let is_manifest = |name: &Path| {
            name.starts_with("ivs") && name.extension().is_some_and(|it| it == "yaml")
        };
        for (name, text) in written.iter().filter(|(name, _)| is_manifest(name)) {
            let schema = text.strip_prefix("# yaml-language-server: $schema=").expect(text);
            let (schema, rest) = schema.split_once('\n').expect("a line");
            let beside = folder.join(name).with_file_name(schema);
            assert!(beside.is_file(), "{schema} of {}", name.display());
            assert!(rest.contains("# "), "{} has comments: {text}", name.display());
            for document in serde_yaml::Deserializer::from_str(text) {
                let document = Value::deserialize(document).expect("YAML");
                let errors: Vec<String> =
                    validator.iter_errors(&document).map(|it| it.to_string()).collect();
                assert!(errors.is_empty(), "{purpose}: {errors:#?}");
            }
        }
        let schema: Value =
            serde_json::from_str(&written[Path::new("ivs/.schemas/ivs-apply.json")]).expect("JSON");
        assert_eq!(schema["title"], "ivs-apply manifest");

        let here = |words: &[&str]| in_folder(place.path(), &folder, words);
        let valid = here(&["validate", "--deny-warnings", "-f", "ivs"]);
        assert_eq!((valid.code, valid.stderr.as_str()), (Some(0), ""), "{purpose}: {valid:?}");
        let applied = here(&["apply", "--emulator", "--yes", "-f", "ivs"]);
        assert_eq!(applied.code, Some(0), "{purpose}: {applied:?}");
        let clean = here(&["plan", "--emulator", "--detailed-exitcode", "-f", "ivs"]);
        assert_eq!(clean.code, Some(0), "{purpose}: {clean:?}");
        // From another folder as well.
        let valid = in_folder(
            place.path(),
            place.path(),
            &["validate", "--deny-warnings", "-f", "my shop/ivs"],
        );
        assert_eq!(valid.code, Some(0), "{purpose}: {valid:?}");
    }
}

#[test]
fn the_commands_that_init_prints_can_be_typed() {
    let place = tempfile::tempdir().expect("a folder");
    let ran = in_folder(place.path(), place.path(), &["init", "channel", "--out", "it's mine/a"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let next = ran.stdout.split("Next:\n").nth(1).expect("next steps");
    let lines: Vec<&str> = next.lines().take_while(|it| !it.is_empty()).collect();
    assert!(lines.len() == 2 && lines[0].contains("cd "), "{lines:?}");
    let program = Path::new(env!("CARGO_BIN_EXE_ivs-apply")).parent().expect("a folder");
    let script = lines.iter().map(|it| it.split("   ").find(|it| !it.is_empty()).unwrap_or(it));
    let script = script.map(str::trim).collect::<Vec<_>>().join("\n");
    let ran = run(Command::new("sh")
        .args(["-ec", &script])
        .current_dir(place.path())
        .env_clear()
        .env("HOME", place.path())
        .env("PATH", format!("{}:/usr/bin:/bin", program.display())));
    assert_eq!(ran.code, Some(0), "{script}: {ran:?}");
    assert!(ran.stdout.contains("Applied: 3 done"), "{ran:?}");
}

#[test]
fn variables_that_are_empty_are_as_if_they_were_not_set() {
    let place = tempfile::tempdir().expect("a folder");
    let mut command = ivs_apply(place.path());
    command.current_dir(place.path()).args(["init", "channel"]);
    for name in ["OUT", "STACK", "REGION", "FILENAME", "EMULATOR", "FORMAT"] {
        command.env(format!("IVS_APPLY_{name}"), "");
    }
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let stack = std::fs::read_to_string(place.path().join("ivs/stack.yaml")).expect("written");
    assert!(stack.contains("  name: channel\n") && stack.contains("  # region: "), "{stack}");
}

#[test]
fn the_names_of_the_command_line_are_those_of_the_stack() {
    let place = tempfile::tempdir().expect("a folder");
    let words = ["init", "channel", "--stack", "no", "--region", "eu-west-1", "--out", "a"];
    let ran = in_folder(place.path(), place.path(), &words);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let stack = std::fs::read_to_string(place.path().join("a/ivs/stack.yaml")).expect("written");
    assert!(stack.contains("  name: \"no\"\n"), "YAML would take it for a boolean: {stack}");
    assert!(stack.contains("  region: eu-west-1\n"), "{stack}");
    let folder = place.path().join("a");
    let applied = in_folder(place.path(), &folder, &["apply", "--emulator", "--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    assert!(applied.stdout.contains("eu-west-1"), "{applied:?}");
    for name in ["two words", "x\n---\nkind: Evil", "", "$(touch evil)"] {
        let ran = in_folder(
            place.path(),
            place.path(),
            &["init", "channel", "--stack", name, "--out", "b"],
        );
        assert_eq!(ran.code, Some(1), "{name:?}: {ran:?}");
        assert!(!place.path().join("b").exists(), "{name:?}");
    }
}

#[test]
fn nothing_is_written_where_anything_is_in_the_way_and_each_is_named() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    std::fs::write(folder.join("README.md"), "mine").expect("writable");
    std::fs::create_dir(folder.join(".gitignore")).expect("writable");
    std::fs::create_dir(folder.join("ivs")).expect("writable");
    symlink("nowhere", folder.join("ivs/stack.yaml")).expect("a link");
    std::fs::create_dir(folder.join("elsewhere")).expect("writable");
    symlink("elsewhere", folder.join(".github")).expect("a link");
    std::fs::write(folder.join("ivs/.schemas"), "mine").expect("writable");
    let before = everything(folder);
    for purpose in USES {
        let ran = in_folder(folder, folder, &["init", purpose]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        for named in [
            "`.gitignore` already exists",
            "`ivs/stack.yaml` already exists",
            "`.github` is a link, which is not followed",
            "`ivs/.schemas` is not a folder",
            "so nothing is written",
        ] {
            assert!(ran.stderr.contains(named), "{named}: {ran:?}");
        }
        assert!(!ran.stderr.contains("README.md"), "{ran:?}");
        assert_eq!(everything(folder), before, "{purpose}");
    }
    std::fs::remove_dir(folder.join(".gitignore")).expect("removed");
    for name in ["ivs/stack.yaml", ".github", "ivs/.schemas"] {
        std::fs::remove_file(folder.join(name)).expect("removed");
    }
    let ran = in_folder(folder, folder, &["init", "private"]);
    assert_eq!(ran.code, Some(0), "a folder may hold other files: {ran:?}");
    let first = everything(folder);
    assert_eq!(first[Path::new("README.md")], "mine");
    let other = in_folder(folder, folder, &["init", "private", "--stack", "other"]);
    assert_eq!(other.code, Some(1), "{other:?}");
    assert!(other.stderr.contains("`ivs/stack.yaml` already exists"), "{other:?}");
    assert!(!other.stderr.contains(".schemas"), "the same bytes are not in the way: {other:?}");
    assert_eq!(everything(folder), first);
}

#[test]
fn files_with_the_same_bytes_are_left_as_they_are_and_counted_as_unchanged() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    assert_eq!(in_folder(folder, folder, &["init", "channel"]).code, Some(0));
    let first = everything(folder);
    let files = first.values().filter(|it| *it != "folder").count();
    let again = in_folder(folder, folder, &["init", "channel"]);
    assert_eq!((again.code, again.stderr.as_str()), (Some(0), ""), "{again:?}");
    assert!(!again.stdout.contains("Written to"), "{again:?}");
    assert!(again.stdout.contains(&format!("Unchanged in ., {files} files:\n")), "{again:?}");
    assert_eq!(everything(folder), first);
    // One that is missing is written, and one that differs keeps it from being written.
    std::fs::remove_file(folder.join("ivs/channels.yaml")).expect("removed");
    std::fs::write(folder.join(".github/workflows/plan.yml"), "mine").expect("writable");
    let refused = in_folder(folder, folder, &["init", "channel"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    assert!(refused.stderr.contains("error: `.github/workflows/plan.yml` already exists, so"));
    assert!(!folder.join("ivs/channels.yaml").exists());
    std::fs::remove_file(folder.join(".github/workflows/plan.yml")).expect("removed");
    let mended = in_folder(folder, folder, &["init", "channel"]);
    assert_eq!(mended.code, Some(0), "{mended:?}");
    let listed = "Written to .:\n  .github/workflows/plan.yml\n  ivs/channels.yaml\nUnchanged";
    assert!(mended.stdout.starts_with(listed), "{mended:?}");
    assert_eq!(everything(folder), first);
    // A link to the same bytes leads elsewhere.
    std::fs::rename(folder.join("ivs/stack.yaml"), folder.join("elsewhere")).expect("renamed");
    symlink("../elsewhere", folder.join("ivs/stack.yaml")).expect("a link");
    let linked = in_folder(folder, folder, &["init", "channel"]);
    assert!(linked.stderr.contains("`ivs/stack.yaml` already exists"), "{linked:?}");
}

#[test]
fn manifests_that_exist_get_the_workflows_alone_and_no_second_stack() {
    let place = theirs();
    let folder = place.folder.path();
    let here = |words: &[&str]| in_folder(folder, folder, words);
    let nothing = here(&["init", "workflows"]);
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert!(nothing.stderr.contains("there is no folder `ivs`"), "{nothing:?}");
    assert!(!folder.join(".github").exists());
    let words =
        ["export", "--emulator", "--stack", "theirs", "--region", "us-west-2", "--out", "ivs"];
    assert_eq!(here(&words).code, Some(0));
    // The Stack document of another file would be the second of the folder.
    let before = everything(folder);
    let refused = here(&["init", "channel"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (Some(1), ""), "{refused:?}");
    for named in ["`ivs/Stack.yaml:6:9` declares the Stack `theirs` already", "init workflows"] {
        assert!(refused.stderr.contains(named), "{named}: {refused:?}");
    }
    assert_eq!(everything(folder), before);
    let written = here(&["init", "workflows"]);
    assert_eq!((written.code, written.stderr.as_str()), (Some(0), ""), "{written:?}");
    let after = everything(folder);
    let new: Vec<&PathBuf> = after.keys().filter(|it| !before.contains_key(*it)).collect();
    let names =
        ["", "/workflows", "/workflows/apply.yml", "/workflows/drift.yml", "/workflows/plan.yml"];
    assert_eq!(
        new,
        names.map(|it| PathBuf::from(format!(".github{it}"))).iter().collect::<Vec<_>>()
    );
    assert!(before.iter().all(|(name, text)| after[name] == *text), "nothing else is changed");
    let apply = &after[Path::new(".github/workflows/apply.yml")];
    // The stack and the region are those of the manifests.
    assert!(apply.contains("ivs-apply-theirs"), "{apply}");
    assert!(apply.contains("AWS_REGION: us-west-2\n"), "{apply}");
    assert_eq!(here(&["validate", "--deny-warnings", "-f", "ivs"]).code, Some(0));
    let again = here(&["init", "workflows"]);
    assert!(again.stdout.starts_with("Unchanged in ., 3 files:\n"), "{again:?}");
    // One that was changed is named, and none is written.
    std::fs::write(folder.join(".github/workflows/apply.yml"), "mine").expect("writable");
    std::fs::remove_file(folder.join(".github/workflows/plan.yml")).expect("removed");
    let refused = here(&["init", "workflows"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("`.github/workflows/apply.yml` already exists"), "{refused:?}");
    assert!(!folder.join(".github/workflows/plan.yml").exists());
}

#[test]
fn workflows_are_for_the_stack_of_the_command_line_where_the_manifests_do_not_name_one() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    std::fs::create_dir(folder.join("ivs")).expect("writable");
    std::fs::write(folder.join("ivs/broken.yaml"), "kind: [\n").expect("writable");
    let refused = in_folder(folder, folder, &["init", "workflows"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("do not tell the name of their stack"), "{refused:?}");
    assert!(!folder.join(".github").exists());
    let bad = in_folder(folder, folder, &["init", "workflows", "--stack", "two words"]);
    assert_eq!(bad.code, Some(1), "{bad:?}");
    assert!(!folder.join(".github").exists());
    let words = ["init", "workflows", "--stack", "shows", "--region", "eu-west-1"];
    assert_eq!(in_folder(folder, folder, &words).code, Some(0));
    let drift = std::fs::read_to_string(folder.join(".github/workflows/drift.yml"));
    let drift = drift.expect("written");
    assert!(drift.contains("-shows") && drift.contains("AWS_REGION: eu-west-1\n"), "{drift}");
}

#[test]
fn a_folder_that_cannot_be_written_is_an_error_and_keeps_no_part() {
    let place = tempfile::tempdir().expect("a folder");
    std::fs::write(place.path().join("file"), "mine").expect("writable");
    symlink("nowhere", place.path().join("link")).expect("a link");
    for out in ["file", "file/below", "/dev/null", "link", &"n".repeat(300)] {
        let before = everything(place.path());
        let ran = in_folder(place.path(), place.path(), &["init", "channel", "--out", out]);
        assert_eq!(ran.code, Some(1), "{out}: {ran:?}");
        assert!(ran.stderr.contains("cannot be written"), "{out}: {ran:?}");
        assert!(ran.stderr.contains("help: name another folder with `--out`"), "{out}: {ran:?}");
        assert_eq!(everything(place.path()), before, "{out}");
    }
    // A full disk under the largest file.
    for words in [vec!["init", "channel", "--out", "a/b"], vec!["init", "private"]] {
        let before = everything(place.path());
        let mut command = ivs_apply(place.path());
        command.current_dir(place.path()).args(&words);
        let ran = run(&mut limited(&command, 20, AtTheLimit::Fails));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert_eq!(everything(place.path()), before, "{words:?}");
    }
}

#[test]
fn git_ignores_state_plans_and_secrets_and_nothing_that_init_writes() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let git = |words: &[&str]| {
        let mut git = Command::new("git");
        git.args(words).current_dir(folder).env("GIT_CONFIG_GLOBAL", "/dev/null");
        git.env("GIT_CONFIG_NOSYSTEM", "1").output()
    };
    if git(&["init", "--quiet"]).is_err() {
        return left_out("what Git ignores", "git");
    }
    assert_eq!(in_folder(folder, folder, &["init", "real-time"]).code, Some(0));
    let text = |output: std::process::Output| String::from_utf8(output.stdout).expect("UTF-8");
    let written =
        text(git(&["ls-files", "--others", "--ignored", "--exclude-standard"]).expect("git"));
    assert_eq!(written, "", "a file that init writes is ignored");
    for name in [
        ".ivs-apply/emulator.json",
        "plan.json",
        "prod-plan.json",
        "secrets.json",
        "secrets-of-prod.json",
        ".env",
        "prod.env",
        "private.pem",
        "ivs/private.pem",
    ] {
        let ignored = git(&["check-ignore", "--quiet", name]).expect("git");
        assert!(ignored.status.success(), "{name} is not ignored");
    }
}

#[test]
fn a_gitignore_that_exists_keeps_its_lines_and_gets_the_missing_ones() {
    let fresh = tempfile::tempdir().expect("a folder");
    assert_eq!(in_folder(fresh.path(), fresh.path(), &["init", "channel"]).code, Some(0));
    let whole = std::fs::read_to_string(fresh.path().join(".gitignore")).expect("written");
    let patterns: Vec<&str> = whole.lines().filter(|it| !it.starts_with('#')).collect();
    for (mine, is_added) in [("target/\n.env\r\nlast line", true), (whole.as_str(), false)] {
        let place = tempfile::tempdir().expect("a folder");
        let file = place.path().join(".gitignore");
        std::fs::write(&file, mine).expect("writable");
        let ran = in_folder(place.path(), place.path(), &["init", "channel"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let text = std::fs::read_to_string(&file).expect("there");
        let added = text.strip_prefix(mine).expect("what was there stays as it was");
        assert_eq!(ran.stdout.contains("Added to `.gitignore`:\n"), is_added, "{}", ran.stdout);
        assert_eq!(added.is_empty(), !is_added, "{added}");
        for pattern in &patterns {
            assert_eq!(text.lines().filter(|it| it == pattern).count(), 1, "{pattern}: {text}");
        }
        // A run that writes nothing adds nothing.
        let again = in_folder(place.path(), place.path(), &["init", "channel"]);
        assert_eq!(again.code, Some(0), "{again:?}");
        assert!(!again.stdout.contains("Added to"), "{again:?}");
        let words = ["init", "channel", "--stack", "other"];
        assert_eq!(in_folder(place.path(), place.path(), &words).code, Some(1));
        assert_eq!(std::fs::read_to_string(&file).expect("there"), text);
    }
    let place = tempfile::tempdir().expect("a folder");
    symlink("elsewhere", place.path().join(".gitignore")).expect("a link");
    let ran = in_folder(place.path(), place.path(), &["init", "channel"]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(!place.path().join("elsewhere").exists() && !place.path().join("ivs").exists());
}

/// What the workflows do is tested where they come from, in `ci_files.rs`.
#[test]
fn the_workflows_are_those_of_the_examples_for_the_manifests_that_are_written() {
    let place = tempfile::tempdir().expect("a folder");
    let folder = place.path();
    let words = ["init", "private", "--stack", "members", "--region", "eu-west-1"];
    assert_eq!(in_folder(folder, folder, &words).code, Some(0));
    let examples = everything(&golden::root().join("examples/ci/github"));
    assert!(examples.len() >= 3, "{examples:?}");
    for (name, example) in examples {
        let written = std::fs::read_to_string(folder.join(".github/workflows").join(&name));
        let written = written.expect("each workflow of the examples is written");
        for others in ["ivs/prod", "-prod", "us-west-2", "the path of the manifests"] {
            assert!(!written.contains(others), "{others} in {}: {written}", name.display());
        }
        assert!(written.contains("files: ivs\n"), "{written}");
        assert!(written.contains("AWS_REGION: eu-west-1\n"), "{written}");
        assert_eq!(written.lines().count(), example.lines().count(), "nothing else is changed");
        let (written, example): (Value, Value) = (
            serde_yaml::from_str(&written).expect("YAML"),
            serde_yaml::from_str(&example).expect("YAML"),
        );
        assert_eq!(written["name"], example["name"]);
        let jobs = |it: &Value| -> Vec<String> {
            it["jobs"].as_object().expect("jobs").keys().cloned().collect()
        };
        assert_eq!(jobs(&written), jobs(&example));
    }
}

#[test]
fn the_schema_in_the_repository_and_the_one_that_init_writes_are_one() {
    let shipped = std::fs::read_to_string(golden::root().join("schemas/manifest.json"));
    assert_eq!(shipped.expect("readable"), ivs_apply::manifest::schema::file());
}

/// Five stages and two compositions of the stack `theirs`.
fn theirs() -> Place {
    let place = Place::new();
    let mut text =
        "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: theirs }\n".to_owned();
    for index in 0..5 {
        text.push_str(&format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: s{index} }}\nspec: {{}}\n"
        ));
    }
    place.write("all.yaml", &text);
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    place
}

#[test]
fn export_folds_remarks_of_one_sort_into_a_line_with_a_count_and_names_each_where_asked() {
    let place = theirs();
    let export = |words: &[&str]| {
        let mut command = ivs_apply(place.folder.path());
        run(command.current_dir(place.folder.path()).args(["export", "--emulator"]).args(words))
    };
    let folded = export(&["--stack", "mine"]);
    assert_eq!(folded.code, Some(0), "{folded:?}");
    let lines: Vec<&str> = folded.stderr.lines().filter(|it| it.starts_with("left out")).collect();
    assert_eq!(lines.len(), 1, "{folded:?}");
    assert!(
        lines[0].starts_with("left out: 5 objects that belong to stack `theirs`: arn:aws:ivs:"),
        "{folded:?}"
    );
    assert!(lines[0].ends_with(" and 2 more (`-v` names each)"), "{folded:?}");
    let each = export(&["--stack", "mine", "-v"]);
    assert_eq!(each.stderr.matches("left out: arn:aws:ivs:").count(), 5, "{each:?}");
    assert!(each.stderr.contains("it belongs to stack `theirs` (as `s4`)"), "{each:?}");
}

#[test]
fn export_says_that_the_stream_keys_which_come_with_channels_have_no_manifests() {
    let place = Place::new();
    let document = |kind: &str, name: &str, spec: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
        )
    };
    let channel = |name: &str| document("Channel", name, "{}");
    place.write("all.yaml", &(channel("one") + &channel("two")));
    assert_eq!(place.run("apply --yes").code, Some(0));
    let export = |words: &[&str]| {
        let mut command = ivs_apply(place.folder.path());
        run(command.current_dir(place.folder.path()).args(["export", "--emulator"]).args(words))
    };
    let told = export(&["--stack", "default"]).stderr;
    assert_eq!(
        told.matches("a StreamKey comes with each Channel and is not exported").count(),
        1,
        "{told}"
    );
    let key = document("StreamKey", "one", "{ channel: one, rotation: spring }");
    place.write("key.yaml", &key);
    place.write("all.yaml", &channel("one"));
    assert_eq!(place.run("apply --yes --prune").code, Some(0));
    let exported = export(&["--stack", "default"]);
    assert!(exported.stdout.contains("kind: StreamKey"), "{exported:?}");
    place.write("key.yaml", "");
    place.write("all.yaml", &exported.stdout);
    assert_eq!(place.run("plan --prune --detailed-exitcode").code, Some(0), "{exported:?}");
    assert!(!exported.stderr.contains("StreamKey"), "{exported:?}");
}

#[test]
fn what_export_writes_begins_with_the_line_for_editors_and_brings_the_schema_along() {
    let place = theirs();
    let folder = place.folder.path();
    let export = |words: &[&str]| {
        run(ivs_apply(folder)
            .current_dir(folder)
            .args(["export", "--emulator", "--stack", "theirs"])
            .args(words))
    };
    let line = "# yaml-language-server: $schema=.schemas/ivs-apply.json\n";
    let printed = export(&[]);
    assert!(printed.stdout.starts_with(&format!("{line}---\n")), "{printed:?}");
    assert_eq!(printed.stdout.matches(line).count(), 1, "{printed:?}");
    let written = export(&["--out", "taken"]);
    assert_eq!(written.code, Some(0), "{written:?}");
    assert!(written.stderr.contains("5 resources in 2 files of taken"), "{written:?}");
    let files = everything(&folder.join("taken"));
    assert_eq!(files[Path::new(".schemas/ivs-apply.json")], ivs_apply::manifest::schema::file());
    for name in ["Stage.yaml", "Stack.yaml"] {
        assert!(files[Path::new(name)].starts_with(line), "{name}: {files:#?}");
    }
    let valid = run(ivs_apply(folder).current_dir(folder).args([
        "validate",
        "--deny-warnings",
        "-f",
        "taken",
    ]));
    assert_eq!(valid.code, Some(0), "{valid:?}");
    // All that is in the way is named, and a schema that exists is not in the way.
    let again = export(&["--out", "taken"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("`taken/Stage.yaml` already exists"), "{again:?}");
    assert!(again.stderr.contains("`taken/Stack.yaml` already exists"), "{again:?}");
    for name in ["Stage.yaml", "Stack.yaml"] {
        std::fs::remove_file(folder.join("taken").join(name)).expect("removed");
    }
    std::fs::write(folder.join("taken/.schemas/ivs-apply.json"), "an older one").expect("writable");
    assert_eq!(export(&["--out", "taken"]).code, Some(0));
    let kept = std::fs::read_to_string(folder.join("taken/.schemas/ivs-apply.json"));
    assert_eq!(kept.expect("there"), "an older one");
}
