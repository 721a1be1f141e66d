//! `--target`: a document that says where a stack is applied, as whom and with which values; and an emulator that holds
//! the accounts of several.

use crate::binary::{KEYS, Place, Ran, Served, document, ivs_apply, run};
use crate::client::Client;
use crate::golden::root;
use ivs_apply::manifest::target::targets;
use serde_json::{Value, json};
use std::process::Command;

const STACK: &str = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: live }
spec: { values: { latency: { type: string, default: LOW } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { latencyMode: \"${latency}\" }
";

/// A Target with this name, account and rest of its spec.
fn target(name: &str, account: &str, more: &str) -> String {
    format!(
        "---\napiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: {{ name: {name}, namespace: video }}\nspec:\n  \
         account: \"{account}\"\n  region: us-west-2\n  stack: live\n  manifests: {{ path: manifests }}\n{more}"
    )
}

fn role(account: &str) -> String {
    format!("  role: {{ arn: \"arn:aws:iam::{account}:role/team/apply\", externalId: live-1 }}\n")
}

/// A folder with manifests and targets, and an emulator behind a socket.
struct Fleet {
    place: Place,
    served: Served,
    client: Client,
}

impl Fleet {
    fn new(targets: &str) -> Self {
        let place = Place::new();
        place.write("stack.yaml", STACK);
        let served = Served::start(place.folder.path(), &[]);
        let client = Client::new(&served.url);
        let fleet = Self { place, served, client };
        fleet.targets(targets);
        fleet
    }

    fn targets(&self, text: &str) {
        std::fs::write(self.place.folder.path().join("targets.yaml"), text).expect("writable");
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = ivs_apply(self.place.folder.path());
        command.current_dir(self.place.folder.path()).args(words);
        command.env("IVS_APPLY_ENDPOINT_URL", &self.served.url).envs(KEYS);
        command
    }

    fn run(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    /// The latency modes of the channels of an account.
    fn channels(&mut self, account: &str) -> Vec<String> {
        let told = self.client.control("GET", &format!("objects?account={account}"), &json!({}));
        let objects = told["objects"].as_array().expect("a list");
        let channels = objects.iter().filter(|it| it["kind"] == "Channel");
        channels.map(|it| it["object"]["latencyMode"].as_str().unwrap_or_default().into()).collect()
    }
}

#[track_caller]
fn fails(ran: &Ran, said: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for it in said {
        assert!(ran.stderr.contains(it), "{it}: {ran:?}");
    }
}

const ONE: &str = "111111111111";
const TWO: &str = "222222222222";

#[test]
fn two_targets_are_applied_in_two_accounts_of_one_emulator_each_by_its_role() {
    let two = target("one", ONE, &role(ONE))
        + &target("two", TWO, &(role(TWO) + "  values: { latency: NORMAL }\n"));
    let mut fleet = Fleet::new(&two);
    for account in [ONE, TWO] {
        let arn = format!("arn:aws:iam::{account}:role/team/apply");
        fleet.client.control("POST", "roles", &json!({ "arn": arn, "externalId": "live-1" }));
    }
    for name in ["one", "two"] {
        let reference = format!("targets.yaml#{name}");
        let ran = fleet.run(&["apply", "--yes", "--target", &reference]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let plan = fleet.run(&["plan", "--target", &reference, "--format", "json"]);
        let told = document(&plan);
        assert_eq!(told["status"], "clean", "{told:#}");
        let caller = told["caller"].as_str().expect("a caller");
        assert!(caller.ends_with(&format!(":assumed-role/apply/ivs-apply-{name}")), "{caller}");
    }
    assert_eq!(fleet.channels(ONE), ["LOW"]);
    assert_eq!(fleet.channels(TWO), ["NORMAL"]);
    assert_eq!(fleet.channels("000000000000"), [""; 0]);
    let accounts = fleet.client.control("GET", "accounts", &json!({}));
    assert_eq!(accounts["accounts"], json!(["000000000000", ONE, TWO]));
    // A flag comes before the value of the Target, and the Target before the default.
    let plan = ["plan", "--detailed-exitcode", "--target", "targets.yaml#two"];
    assert_eq!(fleet.run(&plan).code, Some(0));
    let set = fleet.run(&[&plan[..], &["--set", "latency=LOW"]].concat());
    assert_eq!(set.code, Some(2), "{set:?}");
    // The variable does the same, and commands that work on no stack do not mind it.
    let by_variable = run(fleet.command(&["plan"]).env("IVS_APPLY_TARGET", "targets.yaml#two"));
    assert_eq!(by_variable.code, Some(0), "{by_variable:?}");
    let schema = run(fleet.command(&["schema", "Target"]).env("IVS_APPLY_TARGET", "nothing"));
    assert_eq!(schema.code, Some(0), "{schema:?}");
}

#[test]
fn a_role_that_cannot_be_assumed_is_told_with_what_to_do() {
    let mut fleet = Fleet::new(&target("one", ONE, &role(ONE)));
    let arn = format!("arn:aws:iam::{ONE}:role/team/apply");
    let plan = ["plan", "--target", "targets.yaml"];
    fleet.client.control("POST", "roles", &json!({ "arn": arn, "externalId": "another" }));
    let denied = ["could not be assumed: AccessDenied", &arn, "the external id of"];
    fails(&fleet.run(&plan), &denied);
    fleet.client.control("POST", "roles", &json!({ "arn": arn, "refused": true }));
    fails(&fleet.run(&plan), &denied);
    fleet.client.control("DELETE", "roles", &json!({}));
    let mut without = fleet.command(&plan);
    without.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    let base = ["no AWS credentials were found", "a role is assumed with other credentials"];
    fails(&run(&mut without), &base);
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = format!("http://{}", free.local_addr().expect("bound"));
    drop(free);
    let mut down = ivs_apply(fleet.place.folder.path());
    down.current_dir(fleet.place.folder.path()).args(plan).envs(KEYS);
    down.env("AWS_ENDPOINT_URL", &fleet.served.url).env("AWS_ENDPOINT_URL_STS", &closed);
    fails(&run(&mut down), &["STS gave no answer", "`AWS_ENDPOINT_URL_STS`"]);
    let told = fleet.client.control("GET", "calls", &json!({}));
    assert_eq!(told.get("CreateChannel"), None, "{told}");
    assert_eq!(told.get("ListChannels"), None, "nothing was read: {told}");
}

#[test]
fn a_web_identity_is_a_base_for_the_role() {
    let fleet = Fleet::new(&target("one", ONE, &role(ONE)));
    let token = fleet.place.folder.path().join("token");
    std::fs::write(&token, "header.payload.signature").expect("writable");
    let mut command = ivs_apply(fleet.place.folder.path());
    command.current_dir(fleet.place.folder.path());
    command.args(["plan", "-v", "--target", "targets.yaml"]);
    command.env("AWS_ENDPOINT_URL", &fleet.served.url);
    command.env("AWS_WEB_IDENTITY_TOKEN_FILE", &token);
    command.env("AWS_ROLE_ARN", format!("arn:aws:iam::{TWO}:role/ci"));
    let ran = run(&mut command);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains(&format!("Account {ONE}")), "{ran:?}");
    std::fs::write(&token, "").expect("writable");
    fails(&run(&mut command), &["could not be assumed", "AWS_WEB_IDENTITY_TOKEN_FILE"]);
}

#[test]
fn an_account_that_is_not_the_targets_is_refused_before_anything_is_read() {
    let mut fleet = Fleet::new(&target("one", ONE, ""));
    for words in [&["plan"][..], &["status"], &["export"], &["output"], &["drift"]] {
        let ran = fleet.run(&[words, &["--target", "targets.yaml"]].concat());
        fails(&ran, &[&format!("in account {ONE}"), "those of account 000000000000"]);
    }
    let told = fleet.client.control("GET", "calls", &json!({}));
    assert_eq!(told.as_object().map(|it| it.keys().collect::<Vec<_>>().len()), Some(1), "{told}");
}

#[test]
fn what_contradicts_a_target_is_an_error() {
    let fleet = Fleet::new(&target("one", ONE, ""));
    let with =
        |words: &[&str]| fleet.run(&[&["validate", "--target", "targets.yaml"], words].concat());
    let good = with(&[]);
    assert_eq!((good.code, good.stdout.as_str()), (Some(0), "1 resource valid\n"), "{good:?}");
    let plan = fleet.run(&["plan", "--target", "targets.yaml", "--region", "eu-west-1"]);
    fails(&plan, &["`--region eu-west-1` contradicts the Target `one`"]);
    fails(&with(&["--stack", "other"]), &["`--stack other` contradicts the Target `one`"]);
    assert_eq!(with(&["--stack", "live"]).code, Some(0));
    let stack = STACK
        .replace("spec: { values", "spec: { region: eu-west-1, account: \"222222222222\", values");
    fleet.place.write("stack.yaml", &stack);
    let differ = with(&[]);
    fails(&differ, &["manifests/stack.yaml:4:", "of account 222222222222", "in region eu-west-1"]);
    assert!(differ.stderr.contains("targets.yaml:"), "{differ:?}");
    fleet.place.write("stack.yaml", &STACK.replace("name: live", "name: other"));
    fails(&with(&[]), &["the Stack is `other`, and the Target `one` is of stack `live`"]);
    fleet.place.write("stack.yaml", STACK);
    fleet.targets(&target("one", ONE, "  values: { latency: LOW, bitrate: 1 }\n"));
    fails(&with(&[]), &["E0121", "targets.yaml:10:27", "bitrate"]);
}

#[test]
fn a_target_is_named_where_a_file_has_several_and_found_whatever_the_others_are() {
    let broken = "---\napiVersion: ivs-apply.dev/v1\nkind: Target\nmetadata: { name: bad }\nspec: { acount: x }\n";
    let fleet = Fleet::new(&(target("one", ONE, "") + broken + &target("two", TWO, "")));
    let with = |reference: &str| fleet.run(&["validate", "--target", reference]);
    assert_eq!(with("targets.yaml#one").code, Some(0));
    assert_eq!(with("targets.yaml#two").code, Some(0));
    fails(&with("targets.yaml"), &["several documents of kind Target", "one, bad, two"]);
    fails(&with("targets.yaml#tow"), &["no Target named `tow`", "did you mean `two`?"]);
    fails(&with("targets.yaml#bad"), &["unknown field `acount`", "did you mean `account`?"]);
    fails(&with("nothing.yaml"), &["there is no such file or folder"]);
    fails(&with("manifests/stack.yaml"), &["has no document of kind Target"]);
    fails(&with("Channel/main"), &["names a resource", "`--only KIND/NAME`"]);
    let all = targets(&[fleet.place.folder.path().join("targets.yaml")]);
    let names: Vec<_> = all.iter().map(|it| it.as_ref().map(|it| it.name.as_str()).ok()).collect();
    assert_eq!(names, [Some("one"), None, Some("two")]);
}

#[test]
fn a_target_whose_name_is_written_with_an_escape_is_found_and_so_are_two_of_one_name() {
    let escaped = target("two", ONE, "").replace("name: two", "name: \"t\\u0077o\"");
    assert!(escaped.contains("u0077"), "{escaped}");
    let fleet = Fleet::new(&(target("one", ONE, "") + &escaped));
    let with = |reference: &str| fleet.run(&["validate", "--target", reference]);
    assert_eq!(with("targets.yaml#two").code, Some(0));
    fleet.targets(&(target("one", ONE, "") + &target("one", ONE, "")));
    fails(&with("targets.yaml#one"), &["has several Targets named `one`"]);
    // Of the documents that hold the name, only those that bear it are meant.
    fleet.targets(&(target("one", ONE, "") + &target("one-more", ONE, "")));
    assert_eq!(with("targets.yaml#one").code, Some(0));
}

#[test]
fn every_mistake_of_a_target_is_told_with_its_place() {
    let text = "apiVersion: ivs-apply.dev/v1
kind: Target
metadata: { name: Prod_1 }
spec:
  account: 222222222222
  region: us-west-3
  stack: a/b
  role: { arn: \"arn:aws:iam::111111111111:role/x\", sessionName: \"a b\", externalId: \"#\" }
  manifests: { path: /etc }
  interval: soon
  values: { ok: [1, a], \"0\": 1, deep: { a: 1 } }
  writeSecretsTo: { name: A_B }
";
    let place = Place::new();
    let file = place.folder.path().join("t.yaml");
    std::fs::write(&file, text).expect("writable");
    let found = targets(&[file]);
    let [Err(broken)] = found.as_slice() else { panic!("{found:?}") };
    let mut told: Vec<(usize, &str)> = broken
        .report
        .iter()
        .map(|it| (broken.sources.position(&it.at).map_or(0, |it| it.line), it.code.code()))
        .collect();
    told.sort_unstable();
    let wanted = [
        (3, "E0112"),
        (5, "E0211"),
        (6, "E0210"),
        (7, "E0112"),
        (8, "E0202"),
        (8, "E0202"),
        (8, "E0211"),
        (9, "E0003"),
        (10, "E0202"),
        (11, "E0108"),
        (11, "E0112"),
        (12, "E0112"),
    ];
    assert_eq!(told, wanted, "{:#?}", broken.report);
    assert_eq!(broken.name.as_deref(), Some("Prod_1"));
    assert_eq!(broken.place().line, 3);
}

#[test]
fn a_target_among_manifests_is_an_error_where_its_file_is_named_and_a_warning_in_a_folder() {
    let place = Place::new();
    place.write("stack.yaml", STACK);
    place.write("target.yaml", &target("one", ONE, "").replace("path: manifests", "path: ."));
    let folder = place.run("validate");
    assert_eq!(folder.code, Some(0), "{folder:?}");
    assert!(folder.stderr.contains("warning[W0304]"), "{folder:?}");
    let denied = place.run("validate --deny-warnings");
    assert_eq!(denied.code, Some(1), "{denied:?}");
    let named = place.run("validate -f manifests/target.yaml");
    fails(&named, &["E0125", "--target"]);
    let mut given = ivs_apply(place.folder.path());
    given.current_dir(place.folder.path());
    let given = run(given.args(["validate", "--target", "manifests/target.yaml"]));
    assert_eq!((given.code, given.stderr.as_str()), (Some(0), ""), "{given:?}");
}

#[test]
fn a_saved_plan_of_a_target_is_applied_from_any_folder_without_naming_it_again() {
    let mut fleet =
        Fleet::new(&target("one", ONE, &(role(ONE) + "  values: { latency: NORMAL }\n")));
    let saved = fleet.run(&["plan", "--target", "targets.yaml#one", "--out", "saved"]);
    assert_eq!(saved.code, Some(0), "{saved:?}");
    let elsewhere = tempfile::tempdir().expect("a folder");
    let plan = fleet.place.folder.path().join("saved");
    let mut apply = fleet.command(&["apply", plan.to_str().expect("UTF-8")]);
    let ran = run(apply.current_dir(elsewhere.path()));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(fleet.channels(ONE), ["NORMAL"]);
}

#[test]
fn an_emulator_in_a_file_holds_the_accounts_of_several_targets() {
    let place = Place::new();
    place.write("stack.yaml", STACK);
    let two = target("one", ONE, &role(ONE)) + &target("two", TWO, "");
    std::fs::write(place.folder.path().join("targets.yaml"), two).expect("writable");
    let on = |words: &[&str], name: &str| {
        let mut command = ivs_apply(place.folder.path());
        command.current_dir(place.folder.path()).args(words).arg("--emulator");
        run(command.args(["--target", &format!("targets.yaml#{name}")]))
    };
    for name in ["one", "two"] {
        let ran = on(&["apply", "--yes"], name);
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }
    for (name, account) in [("one", ONE), ("two", TWO)] {
        let told = on(&["output", "--format", "json"], name);
        assert!(told.stdout.contains(&format!("us-west-2:{account}:channel/")), "{told:?}");
    }
}

#[test]
fn each_account_of_an_emulator_has_rates_of_its_own() {
    use ivs_apply::emulator::{Clock, Emulator, Settings};
    let settings = Settings { rates: true, clock: Clock::Tokio, ..Settings::default() };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let emulator = Emulator::new(settings);
        let mut passed = Vec::new();
        for account in [ONE, TWO, ONE] {
            let mut count = 0;
            for _ in 0..10 {
                let authorization = format!(
                    "AWS4-HMAC-SHA256 Credential={account}/20260101/us-west-2/ivs/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature={}",
                    "0".repeat(64)
                );
                let request = http::Request::post("http://127.0.0.1/CreateChannel")
                    .header("authorization", authorization)
                    .header("x-amz-date", "20260101T000000Z")
                    .body(b"{}".to_vec())
                    .expect("a request");
                let answer = emulator.answer(request).await.expect("an answer");
                count += usize::from(answer.status() == 200);
            }
            passed.push(count);
        }
        assert_eq!(passed, [5, 5, 0]);
        let of = |account: &str| {
            let path = format!("/_emulator/objects?account={account}");
            let (_, told) = emulator.control("GET", &path, json!({}));
            let channels = told["objects"].as_array().into_iter().flatten();
            channels.filter(|it| it["kind"] == "Channel").count()
        };
        assert_eq!((of(ONE), of(TWO), of("000000000000")), (5, 5, 0));
        let (status, _) = emulator.control("GET", "/_emulator/objects?account=1", Value::Null);
        assert_eq!(status, 400);
    });
}

#[test]
fn the_example_of_a_fleet_is_in_order() {
    let found = targets(&[root().join("examples/fleet/targets")]);
    let good: Vec<_> =
        found.iter().map(|it| it.as_ref().expect("in order").name.as_str()).collect();
    assert_eq!(good, ["staging-usw2", "prod-euw1"]);
    let home = tempfile::tempdir().expect("a folder");
    for name in good {
        let file = root().join("examples/fleet/targets/production.yaml");
        let reference = format!("{}#{name}", file.display());
        let words = ["validate", "--deny-warnings", "--target", &reference];
        let ran = run(ivs_apply(home.path()).args(words));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "2 resources valid\n"), "{ran:?}");
    }
}

/// The fields of an object of a schema, and of the objects below it, each by its path.
fn fields(schema: &Value, path: &str, found: &mut Vec<String>) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        fields(field, &path, found);
        found.push(path);
    }
}

#[test]
fn schema_prints_the_definition_of_a_cluster_with_every_field_of_a_target() {
    let home = tempfile::tempdir().expect("a folder");
    let of = |words: &[&str]| run(ivs_apply(home.path()).arg("schema").args(words));
    let ran = of(&["Target", "--format", "crd"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let file = std::fs::read_to_string(root().join("deploy/operator/crd.yaml")).expect("there");
    assert_eq!(ran.stdout, file);
    let definition: Value = serde_yaml::from_str(&ran.stdout).expect("YAML");
    assert_eq!(definition["kind"], "CustomResourceDefinition");
    let of_objects =
        &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let documents: Value = serde_json::from_str(&of(&["Target"]).stdout).expect("JSON");
    let (mut in_cluster, mut in_files) = (Vec::new(), Vec::new());
    fields(of_objects, "spec", &mut in_cluster);
    fields(&documents["properties"]["spec"], "spec", &mut in_files);
    in_cluster.sort();
    in_files.sort();
    assert!(in_files.iter().any(|it| it == "spec.manifests.sourceRef.kind"), "{in_files:?}");
    assert_eq!(in_cluster, in_files, "write deploy/operator/crd.yaml anew, as its first line says");
}

#[test]
fn no_kind_but_target_has_a_definition_for_a_cluster() {
    let home = tempfile::tempdir().expect("a folder");
    for words in [&["schema"][..], &["schema", "Channel"], &["schema", "Stack"]] {
        let ran = run(ivs_apply(home.path()).args(words).args(["--format", "crd"]));
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.stderr.contains("ivs-apply schema Target --format crd"), "{ran:?}");
    }
    // A failure is not taken for a schema, which is JSON in any case.
    let ran = run(ivs_apply(home.path()).args(["schema", "Chanel", "--format", "json"]));
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.contains("did you mean `Channel`?"), "{ran:?}");
}
