//! A plan as a comment on a pull request: readable, short enough, and no value is ever more than a value.

use crate::binary::{Place, ivs_apply, run};

fn manifest(kind: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n"
    )
}

#[test]
fn no_value_of_a_manifest_is_markdown() {
    let place = Place::new();
    let hostile = "``` </details> # x ![i](https://example.com/i.png) @everyone ``````";
    let spec = format!("{{ ingestProtocol: RTMPS, attributes: {{ note: \"{hostile}\" }} }}");
    place.write("all.yaml", &manifest("IngestConfiguration", "main", &spec));
    let ran = place.run("plan --format markdown");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let begins = "<!-- ivs-apply:plan:default -->\n### Plan for stack `default` in `us-west-2`\n";
    assert!(ran.stdout.starts_with(begins), "{ran:?}");
    assert!(
        ran.stdout.contains("- `IngestConfiguration/main` **create**: `does not exist`\n"),
        "{ran:?}"
    );
    // Six backticks inside, so seven around; and nothing of it outside.
    let parts: Vec<&str> = ran.stdout.split("\n```````").collect();
    assert_eq!(parts.len(), 3, "{ran:?}");
    assert!(parts[1].starts_with("diff\n# IngestConfiguration/main\n+ "), "{ran:?}");
    assert!(parts[1].contains(hostile), "{ran:?}");
    assert!(!parts[0].contains("example.com") && !parts[2].contains("example.com"), "{ran:?}");
}

#[test]
fn a_large_plan_still_fits_into_a_comment() {
    let place = Place::new();
    let all: String =
        (0..2_000).map(|it| manifest("Channel", &format!("channel-{it}"), "{}")).collect();
    place.write("all.yaml", &all);
    let ran = place.run("plan --format markdown");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.len() <= 60_000, "{}", ran.stdout.len());
    assert!(ran.stdout.contains("**Plan: 2000 to create**"));
    assert!(ran.stdout.ends_with(" more, which do not fit\n"), "{ran:?}");
    assert_eq!(ran.stdout.matches('`').count() % 2, 0, "no code span is cut in two");
}

#[test]
fn manuals_know_every_command() {
    let place = Place::new();
    let ask = |words: &[&str]| run(ivs_apply(place.folder.path()).args(words));
    let page = ask(&["man"]);
    assert!(page.stdout.contains(".TH ivs-apply 1"), "{}", &page.stdout[..300]);
    let page = ask(&["man", "apply"]);
    assert!(page.stdout.contains("confirm\\-deletes"), "{page:?}");
    let page = ask(&["man", "fleet", "list"]);
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(page.stdout.contains("ivs\\-apply fleet list \\-f targets"), "{page:?}");
    for (words, near) in [(&["man", "aply"][..], "apply"), (&["man", "fleet", "lst"], "list")] {
        let none = ask(words);
        assert_eq!(none.code, Some(1));
        assert!(none.stderr.contains(&format!("did you mean `{near}`?")), "{none:?}");
    }
}
