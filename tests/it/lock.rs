//! The lock as users meet it: the manifest's field, builds with and without the feature, and with the feature
//! real processes against moto's S3 (`docs/reliability.md` §5, F16, I7).

use crate::account::{Account, on_paused_time};
use crate::binary::{Place, Ran, run};
use crate::killed::{MANIFESTS, Stage};
use ivs_apply::apply::{Event, Signal, StepStatus, Stop, apply};
use ivs_apply::diag::{Part, Place as At};
use ivs_apply::kinds::Stack;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::Policy;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

/// The manifests of a stack with a lock.
fn with_lock(url: &str) -> String {
    let account = "account: \"000000000000\"";
    assert!(MANIFESTS.contains(account));
    MANIFESTS.replacen(account, &format!("{account}, lock: \"{url}\""), 1)
}

fn stage(store: &str) -> Stage {
    let stage = Stage { store: Some(store.to_owned()), ..Stage::new(&[]) };
    stage.place.write("all.yaml", &with_lock("s3://locks/killed"));
    stage
}

/// An address without a server.
const NOWHERE: &str = "http://127.0.0.1:9";

/// How often the account was asked for something that would change it.
fn writes(stage: &Stage) -> u64 {
    let calls = stage.control("GET", "calls", &Value::Null);
    let calls = calls.as_object().expect("calls by operation").iter();
    let reads = ["Get", "List", "BatchGet"];
    let writes = calls.filter(|(name, _)| !reads.iter().any(|it| name.starts_with(it)));
    writes.filter_map(|(_, count)| count.as_u64()).sum()
}

#[test]
fn a_lock_is_one_object_in_s3_and_any_other_value_is_an_error_at_its_place() {
    let good = load_text("all.yaml", &with_lock("s3://locks/ivs/prod.json"), None);
    assert!(good.report.is_empty(), "{:#?}", good.report);
    assert_eq!(
        good.stack.lock.map(|it| it.to_string()).as_deref(),
        Some("s3://locks/ivs/prod.json")
    );
    assert_eq!(load_text("all.yaml", MANIFESTS, None).stack.lock, None);
    for bad in ["locks/prod", "s3://locks", "s3://Locks/prod", "s3://locks/*", "s3://locks/prod/"] {
        let loaded = load_text("all.yaml", &with_lock(bad), None);
        let found: Vec<_> = loaded.report.iter().collect();
        assert_eq!(found.len(), 1, "{bad}: {found:#?}");
        assert_eq!(found[0].code.code(), "E0115", "{bad}");
        let At::Field { path, part, .. } = &found[0].at else { panic!("{:?}", found[0].at) };
        assert_eq!((path.to_string().as_str(), *part), ("spec.lock", Part::Value));
        let line = loaded.sources.position(&found[0].at).expect("it stands somewhere").line;
        assert_eq!(line, 5);
    }
}

#[test]
fn a_run_with_an_expired_lock_starts_nothing_even_before_it_is_notified() {
    on_paused_time(async {
        let account = Account::empty().await;
        let loaded = load_text("all.yaml", MANIFESTS, None);
        let stack = Stack { account: None, ..loaded.stack };
        let (observed, plan) = account.plan(&stack, &loaded.desired, &Policy::default()).await;
        let stop = Stop { until: Some(Instant::now()), ..Stop::default() };
        let (_stopper, stop) = watch::channel(stop);
        let tell = |_: Event| {};
        account.calls();
        let outcome = apply(&account.aws, &stack, &plan, &observed, stop, &tell).await;
        assert_eq!(outcome.stopped, Some(Signal::LockLost));
        assert_eq!(outcome.steps.len(), 12);
        assert!(outcome.steps.iter().all(|(_, it)| matches!(it, StepStatus::NotStarted)));
        assert!(!outcome.wrote);
        assert_eq!(account.calls(), serde_json::json!({}));
    });
}

#[test]
fn an_emulated_account_in_the_process_needs_no_lock_and_a_note_says_so() {
    let place = Place::new();
    place.write("all.yaml", &with_lock("s3://locks/killed"));
    let ran = place.run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("note: no lock is taken"), "{}", ran.stderr);
    assert_eq!(place.run("unlock --nonce x").code, Some(1));
}

#[test]
fn a_stack_without_a_lock_cannot_be_unlocked() {
    let stage = Stage::new(&[]);
    let ran = run(&mut stage.command("unlock --nonce x"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("stack `killed` has no lock"), "{}", ran.stderr);
}

/// Nothing was written, and the error has the reason; a plan goes on with a warning.
#[track_caller]
fn fails_closed(stage: &Stage, because: &str) {
    for words in ["apply --yes", "destroy --yes"] {
        let ran = run(&mut stage.command(words));
        assert_eq!(ran.code, Some(1), "{words}: {ran:?}");
        assert!(ran.stderr.contains(because), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains("s3://locks/killed"), "{words}: {}", ran.stderr);
    }
    assert_eq!(writes(stage), 0);
    for words in ["plan --detailed-exitcode", "drift"] {
        let ran: Ran = run(&mut stage.command(words));
        let code = if words == "drift" { 0 } else { 2 };
        assert_eq!(ran.code, Some(code), "{words}: {ran:?}");
        assert!(ran.stderr.contains("warning: "), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(because), "{words}: {}", ran.stderr);
    }
}

#[cfg(not(feature = "lock-s3"))]
#[test]
fn a_build_without_the_feature_refuses_to_write_and_warns_of_it_in_a_plan() {
    fails_closed(&stage(NOWHERE), "this build was made without the cargo feature `lock-s3`");
}

#[cfg(feature = "lock-s3")]
mod in_s3 {
    use super::*;
    use crate::conformance::python;
    use crate::golden::root;
    use serde_json::json;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpStream;
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    /// moto's S3 as a process of its own.
    struct Store {
        child: Child,
        url: String,
    }

    impl Store {
        /// `None` where there is no Python, which says so.
        fn start(words: &[&str]) -> Option<Self> {
            let mut child = Command::new(python()?)
                .env("PYTHONDONTWRITEBYTECODE", "1")
                .arg(root().join("tests/conformance/lock_store.py"))
                .args(words)
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("python starts");
            let mut line = String::new();
            let out = child.stdout.take().expect("piped");
            BufReader::new(out).read_line(&mut line).expect("the store says where it listens");
            let url = line.trim().rsplit(' ').next().expect("an address").to_owned();
            assert!(url.starts_with("http://127.0.0.1:"), "{line}");
            Some(Self { child, url })
        }

        /// The text of the lock, before what is asked for is done to it.
        fn lock(&self, and: &str) -> Option<Value> {
            let address = self.url.trim_start_matches("http://");
            let mut stream = TcpStream::connect(address).expect("the store listens");
            let head = format!("GET /{and}/killed HTTP/1.0\r\nHost: {address}\r\n\r\n");
            stream.write_all(head.as_bytes()).expect("it reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("it answers");
            let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
            if head.contains(" 404 ") {
                return None;
            }
            assert!(head.contains(" 200 "), "{answer}");
            Some(serde_json::from_str(body).expect("JSON"))
        }

        fn text(&self) -> Option<Value> {
            self.lock("_text")
        }
    }

    impl Drop for Store {
        fn drop(&mut self) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }

    #[track_caller]
    fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
        let start = std::time::Instant::now();
        while !so() {
            assert!(start.elapsed() < Duration::from_mins(1), "{what}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn start(stage: &Stage, words: &str) -> Child {
        let mut command = stage.command(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }

    fn end(child: Child) -> Ran {
        let output = child.wait_with_output().expect("it ends");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// An apply that is held at a request and holds the lock.
    fn held(stage: &Stage, fault: &Value) -> Child {
        let held = || stage.control("GET", "faults", &Value::Null)["held"].clone();
        let before = held();
        stage.control("POST", "faults", fault);
        let child = start(stage, "apply --yes");
        wait_until("the request is held", || held() != before);
        child
    }

    fn nonce(store: &Store) -> String {
        store.text().expect("it is locked")["nonce"].as_str().expect("a nonce").to_owned()
    }

    fn signal(child: &Child, name: &str) {
        let id = child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill").success());
    }

    #[test]
    fn the_second_of_two_runs_is_refused_while_the_first_one_works_and_a_plan_says_who_does() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        let slow = json!({ "kind": "stall", "operation": "CreateChannel", "nth": 1, "seconds": 5 });
        stage.control("POST", "faults", &slow);
        let first = start(&stage, "apply --yes");
        wait_until("it is locked", || store.text().is_some_and(|it| it["heartbeat"] != 0));
        let nonce = nonce(&store);
        let second = run(&mut stage.command("apply --yes"));
        assert_eq!(second.code, Some(4), "{second:?}");
        for part in ["held by", "`killed`", ", since 20", &nonce, "ivs-apply unlock --nonce"] {
            assert!(second.stderr.contains(part), "{part}: {}", second.stderr);
        }
        for words in ["plan", "drift"] {
            let looked = run(&mut stage.command(words));
            assert!(looked.stderr.contains("another run is in progress"), "{words}: {looked:?}");
            assert!(looked.stderr.contains(&nonce), "{words}: {looked:?}");
        }
        let alive = run(&mut stage.command(&format!("unlock --nonce {nonce}")));
        let first = end(first);
        assert_eq!(first.code, Some(0), "{first:?}");
        // The run ended while it was watched, or was seen to be alive.
        assert!(matches!(alive.code, Some(0 | 4)), "{alive:?}");
        assert_eq!(store.text(), None);
        stage.assert_whole("after both");
        assert!(!run(&mut stage.command("plan")).stderr.contains("warning"));
    }

    #[test]
    fn of_runs_that_begin_at_the_same_moment_one_writes_and_nothing_is_made_twice() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        for round in 0..4 {
            stage.control("POST", "reset", &Value::Null);
            let runs: Vec<Child> = (0..3).map(|_| start(&stage, "apply --yes")).collect();
            let codes: Vec<_> = runs.into_iter().map(|it| end(it).code).collect();
            assert!(codes.contains(&Some(0)), "round {round}: {codes:?}");
            let fine = codes.iter().all(|it| matches!(it, Some(0 | 4)));
            assert!(fine, "round {round}: {codes:?}");
            assert_eq!(store.text(), None, "round {round}");
            stage.assert_whole(&format!("round {round}"));
        }
    }

    #[test]
    fn a_killed_run_leaves_its_lock_and_unlock_releases_only_that_one() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        let fault = json!({ "kind": "hold", "operation": "CreateChannel", "nth": 1, "done": true });
        let mut child = held(&stage, &fault);
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        stage.control("DELETE", "faults", &Value::Null);
        let nonce = nonce(&store);
        let refused = run(&mut stage.command("apply --yes"));
        assert_eq!(refused.code, Some(4), "{refused:?}");
        assert!(refused.stderr.contains(&nonce), "{}", refused.stderr);
        let other = run(&mut stage.command("unlock --nonce 0123"));
        assert_eq!(other.code, Some(4), "{other:?}");
        assert!(other.stderr.contains(&nonce), "{}", other.stderr);
        assert!(store.text().is_some());
        let unlocked = run(&mut stage.command(&format!("unlock --nonce {nonce}")));
        assert_eq!(unlocked.code, Some(0), "{unlocked:?}");
        assert_eq!(store.text(), None);
        let applied = run(&mut stage.command("apply --yes"));
        assert_eq!(applied.code, Some(0), "{applied:?}");
        stage.assert_whole("after the unlock");
        let free = run(&mut stage.command(&format!("unlock --nonce {nonce}")));
        assert_eq!(free.code, Some(0), "{free:?}");
    }

    #[test]
    fn the_lock_of_a_run_that_ended_long_ago_is_taken_over_after_a_wait_for_its_requests() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        let mut child = held(&stage, &json!({ "kind": "hold", "operation": "CreateStage" }));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        stage.control("DELETE", "faults", &Value::Null);
        store.lock("_age/350").expect("it is locked");
        assert_eq!(run(&mut stage.command("apply --yes")).code, Some(4));
        store.lock("_age/361").expect("it is locked");
        let begun = std::time::Instant::now();
        let applied = run(&mut stage.command("apply --yes"));
        assert_eq!(applied.code, Some(0), "{applied:?}");
        assert!(applied.stderr.contains("did not end normally"), "{}", applied.stderr);
        assert!(begun.elapsed() >= Duration::from_secs(30));
        assert_eq!(store.text(), None);
        stage.assert_whole("after it was taken over");
    }

    #[test]
    fn a_run_that_loses_its_lock_starts_nothing_more_and_says_so() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        let child = held(&stage, &json!({ "kind": "hold", "operation": "CreateChannel" }));
        store.lock("_gone").expect("it is locked");
        let ran = end(child);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        assert!(ran.stderr.contains("was lost"), "{}", ran.stderr);
        assert!(ran.stdout.contains("not started"), "{}", ran.stdout);
        assert_eq!(store.text(), None);
        let objects = stage.objects();
        assert!(!objects.contains_key("StreamKey/main"), "{objects:?}");

        // Before anything was written there is nothing to report but that.
        let stage = super::stage(&store.url);
        let child = held(&stage, &json!({ "kind": "hold", "operation": "ListChannels" }));
        store.lock("_gone").expect("it is locked");
        let ran = end(child);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("was lost"), "{}", ran.stderr);
        assert_eq!(writes(&stage), 0);
    }

    #[test]
    fn a_signal_gives_the_lock_back_before_and_while_something_is_written() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        let child = held(&stage, &json!({ "kind": "hold", "operation": "ListChannels" }));
        signal(&child, "-INT");
        let ran = end(child);
        assert_eq!(ran.code, Some(130), "{ran:?}");
        assert!(ran.stderr.contains("stopped before anything was written"), "{}", ran.stderr);
        assert_eq!((store.text(), writes(&stage)), (None, 0));
        stage.control("DELETE", "faults", &Value::Null);

        // The lock names a create with an answer that the run did not wait for; the next run waits until it is listed.
        let fault = json!({ "kind": "hold", "operation": "CreateStage", "done": true });
        let child = held(&stage, &fault);
        signal(&child, "-TERM");
        let ran = end(child);
        assert_eq!(ran.code, Some(143), "{ran:?}");
        let left = store.text().expect("it says what is unclear");
        assert_eq!((&left["released"], &left["intents"]), (&true.into(), &json!(["Stage/studio"])));
        stage.control("DELETE", "faults", &Value::Null);
        assert!(!run(&mut stage.command("plan")).stderr.contains("warning"), "no run holds it");
        let begun = std::time::Instant::now();
        let applied = run(&mut stage.command("apply --yes"));
        assert_eq!(applied.code, Some(0), "{applied:?}");
        assert!(begun.elapsed() >= Duration::from_secs(15));
        assert!(applied.stderr.contains("Stage/studio"), "{}", applied.stderr);
        assert_eq!(store.text(), None);
        stage.assert_whole("after the signal");
    }

    #[test]
    fn without_the_lock_store_nothing_is_written_and_a_plan_goes_on() {
        fails_closed(&stage(NOWHERE), "cannot be used");
    }

    #[test]
    fn a_store_that_ignores_conditions_is_refused() {
        let Some(store) = Store::start(&["deaf"]) else { return };
        let stage = stage(&store.url);
        let ran = run(&mut stage.command("apply --yes"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("the store ignores conditions"), "{}", ran.stderr);
        assert_eq!((store.text(), writes(&stage)), (None, 0));
    }

    #[test]
    fn a_store_elsewhere_is_not_asked_without_encryption() {
        let stage = stage("http://192.0.2.1:9000");
        fails_closed(&stage, "is not encrypted and not on this machine");
    }

    #[test]
    fn a_missing_bucket_is_an_error() {
        let Some(store) = Store::start(&[]) else { return };
        let stage = stage(&store.url);
        stage.place.write("all.yaml", &with_lock("s3://no-such-bucket/killed"));
        let ran = run(&mut stage.command("apply --yes"));
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("NoSuchBucket"), "{}", ran.stderr);
        assert_eq!(writes(&stage), 0);
    }
}
