//! The IAM policies that are printed: they allow what the program calls, nothing that it does not call, and
//! nothing to what is not the stack's. Judged by an evaluator of policies that knows just the operators used.

use crate::binary::{Place, document, side_by_side};
use crate::golden::root;
use ivs_apply::kinds::operation::TAGS;
use ivs_apply::kinds::{Glob, Kind, On};
use ivs_apply::manifest::load_text;
use ivs_apply::plan::permission::{LARGEST, Purpose, notes, policy};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Names of the operations that the code of a module calls: a folder, or a file and the folder of its name.
fn called(path: &str) -> BTreeSet<String> {
    fn files(path: &Path, found: &mut Vec<PathBuf>) {
        if path.is_dir() {
            for entry in std::fs::read_dir(path).expect("readable") {
                files(&entry.expect("readable").path(), found);
            }
        } else if path.is_file() {
            found.push(path.to_owned());
        }
    }
    let path = root().join("src").join(path);
    let mut found = Vec::new();
    files(&path, &mut found);
    if path.is_file() {
        files(&path.with_extension(""), &mut found);
    }
    let files = found;
    let name = regex::Regex::new(r#"sorted\(\s*"([A-Za-z]+)"\s*\)"#).expect("a valid pattern");
    let mut found = BTreeSet::new();
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
        found.extend(name.captures_iter(code).map(|it| it[1].to_owned()));
    }
    found
}

/// `RecordingConfiguration` lives in `recording_configuration.rs`.
fn file(kind: Kind) -> String {
    let mut name = String::new();
    for c in kind.name().chars() {
        if c.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(c.to_ascii_lowercase());
    }
    format!("kinds/{name}.rs")
}

#[test]
fn the_table_of_operations_is_what_the_code_calls() {
    let mut all: BTreeSet<String> = TAGS.map(str::to_owned).into();
    for &kind in Kind::ALL {
        let own = called(&file(kind));
        let table: BTreeSet<String> =
            kind.facts().operations.iter().map(|it| it.name.to_owned()).collect();
        for missing in own.iter().filter(|it| !TAGS.contains(&it.as_str())) {
            assert!(table.contains(missing), "{kind} calls {missing}");
        }
        for operation in kind.facts().operations {
            // What is done to objects of another kind is called by its file.
            let by_others = operation.on != On::Own
                && Kind::ALL.iter().any(|it| called(&file(*it)).contains(operation.name));
            assert!(own.contains(operation.name) || by_others, "{kind}: {}", operation.name);
        }
        all.extend(table);
    }
    assert_eq!(
        called("kinds").union(&called("aws/tags.rs")).cloned().collect::<BTreeSet<_>>(),
        all
    );
}

/// A request as IAM sees it.
#[derive(Clone, Default)]
struct Request {
    action: &'static str,
    resource: String,
    resource_tags: BTreeMap<String, String>,
    sent_tags: BTreeMap<String, String>,
    tag_keys: Vec<String>,
}

impl Request {
    fn on(action: &'static str, resource: &str) -> Self {
        let full = format!("arn:aws:ivs:us-west-2:123456789012:{resource}/abcdABCDefgh");
        let resource = if resource.contains(':') { resource.to_owned() } else { full };
        Self { action, resource, ..Self::default() }
    }

    fn owned(mut self, stack: &str) -> Self {
        self.resource_tags.insert("ivs-apply:stack".to_owned(), stack.to_owned());
        self
    }

    fn with(mut self, key: &str, value: &str) -> Self {
        self.resource_tags.insert(key.to_owned(), value.to_owned());
        self
    }

    fn sending(mut self, key: &str, value: &str) -> Self {
        self.sent_tags.insert(key.to_owned(), value.to_owned());
        self
    }

    fn context(&self, key: &str) -> Option<&String> {
        let (kind, key) = key.split_once('/').expect("a tag");
        match kind {
            "aws:ResourceTag" => self.resource_tags.get(key),
            "aws:RequestTag" => self.sent_tags.get(key),
            other => panic!("unknown key {other}"),
        }
    }

    fn meets(&self, operator: &str, key: &str, wanted: &Value) -> bool {
        match operator {
            "StringEquals" => self.context(key).is_some_and(|it| wanted == it.as_str()),
            "StringEqualsIfExists" => self.context(key).is_none_or(|it| wanted == it.as_str()),
            "StringLike" => {
                let wanted = wanted.as_str().expect("a pattern");
                let glob: Glob = wanted.parse().expect("a glob");
                self.context(key).is_some_and(|it| glob.matches(it))
            }
            "Null" => (wanted == "true") == self.context(key).is_none(),
            "ForAllValues:StringNotEquals" => {
                assert_eq!(key, "aws:TagKeys");
                let wanted: Vec<&str> =
                    wanted.as_array().expect("a list").iter().filter_map(Value::as_str).collect();
                self.tag_keys.iter().all(|it| !wanted.contains(&it.as_str()))
            }
            other => panic!("unknown operator {other}"),
        }
    }

    fn is_met_by(&self, statement: &Value) -> bool {
        let texts = |field: &str| -> Vec<String> {
            match &statement[field] {
                Value::String(one) => vec![one.clone()],
                Value::Array(all) => {
                    all.iter().map(|it| it.as_str().expect("a text").to_owned()).collect()
                }
                other => panic!("{field}: {other}"),
            }
        };
        let action = texts("Action").contains(&self.action.to_owned());
        let resource = texts("Resource").iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => self.resource.starts_with(start),
            None => self.resource == *pattern,
        });
        let conditions = statement["Condition"].as_object().into_iter().flatten();
        action
            && resource
            && conditions.into_iter().all(|(operator, pairs)| {
                let mut pairs = pairs.as_object().expect("pairs").iter();
                pairs.all(|(key, wanted)| self.meets(operator, key, wanted))
            })
    }

    fn is_allowed_by(&self, policy: &Value) -> bool {
        let statements = policy["Statement"].as_array().expect("statements");
        let effect =
            |word: &str| statements.iter().any(|it| it["Effect"] == word && self.is_met_by(it));
        effect("Allow") && !effect("Deny")
    }
}

const MANIFESTS: &str = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: prod }
spec: { region: us-west-2, account: \"123456789012\" }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: an-archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { recordingConfiguration: archive }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: old }
spec: {}
lifecycle: { adopt: \"arn:aws:ivs:us-west-2:123456789012:channel/OldOldOldOld\" }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: \"arn:aws:ivs:us-west-2:123456789012:stage/ElsewhereElse\"
  destinations: [{ name: out, channel: { channel: main, encoderConfiguration: hd } }]
";

fn of(purpose: Purpose) -> Value {
    let loaded = load_text("all.yaml", MANIFESTS, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    policy(&loaded.stack, &loaded.desired, false, purpose, &[])
}

const STACK: &str = "ivs-apply:stack";
const RECORD: &str = "ivs-apply:record";

#[test]
fn only_what_is_the_stacks_is_written() {
    let apply = of(Purpose::Apply);
    let plan = of(Purpose::Plan);
    let allowed = [
        Request::on("ivs:CreateChannel", "channel").sending(STACK, "prod"),
        // AWS makes the key with the channel, and deletes it with it.
        Request::on("ivs:CreateChannel", "stream-key").sending(STACK, "prod"),
        Request::on("ivs:DeleteChannel", "stream-key"),
        Request::on("ivs:TagResource", "channel")
            .sending(STACK, "prod")
            .sending(RECORD, "0123456789abcdef op=01"),
        Request::on("ivs:UpdateChannel", "channel").owned("prod"),
        Request::on("ivs:DeleteChannel", "channel").owned("prod"),
        Request::on("ivs:StopStream", "channel").owned("prod"),
        Request::on("ivs:TagResource", "channel").owned("prod").sending("tier", "gold"),
        Request::on("ivs:UntagResource", "channel").owned("prod"),
        Request::on("ivs:TagResource", "arn:aws:ivs:us-west-2:123456789012:channel/OldOldOldOld")
            .sending(STACK, "prod"),
        Request::on("ivs:TagResource", "stream-key").sending(STACK, "prod"),
        Request::on("ivs:GetStreamKey", "stream-key").owned("prod"),
        Request::on("ivs:StartComposition", "channel").owned("prod").sending(STACK, "prod"),
        Request::on(
            "ivs:StartComposition",
            "arn:aws:ivs:us-west-2:123456789012:stage/ElsewhereElse",
        )
        .sending(STACK, "prod"),
        Request::on("ivs:StopComposition", "composition").owned("prod"),
        Request::on("s3:GetBucketLocation", "arn:aws:s3:::an-archive"),
        Request::on(
            "iam:CreateServiceLinkedRole",
            "arn:aws:iam::123456789012:role/aws-service-role/ivs.amazonaws.com/AWSServiceRoleForIVSRecordToS3",
        ),
    ];
    for it in &allowed {
        assert!(it.is_allowed_by(&apply), "{} on {}", it.action, it.resource);
        assert!(!it.is_allowed_by(&plan), "a plan writes nothing: {}", it.action);
    }
    let refused = [
        Request::on("ivs:CreateChannel", "channel"),
        Request::on("ivs:CreateChannel", "channel").sending(STACK, "dev"),
        Request::on("ivs:UpdateChannel", "channel"),
        Request::on("ivs:UpdateChannel", "channel").owned("dev"),
        Request::on("ivs:DeleteChannel", "channel").owned("dev"),
        Request::on("ivs:DeleteChannel", "channel").owned("prod").with("ivs-apply:protect", "true"),
        Request::on("ivs:DeleteChannel", "arn:aws:ivs:us-west-2:999999999999:channel/x")
            .owned("prod"),
        // An unowned object is adopted only where a manifest names it, and an owned one never.
        Request::on("ivs:TagResource", "channel").sending(STACK, "prod"),
        Request::on("ivs:TagResource", "channel")
            .owned("dev")
            .sending(STACK, "prod")
            .sending(RECORD, "0123456789abcdef op=01"),
        Request::on("ivs:TagResource", "channel")
            .with("aws:cloudformation:stack-name", "web")
            .sending(STACK, "prod")
            .sending(RECORD, "0123456789abcdef op=01"),
        Request::on("ivs:TagResource", "arn:aws:ivs:us-west-2:123456789012:channel/OldOldOldOld")
            .owned("dev")
            .sending(STACK, "prod"),
        // What is ours is not given away.
        Request::on("ivs:TagResource", "channel").owned("prod").sending(STACK, "dev"),
        Request {
            tag_keys: vec![STACK.to_owned()],
            ..Request::on("ivs:UntagResource", "channel").owned("prod")
        },
        Request::on("ivs:UntagResource", "channel").owned("dev"),
        Request::on("ivs:StartComposition", "stage").sending(STACK, "prod"),
        Request::on("ivs:GetStreamKey", "stream-key").owned("dev"),
        Request::on("ivs:DeleteStage", "stage").owned("prod"),
        Request::on("s3:GetBucketLocation", "arn:aws:s3:::another"),
    ];
    for it in &refused {
        assert!(!it.is_allowed_by(&apply), "{} on {}", it.action, it.resource);
    }
    for action in ["ivs:ListChannels", "ivs:ListStreams", "sts:GetCallerIdentity"] {
        assert!(Request::on(action, "channel").is_allowed_by(&plan), "{action}");
    }
}

/// While an object is created, IAM sees no tags of it, or those of the request: it is not documented which.
#[test]
fn a_create_is_allowed_whether_or_not_iam_takes_its_tags_for_those_of_the_object() {
    let apply = of(Purpose::Apply);
    for kind in ["channel", "recording-configuration", "encoder-configuration"] {
        let plain = Request::on("ivs:TagResource", kind)
            .sending(STACK, "prod")
            .sending(RECORD, "0123456789abcdef op=01");
        let filled = Request { resource_tags: plain.sent_tags.clone(), ..plain.clone() };
        let create = Request::on("ivs:CreateChannel", "channel").sending(STACK, "prod");
        let filled_create = Request { resource_tags: create.sent_tags.clone(), ..create.clone() };
        for it in [plain, filled, create, filled_create] {
            assert!(it.is_allowed_by(&apply), "{} with {:?}", it.action, it.resource_tags);
        }
    }
}

#[test]
fn what_aws_does_elsewhere_is_allowed_on_the_buckets_of_today_and_on_those_that_are_named() {
    let text = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: prod }
spec: { region: us-west-2, account: \"123456789012\" }
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: shows }
spec: { s3: { bucketName: new-shows } }
---
apiVersion: ivs-apply.dev/v1
kind: AdConfiguration
metadata: { name: breaks }
spec:
  mediaTailorPlaybackConfigurations:
    - playbackConfigurationArn: \"arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/a\"
";
    let loaded = load_text("all.yaml", text, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let of = |purpose, buckets: &[String]| {
        policy(&loaded.stack, &loaded.desired, false, purpose, buckets)
    };
    let (apply, plan) = (of(Purpose::Apply, &[]), of(Purpose::Plan, &[]));
    let named = of(Purpose::Apply, &["old-shows".to_owned()]);
    let bucket = |action, name: &str| Request::on(action, &format!("arn:aws:s3:::{name}"));
    for action in [
        "s3:GetBucketPolicy",
        "s3:PutBucketPolicy",
        "s3:DeleteBucketPolicy",
        "s3:GetBucketLocation",
    ] {
        assert!(bucket(action, "new-shows").is_allowed_by(&apply), "{action}");
        assert!(!bucket(action, "new-shows").is_allowed_by(&plan), "{action}");
        assert!(!bucket(action, "old-shows").is_allowed_by(&apply), "{action}");
        assert!(bucket(action, "old-shows").is_allowed_by(&named), "{action}");
    }
    let role = "arn:aws:iam::123456789012:role/aws-service-role/ivs.amazonaws.com/AWSServiceRoleForIVSRecordToS3";
    assert!(Request::on("iam:CreateServiceLinkedRole", role).is_allowed_by(&apply));
    let tailor = |name: &str| {
        let arn =
            format!("arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/{name}");
        Request::on("mediatailor:GetPlaybackConfiguration", &arn)
    };
    assert!(tailor("a").is_allowed_by(&apply) && !tailor("b").is_allowed_by(&apply));
    let told = notes(&apply);
    assert!(told.iter().any(|it| it.contains("`--bucket`")), "{told:?}");
    let place = Place::new();
    place.write("all.yaml", text);
    let ran = place.run("iam-policy apply --bucket old-shows --bucket older-shows");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let printed: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    for name in ["new-shows", "old-shows", "older-shows"] {
        assert!(bucket("s3:DeleteBucketPolicy", name).is_allowed_by(&printed), "{name}");
    }
}

/// `docs/service.md`, "Permissions": creating and deleting either kind of configuration changes the policy of the
/// bucket and uses the service-linked role, both with the caller's permissions.
#[test]
fn a_replacement_or_a_deletion_of_what_records_is_allowed_the_bucket_and_the_service_linked_role() {
    let stack = "apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: prod }
spec: { region: us-west-2, account: \"123456789012\" }
---
apiVersion: ivs-apply.dev/v1
";
    let storage = "kind: StorageConfiguration
metadata: { name: shows }
spec: { s3: { bucketName: new-shows } }
";
    let recording = "kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: new-shows } } }
";
    let neither = "kind: Channel
metadata: { name: main }
spec: {}
";
    let role = "arn:aws:iam::123456789012:role/aws-service-role/ivs.amazonaws.com/\
                AWSServiceRoleForIVSRecordToS3";
    let (new, old) = ("arn:aws:s3:::new-shows", "arn:aws:s3:::old-shows");
    let of_bucket = [
        "s3:DeleteBucketPolicy",
        "s3:GetBucketLocation",
        "s3:GetBucketPolicy",
        "s3:ListBucket",
        "s3:PutBucketPolicy",
    ];
    let of_role = ["iam:AttachRolePolicy", "iam:CreateServiceLinkedRole", "iam:PutRolePolicy"];
    // The buckets of `--bucket` are those of objects that no manifest declares any more.
    for (manifest, records) in [(storage, true), (recording, true), (neither, false)] {
        let loaded = load_text("all.yaml", &format!("{stack}{manifest}"), None);
        assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
        for prune in [false, true] {
            for (purpose, named) in
                [(Purpose::Apply, false), (Purpose::Apply, true), (Purpose::Plan, true)]
            {
                let buckets = if named { vec!["old-shows".to_owned()] } else { Vec::new() };
                let policy = policy(&loaded.stack, &loaded.desired, prune, purpose, &buckets);
                let applies = purpose == Purpose::Apply;
                let check = |action: &'static str, on: &str, wanted: bool| {
                    let allowed = Request::on(action, on).is_allowed_by(&policy);
                    assert_eq!(allowed, wanted, "{action} on {on}, {purpose:?}: {manifest}");
                };
                for action in of_bucket {
                    check(action, new, applies && records);
                    check(action, old, applies && named);
                }
                for action in of_role {
                    check(action, role, applies && (records || named));
                    check(action, "arn:aws:iam::123456789012:role/another", false);
                }
            }
        }
    }
}

#[test]
fn every_statement_says_what_it_is_for() {
    let loaded = load_text("all.yaml", MANIFESTS, None);
    for (purpose, prune) in
        [(Purpose::Plan, false), (Purpose::Apply, false), (Purpose::Apply, true)]
    {
        let policy = policy(&loaded.stack, &loaded.desired, prune, purpose, &["tape".to_owned()]);
        let mut sids = BTreeSet::new();
        for statement in policy["Statement"].as_array().expect("statements") {
            let sid = statement["Sid"].as_str().unwrap_or_else(|| panic!("{statement:#}"));
            // IAM takes letters and digits; one word alone tells no purpose.
            let words = sid.chars().filter(char::is_ascii_uppercase).count();
            assert!(sid.chars().all(|it| it.is_ascii_alphanumeric()) && words >= 2, "{sid}");
            assert!(sids.insert(sid.to_owned()), "{sid} stands twice");
        }
    }
}

#[test]
fn the_lock_is_one_object_that_a_plan_may_only_look_at() {
    let with_lock = MANIFESTS.replacen(
        "account: \"123456789012\" }",
        "account: \"123456789012\", lock: \"s3://locks/ivs/prod.json\" }",
        1,
    );
    let loaded = load_text("all.yaml", &with_lock, None);
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let of_lock = |purpose| policy(&loaded.stack, &loaded.desired, false, purpose, &[]);
    let (apply, plan) = (of_lock(Purpose::Apply), of_lock(Purpose::Plan));
    let object = "arn:aws:s3:::locks/ivs/prod.json";
    for (action, when_planning) in
        [("s3:GetObject", true), ("s3:PutObject", false), ("s3:DeleteObject", false)]
    {
        assert!(Request::on(action, object).is_allowed_by(&apply), "{action}");
        assert_eq!(Request::on(action, object).is_allowed_by(&plan), when_planning, "{action}");
        for other in ["arn:aws:s3:::locks/ivs/prod.json.bak", "arn:aws:s3:::locks/ivs"] {
            assert!(!Request::on(action, other).is_allowed_by(&apply), "{action} on {other}");
        }
        assert!(!Request::on(action, object).is_allowed_by(&of(Purpose::Apply)), "{action}");
    }
    assert!(notes(&apply).iter().any(|it| it.contains("kms:")));
    assert!(!notes(&of(Purpose::Apply)).iter().any(|it| it.contains("kms:")));
}

fn actions(policy: &Value) -> BTreeSet<String> {
    let statements = policy["Statement"].as_array().expect("statements").iter();
    statements
        .filter(|it| it["Effect"] == "Allow")
        .flat_map(|it| it["Action"].as_array().expect("a list"))
        .filter_map(|it| it.as_str()?.strip_prefix("ivs:").map(ToOwned::to_owned))
        .collect()
}

#[test]
fn every_example_is_allowed_what_it_calls() {
    let known: BTreeSet<String> = called("kinds").union(&called("aws/tags.rs")).cloned().collect();
    let examples = crate::examples::examples();
    assert!(examples.len() >= 5);
    side_by_side(&examples, |example| is_allowed_what_it_calls(example, &known));
}

fn is_allowed_what_it_calls(example: &Path, known: &BTreeSet<String>) {
    let place = Place::new();
    let from = example.display().to_string();
    let run = |words: &str| {
        let mut command = crate::binary::ivs_apply(place.folder.path());
        command.current_dir(place.folder.path()).args(words.split_whitespace());
        crate::binary::run(command.args(["-f", &from, "--emulator", "--format", "json"]))
    };
    let allowed = |words: &str| {
        let ran = run(&format!("iam-policy {words}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let policy: Value = serde_json::from_str(&ran.stdout).expect("JSON");
        let length = policy.to_string().len();
        assert!(words.contains("prune") || length <= LARGEST, "{from}: {words}: {length}");
        let allowed = actions(&policy);
        assert!(allowed.is_subset(known), "{:?}", allowed.difference(known));
        allowed
    };
    let (plan, apply, prune) = (allowed("plan"), allowed("apply"), allowed("apply --prune"));
    assert!(plan.is_subset(&apply) && apply.is_subset(&prune));
    let check = |words: &str, allowed: &BTreeSet<String>| {
        let ran = run(words);
        let told = document(&ran);
        for (operation, _) in told["calls"].as_object().expect("calls") {
            // No permission is needed, or the run does without it.
            let free = ["GetCallerIdentity", "BatchGetStreamKey"].contains(&operation.as_str());
            assert!(free || allowed.contains(operation), "{from}: {words}: {operation}");
        }
        (ran.code, told)
    };
    let (code, planned) = check("plan", &plan);
    assert_eq!(code, Some(0));
    assert_eq!(check("apply --yes", &apply).0, Some(0));
    check("plan --refresh full", &plan);
    check("drift", &plan);
    check("status", &plan);
    check("output", &plan);
    let mut destroy = "destroy --yes".to_owned();
    for step in planned["steps"].as_array().expect("steps") {
        let address = step["address"].as_str().expect("a name");
        destroy.push_str(&format!(" --allow-live {address}"));
    }
    let (mut code, refused) = check(&destroy, &prune);
    let help = refused["error"]["help"].as_str().unwrap_or_default();
    if let Some(number) = help.split("--confirm-deletes ").nth(1) {
        let number = number.trim_end_matches('`');
        code = check(&format!("{destroy} --confirm-deletes {number}"), &prune).0;
    }
    assert_eq!(code, Some(0), "{from}");
}

#[test]
fn a_policy_that_is_too_long_or_too_wide_is_told() {
    let place = Place::new();
    place.write("all.yaml", MANIFESTS);
    let ran = place.run("iam-policy apply --prune");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("IAM cannot limit ivs:UpdateAdConfiguration"), "{ran:?}");
    let policy: Value = serde_json::from_str(&ran.stdout).expect("JSON");
    let long = policy.to_string().len() > LARGEST;
    assert_eq!(long, notes(&policy).iter().any(|it| it.contains("split it")));
    assert_eq!(place.run("iam-policy destroy").code, Some(1));
    assert!(notes(&of(Purpose::Plan)).is_empty());
}

#[test]
fn a_bucket_name_that_s3_does_not_know_is_refused() {
    let place = crate::binary::Place::new();
    place.write("a.yaml", "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\n");
    let long = "a".repeat(64);
    for (name, why) in [
        ("*", "3 to 63 characters"),
        ("my-bucket*", "cannot contain '*'"),
        (&long, "3 to 63 characters"),
        ("My-Bucket", "cannot contain 'M'"),
        ("my_bucket", "cannot contain '_'"),
        ("-bucket", "begins and ends with"),
        ("bucket.", "begins and ends with"),
        ("a..b", "no two dots"),
        ("192.168.5.4", "IP address"),
        ("xn--bucket", "begin with `xn--`"),
        ("bucket-s3alias", "end with `-s3alias`"),
        ("arn:aws:s3:::bucket", "cannot contain ':'"),
    ] {
        let mut command = place.command("iam-policy");
        let ran = crate::binary::run(command.arg("plan").arg(format!("--bucket={name}")));
        assert_eq!(ran.code, Some(1), "{name}: {ran:?}");
        assert!(ran.stdout.is_empty(), "{ran:?}");
        assert!(ran.stderr.contains("for '--bucket <NAME>'"), "{name}: {ran:?}");
        assert!(ran.stderr.contains(why), "{name}: {ran:?}");
    }
    let mut command = place.command("iam-policy");
    let ran =
        crate::binary::run(command.args(["plan", "--bucket", "my-bucket.prod 1.2.3.400 abc"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
