//! `Stack.spec.requires`: manifests for another version of the program.

use ivs_apply::diag::{Code, Severity};
use ivs_apply::manifest::load_text;

/// What is wrong, each as `line:column code`, warnings left out.
fn wrong(text: &str) -> Vec<String> {
    let loaded = load_text("stack.yaml", text, None);
    let sorted = loaded.report.sorted(&loaded.sources).into_iter();
    let errors = sorted.filter(|(_, it)| it.code.severity() == Severity::Error);
    let told = errors.map(|(at, it)| {
        let at = at.expect("it is in the file");
        format!("{}:{} {}", at.line, at.column, it.code)
    });
    told.collect()
}

fn stack(requires: &str) -> String {
    format!(
        "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: {{ name: live }}\nspec:\n  requires: {requires}\n"
    )
}

/// A kind and a field that no version has had so far.
const OF_A_LATER_VERSION: &str = "---\napiVersion: ivs-apply.dev/v9\nkind: Orchestra\nmetadata: { name: a }\n---
apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: { name: a }\nspec: { colour: red, name: \"${undeclared}\" }\n";

#[test]
fn manifests_for_a_later_version_are_refused_at_the_requirement_and_nothing_else_is_reported() {
    let text = stack("'>=99.0'") + OF_A_LATER_VERSION;
    assert_eq!(wrong(&text), [format!("5:13 {}", Code::UnmetRequirement)]);
    let first =
        OF_A_LATER_VERSION.trim_start_matches("---\n").to_owned() + "---\n" + &stack("'>=99'");
    assert_eq!(
        wrong(&first),
        [format!("14:13 {}", Code::UnmetRequirement)],
        "wherever the Stack is"
    );
}

#[test]
fn manifests_for_this_version_are_read_to_the_end() {
    let this = concat!("'=", env!("CARGO_PKG_VERSION"), "'");
    for requirement in [this, "'>=0.1'", "'*'", "null"] {
        assert!(wrong(&stack(requirement)).is_empty(), "{requirement}");
        assert_ne!(wrong(&(stack(requirement) + OF_A_LATER_VERSION)), [""; 0], "{requirement}");
    }
}

#[test]
fn a_malformed_requirement_is_an_error_at_its_place() {
    for requirement in ["new", "''", "'>=1 or so'", "'${version}'", "1.2.3.4"] {
        assert_eq!(
            wrong(&stack(requirement)),
            [format!("5:13 {}", Code::MalformedRequirement)],
            "{requirement}"
        );
    }
    for requirement in ["[1]", "{ a: 1 }"] {
        assert_eq!(
            wrong(&stack(requirement)),
            [format!("5:3 {}", Code::WrongType)],
            "{requirement}"
        );
    }
}

#[test]
fn a_stack_that_is_rendered_keeps_its_requirement() {
    let place = crate::binary::Place::new();
    place.write("stack.yaml", &stack("'>=0.1'"));
    let ran = place.run("render");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.contains("requires: "), "{}", ran.stdout);
}
