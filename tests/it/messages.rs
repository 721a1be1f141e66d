//! What the program says of a manifest that is wrong: what was found, where, and what to write instead.

use crate::binary::{Place, Ran, ivs_apply, run};
use std::io::Write;
use std::process::Stdio;

const CHANNEL: &str = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: main }\n";

/// What `validate` says of one file of this name.
fn validated(name: &str, text: &str) -> Ran {
    let place = Place::new();
    place.write(name, text);
    place.run("validate")
}

/// Exactly one error, with this message, place and help.
#[track_caller]
fn one_error(text: &str, message: &str, place: &str, help: &str) {
    let ran = validated("a.yaml", text);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains(message), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("manifests/a.yaml:{place}\n")), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("help: {help}")), "{}", ran.stderr);
    assert!(ran.stderr.ends_with("\n1 error\n"), "{}", ran.stderr);
}

#[test]
fn the_error_for_a_quoted_number_or_boolean_says_to_remove_the_quotes() {
    for (field, found) in [
        ("authorized: \"true\"", "expected `true` or `false`, found the string `\"true\"`"),
        ("insecureIngest: 'false'", "expected `true` or `false`, found the string `\"false\"`"),
    ] {
        let text = format!("{CHANNEL}spec: {{ {field} }}\n");
        let column = 9 + field.find(": ").expect("a value") + 2;
        one_error(&text, found, &format!("4:{column}"), "remove the quotes");
    }
    let number = "apiVersion: ivs-apply.dev/v1\nkind: EncoderConfiguration\nmetadata: { name: hd }\n\
                  spec: { video: { width: \"1280\" } }\n";
    one_error(number, "found the string `\"1280\"`", "4:25", "remove the quotes");
}

#[test]
fn the_json_of_a_run_that_fails_names_the_stack_where_that_is_known() {
    let stack = |spec: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: {{ name: prod }}\nspec: {spec}\n"
        )
    };
    let invalid = format!("---\n{CHANNEL}spec: {{ nonsense: 1 }}\n");
    let place = Place::new();
    let named = |text: &str, words: &str| {
        place.write("a.yaml", text);
        let ran = place.run(&format!("{words} --format json"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        document["stack"].as_str().map(ToOwned::to_owned)
    };
    let prod = Some("prod".to_owned());
    for command in ["validate", "plan", "apply --yes", "drift", "status"] {
        assert_eq!(named(&(stack("{}") + &invalid), command), prod, "{command}");
    }
    assert_eq!(named(&stack("{ prune: 7 }"), "plan"), prod, "the name stands in a broken Stack");
    assert_eq!(named(&invalid, "plan").as_deref(), Some("default"), "no document names another");
    assert_eq!(named(&invalid, "plan --stack staging").as_deref(), Some("staging"));
    // What cannot be read may be the Stack.
    for unread in ["a: [\n".to_owned(), CHANNEL.replace("Channel", "Chanel")] {
        assert_eq!(named(&unread, "plan"), None, "{unread}");
    }
    // The manifests are valid, and the run fails later.
    assert_eq!(named(&stack("{ region: eu-west-1 }"), "plan --region us-west-2"), prod);
}

#[test]
fn a_missing_document_mark_is_one_error_that_names_the_line() {
    let two = format!("{CHANNEL}spec: {{}}\n{}spec: {{}}\n", CHANNEL.replace("main", "other"));
    one_error(
        &two,
        "a second manifest begins here: a `---` is missing before line 5",
        "5:1",
        "put a line `---` between two manifests of one file",
    );
}

#[test]
fn an_alias_without_an_anchor_is_named() {
    let unknown = "unknown alias `d`";
    let help = "an anchor comes before its alias in the same document: anchors end at `---`";
    one_error(&format!("{CHANNEL}spec: *d\n"), unknown, "4:7", help);
    one_error(&format!("{CHANNEL}spec: {{ tags: {{ a: *d }} }}\n"), unknown, "4:20", help);
}

#[test]
fn the_error_for_a_reference_written_as_an_address_names_the_bare_name() {
    let text =
        format!("{CHANNEL}spec: {{ recordingConfiguration: RecordingConfiguration/archive }}\n");
    let message = "`RecordingConfiguration/archive` is an address: a reference is the name alone";
    one_error(&text, message, "4:33", "write `archive`");
}

#[test]
fn the_error_for_an_address_in_place_of_a_name_names_the_bare_name() {
    let text = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: Channel/main }\n";
    let message = "`Channel/main` cannot be a logical name";
    one_error(text, message, "3:19", "write the name without its kind: `main`");
}

#[test]
fn the_error_for_a_field_in_the_wrong_part_of_a_manifest_says_where_it_belongs() {
    let text = format!("{CHANNEL}spec: {{ protect: true }}\n");
    one_error(&text, "unknown field `protect`", "4:9", "did you mean `lifecycle.protect`?");
    let text = format!("{CHANNEL}latencyMode: LOW\n");
    one_error(&text, "unknown field `latencyMode`", "4:1", "did you mean `spec.latencyMode`?");
    let text = format!("{CHANNEL}labels: {{}}\n");
    one_error(&text, "unknown field `labels`", "4:1", "did you mean `metadata.labels`?");
}

#[test]
fn a_name_that_cannot_be_one_is_one_error() {
    let bad = CHANNEL.replace("main", "\"a b\"");
    one_error(&bad, "`a b` cannot be a logical name", "3:19", "use 1 to 63 letters");
    let dotted = CHANNEL.replace("main", "a.b");
    one_error(&dotted, "a name cannot contain '.'", "3:19", "set `spec.name`");
}

#[test]
fn the_error_for_a_display_name_says_what_to_write_where_it_is_written() {
    let channel = |metadata: &str, spec: &str| {
        let head = "apiVersion: ivs-apply.dev/v1\nkind: Channel\n";
        format!("{head}metadata: {{ name: {metadata} }}\nspec: {spec}\n")
    };
    let cannot = "a name cannot contain ";
    one_error(&channel("main", "{ name: main show! }"), cannot, "4:15", "write `main-show-`");
    let help = "set `spec.name`: it may differ from `metadata.name`, which is its default";
    one_error(&channel("main.show", "{}"), cannot, "3:19", help);
}

#[test]
fn an_origin_with_a_path_is_shown_without_it() {
    let text = "apiVersion: ivs-apply.dev/v1\nkind: PlaybackRestrictionPolicy\nmetadata: { name: p }\n\
                spec: { allowedOrigins: [\"https://a.com/\"] }\n";
    let ran = validated("a.yaml", text);
    assert!(ran.stderr.contains("help: write `https://a.com`"), "{}", ran.stderr);
}

#[test]
fn the_error_for_a_file_that_is_not_a_manifest_says_so() {
    for text in ["{ \"name\": \"x\", \"version\": \"1\" }\n", "- a\n- b\n"] {
        let ran = validated("package.json", text);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("this is not an ivs-apply manifest"), "{}", ran.stderr);
        assert!(ran.stderr.contains("name the folder or the files"), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("\n1 error\n"), "{}", ran.stderr);
    }
}

#[test]
fn the_error_for_a_file_that_is_neither_yaml_nor_json_says_so() {
    let place = Place::new();
    for (name, text) in [
        ("Cargo.toml", "[package]\nname = \"x\"\n\n[dependencies]\nserde = { version = \"1\" }\n"),
        ("README.md", "# Title\n\nSome text:\n\n- **a** b: c: d\n\n```yaml\nkind: Channel\n```\n"),
        ("main.tf", "resource \"aws_ivs_channel\" \"main\" {\n  name = \"main\"\n}\n"),
        ("values.yaml", "a: [1\nb: 2\n"),
        ("index.json", "<html>\n<body>kind of</body>: </html>: \n"),
    ] {
        let path = place.folder.path().join(name);
        std::fs::write(&path, text).expect("writable");
        let ran = run(ivs_apply(place.folder.path()).arg("validate").arg("-f").arg(&path));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("this is not an ivs-apply manifest"), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("{name}:1:1\n")), "{}", ran.stderr);
        assert!(ran.stderr.contains("that hold manifests with `-f`"), "{}", ran.stderr);
        assert!(ran.stderr.ends_with("\n1 error\n"), "{}", ran.stderr);
    }
}

#[test]
fn the_error_for_a_manifest_that_is_not_yaml_says_what_the_parser_found() {
    for (text, help) in [
        ("spec: { tags: { a: *  } }\n", "a value that begins with `*` or `&` needs quotes"),
        ("spec: { name: ${NAME} }\n", "a value needs quotes: write `\"${name}\"`"),
        ("spec: { name: {{ .Values.name }} }\n", "`{{ … }}` is a template's"),
        ("spec: { name: a\n", "look for a `{` or `[` that is never closed"),
        ("spec:\n  name:\u{a0}a\n  latencyMode: LOW\n", "a no-break space (U+00A0) is in the text"),
        ("spec\n", "look at this line and the one before it for a key without `:`"),
    ] {
        let ran = validated("a.yaml", &format!("{CHANNEL}{text}"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("error[E0009]: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(help), "{}", ran.stderr);
    }
}

#[test]
fn the_error_for_incomplete_or_malformed_json_speaks_of_json_and_has_the_place() {
    for (text, message, place) in [
        (
            "{\n  \"apiVersion\": \"ivs-apply.dev/v1\",\n  \"kind\": \"Chan\n",
            "not complete JSON",
            "3:15",
        ),
        ("{ \"apiVersion\": \"ivs-apply.dev/v1\",\n", "not complete JSON", "1:35"),
        ("[1,", "not complete JSON", "1:3"),
        ("{\n \"kind\": \"Channel\"\n \"spec\": {}}\n", "not JSON: expected `,` or `}`", "3:2"),
    ] {
        let ran = validated("a.json", text);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("error[E0016]: the text is "), "{}", ran.stderr);
        assert!(ran.stderr.contains(message), "{}", ran.stderr);
        assert!(ran.stderr.contains(&format!("manifests/a.json:{place}\n")), "{}", ran.stderr);
        assert!(ran.stderr.contains("help: ") && !ran.stderr.contains("YAML"), "{}", ran.stderr);
    }
}

#[test]
fn the_error_for_empty_standard_input_says_so() {
    let place = Place::new();
    let mut command = ivs_apply(place.folder.path());
    let ran = run(command.args(["validate", "-f", "-"]).stdin(Stdio::null()));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("nothing was read from standard input"), "{}", ran.stderr);
    assert!(ran.stderr.contains("help: pipe manifests into the command"), "{}", ran.stderr);
}

#[test]
fn the_error_for_a_missing_path_says_what_it_is_relative_to() {
    let place = Place::new();
    let ran = run(ivs_apply(place.folder.path()).args(["validate", "-f", "nope"]));
    assert!(ran.stderr.contains("`nope` cannot be read: there is no such"), "{}", ran.stderr);
    assert!(ran.stderr.contains("help: check the path for a typing error"), "{}", ran.stderr);
}

#[test]
fn the_error_for_a_key_file_outside_of_the_folder_says_where_it_may_be() {
    let place = Place::new();
    std::fs::write(place.folder.path().join("a.pem"), "pem").expect("writable");
    for (path, help) in [
        ("../a.pem", "give `-f` a folder that holds both the manifest and the file"),
        ("/a.pem", "write the path from the manifest's folder"),
        ("b.pem", "check the path: it is relative to the manifest's folder"),
    ] {
        let text = "apiVersion: ivs-apply.dev/v1\nkind: PlaybackKeyPair\nmetadata: { name: a }\n";
        place.write("a.yaml", &format!("{text}spec: {{ publicKeyFile: {path} }}\n"));
        let ran = place.run("validate");
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("manifests/a.yaml:4:24\n"), "{}", ran.stderr);
        assert!(ran.stderr.contains(help), "{}", ran.stderr);
    }
}

#[test]
fn the_error_for_a_missing_field_says_what_to_write() {
    let api = "apiVersion: ivs-apply.dev/v1\n";
    for (text, message, place, help) in [
        ("kind: Channel\n", "`apiVersion`", "1:1", "add the line `apiVersion: ivs-apply.dev/v1`"),
        (
            "apiversion: 1\nkind: Channel\n",
            "`apiVersion`",
            "1:1",
            "write `apiVersion` instead of `apiversion`",
        ),
        (
            &format!("{api}metadata: {{ name: a }}\n"),
            "`kind`",
            "1:1",
            "add a line such as `kind: Channel`",
        ),
        (&format!("{api}-kind: Channel\n"), "`kind`", "1:1", "write `kind` instead of `-kind`"),
        (
            &format!("{api}kind: Channel\n"),
            "`metadata`",
            "1:1",
            "give it a name, unique among those",
        ),
        (
            &format!("{api}kind: Channel\nmetadata:\n"),
            "`name`",
            "3:1",
            "give it a name, unique among those",
        ),
        (
            &format!("{api}kind: StreamKey\nmetadata: {{ name: a }}\nspec: {{ rotation: a }}\n"),
            "`channel`",
            "4:1",
            "`ivs-apply explain StreamKey.channel` tells what it takes",
        ),
    ] {
        one_error(text, &format!("missing field {message}"), place, help);
    }
}

#[test]
fn the_error_for_a_name_outside_of_metadata_says_where_it_belongs() {
    let text = "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata:\nname: main\n";
    let ran = validated("a.yaml", text);
    assert!(ran.stderr.contains("did you mean `metadata.name`?"), "{}", ran.stderr);
}

#[test]
fn the_error_for_a_value_of_another_form_says_how_to_write_it() {
    let policy =
        "apiVersion: ivs-apply.dev/v1\nkind: PlaybackRestrictionPolicy\nmetadata: { name: main }\n";
    for (text, found, place, help) in [
        (format!("{CHANNEL}spec: {{ authorized: yes }}\n"), "found `yes`", "4:21", "write `true`"),
        (format!("{CHANNEL}spec: {{ authorized: Off }}\n"), "found `Off`", "4:21", "write `false`"),
        (
            format!("{CHANNEL}spec:\n  latencyMode:LOW\n"),
            "a mapping",
            "5:3",
            "a key ends with `:` and a space: write `latencyMode: LOW`",
        ),
        (
            format!("{CHANNEL}spec:\n  - latencyMode: LOW\n"),
            "found a list",
            "4:1",
            "write `key: value` on each line",
        ),
        (
            format!("{CHANNEL}spec: {{ recordingConfiguration: {{ name: a }} }}\n"),
            "found a mapping",
            "4:9",
            "write the name alone: `a`",
        ),
        (
            format!("{policy}spec: {{ allowedCountries: DE }}\n"),
            "a list, found `DE`",
            "4:27",
            "write it as a list: `[DE]`",
        ),
        (
            format!("{policy}spec: {{ allowedCountries: null }}\n"),
            "a list, found nothing",
            "4:27",
            "leave the field out, or write `[]`",
        ),
    ] {
        one_error(&text, found, place, help);
    }
}

#[test]
fn the_error_for_a_repeated_entry_says_to_remove_one() {
    let twice = format!("{CHANNEL}---\n{CHANNEL}");
    one_error(&twice, "declared twice", "7:19", "remove one of the two, or give it another");
    let twice = format!("{CHANNEL}spec: {{}}\nspec: {{}}\n");
    one_error(&twice, "the key `spec` appears twice", "5:1", "remove one of the two");
    let stack = CHANNEL.replace("Channel", "Stack");
    let place = Place::new();
    place.write("a.yaml", &format!("{stack}---\n{stack}"));
    let ran = place.run("validate");
    assert!(ran.stderr.contains("help: remove one of the two, or give `-f` the"), "{}", ran.stderr);
    place.write("a.yaml", &stack);
    let ran = place.run("validate --stack other");
    assert!(ran.stderr.contains("help: leave `--stack` out, or give `-f` the"), "{}", ran.stderr);
}

#[test]
fn the_error_for_an_account_without_quotes_says_to_quote_it() {
    let stack = |account: &str| {
        format!("{}spec: {{ account: {account} }}\n", CHANNEL.replace("Channel", "Stack"))
    };
    for account in ["123456789012", "012345678901"] {
        let help = format!("quote it: `account: \"{account}\"`");
        one_error(&stack(account), "the account is a number", "4:18", &help);
        assert_eq!(validated("a.yaml", &stack(&format!("\"{account}\""))).code, Some(0));
        assert_eq!(validated("a.yaml", &stack(&format!("'{account}'"))).code, Some(0));
    }
    let help = "write the twelve digits in quotes";
    one_error(&stack("12345"), "`12345` is not an account: that is twelve digits", "4:18", help);
}

#[test]
fn too_many_tags_are_counted_with_those_of_the_stack() {
    let tags = |first: usize, last: usize| {
        let tags: Vec<String> = (first..=last).map(|it| format!("k{it}: v")).collect();
        format!("spec: {{ tags: {{ {} }} }}\n", tags.join(", "))
    };
    let stack = CHANNEL.replace("Channel", "Stack");
    // `k20` is given in both, and counts once.
    let both = format!("{CHANNEL}{}---\n{stack}{}", tags(1, 20), tags(20, 47));
    let message = "47 tags (20 here and 27 of the Stack): AWS allows 50 on one resource, and ivs-apply adds 4";
    let help = "keep at most 46, here and in `spec.tags` of the Stack together";
    one_error(&both, message, "4:9", help);
    let alone = format!("{CHANNEL}{}", tags(1, 47));
    one_error(&alone, "47 tags: AWS allows 50 on one resource", "4:9", "keep at most 46");
    let fits = format!("{CHANNEL}{}---\n{stack}{}", tags(1, 20), tags(20, 46));
    assert_eq!(validated("a.yaml", &fits).code, Some(0));
}

#[test]
fn a_spec_may_be_left_out_where_every_field_has_a_default() {
    let place = Place::new();
    let kinds = ["Channel", "Stage", "EncoderConfiguration", "FailoverSlateConfiguration"];
    for kind in kinds {
        let text = CHANNEL.replace("Channel", kind);
        place.write(&format!("{kind}.yaml"), &text);
    }
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0));
    let needs_a_bucket = CHANNEL.replace("Channel", "StorageConfiguration");
    let help = "it belongs in `spec`, which is empty";
    one_error(&needs_a_bucket, "missing field `s3`", "1:1", help);
}

#[test]
fn an_address_without_a_port_is_answered_with_an_example() {
    let place = Place::new();
    let ran = run(ivs_apply(place.folder.path()).args(["emulator", "--listen", "4599"]));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("such as `127.0.0.1:4599`"), "{}", ran.stderr);
}

#[test]
fn an_export_of_nothing_says_why() {
    let place = Place::new();
    let empty = run(place.command("export").args(["--only", "Channel/*"]));
    assert_eq!((empty.code, empty.stdout.as_str()), (Some(0), ""), "{empty:?}");
    assert!(empty.stderr.contains("the account holds no Amazon IVS resource"), "{empty:?}");
}

#[test]
fn a_key_file_beside_standard_input_is_found_in_the_folder_that_is_named() {
    let place = Place::new();
    let key = crate::golden::root().join("examples/private-playback/keys/viewers.pem");
    std::fs::create_dir(place.folder.path().join("keys")).expect("writable");
    std::fs::copy(key, place.folder.path().join("keys/a.pem")).expect("copied");
    let text = "apiVersion: ivs-apply.dev/v1\nkind: PlaybackKeyPair\nmetadata: { name: a }\n\
                spec: { publicKeyFile: keys/a.pem }\n";
    let ask = |more: &[&str]| {
        let mut command = ivs_apply(place.folder.path());
        command.current_dir(place.folder.path()).args(["validate", "-f", "-"]).args(more);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the program starts");
        child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("read");
        let output = child.wait_with_output().expect("it ends");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, said) = ask(&[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("<stdin>:4:24"), "{said}");
    assert!(said.contains("`--stdin-folder .`"), "{said}");
    assert_eq!(ask(&["--stdin-folder", "."]).0, Some(0));
    let (code, said) = ask(&["--stdin-folder", "keys"]);
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn the_error_for_manifests_without_a_flag_names_the_flag_f() {
    let place = Place::new();
    place.write("a.yaml", CHANNEL);
    let told = |words: &[&str]| {
        let ran = run(ivs_apply(place.folder.path()).args(words));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        ran.stderr
    };
    let commands = [
        "validate",
        "render",
        "plan",
        "drift",
        "status",
        "destroy",
        "output",
        "graph",
        "iam-policy",
        "unlock",
    ];
    for command in commands {
        for path in ["manifests/a.yaml", "nope.yaml", "manifests"] {
            let words = [command, if command == "iam-policy" { "plan" } else { path }, path];
            let words = if command == "iam-policy" { &words[..] } else { &words[..2] };
            let said = told(words);
            assert!(said.contains(&format!("tip: to name manifests, use `-f {path}`")), "{said}");
        }
    }
    assert!(told(&["apply", "manifests/a.yaml"]).contains("apply -f manifests/a.yaml`"));
    let said = told(&["apply", "nope.yaml"]);
    assert!(said.contains("help: a saved plan is the file of `plan --out FILE`"), "{said}");
    assert!(said.contains("apply -f nope.yaml`"), "{said}");
    let said = told(&["show", "manifests/a.yaml"]);
    assert!(said.contains("plan -f manifests/a.yaml`"), "{said}");
    let said = told(&["plan", "Channel/main"]);
    assert!(
        said.contains("tip: to name a part of the manifests, use `--only Channel/main`"),
        "{said}"
    );
    let said = told(&["plan", "--nonsense"]);
    assert!(!said.contains("use `-f"), "{said}");
}

#[test]
fn commands_of_other_tools_without_a_counterpart_say_what_to_do_instead() {
    let place = Place::new();
    for (words, tip) in [
        ("apply --dry-run", "`ivs-apply plan` shows what `apply` would do"),
        ("apply --force", "`--yes` of `apply` and `destroy` skips the confirmation prompt"),
        ("destroy --force", "`--yes` of `apply` and `destroy` skips the confirmation prompt"),
        ("validate --strict", "an unknown field is always an error"),
        ("plan --strict", "an unknown field is always an error"),
        ("list", "`ivs-apply status` lists the resources of a stack with their states"),
        ("ls", "`ivs-apply status` lists the resources of a stack with their states"),
        ("get channels", "`ivs-apply status` lists the resources of a stack with their states"),
        ("state list", "`ivs-apply export` prints manifests of the objects that exist"),
        ("top", "what is on air"),
        ("up", "'apply'"),
        ("create", "'apply'"),
        ("down", "'destroy'"),
        ("rm", "'destroy'"),
    ] {
        let ran = run(ivs_apply(place.folder.path()).args(words.split(' ')));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        let tips: Vec<&str> = ran.stderr.lines().filter(|it| it.contains("tip: ")).collect();
        assert!(tips.len() == 1 && tips[0].contains(tip), "{words}: {ran:?}");
        assert!(!ran.stderr.contains("--stack"), "{words}: {ran:?}");
    }
}
