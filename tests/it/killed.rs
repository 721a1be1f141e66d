//! The program killed, run through faults, and run twice at once, as real processes against an emulator behind a
//! real socket: nothing made twice, nothing lost, nothing said that is secret (`docs/reliability.md` §7, level 2).

use crate::account::named;
use crate::binary::{KEYS, Place, Ran, Served, ivs_apply, reads_manifests, run, side_by_side};
use crate::left_out::every_case;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Twelve objects of eleven kinds, made in four layers.
pub(crate) const MANIFESTS: &str = r#"
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: killed }
spec: { region: us-west-2, account: "000000000000" }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: PlaybackRestrictionPolicy
metadata: { name: home }
spec: { allowedCountries: [CH] }
---
apiVersion: ivs-apply.dev/v1
kind: FailoverSlateConfiguration
metadata: { name: slate }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { recordingConfiguration: archive, playbackRestrictionPolicy: home }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: second }
spec: { failoverSlateConfiguration: slate }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: tape }
spec: { s3: { bucketName: tape } }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: { autoParticipantRecordingConfiguration: { storageConfiguration: tape } }
---
apiVersion: ivs-apply.dev/v1
kind: IngestConfiguration
metadata: { name: camera }
spec: { ingestProtocol: RTMPS, stage: studio }
---
apiVersion: ivs-apply.dev/v1
kind: PublicKey
metadata: { name: viewers }
spec:
  publicKeyMaterial: |
    -----BEGIN PUBLIC KEY-----
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    -----END PUBLIC KEY-----
---
apiVersion: ivs-apply.dev/v1
kind: AdConfiguration
metadata: { name: breaks }
spec:
  mediaTailorPlaybackConfigurations:
    - playbackConfigurationArn: arn:aws:mediatailor:us-west-2:123456789012:playbackConfiguration/one
"#;

/// The manifests of the kinds that need a participant on a stage.
const BEFORE_THE_SHOW: &str = r#"
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: killed }
spec: { region: us-west-2, account: "000000000000" }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: fan-zone }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: hd }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: air }
spec: {}
"#;

/// One object of each of the other three kinds.
const THE_SHOW: &str = r"
---
apiVersion: ivs-apply.dev/v1
kind: PlaybackKeyPair
metadata: { name: viewers }
spec:
  publicKeyMaterial: |
    -----BEGIN PUBLIC KEY-----
    MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
    -----END PUBLIC KEY-----
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  run: ALWAYS
  destinations:
    - name: air
      channel: { channel: air, encoderConfiguration: hd }
---
apiVersion: ivs-apply.dev/v1
kind: ParticipantReplication
metadata: { name: camera }
spec: { sourceStage: studio, destinationStage: fan-zone, participant: abCD12efGH34 }
";

/// An emulator of its own, and the manifests.
pub(crate) struct Stage {
    pub(crate) place: Place,
    pub(crate) served: Served,
    /// The address of a store for locks, where there is one.
    pub(crate) store: Option<String>,
}

impl Stage {
    pub(crate) fn new(words: &[&str]) -> Self {
        let place = Place::new();
        place.write("all.yaml", MANIFESTS);
        let served = Served::start(place.folder.path(), words);
        Self { place, served, store: None }
    }

    /// Empties the account, makes what the show needs in it, and lets the camera onto the stage.
    pub(crate) fn before_the_show(&self) {
        self.control("POST", "reset", &Value::Null);
        self.place.write("all.yaml", BEFORE_THE_SHOW);
        self.applied("before the show");
        let studio = self.objects()["Stage/studio"][0].clone();
        let camera = json!({ "stageArn": studio, "participantId": "abCD12efGH34" });
        self.control("POST", "participants", &camera);
        self.place.write("all.yaml", &[BEFORE_THE_SHOW, THE_SHOW].concat());
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let home = self.place.folder.path();
        let mut command = ivs_apply(home);
        command
            .current_dir(home)
            .args(words.split_whitespace())
            .args(["--region", "us-west-2", "--endpoint-url", &self.served.url])
            .envs(KEYS)
            .envs(self.store.iter().map(|it| ("AWS_ENDPOINT_URL_S3", it)));
        if reads_manifests(words) {
            command.args(["-f", "manifests"]);
        }
        command
    }

    /// A control request to the emulator.
    pub(crate) fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let address = self.served.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).expect("the emulator listens");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let head = format!(
            "{method} /_emulator/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        serde_json::from_str(body).expect("JSON")
    }

    /// Owned objects by kind and name: their ARNs.
    pub(crate) fn objects(&self) -> BTreeMap<String, Vec<String>> {
        let answer = self.control("GET", "objects", &Value::Null);
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, it) in named(&answer) {
            let kind = it["kind"].as_str().unwrap_or_default();
            let arn = it["arn"].as_str().unwrap_or_default().to_owned();
            all.entry(format!("{kind}/{name}")).or_default().push(arn);
        }
        all
    }

    /// Everything declared is there once, nothing else is, and there is nothing left to do.
    #[track_caller]
    pub(crate) fn assert_whole(&self, what: &str) {
        self.assert_there(12, what);
    }

    /// So many objects are there once, and nothing else apart from the key that comes with a channel.
    #[track_caller]
    fn assert_there(&self, declared: usize, what: &str) {
        let objects = self.objects();
        let counts: Vec<(&String, usize)> =
            objects.iter().map(|(name, arns)| (name, arns.len())).collect();
        assert!(
            counts.len() == declared && counts.iter().all(|(_, count)| *count == 1),
            "{what}: {counts:?}"
        );
        // The stream key that AWS creates with one of the channels is unowned.
        let all = self.control("GET", "objects", &Value::Null);
        assert_eq!(all["objects"].as_array().map(Vec::len), Some(declared + 1), "{what}: {all:#}");
        let plan = run(&mut self.command("plan --detailed-exitcode"));
        assert_eq!(plan.code, Some(0), "{what}: {plan:?}");
    }

    /// Makes four of the objects, declares all, and returns the four.
    fn half(&self) -> BTreeMap<String, Vec<String>> {
        let half = MANIFESTS.split("\n---").take(5).collect::<Vec<_>>().join("\n---");
        self.place.write("all.yaml", &half);
        self.applied("the first half");
        self.place.write("all.yaml", MANIFESTS);
        let established = self.objects();
        assert_eq!(established.len(), 4);
        established
    }

    /// What was there before is there, and the same.
    #[track_caller]
    fn assert_stay(&self, established: &BTreeMap<String, Vec<String>>) {
        let objects = self.objects();
        for (name, arns) in established {
            assert_eq!(objects.get(name), Some(arns), "{name}");
        }
    }

    /// Applies when duplicates are old enough to go.
    fn prune_duplicates(&self) {
        // Duplicates are left alone while they are young.
        self.control("POST", "clock", &json!({ "advanceSeconds": 1_200 }));
        // Duplicates are counted as any other delete is, and so many need their number.
        let refused = run(&mut self.command("apply --yes"));
        if refused.code == Some(4) {
            let (_, number) =
                refused.stderr.split_once("--confirm-deletes ").expect("the number is told");
            let number = number.split('`').next().unwrap_or_default();
            let pruned = run(&mut self.command(&format!("apply --yes --confirm-deletes {number}")));
            assert_eq!(pruned.code, Some(0), "{pruned:?}");
        }
    }

    /// Applies until all is well, three times at most.
    #[track_caller]
    fn applied(&self, what: &str) -> Vec<Ran> {
        let mut runs = Vec::new();
        for _ in 0..3 {
            let ran = run(&mut self.command("apply --yes"));
            let done = ran.code == Some(0);
            runs.push(ran);
            if done {
                return runs;
            }
        }
        panic!("{what}: not well after three applies: {runs:#?}");
    }
}

/// Where a run is killed, in relation to a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    Before,
    Done,
    Answered,
}

/// Kills a command at the n-th request. False where it ended by itself before that.
pub(crate) fn killed_at(stage: &Stage, words: &str, request: u64, moment: Moment) -> bool {
    let hold = match moment {
        Moment::Before => json!({ "kind": "hold", "nth": request }),
        Moment::Done => json!({ "kind": "hold", "nth": request, "done": true }),
        // The answer has gone out, and nothing after it is carried out.
        Moment::Answered => json!({ "kind": "hold", "nth": request + 1, "times": 1_000_000 }),
    };
    stage.control("POST", "faults", &hold);
    let mut child = stage
        .command(words)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    let start = Instant::now();
    let killed = loop {
        if child.try_wait().expect("a child").is_some() {
            break false;
        }
        if stage.control("GET", "faults", &Value::Null)["held"] != 0 {
            child.kill().expect("it runs");
            child.wait().expect("it ends");
            break true;
        }
        assert!(start.elapsed() < Duration::from_mins(1), "{request} {moment:?} hangs");
        std::thread::sleep(Duration::from_millis(4));
    };
    stage.control("DELETE", "faults", &Value::Null);
    killed
}

/// Time passes quickly for the emulator, so that nothing has to be waited for, and not at all for the program.
fn while_time_flies<T>(stage: &Stage, work: impl FnOnce() -> T) -> T {
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                stage.control("POST", "clock", &json!({ "advanceSeconds": 1 }));
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Emulators among which the requests of one moment are shared out.
const LANES: usize = 3;

impl Moment {
    const ALL: [Self; 3] = [Self::Before, Self::Done, Self::Answered];

    /// The requests, counted from `first`, at which a run is killed in this moment: with `EVERY_CASE` all of them, else
    /// each tenth, others in each moment.
    fn requests(self, first: u64) -> impl Iterator<Item = u64> {
        let (skip, step) = if every_case() { (0, 1) } else { (3 * self as u64, 10) };
        (first + skip..).step_by(step)
    }
}

/// For each request of an apply: the run is killed there, and the next ones make good. Returns the last of them.
fn killed_at_every_request(moment: Moment) -> u64 {
    let lanes = side_by_side(0..LANES, |lane| {
        killed_at_each(moment, moment.requests(1).skip(lane).step_by(LANES))
    });
    lanes.into_iter().max().expect("there are lanes")
}

fn killed_at_each(moment: Moment, requests: impl Iterator<Item = u64>) -> u64 {
    let stage = Stage::new(&[]);
    while_time_flies(&stage, || {
        let mut last = 0;
        for request in requests {
            stage.control("POST", "reset", &Value::Null);
            let what = format!("killed {moment:?} request {request}");
            if !killed_at(&stage, "apply --yes", request, moment) {
                stage.assert_whole(&what);
                return last;
            }
            last = request;
            stage.applied(&what);
            stage.assert_whole(&what);
        }
        unreachable!("an apply ends")
    })
}

#[test]
fn an_apply_killed_before_any_request_is_completed_by_the_next() {
    assert!(killed_at_every_request(Moment::Before) > 40);
}

#[test]
fn an_apply_killed_after_any_request_was_carried_out_is_completed_by_the_next() {
    assert!(killed_at_every_request(Moment::Done) > 40);
}

#[test]
fn an_apply_killed_after_the_answer_to_any_request_is_completed_by_the_next() {
    assert!(killed_at_every_request(Moment::Answered) > 40);
}

#[test]
fn a_composition_is_on_air_once_after_an_apply_that_was_killed_at_any_request_and_the_next_one() {
    side_by_side(Moment::ALL, show_killed_at_every_request);
}

fn show_killed_at_every_request(moment: Moment) {
    let stage = Stage::new(&[]);
    stage.before_the_show();
    stage.control("DELETE", "calls", &Value::Null);
    run(&mut stage.command("plan"));
    let calls = stage.control("GET", "calls", &Value::Null);
    // Until then a run only looks, and leaves nothing behind.
    let read: u64 = calls.as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    for request in moment.requests(read) {
        let what = format!("killed at request {request}");
        let killed = killed_at(&stage, "apply --yes", request, moment);
        let replications = || {
            let all = stage.control("GET", "objects", &Value::Null);
            all["replications"].as_array().map(Vec::len)
        };
        if killed {
            stage.applied(&what);
        }
        stage.assert_there(6, &what);
        assert_eq!(replications(), Some(1), "{what}");
        if !killed {
            assert!(request - read >= 8, "{request} {read}");
            return;
        }
        stage.before_the_show();
    }
}

/// What the emulator's state holds and no output may.
pub(crate) fn secrets(state: &Path) -> BTreeSet<String> {
    fn gather(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    let secret = matches!(name.as_str(), "value" | "streamKey" | "passphrase");
                    match value.as_str().filter(|text| secret && text.len() > 8) {
                        Some(text) => drop(found.insert(text.to_owned())),
                        None => gather(value, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|it| gather(it, found)),
            _ => {}
        }
    }
    let text = std::fs::read_to_string(state).expect("kept");
    // The first line holds the length and the checksum of the rest.
    let (_, text) = text.split_once('\n').expect("two lines");
    let mut found = BTreeSet::new();
    gather(&serde_json::from_str(text).expect("JSON"), &mut found);
    found
}

#[test]
fn lost_replies_server_errors_and_throttles_cost_time_and_nothing_else_and_no_secret_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("state.json");
    let stage = Stage::new(&["--state", state.to_str().expect("a plain path")]);
    while_time_flies(&stage, || {
        // The emulator's chances go on from round to round, so each is another one.
        for round in 0..if every_case() { 6 } else { 2 } {
            stage.control("POST", "reset", &Value::Null);
            for fault in [
                json!({ "kind": "loseReply", "probability": 0.06 }),
                json!({ "kind": "error500", "done": true, "probability": 0.04 }),
                json!({ "kind": "throttle", "probability": 0.05 }),
            ] {
                stage.control("POST", "faults", &fault);
            }
            let ran = run(stage.command("apply --yes -vvv").env("RUST_LOG", "trace"));
            assert!(matches!(ran.code, Some(0 | 1 | 3)), "round {round}: {ran:?}");
            stage.control("DELETE", "faults", &Value::Null);
            let mut runs = stage.applied(&format!("round {round}"));
            stage.assert_whole(&format!("round {round}"));
            runs.push(ran);
            for words in ["plan --refresh full -vvv", "export -vvv", "drift --format json"] {
                runs.push(run(stage.command(words).env("RUST_LOG", "trace")));
            }
            // The state is written a moment later.
            std::thread::sleep(Duration::from_millis(300));
            let secrets = secrets(&state);
            assert!(
                secrets.len() >= 3,
                "the account holds secrets, or this proves nothing: {secrets:?}"
            );
            for secret in secrets {
                for ran in &runs {
                    let told = ran.stdout.contains(&secret) || ran.stderr.contains(&secret);
                    assert!(!told, "round {round}: a secret was told");
                }
            }
        }
    });
}

#[test]
fn two_runs_at_once_converge_and_existing_objects_stay() {
    let stage = Stage::new(&[]);
    let established = stage.half();
    let two: Vec<_> = (0..2)
        .map(|_| {
            let mut command = stage.command("apply --yes");
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
        })
        .collect();
    for child in two {
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?} {said}");
    }
    stage.prune_duplicates();
    stage.applied("after both");
    stage.assert_whole("after both");
    stage.assert_stay(&established);
}

/// How much was written to the account so far.
fn written(stage: &Stage) -> usize {
    let history = stage.control("GET", "history", &Value::Null);
    history["events"].as_array().map_or(0, Vec::len)
}

fn signal(child: &std::process::Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status();
    assert!(sent.expect("kill is there").success());
}

/// A run is paused when so much is written, another one does it all, and `later` the first goes on.
fn paused_after(writes: usize, later: u64) {
    let what = format!("paused after {writes} writes, for {later} s");
    let stage = Stage::new(&[]);
    let established = stage.half();
    // Only the run that is to be paused is slow enough to be met in the middle.
    let slow =
        json!({ "kind": "delay", "operation": "Create*", "seconds": 0.5, "spares": "swift" });
    stage.control("POST", "faults", &slow);
    let before = written(&stage);
    let mut command = stage.command("apply --yes");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut paused = command.spawn().expect("the program starts");
    let start = Instant::now();
    while written(&stage) < before + writes {
        assert!(start.elapsed() < Duration::from_mins(1), "{what}: nothing is written");
        std::thread::sleep(Duration::from_millis(4));
    }
    signal(&paused, "-STOP");
    assert!(paused.try_wait().expect("a child").is_none(), "{what}: it is over already");
    let other = run(stage.command("apply --yes").env("AWS_ACCESS_KEY_ID", "swift"));
    stage.control("POST", "clock", &json!({ "advanceSeconds": later }));
    signal(&paused, "-CONT");
    let first = paused.wait_with_output().expect("it ends");
    assert_eq!(other.code, Some(0), "{what}: {other:?}");
    assert!(matches!(first.status.code(), Some(0 | 1 | 3)), "{what}: {first:?}");
    stage.control("DELETE", "faults", &Value::Null);
    stage.prune_duplicates();
    stage.applied(&what);
    stage.assert_whole(&what);
    stage.assert_stay(&established);
}

#[test]
fn a_run_that_was_paused_while_another_applied_everything_deletes_nothing() {
    side_by_side([(1, 0), (4, 120)], |(writes, later)| paused_after(writes, later));
}

#[test]
fn a_full_disk_changes_the_exit_code_and_nothing_else() {
    let stage = Stage::new(&[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("this is Linux");
    let mut command = stage.command("apply --yes");
    let status = command.stdout(full).stderr(Stdio::null()).status().expect("it runs");
    assert_eq!(status.code(), Some(3));
    stage.assert_whole("with a full disk");
}
