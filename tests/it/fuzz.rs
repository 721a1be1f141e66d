//! Random inputs: manifests, saved plans, answers of a server, requests to the emulator. Each is made
//! from the corpus (`tests/fuzz/corpus`, the examples and the scenarios) by random changes of its bytes and of its
//! structure. Whatever the input, nothing panics, overflows its stack, runs for ever or grows without bound.
//!
//! Each target runs in a process of its own with a limit of memory and processor time, and the number of each case
//! is written down before it begins: a case that takes the process down is known by it, and
//! `FUZZ_SEED=number` runs it alone. By default a fixed number of cases runs; `FUZZ_SECONDS=number` adds others
//! for that many seconds, in which the four targets run at the same time (`RUST_TEST_THREADS` in
//! `.cargo/config.toml`). They are the same ones each time, unless `FUZZ_START=number` begins elsewhere.

use crate::account::{Account, on_paused_time, session, settings};
use crate::golden::root;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use ivs_apply::apply::Stop;
use ivs_apply::aws::Target;
use ivs_apply::cloud::{Reading, read};
use ivs_apply::emulator::{Clock, Emulator, Settings};
use ivs_apply::engine::{RunLock, connect};
use ivs_apply::kinds::ObservedState;
use ivs_apply::kinds::spec::fingerprint;
use ivs_apply::manifest::{Loaded, load_text};
use ivs_apply::plan::{
    Approval, Plan, Policy, Reason, Terms,
    approval::{Inputs, Place},
    plan,
};
use ivs_apply::ui::plan::Header;
use ivs_apply::ui::saved::difference;
use ivs_apply::ui::{diagnostic, plan as shown};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Memory of the process of one target, in KiB of address space.
const MEMORY: u64 = 4 * 1024 * 1024;
/// Processor seconds that a target may take beyond `FUZZ_SECONDS`.
const PROCESSOR_SECONDS: u64 = 120;

/// Random numbers from a seed, the same on every machine.
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Less than `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("less than a usize")
    }

    fn one_in(&mut self, cases: usize) -> bool {
        self.below(cases) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.below(of.len())]
    }
}

/// Runs a target: here if this is its process, else in a process of its own.
#[track_caller]
fn fuzz(test: &str, cases: u64, case: fn(u64)) {
    let seconds = || std::env::var("FUZZ_SECONDS").ok().and_then(|it| it.parse::<u64>().ok());
    let seconds = seconds().unwrap_or(0);
    if let Some(noted) = std::env::var_os("FUZZ_NOTED") {
        return run_cases(Path::new(&noted), cases, seconds, case);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let noted = folder.path().join("case");
    let said = folder.path().join("said");
    let out = std::fs::File::create(&said).expect("writable");
    // Not every shell can limit address space; where none can, processor time still ends what grows for ever.
    let limits = format!(
        "ulimit -c 0; ulimit -v {MEMORY} 2>/dev/null; ulimit -t {}; exec \"$0\" \"$@\"",
        seconds + PROCESSOR_SECONDS
    );
    let mut child = Command::new("sh")
        .args(["-c", &limits])
        .arg(std::env::current_exe().expect("this program"))
        .args([&format!("fuzz::{test}"), "--exact", "--nocapture"])
        .env("FUZZ_NOTED", &noted)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a second handle"))
        .stderr(out)
        .spawn()
        .expect("this program starts");
    let begun = Instant::now();
    let longest = Duration::from_secs(2 * (seconds + 5 * PROCESSOR_SECONDS));
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if begun.elapsed() > longest {
            // What waits for ever takes no processor time.
            child.kill().expect("it runs");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let mut text = String::new();
    std::fs::File::open(&said)
        .and_then(|mut it| it.read_to_string(&mut text))
        .expect("what it said can be read");
    let number = std::fs::read_to_string(&noted).unwrap_or_default();
    let last: String =
        text.chars().rev().take(6_000).collect::<Vec<_>>().into_iter().rev().collect();
    assert!(
        status.success(),
        "case {number} of {test} ended with {status}; repeat it with\n\
         FUZZ_SEED={number} cargo test --test it fuzz::{test} -- --exact\n{last}"
    );
}

fn run_cases(noted: &Path, cases: u64, seconds: u64, case: fn(u64)) {
    let run = |seed: u64| {
        std::fs::write(noted, seed.to_string()).expect("writable");
        case(seed);
    };
    if let Some(seed) = std::env::var("FUZZ_SEED").ok().and_then(|it| it.parse().ok()) {
        return run(seed);
    }
    (0..cases).for_each(run);
    let begun = Instant::now();
    let start = std::env::var("FUZZ_START").ok().and_then(|it| it.parse().ok()).unwrap_or(0);
    let mut dice = Dice(start);
    while begun.elapsed() < Duration::from_secs(seconds) {
        run(dice.next());
    }
}

/// Text that parsers stumble over.
const TOKENS: [&str; 58] = [
    "&a ",
    "*a",
    "<<: *m",
    "!!binary ",
    "!!python/object:os.system ",
    "!include x",
    "\n---\n",
    "\n...\n",
    "? ",
    "- ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    ",",
    "|\n",
    ">-\n",
    "|2+\n",
    "\u{feff}",
    "\0",
    "\u{202e}",
    "\u{1b}[41m",
    "\u{85}",
    "\u{2028}",
    "'",
    "\"",
    "\\u0000",
    "\\x",
    "%YAML 1.1\n",
    "\t",
    "null",
    "~",
    "0x7fffffffffffffff",
    "1e400",
    "-0",
    ".nan",
    "-.inf",
    "18446744073709551616",
    "\r\n",
    "\r",
    "#",
    "name: ",
    "kind: Stack\n",
    "spec: {}\n",
    "\u{e9}\u{301}",
    "lifecycle: { protect: true }\n",
    "ignoreChanges: [spec, spec.tags, \"\"]",
    "previousNames: [a, a]",
    "tags: { ivs-apply:stack: x }",
    "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEfGhIjKl",
    "true",
    "yes",
    "2026-01-01",
    "\u{1f3a5}",
    "apiVersion: ivs-apply.dev/v1\n",
    "::error::",
    "$(id)",
];

/// The nearest place at or before `at` where a character begins.
fn char_boundary_before(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|it| text.is_char_boundary(*it)).unwrap_or(0)
}

fn span(dice: &mut Dice, text: &str, longest: usize) -> (usize, usize) {
    let from = char_boundary_before(text, dice.below(text.len() + 1));
    (from, char_boundary_before(text, from + dice.below(longest)).max(from))
}

/// A text with some random changes.
fn changed_text(dice: &mut Dice, seed: &str, others: &[String]) -> String {
    let mut text = seed.to_owned();
    for _ in 0..=dice.below(5) {
        match dice.below(9) {
            0 => {
                let (from, to) = span(dice, &text, 200);
                text.replace_range(from..to, "");
            }
            1 => {
                let (from, to) = span(dice, &text, 200);
                let part = text[from..to].repeat(1 + dice.below(40));
                text.insert_str(to, &part);
            }
            2 | 3 => {
                let (at, to) = span(dice, &text, 3);
                let end = if dice.one_in(2) { at } else { to };
                text.replace_range(at..end, dice.pick(&TOKENS));
            }
            4 => {
                // The value of some line.
                let lines: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
                if !lines.is_empty() {
                    let from = lines[dice.below(lines.len())];
                    let to = text[from..].find('\n').map_or(text.len(), |it| from + it);
                    text.replace_range(from..to, dice.pick(&TOKENS));
                }
            }
            5 => {
                let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
                let (a, b) = (dice.below(lines.len().max(1)), dice.below(lines.len().max(1)));
                if a < lines.len() && b < lines.len() {
                    lines.swap(a, b);
                }
                text = lines.concat();
            }
            6 => {
                let at = char_boundary_before(&text, dice.below(text.len() + 1));
                let open = dice.pick(&["[", "{a: ", "- ", "{\"a\":", "? ", "  ", "\"", "x"]);
                text.insert_str(at, &open.repeat(1 << dice.below(13)));
            }
            7 if !others.is_empty() => {
                let other = &others[dice.below(others.len())];
                let (from, to) = span(dice, other, 400);
                let at = char_boundary_before(&text, dice.below(text.len() + 1));
                text.insert_str(at, &other[from..to]);
            }
            _ => {
                let (at, _) = span(dice, &text, 1);
                text.truncate(at);
            }
        }
        text.truncate(char_boundary_before(&text, 1_000_000));
    }
    text
}

/// How many places a value has.
fn places(value: &Value) -> usize {
    1 + match value {
        Value::Object(members) => members.values().map(places).sum::<usize>(),
        Value::Array(items) => items.iter().map(places).sum::<usize>(),
        _ => 0,
    }
}

/// Changes the place with this number.
fn change_at(dice: &mut Dice, value: &mut Value, number: &mut usize) {
    if *number == 0 {
        *number = usize::MAX;
        return change(dice, value);
    }
    if *number == usize::MAX {
        return;
    }
    *number -= 1;
    match value {
        Value::Object(members) => members.values_mut().for_each(|it| change_at(dice, it, number)),
        Value::Array(items) => items.iter_mut().for_each(|it| change_at(dice, it, number)),
        _ => {}
    }
}

fn odd(dice: &mut Dice) -> Value {
    match dice.below(16) {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(-1),
        3 => json!(1e308),
        4 => json!(u64::MAX),
        5 => json!(i64::MIN),
        6 => json!(""),
        7 => json!("x".repeat(1 << dice.below(17))),
        8 => json!({}),
        9 => json!([]),
        10 => (0..1 << dice.below(7)).fold(json!(1), |inner, _| json!([inner])),
        11 => json!([null, {}, [], "a"]),
        12 => json!({ "arn": null, "tags": [] }),
        13 => json!(0.5),
        _ => json!(dice.pick(&TOKENS)),
    }
}

fn change(dice: &mut Dice, value: &mut Value) {
    let how = dice.below(6);
    match value {
        Value::Object(members) if how < 4 && !members.is_empty() => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = names[dice.below(names.len())].clone();
            let other = names[dice.below(names.len())].clone();
            match how {
                0 => drop(members.shift_remove(&name)),
                1 => {
                    let moved = members.shift_remove(&name).unwrap_or_default();
                    members.insert(dice.pick(&TOKENS).to_owned(), moved);
                }
                2 => {
                    let copied = members[&name].clone();
                    members.insert(other, copied);
                }
                _ => drop(members.insert(name, odd(dice))),
            }
        }
        Value::Array(items) if how < 4 && !items.is_empty() => {
            let at = dice.below(items.len());
            match how {
                0 => drop(items.remove(at)),
                1 => {
                    let copies = vec![items[at].clone(); 1 << dice.below(8)];
                    items.extend(copies);
                }
                2 => items.reverse(),
                _ => items[at] = odd(dice),
            }
        }
        Value::String(text) if how < 3 => *text = changed_text(dice, text, &[]),
        _ => *value = odd(dice),
    }
}

/// A value with some random changes of its structure.
fn changed_value(dice: &mut Dice, value: &Value) -> Value {
    let mut value = value.clone();
    for _ in 0..=dice.below(3) {
        let mut number = dice.below(places(&value));
        change_at(dice, &mut value, &mut number);
    }
    value
}

/// Every manifest there is: of the corpus, the examples and the scenarios.
static MANIFESTS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut files = BTreeSet::new();
    for folder in ["tests/fuzz/corpus/manifests", "examples", "tests/scenarios"] {
        let mut folders = vec![root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("readable").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|it| it == "yaml") {
                    files.insert(path);
                }
            }
        }
    }
    files.iter().map(|it| std::fs::read_to_string(it).expect("readable")).collect()
});

fn clean(text: &str) {
    let bad = |it: char| it.is_control() && it != '\n';
    let bidi = |it: char| matches!(it, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    assert!(!text.chars().any(|it| bad(it) || bidi(it)), "{text:?}");
}

/// The styles of the program's own text.
static STYLES: LazyLock<regex::Regex> =
    LazyLock::new(|| regex::Regex::new("\u{1b}\\[([0-4]|[39][0-7])m").expect("a valid pattern"));

/// Plans for an empty account, and shows the plan.
fn plan_of(loaded: &Loaded, observed: &ObservedState) -> Plan {
    let made = plan(&loaded.stack, &loaded.desired, observed, &Policy::default());
    let header = Header {
        stack: &loaded.stack,
        region: "us-west-2",
        endpoint: None,
        identity: None,
        calls: BTreeMap::new(),
    };
    clean(&STYLES.replace_all(&shown::text(&made, &header, &loaded.sources, true), ""));
    made
}

fn one_manifest(seed: u64) {
    let mut dice = Dice(seed);
    let from = &MANIFESTS[dice.below(MANIFESTS.len())];
    let text = changed_text(&mut dice, from, &MANIFESTS);
    let loaded = load_text("fuzz.yaml", &text, None);
    let said = diagnostic::text(&loaded.report, &loaded.sources, false);
    clean(&said);
    assert!(said.len() < 1_000_000, "{} bytes about {}", said.len(), text.len());
    if !loaded.report.has_errors() {
        plan_of(&loaded, &ObservedState::default());
    }
}

#[test]
fn no_manifest_makes_the_program_panic_or_hang() {
    fuzz("no_manifest_makes_the_program_panic_or_hang", 200, one_manifest);
}

/// Manifests that are in order.
static GOOD: LazyLock<Vec<&'static String>> = LazyLock::new(|| {
    let good = |it: &&String| !load_text("a.yaml", it, None).report.has_errors();
    MANIFESTS.iter().filter(good).collect()
});

fn saved(loaded: &Loaded) -> Approval {
    let observed = ObservedState::default();
    let made = plan(&loaded.stack, &loaded.desired, &observed, &Policy::default());
    let place = Place {
        stack: loaded.stack.name.clone(),
        account: "000000000000".to_owned(),
        region: "us-west-2".to_owned(),
        endpoint: None,
    };
    Approval::of(&made, &observed.addresses, place, Terms::default(), Inputs::default())
}

fn one_saved_plan(seed: u64) {
    let mut dice = Dice(seed);
    let loaded = load_text("a.yaml", GOOD[dice.below(GOOD.len())], None);
    let original = saved(&loaded);
    let text = if dice.one_in(3) {
        changed_text(&mut dice, &original.text(), &[])
    } else {
        // With a checksum that fits, since otherwise nothing else is looked at.
        let mut document: Value = serde_json::from_str(&original.text()).expect("a document");
        document.as_object_mut().expect("an object").shift_remove("checksum");
        let mut document = changed_value(&mut dice, &document);
        if let Value::Object(members) = &mut document {
            members.shift_remove("checksum");
            let checksum = fingerprint(&Value::Object(members.clone()));
            members.insert("checksum".to_owned(), json!(checksum));
        }
        document.to_string()
    };
    if let Ok(read) = Approval::read(&text) {
        for it in read.differences(&original).iter().chain(&original.differences(&read)) {
            assert!(difference(it).len() < 1_000_000);
        }
        let differs = !read.differences(&original).is_empty();
        // Terms and inputs are those of the new plan, whose steps are compared; a file's order of steps means nothing.
        let sorted = |it: &Approval| {
            let (terms, inputs) = (original.terms.clone(), original.inputs.clone());
            let mut it = Approval { terms, inputs, ..it.clone() };
            it.steps.sort_by_key(|step| (step.action, step.address.clone()));
            // Of the reason of a step its code counts.
            let reasons = it.steps.iter_mut().map(|step| step.reason.take());
            let codes: Vec<Option<&str>> =
                reasons.map(|reason| reason.as_ref().map(Reason::code)).collect();
            (it, codes)
        };
        assert!(
            differs || sorted(&read) == sorted(&original),
            "a plan that was changed passes for the one that was approved: {read:#?}"
        );
    }
}

#[test]
fn no_saved_plan_makes_the_program_panic_or_passes_for_another() {
    fuzz("no_saved_plan_makes_the_program_panic_or_passes_for_another", 300, one_saved_plan);
}

/// What stands between the program and the emulator, and changes some answers.
#[derive(Clone, Debug)]
struct Twisting {
    inner: SharedHttpConnector,
    twist: Arc<Twist>,
}

#[derive(Debug)]
struct Twist {
    dice: Mutex<Dice>,
    on: AtomicBool,
    requests: AtomicU64,
}

/// More requests than any case needs.
const MOST_REQUESTS: u64 = 5_000;

impl HttpConnector for Twisting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { inner, twist } = self.clone();
        HttpConnectorFuture::new(async move {
            let mut response = inner.call(request).await?;
            if twist.on.load(Ordering::Relaxed) {
                let sent = twist.requests.fetch_add(1, Ordering::Relaxed);
                assert!(sent < MOST_REQUESTS, "the program asks for ever");
                let mut dice = twist.dice.lock().expect("not poisoned");
                if dice.one_in(6) {
                    twist_answer(&mut dice, &mut response);
                }
            }
            Ok(response)
        })
    }
}

fn twist_answer(dice: &mut Dice, response: &mut HttpResponse) {
    let body = response.body().bytes().unwrap_or_default().to_vec();
    let body = match (dice.below(10), serde_json::from_slice::<Value>(&body)) {
        (0..=5, Ok(value)) => changed_value(dice, &value).to_string().into_bytes(),
        (6, _) => changed_text(dice, &String::from_utf8_lossy(&body), &[]).into_bytes(),
        (7, _) => {
            let mut body = body;
            for _ in 0..=dice.below(8) {
                if !body.is_empty() {
                    let at = dice.below(body.len());
                    body[at] = u8::try_from(dice.below(256)).expect("a byte");
                }
            }
            body
        }
        (8, _) => {
            let words = ["", "{}", "null", "[]", "0", "\"", "{\"a\":", "<html>", "\u{feff}{}"];
            dice.pick(&words).as_bytes().to_vec()
        }
        (_, _) => "[".repeat(1 << dice.below(17)).into_bytes(),
    };
    let mut status = response.status();
    if dice.one_in(8) {
        let other: u16 = [200, 204, 400, 404, 409, 429, 500, 503, 418][dice.below(9)];
        status = other.try_into().expect("a status");
    }
    let mut changed = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in response.headers() {
        changed.headers_mut().insert(name.to_owned(), value.to_owned());
    }
    *response = changed;
    if dice.one_in(8) {
        let name = dice.pick(&["date", "x-amzn-requestid", "x-amzn-errortype", "content-type"]);
        if dice.one_in(2) {
            response.headers_mut().remove(name);
        } else {
            let word = dice.pick(&[
                "",
                "x",
                "ConflictException:http://x",
                "Thu, 01 Jan 1970 00:00:00 GMT",
            ]);
            response.headers_mut().insert(name, word);
        }
    }
}

/// Applies manifests with true answers, then reads, plans and applies others with changed ones.
async fn one_server(seed: u64) {
    let mut dice = Dice(seed);
    let emulator = Emulator::new(Settings { clock: Clock::Tokio, seed, ..settings() });
    let twist = Arc::new(Twist {
        dice: Mutex::new(Dice(seed ^ 1)),
        on: AtomicBool::new(false),
        requests: AtomicU64::new(0),
    });
    let (inner, shared) = (emulator.http_client(), twist.clone());
    let client = http_client_fn(move |settings, components| {
        use aws_smithy_runtime_api::client::http::HttpClient;
        let inner = inner.http_connector(settings, components);
        SharedHttpConnector::new(Twisting { inner, twist: shared.clone() })
    });
    let clock = Some(emulator.time_source());
    let target = Target { in_process: Some(client), clock, ..Target::default() };
    let aws = connect(&target).await.expect("an emulated account needs no configuration");
    let account = Account { emulator, aws };
    let loaded = load_text("a.yaml", GOOD[dice.below(GOOD.len())], None);
    let second = load_text("b.yaml", GOOD[dice.below(GOOD.len())], Some(&loaded.stack.name));
    if dice.one_in(2) {
        let (observed, made) =
            account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
        account.apply(&loaded.stack, &observed, &made).await;
    }
    twist.on.store(true, Ordering::Relaxed);
    let policy = Policy { prune: dice.one_in(2), ..Policy::default() };
    let reading = Reading { every_kind: true, full: dice.one_in(2), strangers: dice.one_in(2) };
    let desired = if dice.one_in(2) { &loaded.desired } else { &second.desired };
    match read(&account.aws, &loaded.stack, desired, reading).await {
        Ok(observed) => drop(plan_of(&loaded, &observed)),
        Err(error) => assert!(error.to_string().len() < 100_000),
    }
    let session = session(&account.aws);
    let planned = session.plan(loaded.stack.clone(), desired.clone(), policy, reading.full).await;
    let Ok(planned) = planned else { return };
    let deletes = Some(planned.plan.deletes());
    let lock = RunLock::none(watch::Sender::new(Stop::default()));
    // Refused or applied: neither may end in a panic.
    drop(Box::pin(planned.apply(&session, &lock, deletes, &|_| {})).await);
}

fn one_answer(seed: u64) {
    on_paused_time(async {
        let work = Box::pin(one_server(seed));
        let day = Duration::from_hours(24);
        tokio::time::timeout(day, work).await.expect("the run ends");
    });
}

#[test]
fn no_answer_of_a_server_makes_the_program_panic_or_hang() {
    fuzz("no_answer_of_a_server_makes_the_program_panic_or_hang", 40, one_answer);
}

/// Requests of every operation: method, path, query, body.
static REQUESTS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let text = include_str!("../fuzz/corpus/requests.jsonl");
    text.lines().map(|it| serde_json::from_str(it).expect("a request")).collect()
});

/// Control requests that break no answer on purpose.
const CONTROLS: [&str; 9] = [
    "streams",
    "participants",
    "ingests",
    "tags",
    "clock",
    "switches",
    "quotas",
    "rates",
    "nothing",
];

/// Puts ARNs of what exists where the request has others.
fn with_arns(dice: &mut Dice, value: &mut Value, arns: &[String]) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(|it| with_arns(dice, it, arns));
        }
        Value::Array(items) => items.iter_mut().for_each(|it| with_arns(dice, it, arns)),
        Value::String(text) if text.starts_with("arn:aws:ivs:") => {
            let kind = text.split(':').nth(5).and_then(|it| it.split('/').next()).unwrap_or("");
            let same = format!(":{kind}/");
            let of_kind: Vec<&String> = arns.iter().filter(|it| it.contains(&same)).collect();
            let from =
                if of_kind.is_empty() || dice.one_in(10) { arns.iter().collect() } else { of_kind };
            if !from.is_empty() {
                text.clone_from(from[dice.below(from.len())]);
            }
        }
        _ => {}
    }
}

fn arns_of(emulator: &Emulator) -> Vec<String> {
    let (_, told) = emulator.control("GET", "/_emulator/objects", Value::Null);
    let all = told["objects"].as_array().expect("a list").clone();
    all.iter().filter_map(|it| it["arn"].as_str().map(ToOwned::to_owned)).collect()
}

async fn one_request(dice: &mut Dice, emulator: &Emulator, arns: &[String]) {
    if dice.one_in(6) {
        let method = dice.pick(&["POST", "POST", "DELETE", "GET"]);
        let path = format!("/_emulator/{}", dice.pick(&CONTROLS));
        let arn = |dice: &mut Dice| arns.get(dice.below(arns.len().max(1))).cloned();
        let body = json!({
            "channelArn": arn(dice), "stageArn": arn(dice), "ingestConfigurationArn": arn(dice),
            "resourceArn": arn(dice), "viewerCount": 3, "advanceSeconds": dice.below(100_000),
            "enforced": false,
        });
        let body = if dice.one_in(3) { changed_value(dice, &body) } else { body };
        let (status, _) = emulator.control(method, &path, body);
        assert!(status < 500, "{method} {path}: {status}");
        return;
    }
    let mut request = REQUESTS[dice.below(REQUESTS.len())].clone();
    if !dice.one_in(5) {
        with_arns(dice, &mut request["body"], arns);
    }
    let mut body = request["body"].clone();
    if dice.one_in(2) {
        body = changed_value(dice, &body);
    }
    let mut bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    if dice.one_in(12) {
        bytes = changed_text(dice, &String::from_utf8_lossy(&bytes), &[]).into_bytes();
    }
    let mut path = request["path"].as_str().unwrap_or("/").to_owned();
    if path.starts_with("/tags/") && !arns.is_empty() {
        path = format!(
            "/tags/{}",
            arns[dice.below(arns.len())].replace(':', "%3A").replace('/', "%2F")
        );
    }
    let query = request["query"].as_str().unwrap_or_default().to_owned();
    let query = if dice.one_in(10) { format!("{query}&%zz=%00&tagKeys=a") } else { query };
    let method = if dice.one_in(20) { "PUT" } else { request["method"].as_str().unwrap_or("POST") };
    let uri = format!("http://127.0.0.1{path}?{query}");
    let signature = "0".repeat(64);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential=AKID/20260101/us-west-2/ivs/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={signature}"
    );
    let authorization =
        if dice.one_in(20) { changed_text(dice, &authorization, &[]) } else { authorization };
    let Ok(request) = http::Request::builder()
        .method(method)
        .uri(&uri)
        .header("x-amz-date", "20260101T000000Z")
        .header("authorization", authorization.as_bytes())
        .body(bytes)
    else {
        return;
    };
    let answer = emulator.answer(request).await.expect("no fault is injected");
    let status = answer.status().as_u16();
    let text = String::from_utf8_lossy(answer.body());
    assert!((200..500).contains(&status), "{method} {uri} {body}: {status} {text}");
    assert!(answer.body().len() < 8 * 1024 * 1024, "{method} {uri}: {} bytes", answer.body().len());
    assert!(answer.headers().contains_key("x-amzn-requestid"), "{method} {uri}");
    assert!(
        text.is_empty() || serde_json::from_str::<Value>(&text).is_ok() || text.starts_with('<')
    );
}

fn one_account_of_the_emulator(seed: u64) {
    on_paused_time(async {
        let mut dice = Dice(seed);
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("state.json");
        let its = || Settings { clock: Clock::Tokio, seed, ..settings() };
        let emulator = Emulator::open(&file, its()).expect("a new file");
        let mut arns = Vec::new();
        for number in 0..150 {
            if number % 8 == 0 {
                arns = arns_of(&emulator);
            }
            one_request(&mut dice, &emulator, &arns).await;
        }
        let before = arns_of(&emulator);
        emulator.close().expect("the state is saved");
        let again = Emulator::open(&file, its()).expect("the state is read back");
        assert_eq!(arns_of(&again), before);
    });
}

#[test]
fn no_request_makes_the_emulator_panic_or_fail() {
    fuzz("no_request_makes_the_emulator_panic_or_fail", 30, one_account_of_the_emulator);
}
