//! The state of a stack as a person on duty sees it: every state, what is on air, few calls, on a terminal and in a pipe.

use crate::account::{Account, on_paused_time, session};
use crate::binary::{Place, Ran, Served, document, ivs_apply, run, side_by_side};
use crate::calls::channels;
use crate::client::Client;
use crate::golden::root;
use ivs_apply::diag::{Origin, SourceId};
use ivs_apply::kinds::{
    Address, Arn, Desired, Kind, Observed, ObservedState, OwnershipTags, Pointer, Spec, Stack,
};
use ivs_apply::manifest::load_text;
use ivs_apply::manifest::values::GivenValues;
use ivs_apply::plan::{Policy, ResourceState, ResourceStatus, plan, recorded_states};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The view of manifests.
async fn view(
    account: &Account,
    stack: &Stack,
    desired: &[Desired],
) -> (Vec<ResourceStatus>, ObservedState) {
    let session = session(&account.aws);
    let planned = session.plan(stack.clone(), desired.to_vec(), Policy::default(), false).await;
    let mut planned = planned.expect("the account can be read");
    session.look_up_live(&mut planned.observed, &|_| true).await.expect("the account can be read");
    (planned.plan.resource_states(&planned.observed), planned.observed)
}

/// An account in which these manifests are applied.
async fn applied(text: &str, stack: &str) -> (Account, Stack, Vec<Desired>) {
    let account = Account::empty().await;
    let stack = Stack::named(stack);
    let loaded = load_text("all.yaml", text, Some(&stack.name));
    assert!(!loaded.report.has_errors(), "{:#?}", loaded.report);
    let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
    assert!(account.apply(&stack, &observed, &plan).await.is_well());
    (account, stack, loaded.desired)
}

fn states(all: &[ResourceStatus]) -> Vec<String> {
    let one = |it: &ResourceStatus| format!("{} {}", it.state.code(), it.address);
    all.iter().filter(|it| it.state != ResourceState::InSync).map(one).collect()
}

#[test]
fn a_thousand_channels_of_which_fifty_are_live_take_the_calls_of_a_plan() {
    on_paused_time(async {
        let (account, stack, desired) = applied(&channels(1_000), "big").await;
        account.answers(json!({ "largestPage": 0 }));
        let (_, observed) = view(&account, &stack, &desired).await;
        for (index, channel) in observed.owned.values().take(50).enumerate() {
            let body = json!({ "channelArn": channel.arn, "viewerCount": index });
            account.control("POST", "/_emulator/streams", body);
        }
        account.calls();
        let (resources, observed) = view(&account, &stack, &desired).await;
        assert_eq!(
            account.calls(),
            json!({ "BatchGetChannel": 20, "ListChannels": 10, "ListStreams": 1 })
        );
        assert_eq!(resources.len(), 1_000);
        let live = resources.iter().filter_map(|it| observed.live.get(it.arn.as_ref()?));
        let live: Vec<_> = live.collect();
        assert_eq!(live.len(), 50);
        let whole = |it: &&&_| {
            let it: &ivs_apply::kinds::Live = it;
            it.since.is_some() && it.health.as_ref().is_some_and(|it| it.as_str() == "HEALTHY")
        };
        assert_eq!(live.iter().filter(|it| whole(it)).count(), 50);
    });
}

#[test]
fn publishers_are_asked_for_once_for_each_stage_with_a_session_and_for_no_other() {
    on_paused_time(async {
        let stage = |name: &str| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: {name} }}\n"
            )
        };
        let text = ["empty", "talk", "watched"].map(stage).concat();
        let (account, stack, desired) = applied(&text, "live").await;
        account.answers(json!({ "largestPage": 0 }));
        let (_, observed) = view(&account, &stack, &desired).await;
        let arn = |name: &str| {
            let address = format!("Stage/{name}").parse().expect("an address");
            observed.owned[&address].arn.clone()
        };
        for (stage, role) in [
            ("talk", "publisher"),
            ("talk", "publisher"),
            ("talk", "subscriber"),
            ("watched", "subscriber"),
        ] {
            let body = json!({ "stageArn": arn(stage), "userId": "x", "role": role });
            account.control("POST", "/_emulator/participants", body);
        }
        account.calls();
        let (_, now) = view(&account, &stack, &desired).await;
        assert_eq!(
            account.calls(),
            json!({ "GetStage": 3, "ListParticipants": 2, "ListStages": 1 })
        );
        let publishers = |name: &str| now.live.get(&arn(name)).and_then(|it| it.publishers);
        assert_eq!(publishers("talk"), Some(2));
        assert_eq!(publishers("watched"), Some(0), "a session with subscribers alone");
        assert_eq!(publishers("empty"), None);
    });
}

/// All manifests of the examples, which have every kind.
fn examples() -> Vec<(String, Vec<Desired>, Stack)> {
    let mut all = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    for name in ["ads", "broadcast", "private-playback", "quickstart", "real-time"] {
        let paths = [root().join("examples").join(name)];
        let stdin =
            ivs_apply::manifest::StandardInput { text: &mut std::io::empty(), folder: None };
        let loaded = ivs_apply::manifest::load(&paths, stdin, None, &GivenValues::default());
        assert!(!loaded.report.has_errors(), "{name}: {:#?}", loaded.report);
        kinds.extend(loaded.desired.iter().map(|it| it.address.kind));
        let stack = Stack { account: None, region: None, lock: None, ..loaded.stack };
        all.push((name.to_owned(), loaded.desired, stack));
    }
    for kind in Kind::ALL {
        assert!(kinds.contains(kind), "no example has a {kind}");
    }
    all
}

#[test]
fn resources_of_every_kind_are_missing_then_in_sync_then_orphaned_and_known_by_their_tags() {
    on_paused_time(async {
        for (name, desired, stack) in examples() {
            let account = Account::empty().await;
            let (resources, _) = view(&account, &stack, &desired).await;
            let early = [ResourceState::Missing, ResourceState::Dormant];
            assert_eq!(resources.len(), desired.len(), "{name}");
            assert!(resources.iter().all(|it| early.contains(&it.state)), "{name}: {resources:#?}");

            let (observed, plan) = account.plan(&stack, &desired, &Policy::default()).await;
            assert!(account.apply(&stack, &observed, &plan).await.is_well(), "{name}");
            let (resources, observed) = view(&account, &stack, &desired).await;
            let quiet = [ResourceState::InSync, ResourceState::Dormant];
            assert!(resources.iter().all(|it| quiet.contains(&it.state)), "{name}: {resources:#?}");

            // The tags know all that exists, and no digest is taken for a change.
            let alone = session(&account.aws).survey(&stack).await.expect("it can be read");
            let recorded = recorded_states(&stack, &alone, &Policy::default());
            let known = [ResourceState::InSync, ResourceState::NotCompared];
            assert!(recorded.iter().all(|it| known.contains(&it.state)), "{name}: {recorded:#?}");
            let addresses = |all: &[ResourceStatus]| -> Vec<String> {
                let exist = all.iter().filter(|it| it.arn.is_some());
                let mut all: Vec<String> = exist.map(|it| it.address.to_string()).collect();
                all.sort();
                all
            };
            assert_eq!(addresses(&recorded), addresses(&resources), "{name}");

            // Of the kinds that are read, what is not declared is orphaned.
            let mut fewer = desired.clone();
            let gone = fewer.remove(fewer.len() - 1).address;
            let owned = observed.owned.contains_key(&gone);
            let still_read = fewer.iter().any(|it| {
                let refers = it.spec.refs().iter().any(|edge| edge.kind == gone.kind);
                it.address.kind == gone.kind || refers
            });
            let (resources, _) = view(&account, &stack, &fewer).await;
            let orphaned = resources.iter().find(|it| it.state == ResourceState::Orphaned);
            let lists = gone.kind.facts().listed_under.is_none();
            assert_eq!(
                orphaned.map(|it| it.address.clone()),
                Some(gone).filter(|_| owned && still_read && lists),
                "{name}"
            );
        }
    });
}

/// The state of the example of a kind: as it was applied, as it is now, and as its manifest says.
fn state_of_example(
    applied: &Spec,
    now: Option<Spec>,
    manifest: Option<Spec>,
) -> Vec<ResourceState> {
    let kind = applied.kind();
    let address = Address::new(kind, "main");
    let mut observed =
        ObservedState { listed: Kind::ALL.iter().copied().collect(), ..ObservedState::default() };
    let arn_type = kind.facts().arn_type.expect("it carries tags");
    let arn = format!("arn:aws:ivs:us-west-2:000000000000:{arn_type}/abcdefghijkl");
    for edge in applied.refs() {
        if let Pointer::Named(target) = edge.to {
            let arn = format!("arn:aws:ivs:us-west-2:000000000000:x/{}", target.name);
            observed.addresses.note(target, Arn::new(arn));
        }
    }
    let ownership = OwnershipTags {
        stack: "all".to_owned(),
        name: "main".to_owned(),
        digest: applied.digest(&observed.addresses).expect("everything it refers to is there"),
        attempt_id: "1".to_owned(),
        ..OwnershipTags::default()
    };
    if let Some(now) = now {
        observed.addresses.note(address.clone(), Arn::new(arn.clone()));
        let object = Observed::listed(kind, arn, ownership.tags()).with(now);
        observed.owned.insert(address.clone(), object);
    }
    let desired = manifest.map(|spec| Desired {
        address,
        spec,
        lifecycle: ivs_apply::kinds::Lifecycle::default(),
        labels: std::collections::BTreeMap::default(),
        previous_names: Vec::new(),
        name_is_default: false,
        origin: Origin { source: SourceId(0), document: 0 },
    });
    let desired: Vec<Desired> = desired.into_iter().collect();
    let plan = plan(&Stack::named("all"), &desired, &observed, &Policy::default());
    plan.resource_states(&observed).iter().map(|it| it.state).collect()
}

#[test]
fn every_kind_is_in_each_state_that_it_can_have() {
    for &kind in Kind::ALL.iter().filter(|it| it.facts().arn_type.is_some()) {
        let applied = kind.example();
        let mut changed = applied.clone();
        let tags = changed.tags_mut().expect("what has an ARN carries tags");
        tags.insert("tier".to_owned(), "silver".to_owned());
        let here = || Some(applied.clone());
        let state = |now, manifest| state_of_example(&applied, now, manifest);
        assert_eq!(state(here(), here()), [ResourceState::InSync], "{kind}");
        assert_eq!(state(here(), Some(changed.clone())), [ResourceState::Pending], "{kind}");
        assert_eq!(state(Some(changed), here()), [ResourceState::Drifted], "{kind}");
        assert_eq!(state(None, here()), [ResourceState::Missing], "{kind}");
        // A key comes with its channel, and is an orphan only where that is left.
        let orphans: &[_] =
            if kind.facts().created_by.is_some() { &[] } else { &[ResourceState::Orphaned] };
        assert_eq!(state(here(), None), orphans, "{kind}");
    }
}

#[test]
fn a_change_by_hand_is_drift_also_where_no_manifest_is_at_hand() {
    on_paused_time(async {
        let (account, stack, desired) = applied(&channels(2), "hand").await;
        let (_, observed) = view(&account, &stack, &desired).await;
        let arn = observed.owned.values().next().expect("two channels").arn.clone();
        let request = account.aws.ivs.update_channel().arn(arn.as_str());
        let normal = aws_sdk_ivs::types::ChannelLatencyMode::NormalLatency;
        request.latency_mode(normal).send().await.expect("changed");
        let alone = session(&account.aws).survey(&stack).await.expect("it can be read");
        let recorded = recorded_states(&stack, &alone, &Policy::default());
        assert_eq!(states(&recorded), ["Drifted Channel/c0"]);
        let (resources, _) = view(&account, &stack, &desired).await;
        assert_eq!(states(&resources), ["Drifted Channel/c0"]);
    });
}

const SHOW: &str = "apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: air }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: second, labels: { team: sports } }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: second }
spec: { channel: second }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: tape }
spec: { s3: { bucketName: example-shows } }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: { video: { width: 1280, height: 720 } }
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: camera }
spec: { ingestProtocol: RTMPS, stage: studio }
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  run: ALWAYS
  destinations:
    - { name: air, channel: { channel: air, encoderConfiguration: hd } }
    - { name: tape, s3: { storageConfiguration: tape, encoderConfigurations: [hd] } }
";

/// A show day: an emulator that is served, with a stack that is applied and on air.
struct ShowDay {
    place: Place,
    served: Served,
    arns: Value,
}

impl ShowDay {
    fn begin() -> Self {
        let place = Place::new();
        place.write("show.yaml", SHOW);
        let served = Served::with_defaults(place.folder.path(), &[]);
        let mut day = Self { place, served, arns: Value::Null };
        let ran = run(&mut day.command("apply --yes -f manifests"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        day.arns = document(&day.run("output -f manifests --format json"))["outputs"].clone();
        let mut client = day.client();
        client.control(
            "POST",
            "streams",
            &json!({ "channelArn": day.arn("Channel/second"), "viewerCount": 1204 }),
        );
        client.control(
            "POST",
            "ingests",
            &json!({ "ingestConfigurationArn": day.arn("IngestConfiguration/camera") }),
        );
        day
    }

    fn client(&self) -> Client {
        Client::new(&self.served.url)
    }

    fn arn(&self, address: &str) -> Value {
        self.arns[address]["arn"].clone()
    }

    fn command(&self, words: &str) -> Command {
        let mut command = ivs_apply(self.place.folder.path());
        command.current_dir(self.place.folder.path());
        command.args(words.split_whitespace()).envs(self.variables());
        command
    }

    fn variables(&self) -> Vec<(String, String)> {
        [
            ("AWS_REGION", "us-west-2"),
            ("AWS_ACCESS_KEY_ID", "key"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("AWS_ENDPOINT_URL", &self.served.url),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
    }

    fn run(&self, words: &str) -> Ran {
        run(&mut self.command(words))
    }

    /// The channel of the composition loses its stream, and time goes by.
    fn break_a_destination(&self) {
        let mut client = self.client();
        client.call("StopStream", &json!({ "channelArn": self.arn("Channel/air") }));
        client.control("POST", "clock", &json!({ "advanceSeconds": 60 }));
    }

    /// What the program writes to a terminal of this size, both streams.
    fn on_terminal(
        &self,
        words: &str,
        columns: usize,
        rows: usize,
        variables: &[(&str, &str)],
    ) -> String {
        let program = env!("CARGO_BIN_EXE_ivs-apply");
        let line = words.replace("ivs-apply", program);
        let line = format!("stty cols {columns} rows {rows}; {line}");
        let shown = Command::new("script")
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .current_dir(self.place.folder.path())
            .env_clear()
            .envs([
                ("HOME", "."),
                ("TERM", "xterm"),
                ("SHELL", "/bin/sh"),
                ("PATH", "/usr/bin:/bin"),
            ])
            .envs(self.variables())
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .expect("`script` of util-linux is there");
        String::from_utf8(shown.stdout).expect("the program writes UTF-8")
    }
}

/// What a terminal shows after these bytes: the few sequences that the program sends.
fn terminal(bytes: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0, 0);
    let mut rest = bytes.chars();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => {
                row += 1;
                if row == lines.len() {
                    lines.push(Vec::new());
                }
            }
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "{bytes:?}");
                let mut arguments = String::new();
                let end = loop {
                    match rest.next().expect("a whole sequence") {
                        it if it.is_ascii_alphabetic() => break it,
                        it => arguments.push(it),
                    }
                };
                let count = arguments.parse().unwrap_or(0);
                match end {
                    'A' => row = row.checked_sub(count).expect("never above the first line"),
                    'K' => lines[row].clear(),
                    'J' => {
                        lines.truncate(row + 1);
                        lines[row].truncate(column);
                    }
                    'm' | 'h' | 'l' => {}
                    other => panic!("an unknown sequence `{arguments}{other}`"),
                }
            }
            _ => {
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
    }
    lines.into_iter().map(|it| it.into_iter().collect::<String>().trim_end().to_owned()).collect()
}

#[test]
fn a_show_day_is_seen_at_a_glance() {
    let day = ShowDay::begin();
    let ran = day.run("status -f manifests");
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
    let has = |ran: &Ran, wanted: &[&str]| {
        let told: Vec<String> = ran
            .stdout
            .lines()
            .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        for wanted in wanted {
            assert!(told.iter().any(|it| it.starts_with(wanted)), "`{wanted}`: {}", ran.stdout);
        }
    };
    has(
        &ran,
        &[
            "Channel/second healthy, 1,204 viewers, for ",
            "IngestConfiguration/camera a participant publishes",
            "Stage/studio 1 publisher, session st-",
            "in sync Channel/second",
            "8 resources: 8 in sync",
            "On air: 2 Channel, 1 Composition, 1 IngestConfiguration, 1 Stage; 1,204 viewers",
        ],
    );
    let composition =
        ran.stdout.lines().find(|it| it.contains("Composition/show")).expect("on air");
    assert!(composition.contains("2 destinations ACTIVE"), "{}", ran.stdout);

    // A change that waits, a destination that fails, a stream that starves, something that nobody declares.
    day.break_a_destination();
    let starves = json!({
        "channelArn": day.arn("Channel/second"), "viewerCount": 1204, "health": "STARVING",
    });
    day.client().control("POST", "streams", &starves);
    let changed = SHOW.replace(
        "labels: { team: sports } }",
        "labels: { team: sports } }\nspec: { latencyMode: NORMAL }",
    );
    let (changed, ingest) = changed.split_at(
        changed
            .find("---\napiVersion: ivs-apply.dev/v1\nkind: IngestConfiguration")
            .expect("there"),
    );
    let rest = &ingest[ingest[3..].find("---").expect("another document") + 3..];
    day.place.write("show.yaml", &format!("{changed}{rest}"));
    let ran = day.run("status -f manifests");
    has(
        &ran,
        &[
            "degraded Composition/show degraded: 1 of 2 destinations has failed; replace deferred: live: the composition is running",
            "deferred Channel/second configuration changed; update deferred: live: 1,204 viewers",
            "Channel/second STARVING, 1,204 viewers",
            "Composition/show air FAILED, tape ACTIVE, for 1 min, since 2",
            "Stage/studio 1 publisher",
        ],
    );
    let place =
        |text: &str| ran.stdout.find(text).unwrap_or_else(|| panic!("{text}: {}", ran.stdout));
    assert!(place("Not in sync") < place("On air") && place("On air") < place("As declared"));
    assert!(place("STARVING") < place("Not in sync"), "what is not healthy comes first");

    let told = document(&day.run("status -f manifests --format json"));
    assert_eq!((&told["command"], &told["status"]), (&json!("status"), &json!("changes")));
    let of = |address: &str| {
        let mut all = told["resourceStates"].as_array().expect("a list").iter();
        all.find(|it| it["address"] == address).expect("there").clone()
    };
    assert_eq!(of("Channel/second")["state"], "Deferred");
    assert_eq!(of("Channel/second")["reason"], "LiveAudience");
    assert_eq!(of("Channel/second")["live"]["health"], "STARVING");
    assert_eq!(of("Composition/show")["live"]["destinations"][0]["name"], "air");
    assert_eq!(of("Composition/show")["live"]["destinations"][0]["state"], "FAILED");
    assert_eq!(of("StorageConfiguration/tape")["live"], Value::Null);
    assert_eq!(told["onAir"]["kinds"], json!({ "Channel": 1, "Composition": 1, "Stage": 1 }));

    // Everybody stops to publish, and somebody still watches.
    let mut client = day.client();
    client.control(
        "DELETE",
        "ingests",
        &json!({ "ingestConfigurationArn": day.arn("IngestConfiguration/camera") }),
    );
    let watcher =
        json!({ "stageArn": day.arn("Stage/studio"), "userId": "x", "role": "subscriber" });
    client.control("POST", "participants", &watcher);
    has(&day.run("status -f manifests"), &["Stage/studio no publisher, session st-"]);

    // Without manifests the tags tell.
    let told = document(&day.run("status --stack default --format json"));
    assert_eq!(told["declared"], false);
    assert_eq!(told["resourceStates"].as_array().map(Vec::len), Some(8));
    assert_eq!(told["stateCounts"]["Degraded"], 1);
    assert_eq!(told["onAir"]["kinds"]["Stage"], 1);
    let ran = day.run("status --stack default");
    assert!(ran.stdout.contains("read from ownership tags alone"), "{ran:?}");
    let ran = day.run("status --stack nothing-here");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("The stack has no resources\nNothing is on air\n"), "{ran:?}");

    // A part.
    let ran = day.run("status -f manifests -l team=sports");
    has(&ran, &["1 resource: 1 deferred", "On air: 1 Channel; 1,204 viewers", "note: 1 selected"]);
    let ran = day.run("status --stack default --only Stage/*");
    has(&ran, &["1 resource: 1 in sync", "On air: 1 Stage"]);
    let ran = day.run("status --stack default --only StreamKey/*");
    has(
        &ran,
        &["not compared StreamKey/second", "1 resource: 1 not compared", "Nothing is on air"],
    );
    let ran = day.run("status --stack default -l team=sports");
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("`-l` needs manifests"), "{ran:?}");

    let ran = day.run("status -f manifests --format markdown");
    assert!(ran.stdout.contains("-->\n### Status of stack `default` in `us-west-2`\n"), "{ran:?}");
    assert!(
        ran.stdout.contains("- `Channel/second` **deferred**: `configuration changed; "),
        "{ran:?}"
    );
    assert!(ran.stdout.contains("- `Composition/show`: `air FAILED, tape ACTIVE, for "), "{ran:?}");
    assert!(ran.stdout.ends_with("</details>\n"), "{ran:?}");
}

#[test]
fn no_line_is_wider_than_the_terminal_and_only_colours_are_sent() {
    let day = ShowDay::begin();
    day.break_a_destination();
    for columns in [60, 200] {
        let raw = day.on_terminal("ivs-apply status -f manifests", columns, 40, &[]);
        let shown = terminal(&raw);
        assert!(shown.iter().any(|it| it.contains("Composition/show")), "{shown:#?}");
        assert!(raw.contains("\u{1b}[31m"), "what needs attention is red: {raw:?}");
        for line in &shown {
            assert!(line.chars().count() <= columns, "{columns}: {line}");
        }
        let whole = "air FAILED, tape ACTIVE, for 1 min, since 2";
        assert_eq!(shown.iter().any(|it| it.contains(whole)), columns == 200, "{shown:#?}");
    }
    let plain =
        day.on_terminal("ivs-apply status -f manifests 2>/dev/null", 200, 40, &[("NO_COLOR", "1")]);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
}

#[test]
fn a_watch_redraws_in_its_place_and_ends_with_the_code_of_the_signal() {
    let day = ShowDay::begin();
    let watch = "timeout --foreground --preserve-status -s INT 6 ivs-apply status -f manifests --watch=1s; echo code $?";
    let terminals = [(60, 12, &[][..]), (200, 50, &[("NO_COLOR", "1")][..])];
    side_by_side(terminals, |(columns, rows, variables)| {
        let raw = day.on_terminal(watch, columns, rows, variables);
        assert!(raw.matches("again every 1 s, Ctrl-C ends").count() >= 2, "{raw:?}");
        assert_eq!(raw.contains("\u{1b}[1m"), variables.is_empty(), "{raw:?}");
        let (hidden, shown) = (raw.rfind("\u{1b}[?25l"), raw.rfind("\u{1b}[?25h"));
        assert!(hidden.is_some() && hidden < shown, "the cursor comes back: {raw:?}");
        let screen = terminal(&raw);
        let count = |text: &str| screen.iter().filter(|it| it.contains(text)).count();
        assert_eq!(count("Status for stack"), 1, "{screen:#?}");
        assert_eq!(count("again every 1 s, Ctrl-C ends"), 1, "{screen:#?}");
        assert_eq!(count("code 130"), 1, "{screen:#?}");
        assert_eq!(count("more lines (all of them"), usize::from(rows == 12), "{screen:#?}");
        assert!(count("healthy, 1,204 viewers") > 0, "{screen:#?}");
        assert!(screen.iter().all(|it| it.chars().count() <= columns), "{screen:#?}");
    });
}

#[test]
fn a_watch_in_a_pipe_ends_with_its_reader() {
    let day = ShowDay::begin();
    let mut child = day
        .command("status -f manifests --watch=1s --format json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for _ in 0..2 {
        let line = lines.next().expect("a document a second").expect("UTF-8");
        let ran = Ran { code: None, stdout: line, stderr: String::new() };
        assert_eq!(document(&ran)["onAir"]["viewers"], 1204);
    }
    drop(lines);
    let begun = Instant::now();
    let code = loop {
        if let Some(status) = child.try_wait().expect("it runs or has ended") {
            break status.code();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it goes on without a reader");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(code, Some(0));
}

#[test]
fn a_watch_outlives_errors_that_pass_and_no_refusal_of_its_credentials() {
    let day = ShowDay::begin();
    let fault = |name: &str| json!({ "operation": "ListStreams", "kind": "error", "name": name, "probability": 1.0 });
    let mut client = day.client();
    let started = |format: &str| {
        day.command(&format!("status -f manifests --watch=1s --format {format}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    };
    let mut child = started("json");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || {
        let stdout = lines.next().expect("a document each second").expect("UTF-8");
        document(&Ran { code: None, stdout, stderr: String::new() })
    };
    assert_eq!(next()["status"], "clean");
    client.control("POST", "faults", &fault("ValidationException"));
    let failed = loop {
        let document = next();
        if document["status"] == "failed" {
            break document;
        }
    };
    assert!(
        failed["error"]["message"].as_str().is_some_and(|it| it.contains("Channel")),
        "{failed}"
    );
    client.control("DELETE", "faults", &Value::Null);
    while next()["status"] != "clean" {}
    // A permission that is taken away may come back.
    client.control("POST", "faults", &fault("AccessDeniedException"));
    while next()["status"] != "failed" {}
    client.control("DELETE", "faults", &Value::Null);
    let calls = loop {
        let document = next();
        if document["status"] == "clean" {
            break document["calls"].clone();
        }
    };
    let once = document(&day.run("status -f manifests --format json"));
    assert_eq!(calls, once["calls"], "the calls of one reading, not of all");
    drop(lines);
    let ended = child.wait_with_output().expect("it ends with its reader");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(told.contains("; trying again in 1 s"), "{told}");
    assert!(told.contains("check the credentials in force"), "{told}");
    // A watch does not begin without permissions.
    client.control("POST", "faults", &fault("AccessDeniedException"));
    let refused = day.run("status -f manifests --watch=1s");
    assert_eq!(refused.code, Some(1), "{refused:?}");
}

#[test]
fn a_stack_name_that_no_object_has_is_said_to_be_unknown() {
    let place = Place::new();
    let ran = run(ivs_apply(place.folder.path()).current_dir(place.folder.path()).args([
        "status",
        "--stack",
        "typo",
        "--emulator",
        "--region",
        "us-west-2",
    ]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.stdout.contains(
            "no object in us-west-2 has the ownership tags of stack `typo`; check the name, the region and the account"
        ),
        "{ran:?}"
    );
}

#[test]
fn a_value_behind_a_space_is_said_to_need_an_equals_sign() {
    let place = Place::new();
    for (words, tip) in [
        ("status -f manifests --watch 3s", "use `--watch=3s`"),
        ("status -f manifests --emulator state.json", "use `--emulator=state.json`"),
    ] {
        let mut command = ivs_apply(place.folder.path());
        let ran = run(command.current_dir(place.folder.path()).args(words.split(' ')));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(tip), "{ran:?}");
    }
}

#[test]
fn a_channel_that_starves_is_shown_first() {
    let day = ShowDay::begin();
    let starves = json!({ "channelArn": day.arn("Channel/second"), "health": "STARVING" });
    day.client().control("POST", "streams", &starves);
    for format in ["text", "markdown", "html"] {
        let ran = day.run(&format!("status -f manifests --format {format}"));
        let place = |heading: &str| {
            let found = ran.stdout.find(heading);
            found.unwrap_or_else(|| panic!("no {heading}: {ran:?}"))
        };
        assert!(place("Not healthy") < place("Channel/air"), "{ran:?}");
    }
}

#[test]
fn a_watch_of_an_emulated_account_leaves_it_to_other_commands_in_between() {
    let place = Place::new();
    place.write("show.yaml", SHOW);
    let mut child = place
        .command("status --watch=2s --format json")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut next = || {
        let stdout = lines.next().expect("a document").expect("UTF-8");
        document(&Ran { code: None, stdout, stderr: String::new() })
    };
    assert_eq!(next()["stateCounts"]["Missing"], 8);
    // A machine that is busy may begin this while the account is read again.
    let mut tries = (0..10).map(|_| place.run("apply --yes"));
    let applied = tries.find(|it| !it.stderr.contains("in use by another process"));
    assert_eq!(applied.as_ref().and_then(|it| it.code), Some(0), "{applied:?}");
    while next()["stateCounts"]["InSync"] != 8 {}
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn an_interval_is_at_least_a_second() {
    let place = Place::new();
    place.write("show.yaml", SHOW);
    for (given, said) in [
        ("500ms", "the pause is at least 1s"),
        ("0", "the pause is at least 1s"),
        ("25h", "the pause is at most 24h"),
        ("soon", "write it as 5s, 1m30s, 3h or 2d"),
    ] {
        let ran = place.run(&format!("status --watch={given}"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains(said), "{ran:?}");
    }
}

#[test]
fn a_name_in_a_tag_neither_steers_a_terminal_nor_leaves_its_code_span() {
    let day = ShowDay::begin();
    let hostile = "x`|\u{1b}[2J\u{202e}</details>::error::#";
    let tags = json!({ "ivs-apply:name": hostile });
    let arn = day.arn("Channel/second");
    day.client().control("POST", "tags", &json!({ "resourceArn": arn, "tags": tags }));
    for format in ["text", "markdown"] {
        let ran = day.run(&format!("status --stack default --format {format}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(!ran.stdout.contains(['\u{1b}', '\u{202e}']), "{ran:?}");
        assert!(ran.stdout.contains("\\u{1b}[2J"), "{ran:?}");
    }
    let ran = day.run("status --stack default --format markdown");
    assert!(ran.stdout.contains("``Channel/x`|"), "{ran:?}");
    let told = document(&day.run("status --stack default --format json"));
    let names = told["resourceStates"].as_array().expect("a list").iter();
    assert_eq!(names.filter(|it| it["name"] == hostile).count(), 1);
}

#[test]
fn a_large_stack_still_fits_into_a_comment() {
    let place = Place::new();
    place.write("all.yaml", &channels(2_000));
    let ran = place.run("status --format markdown");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert!(ran.stdout.chars().count() < 65_536, "{}", ran.stdout.len());
    assert!(ran.stdout.contains("**2000 resources: 2000 missing**"));
    assert!(ran.stdout.ends_with(" more, which do not fit\n"));
}
