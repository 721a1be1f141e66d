//! Variables of the environment: what is set to nothing is not set, and a truth value is one or an error.

use crate::binary::{KEYS, Place, Ran, Served, ivs_apply, run};
use clap::CommandFactory;
use ivs_apply::commands::Cli;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const STAGE: &str = "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\n\
    spec: {}\n";

/// The variables of the SDK and of the AWS command line.
const OF_AWS: [&str; 31] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_IVS",
    "AWS_ENDPOINT_URL_IVS_REALTIME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_ENDPOINT_URL_S3",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_CA_BUNDLE",
    "AWS_MAX_ATTEMPTS",
    "AWS_RETRY_MODE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    "AWS_SDK_UA_APP_ID",
    "AWS_STS_REGIONAL_ENDPOINTS",
    "AWS_ACCOUNT_ID",
];

/// Each command with arguments that end it at once, and the variables of its flags and of the global ones.
fn commands() -> Vec<(Vec<String>, BTreeSet<String>)> {
    let cli = Cli::command();
    let variables = |command: &clap::Command| -> BTreeSet<String> {
        let all = command.get_arguments().filter_map(clap::Arg::get_env);
        all.map(|it| it.to_string_lossy().into_owned()).collect()
    };
    let global = variables(&cli);
    assert!(global.len() > 5, "{global:?}");
    let with_arguments = |command: &clap::Command| {
        let name = command.get_name();
        let arguments: &[&str] = match name {
            "apply" => &["--yes", "--emulator", "-f", "manifests"],
            "iam-policy" => &["plan", "-f", "manifests"],
            "unlock" => &["--nonce", "n", "-f", "manifests"],
            "init" => &["channel", "--out", "made"],
            "export" => &["--emulator"],
            "explain" => &["Channel"],
            "schema" | "man" => &[],
            // It would serve until it is stopped; this address is refused.
            "emulator" => &["--listen", "192.0.2.1:1"],
            "completions" => &["bash"],
            "show" => &["no-such-plan.json"],
            "fleet" => &["list", "-f", "manifests"],
            _ => &["--emulator", "-f", "manifests"],
        };
        let words = [name].iter().chain(arguments).map(|it| (*it).to_owned()).collect();
        (words, variables(command).union(&global).cloned().collect())
    };
    cli.get_subcommands().filter(|it| it.get_name() != "help").map(with_arguments).collect()
}

fn at(place: &Place, words: &[String]) -> Command {
    let mut command = ivs_apply(place.folder.path());
    command.current_dir(place.folder.path()).args(words);
    command
}

/// Takes away the emulated account, and what `init` has made.
fn forget(place: &Place) {
    for name in [".ivs-apply", "made"] {
        let made = place.folder.path().join(name);
        if made.exists() {
            std::fs::remove_dir_all(&made).expect("writable");
        }
    }
}

fn same(place: &Place, words: &[String], empty: &BTreeSet<String>, plain: &Ran) {
    forget(place);
    let ran = run(at(place, words).envs(empty.iter().map(|it| (it, ""))));
    assert_eq!((ran.code, &ran.stderr), (plain.code, &plain.stderr), "{words:?} {empty:?}");
    // A time or a random id is in no answer but that of an apply, and in the time of a status.
    if words[0] != "apply" {
        let untimed = |it: &Ran| {
            let lines = it.stdout.lines().filter(|it| !it.starts_with("Read at "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(untimed(&ran), untimed(plain), "{words:?} {empty:?}");
    }
}

#[test]
fn an_empty_variable_is_an_unset_variable_for_every_flag_of_every_command() {
    let place = Place::new();
    place.write("stage.yaml", STAGE);
    for (words, variables) in commands() {
        forget(&place);
        let plain = run(&mut at(&place, &words));
        // All at once, and then each on its own where they could hide one another.
        same(&place, &words, &variables, &plain);
        if matches!(words[0].as_str(), "plan" | "apply" | "emulator") {
            for variable in variables {
                same(&place, &words, &BTreeSet::from([variable]), &plain);
            }
        }
    }
}

#[test]
fn an_empty_variable_of_the_sdk_is_an_unset_variable() {
    let place = Place::new();
    place.write("stage.yaml", STAGE);
    let served = Served::start(place.folder.path(), &[]);
    let folder = place.folder.path().join(".aws");
    std::fs::create_dir(&folder).expect("writable");
    let profile = "[default]\naws_access_key_id = AKIDEXAMPLE\naws_secret_access_key = example\n\
        region = us-west-2\n";
    std::fs::write(folder.join("credentials"), profile).expect("writable");
    let plan = |empty: &[&str]| {
        let words = ["plan", "-f", "manifests", "--endpoint-url", &served.url];
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        run(at(&place, &words).envs(empty.iter().map(|it| (*it, ""))))
    };
    let plain = plan(&[]);
    assert_eq!(plain.code, Some(0), "{plain:?}");
    for variable in OF_AWS {
        let ran = plan(&[variable]);
        assert_eq!((ran.code, &ran.stdout), (Some(0), &plain.stdout), "{variable}: {ran:?}");
        assert_eq!(ran.stderr, plain.stderr, "{variable}");
    }
    assert_eq!(plan(&OF_AWS).stdout, plain.stdout);
    // Without a profile there is no region, and an empty variable names none.
    std::fs::remove_file(folder.join("credentials")).expect("writable");
    let nowhere = plan(&["AWS_REGION", "AWS_DEFAULT_REGION"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    assert!(nowhere.stderr.contains("no region"), "{nowhere:?}");
}

#[test]
fn without_a_region_the_region_of_the_stack_is_named_with_its_place_and_not_taken() {
    let place = Place::new();
    place.write("stage.yaml", STAGE);
    let stack = "# ours\napiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: shows }\nspec:\n  region: eu-west-1\n";
    place.write("stack.yaml", stack);
    let served = Served::start(place.folder.path(), &[]);
    let told = "error: no region is configured, and the Stack `shows` is in eu-west-1 \
                (`manifests/stack.yaml:6:11`)\n  help: give `--region eu-west-1`, or set \
                `AWS_REGION=eu-west-1`";
    for words in [
        &["plan"][..],
        &["apply", "--yes"],
        &["status"],
        &["drift"],
        &["destroy", "--yes"],
        &["output"],
        &["graph"],
    ] {
        let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
        let typed = |region: &[&str]| {
            let mut command = at(&place, &words);
            command.args(["-f", "manifests", "--endpoint-url", &served.url]).args(region);
            run(command.envs(KEYS))
        };
        let ran = typed(&[]);
        assert_eq!(ran.code, Some(1), "{words:?}: {ran:?}");
        assert!(ran.stderr.contains(told), "{words:?}: {ran:?}");
        let typed_as_told = typed(&["--region", "eu-west-1"]);
        assert!(!typed_as_told.stderr.contains("region"), "{words:?}: {typed_as_told:?}");
    }
    // A Target names the region itself.
    let target = "apiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: { name: eu }\nspec: { account: \"000000000000\", region: eu-west-1, manifests: { path: manifests } }\n";
    std::fs::write(place.folder.path().join("target.yaml"), target).expect("writable");
    let words = ["plan", "--target", "target.yaml", "--endpoint-url", &served.url];
    let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
    let ran = run(at(&place, &words).envs(KEYS));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Without a Stack document there is nothing to name.
    std::fs::remove_file(place.folder.path().join("manifests/stack.yaml")).expect("removed");
    let words: Vec<String> = ["plan", "-f", "manifests"].map(str::to_owned).into();
    let ran = run(&mut at(&place, &words));
    assert!(ran.stderr.contains("error: no region is configured\n"), "{ran:?}");
}

#[test]
fn a_boolean_variable_takes_only_the_documented_values() {
    let place = Place::new();
    place.write("stage.yaml", STAGE);
    let apply = |value: &str| run(place.command("apply").env("IVS_APPLY_YES", value));
    for no in ["0", "false", "no", "off", "FALSE"] {
        assert_eq!(apply(no).code, Some(4), "{no}");
    }
    let nonsense = apply("nonsense");
    assert_eq!(nonsense.code, Some(1), "{nonsense:?}");
    assert!(nonsense.stderr.contains("IVS_APPLY_YES"), "{nonsense:?}");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(2), "nothing was applied");
    for yes in ["1", "true", "yes", "on", "TRUE"] {
        assert_eq!(apply(yes).code, Some(0), "{yes}");
    }
    // Every flag without a value reads its variable like that.
    for (words, variables) in commands() {
        let cli = Cli::command();
        let command = cli.find_subcommand(&words[0]).expect("it is there");
        for argument in command.get_arguments().chain(cli.get_arguments()) {
            let Some(name) = argument.get_env() else { continue };
            if !matches!(argument.get_action(), clap::ArgAction::SetTrue) {
                continue;
            }
            let name = name.to_string_lossy().into_owned();
            assert!(variables.contains(&name));
            let words: Vec<_> = words.iter().filter(|it| *it != "--yes").cloned().collect();
            let ran = run(at(&place, &words).env(&name, "nonsense"));
            assert_eq!(ran.code, Some(1), "{words:?} {name}: {ran:?}");
            assert!(ran.stderr.contains(&name), "{words:?} {name}: {ran:?}");
        }
    }
}

#[test]
fn the_variable_for_the_emulator_takes_true_false_or_a_path() {
    let place = Place::new();
    place.write("stage.yaml", STAGE);
    let plan = |value: &str| {
        run(ivs_apply(place.folder.path())
            .current_dir(place.folder.path())
            .args(["plan", "-f", "manifests"])
            .env("IVS_APPLY_EMULATOR", value))
    };
    let there = |name: &str| Path::exists(&place.folder.path().join(name));
    let off = plan("false");
    assert_eq!(off.code, Some(1), "AWS itself is asked, and no region is given: {off:?}");
    assert!(off.stderr.contains("no region") && !there("false"), "{off:?}");
    assert_eq!(plan("true").code, Some(0));
    assert!(there(".ivs-apply/emulator.json") && !there("true"));
    assert_eq!(plan("other.json").code, Some(0));
    assert!(there("other.json"));
    let flag = place.folder.path();
    let ran = run(ivs_apply(flag)
        .current_dir(flag)
        .args(["plan", "-f", "manifests", "--emulator=false"])
        .env("IVS_APPLY_EMULATOR", "true"));
    assert!(ran.stderr.contains("no region"), "the flag beats the variable: {ran:?}");
}

#[test]
fn a_variable_with_a_value_that_its_flag_does_not_take_is_named() {
    let place = Place::new();
    place.write("a.yaml", STAGE);
    for (command, name, value) in [
        ("plan", "IVS_APPLY_VERBOSE", "true"),
        ("plan", "IVS_APPLY_FORMAT", "xml"),
        ("plan", "IVS_APPLY_COLOR", "red"),
        ("plan", "IVS_APPLY_RATES", "fast"),
        ("plan", "IVS_APPLY_RATE_SHARE", "2"),
        ("plan", "IVS_APPLY_DENY_WARNINGS", "maybe"),
        ("plan", "IVS_APPLY_ALLOW_LIVE", "Channel/a nonsense"),
        ("plan", "IVS_APPLY_DETAILED_EXITCODE", "2"),
        ("apply", "IVS_APPLY_CONFIRM_DELETES", "many"),
    ] {
        let ran = run(place.command(command).env(name, value));
        assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
        let tip = format!("tip: the value is that of the variable `{name}`");
        assert!(ran.stderr.contains(&tip), "{name}: {ran:?}");
    }
    let verbose = run(place.command("plan").env("IVS_APPLY_VERBOSE", "yes"));
    assert!(verbose.stderr.contains("it takes a number: 1 as for `-v`"), "{verbose:?}");
    let verbose = run(place.command("plan").env("IVS_APPLY_VERBOSE", "2"));
    assert_eq!(verbose.code, Some(0), "{verbose:?}");
}

#[test]
fn a_flag_with_an_empty_value_is_an_error_that_names_it() {
    let place = Place::new();
    place.write("a.yaml", STAGE);
    for flag in ["--region", "--profile", "--endpoint-url", "--stack"] {
        for value in ["", " "] {
            let ran = run(place.command("plan").args([flag, value]));
            assert_eq!(ran.code, Some(1), "{flag}: {ran:?}");
            let line = ran.stderr.lines().next().unwrap_or_default();
            assert!(line.contains(&format!("for '{flag} <")), "{flag}: {ran:?}");
            assert!(line.contains("it is empty; give it a value or leave the flag out"), "{ran:?}");
        }
    }
}
