//! A part of the manifests on the command line: what it brings along, what it leaves alone, and the ways to
//! name nothing.

use crate::binary::{Place, document};

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: parts }
spec: { prune: true }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: an-archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main, labels: { team: sports } }
spec: { recordingConfiguration: archive }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: side }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio, labels: { team: sports } }
spec: {}
";

fn place(manifests: &str) -> Place {
    let place = Place::new();
    place.write("all.yaml", manifests);
    place
}

#[track_caller]
fn ran(place: &Place, words: &str, code: i32, says: &str) -> String {
    let ran = place.run(words);
    assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
    let said = format!("{}{}", ran.stdout, ran.stderr);
    assert!(said.contains(says), "{words}: {says}: {ran:?}");
    said
}

#[test]
fn a_part_is_applied_with_what_it_needs_and_the_rest_is_neither_made_nor_pruned() {
    let place = place(MANIFESTS);
    let said = ran(&place, "apply --yes --only Channel/main", 0, "2 done");
    assert!(
        said.contains("1 selected, with what that needs: RecordingConfiguration/archive"),
        "{said}"
    );
    assert!(!said.contains("side") && !said.contains("studio"), "{said}");
    ran(&place, "plan -l team=sports", 0, "1 to create, 2 unchanged");
    ran(
        &place,
        "plan --exclude RecordingConfiguration/*",
        0,
        "left out with what they need: Channel/main",
    );
    ran(&place, "apply --yes", 0, "2 done");
    // A manifest that is gone is pruned by a whole run only, whatever the stack or the flag says.
    place.write("all.yaml", &MANIFESTS.replace("name: side", "name: other"));
    let said = ran(&place, "plan --prune --only Channel/*", 0, "nothing is pruned");
    assert!(!said.contains("Channel/side"), "{said}");
    ran(&place, "plan", 0, "1 to delete");
}

#[test]
fn a_selection_that_names_nothing_is_an_error_with_a_suggestion() {
    let place = place(MANIFESTS);
    for command in ["plan", "apply --yes", "drift", "graph", "graph --offline"] {
        ran(&place, &format!("{command} --only Channel/mian"), 1, "did you mean `Channel/main`?");
    }
    ran(&place, "plan --exclude Stage/x*", 1, "`--exclude Stage/x*` matches nothing");
    ran(&place, "plan -l team=sprots", 1, "did you mean `team=sports`?");
    ran(&place, "plan -l team", 1, "write it as KEY=VALUE");
    ran(&place, "plan --only Channel", 1, "such as `Channel/*`");
    let none = "plan --only Channel/main --exclude RecordingConfiguration/archive";
    ran(&place, none, 1, "Channel/main needs RecordingConfiguration/archive, which is excluded");
    ran(&place, "destroy --only Channel/main --yes", 1, "matches nothing");
    ran(&place, "plan --detailed-exitcode", 2, "4 to create");
}

#[test]
fn drift_and_graph_are_of_the_part_that_was_named() {
    let place = place(MANIFESTS);
    ran(&place, "apply --yes", 0, "4 done");
    crate::saved_plans::by_hand(&place, async |account| {
        let listed = account.aws.ivs.list_channels().send().await.expect("listed");
        for channel in listed.channels {
            let update = account.aws.ivs.update_channel().arn(channel.arn.expect("an ARN"));
            update.name("by-hand").send().await.expect("updated");
        }
    });
    ran(&place, "drift", 2, "Drift: 2 resources");
    let said = ran(&place, "drift --only Channel/side", 2, "Drift: 1 resource;");
    assert!(!said.contains("Channel/main"), "{said}");
    assert!(said.contains("note: 1 selected; 3 others not selected"), "{said}");
    ran(&place, "drift --only Stage/*", 0, "No drift");
    for offline in ["", " --offline"] {
        let said = ran(&place, &format!("graph --only Channel/main{offline}"), 0, "archive");
        assert!(!said.contains("studio"), "{said}");
    }
}

#[test]
fn destroy_deletes_the_part_that_was_named_and_keeps_what_the_rest_needs() {
    let place = place(MANIFESTS);
    ran(&place, "apply --yes", 0, "4 done");
    let said = ran(&place, "destroy --yes --only */archive", 4, "Channel/main still refers to it");
    assert!(said.contains("1 deferred"), "{said}");
    let said = ran(&place, "destroy --yes --only Channel/* --exclude Channel/side", 0, "1 done");
    assert!(said.contains("1 selected; 3 others not selected"), "{said}");
    ran(&place, "plan", 0, "1 to create, 3 unchanged");
    ran(&place, "destroy --yes --only */archive", 0, "1 done");
    ran(&place, "plan", 0, "2 to create, 2 unchanged");
}

#[test]
fn a_selection_is_part_of_what_is_approved() {
    let place = place(MANIFESTS);
    ran(&place, "plan --out plan.json -l team=sports", 0, "saved");
    ran(&place, "apply plan.json --only Channel/side", 1, "`--only` differs from the flags");
    ran(&place, "apply plan.json -l team=sports", 0, "3 done");
    ran(&place, "plan", 0, "1 to create, 3 unchanged");
    ran(&place, "plan --out plan.json --only Channel/side", 0, "saved");
    place.write("all.yaml", &MANIFESTS.replace("name: side", "name: other"));
    ran(&place, "apply plan.json", 5, "`--only Channel/side` matches nothing");
    let told = place.run("plan --format json --only Channel/main");
    let document = document(&told);
    assert_eq!(document["notes"][0]["note"], "selected");
    assert_eq!(document["notes"][0]["needed"][0], "RecordingConfiguration/archive");
}

fn manifest(kind: &str, metadata: &str, spec: &str) -> String {
    let metadata = format!("{{ name: {metadata} }}");
    format!("---\napiVersion: ivs-apply.dev/v1\nkind: {kind}\nmetadata: {metadata}\nspec: {spec}\n")
}

#[test]
fn a_selected_resource_is_not_mistaken_for_one_that_has_its_former_name_and_is_not_selected() {
    let stage = |name: &str| manifest("Stage", name, "{}");
    let camera = |stage: &str| {
        let spec = format!("{{ ingestProtocol: RTMPS, stage: {stage} }}");
        manifest("IngestConfiguration", "camera", &spec)
    };
    let place = place(&(stage("studio") + &camera("studio")));
    ran(&place, "apply --yes", 0, "2 done");
    let annex = stage("annex, previousNames: [studio]");
    // The object gets the name `annex`, and another one is created as `studio`.
    place.write("all.yaml", &(stage("studio") + &annex + &camera("studio")));
    ran(&place, "apply --yes", 0, "3 done");
    ran(&place, "destroy --yes --only Stage/annex", 0, "1 done");
    place.write("all.yaml", &(stage("studio") + &annex + &camera("annex")));
    ran(&place, "apply --yes --only IngestConfiguration/camera", 0, "2 done");
    ran(&place, "plan", 0, "No changes: 3 unchanged");
}
