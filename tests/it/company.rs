//! `examples/company`: three environments of sixty resources, by overlays of kustomize and by values. Both ways mean the
//! same.

use crate::binary::{Ran, ivs_apply, run, side_by_side};
use crate::golden;
use crate::kustomize::{kustomize, piped};
use serde_json::Value;
use std::path::Path;

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// The program in the root of the project, with its emulated account in a folder of the test.
fn by_values(home: &Path, words: &[&str]) -> Ran {
    let mut command = ivs_apply(home);
    run(command.current_dir(golden::root()).args(words))
}

/// A plan below its header.
fn below_the_header(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.split_once("\n\n").expect("a header").1
}

#[test]
fn overlays_and_values_give_the_same_plan_in_each_environment() {
    side_by_side(ENVIRONMENTS, |environment| {
        let home = tempfile::tempdir().expect("a folder");
        let file = |name: &str| home.path().join(name).to_string_lossy().into_owned();
        let overlay = golden::root().join("examples/company/overlays").join(environment);
        let Some(text) = kustomize(&overlay) else { return };
        let (account, values) =
            (format!("--emulator={}", file("a.json")), format!("{environment}.yaml"));
        let given = ["-f", "examples/company/values", "--values", values.as_str()];
        let (first, second) = (file("kustomize.plan"), file("values.plan"));
        let plan = ["plan", account.as_str(), "--deny-warnings", "--out"];
        let of_overlay = [&plan[..], &[first.as_str(), "-f", "-"]].concat();
        let of_values = [&plan[..], &[second.as_str()], &given].concat();
        let overlaid = piped(home.path(), &golden::root(), &of_overlay, &text);
        let valued = by_values(home.path(), &of_values);
        assert!(
            overlaid.stdout.contains("37 to create, 18 to adopt, 5 dormant"),
            "{environment}: {}",
            overlaid.stderr
        );
        // Byte for byte: the manifests are in other files, which `-v` shows.
        assert_eq!(below_the_header(&overlaid), below_the_header(&valued), "{environment}");
        let verbose = ["plan", account.as_str(), "-v", "-f", "-"];
        let verbose = piped(home.path(), &golden::root(), &verbose, &text);
        let place = "../../base/channels.yaml (document";
        assert!(verbose.stdout.contains(place), "{environment}: {}", verbose.stdout);
        // With every field of every resource, as the plan is approved.
        let steps = |file: &str| {
            let text = std::fs::read_to_string(file).expect("saved");
            serde_json::from_str::<Value>(&text).expect("JSON")["steps"].clone()
        };
        assert_eq!(steps(&first), steps(&second), "{environment}");
        let shown = |file: &str| by_values(home.path(), &["show", file]).stdout;
        let below = |file: &str| shown(file).split_once("\n\n").expect("a header").1.to_owned();
        assert_eq!(below(&first), below(&second), "{environment}");
        // What is understood is the same as well, and is manifests again.
        let render = ["render", "-f", "-"];
        let rendered = piped(home.path(), &golden::root(), &render, &text);
        let of_values = by_values(home.path(), &[&["render"][..], &given].concat());
        assert_eq!(rendered.stdout, of_values.stdout, "{environment}");
        let again = piped(home.path(), home.path(), &render, &rendered.stdout);
        assert_eq!(again.stdout, rendered.stdout, "{environment}");
    });
}

#[test]
fn an_environment_that_was_applied_by_values_has_nothing_to_do_by_its_overlay() {
    let home = tempfile::tempdir().expect("a folder");
    let Some(text) = kustomize(&golden::root().join("examples/company/overlays/staging")) else {
        return;
    };
    let account = format!("--emulator={}", home.path().join("a.json").display());
    let words =
        ["apply", "--yes", &account, "-f", "examples/company/values", "--values", "staging.yaml"];
    let applied = by_values(home.path(), &words);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let words = ["plan", "--detailed-exitcode", &account, "-f", "-"];
    let planned = piped(home.path(), &golden::root(), &words, &text);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    // Without its values nothing is planned, and what is missing is said once.
    let without = by_values(home.path(), &["plan", &account, "-f", "examples/company/values"]);
    assert_eq!(without.code, Some(1), "{without:?}");
    assert!(without.stderr.contains("the value `env` is not given"), "{}", without.stderr);
}
