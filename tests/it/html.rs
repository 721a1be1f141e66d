//! HTML pages: what each command writes, and what a real browser makes of it.

use crate::account::{Account, on_paused_time};
use crate::binary::ServedPlace;
use crate::client::Client;
use crate::left_out::{every_case, left_out};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ivs_apply::kinds::Arn;
use ivs_apply::manifest::load_text;
use ivs_apply::plan::Policy;
use ivs_apply::ui::html::{self, Ran as WhatRan};
use ivs_apply::ui::plan::Header;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const MANIFESTS: &str = "
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: shows }
spec: { region: us-west-2 }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: the-archive } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { latencyMode: NORMAL, recordingConfiguration: archive }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: {}
";

/// The first channel of the account gets viewers.
fn go_live(work: &mut ServedPlace) {
    let channels = work.client.call("ListChannels", &json!({}));
    let arn = &channels["channels"][0]["arn"];
    work.client.control("POST", "streams", &json!({ "channelArn": arn, "viewerCount": 1204 }));
}

/// A whole page that loads nothing and allows nothing but its own style sheet.
#[track_caller]
pub(crate) fn assert_page(text: &str) {
    assert!(text.starts_with("<!doctype html>") && text.trim_end().ends_with("</html>"), "{text}");
    let (_, rest) = text.split_once("<style>").expect("a style sheet");
    let (style, body) = rest.split_once("</style>").expect("its end");
    let hash = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = format!("content=\"default-src 'none'; style-src 'sha256-{hash}'; ");
    assert!(text.contains(&policy), "no policy with the hash {hash}");
    assert!(!style.contains("url(") && !style.contains("@import"), "{style}");
    // Text holds no `<` of its own, so that these are all tags.
    for tag in body.split('<').skip(1).filter_map(|it| it.split('>').next()) {
        let mut words = tag.split_ascii_whitespace();
        let name = words.next().unwrap_or_default().trim_start_matches('/');
        assert!(TAGS.contains(&name), "<{tag}>");
        let loads =
            |it: &str| ["src=", "href=", "style=", "on"].iter().any(|at| it.starts_with(at));
        let quoted = tag.split('"').step_by(2).flat_map(str::split_ascii_whitespace);
        assert_eq!(quoted.skip(1).find(|it| loads(it)), None, "<{tag}>");
    }
}

/// Every tag of a page behind its style sheet.
const TAGS: [&str; 33] = [
    "head", "body", "html", "header", "main", "footer", "section", "h1", "h2", "p", "dl", "div",
    "dt", "dd", "fieldset", "legend", "label", "input", "span", "details", "summary", "ul", "li",
    "strong", "pre", "code", "svg", "g", "path", "rect", "text", "title", "style",
];

#[test]
fn every_command_with_html_writes_one_page_and_ends_as_it_does_with_text() {
    let mut work = ServedPlace::new(MANIFESTS);
    for words in [
        "plan",
        "status",
        "drift",
        "apply --yes",
        "plan --detailed-exitcode",
        "drift",
        "apply --yes",
    ] {
        let ran = work.run(&format!("{words} -f manifests --format html"));
        assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
        assert_page(&ran.stdout);
        assert!(ran.stdout.contains("shows") && ran.stdout.contains("us-west-2"), "{words}");
    }
    go_live(&mut work);
    work.place.write("a.yaml", &MANIFESTS.replace("NORMAL", "LOW").replace("studio", "atelier"));
    let plan = work.run("plan -f manifests --format html").stdout;
    assert_page(&plan);
    for told in [
        "Channel/main",
        "1,204 viewers",
        "update deferred",
        "- latencyMode: NORMAL",
        "Stage/atelier",
        "manifests/a.yaml:13",
        "<title>Channel/main (update deferred)</title>",
        ">update deferred</text>",
        ">no change</text>",
    ] {
        assert!(plan.contains(told), "{told}: {plan}");
    }
    let state = work.run("status -f manifests --format html").stdout;
    assert_page(&state);
    for told in
        ["Status of stack shows", "Deferred", "On air", "healthy, 1,204 viewers", "Orphaned"]
    {
        assert!(state.contains(told), "{told}: {state}");
    }
    assert_eq!(work.run("plan -f manifests --out p.json").code, Some(0));
    let shown = work.run("show p.json --format html");
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert_page(&shown.stdout);
    for told in [
        "Saved plan for stack shows",
        "<title>Channel/main (update deferred)</title>",
        "<title>Stage/atelier (create)</title>",
        // No step is about it, and the channel refers to it.
        "<title>RecordingConfiguration/archive</title>",
        "<path class=\"edge\" ",
    ] {
        assert!(shown.stdout.contains(told), "{told}: {}", shown.stdout);
    }
    let ran = work.run("destroy --yes -f manifests --format html");
    assert_eq!(ran.code, Some(3), "a live channel is left: {ran:?}");
    assert_page(&ran.stdout);
    assert!(ran.stdout.contains("<h1>Destroy for stack shows"), "{}", ran.stdout);
    assert!(ran.stdout.contains("headline bad"), "{}", ran.stdout);
    assert!(ran.stdout.contains("not deleted: "), "{}", ran.stdout);
}

#[test]
fn a_run_that_fails_is_refused_or_stale_writes_a_page_that_says_so() {
    let work = ServedPlace::applied(MANIFESTS);
    work.place.write("a.yaml", &MANIFESTS.replace("NORMAL", "LOW"));
    assert_eq!(work.run("plan -f manifests --out p.json").code, Some(0));
    let refused = work.run("apply -f manifests --format html");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert_page(&refused.stdout);
    assert!(refused.stdout.contains("confirmation prompt"), "{}", refused.stdout);
    assert!(refused.stdout.contains("help: add `--yes`"), "{}", refused.stdout);
    assert!(refused.stdout.contains("<dt>Account read at</dt>"), "{}", refused.stdout);

    work.place
        .write("a.yaml", &MANIFESTS.replace("NORMAL", "LOW").replace("the-archive", "another"));
    let stale = work.run("apply p.json --format html");
    assert_eq!(stale.code, Some(5), "{stale:?}");
    assert_page(&stale.stdout);
    assert!(stale.stdout.contains("the saved plan is stale"), "{}", stale.stdout);
    assert!(stale.stdout.contains("was approved as"), "{}", stale.stdout);

    work.place.write("a.yaml", &MANIFESTS.replace("NORMAL", "FAST"));
    for words in ["plan", "apply --yes", "drift"] {
        let invalid = work.run(&format!("{words} -f manifests --format html"));
        assert_eq!(invalid.code, Some(1), "{invalid:?}");
        assert_page(&invalid.stdout);
        assert!(invalid.stdout.contains("a.yaml:15:"), "{}", invalid.stdout);
    }
    let nothing = work.run("plan -f nowhere --format html");
    assert_eq!(nothing.code, Some(1), "{nothing:?}");
    assert_page(&nothing.stdout);

    work.place.write("a.yaml", &MANIFESTS.replace("NORMAL", "LOW"));
    let mut client = Client::new(&work.served.url);
    let denied =
        json!({ "operation": "UpdateChannel", "kind": "error", "name": "AccessDeniedException" });
    client.control("POST", "faults", &denied);
    let failed = work.run("apply --yes -f manifests --format html");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert_page(&failed.stdout);
    assert!(failed.stdout.contains("Not carried out"), "{}", failed.stdout);
    assert!(failed.stdout.contains("update failed"), "{}", failed.stdout);
}

#[test]
fn a_page_of_drift_shows_what_is_live_and_was_changed_first() {
    let mut work = ServedPlace::applied(MANIFESTS);
    let channels = work.client.call("ListChannels", &json!({}));
    let arn = &channels["channels"][0]["arn"];
    work.client.call("UpdateChannel", &json!({ "arn": arn, "latencyMode": "LOW" }));
    go_live(&mut work);
    let stages = work.client.call("ListStages", &json!({}));
    work.client.call("DeleteStage", &json!({ "arn": stages["stages"][0]["arn"] }));
    let ran = work.run("drift -f manifests --format html");
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_page(&ran.stdout);
    let at = |told: &str| ran.stdout.find(told).unwrap_or_else(|| panic!("{told}: {}", ran.stdout));
    assert!(at("Live, and changed outside</h2>") < at("Stage/studio"));
    assert!(at("1,204 viewers") < at("Stage/studio"));
    assert!(
        ran.stdout.contains("spec.latencyMode is LOW, and NORMAL was applied"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("Drift: 2 resources"), "{}", ran.stdout);
    for told in [
        "<title>Channel/main (live, changed outside)</title>",
        "<title>Stage/studio (missing)</title>",
        "<title>RecordingConfiguration/archive</title>",
        ">no change</text>",
    ] {
        assert!(ran.stdout.contains(told), "{told}: {}", ran.stdout);
    }
}

/// Chromium, or nothing where there is none.
pub(crate) fn browser() -> Option<&'static str> {
    let names = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
    let found = names.into_iter().find(|it| Path::new(it).exists());
    if found.is_none() {
        left_out("pages in a browser", "chromium");
    }
    found
}

/// What a browser made of a page.
pub(crate) struct Seen {
    pub(crate) picture: Vec<u8>,
    pub(crate) console: Vec<String>,
    requests: Vec<String>,
}

/// The width and the height of a window.
const WINDOW: (u32, u32) = (1000, 1400);

/// Opens a page in a window of this size and takes a picture of it.
pub(crate) fn open(browser: &str, page: &Path, dark: bool, size: (u32, u32)) -> Seen {
    let profile = tempfile::tempdir().expect("a folder");
    let (picture, log) = (profile.path().join("page.png"), profile.path().join("net.json"));
    let mut command = Command::new("timeout");
    command
        .args([
            "120",
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--hide-scrollbars", "--enable-logging=stderr"])
        .arg(format!("--window-size={},{}", size.0, size.1))
        .arg(format!("--blink-settings=preferredColorScheme={}", i32::from(!dark)))
        .arg(format!("--user-data-dir={}", profile.path().join("profile").display()))
        .arg(format!("--log-net-log={}", log.display()))
        .arg(format!("--screenshot={}", picture.display()))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null());
    let output = command.output().expect("the browser starts");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let picture = std::fs::read(&picture).unwrap_or_else(|it| panic!("no picture ({it}): {said}"));
    let console = said.lines().filter(|it| it.contains("CONSOLE")).map(ToOwned::to_owned).collect();
    let log = std::fs::read_to_string(&log).expect("the browser's log of its network");
    // A log that was cut off by the end of the browser is read as text.
    let requests = log.match_indices("\"url\":\"").map(|(at, key)| &log[at + key.len()..]);
    let requests = requests.filter_map(|it| it.split('"').next()).map(ToOwned::to_owned).collect();
    Seen { picture, console, requests }
}

pub(crate) fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).expect("written");
    file
}

/// A page with this text wherever text from outside can stand.
async fn hostile_page(text: &str) -> String {
    let account = Account::empty().await;
    let mut loaded = load_text(&format!("{text}.yaml"), MANIFESTS, None);
    let (_, mut plan) = account.plan(&loaded.stack, &loaded.desired, &Policy::default()).await;
    for step in &mut plan.steps {
        text.clone_into(&mut step.address.name);
        step.arn = Some(Arn::new(format!("arn:aws:ivs:us-west-2:1:channel/{text}")));
    }
    plan.orphans = plan.steps.iter().map(|it| it.address.clone()).collect();
    for desired in &mut loaded.desired {
        text.clone_into(&mut desired.address.name);
    }
    text.clone_into(&mut loaded.stack.name);
    let header = Header {
        stack: &loaded.stack,
        region: "us-west-2",
        endpoint: Some(text),
        identity: None,
        calls: BTreeMap::new(),
    };
    let report =
        html::Report { command: "plan", header: &header, sources: &loaded.sources, read_at: None };
    let refused = WhatRan::Refused { message: text, help: Some(text) };
    html::plan(&plan, &report, &loaded.desired, refused, &[])
}

#[test]
fn in_a_browser_a_page_runs_no_script_and_asks_for_nothing_whatever_stands_in_it() {
    let Some(browser) = browser() else { return };
    let canary = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/x", canary.local_addr().expect("an address"));
    let asked = Arc::new(AtomicUsize::default());
    let counted = asked.clone();
    // The thread ends with the test's process; a connection is counted and closed.
    std::thread::spawn(move || {
        while canary.accept().is_ok() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let hostile = [
        format!("<script>console.log('ran')</script><img src={url} onerror=console.log(1)>"),
        format!("\"><img src='{url}'><style>@import url({url});</style>"),
        format!("'></title><link rel=stylesheet href={url}><svg onload=console.log(2)><!--"),
        format!("]]></style><iframe src={url}></iframe>{{{{ 7 * 7 }}}}&lt;b&gt;"),
    ];
    for (index, text) in hostile.iter().enumerate() {
        let page = on_paused_time(hostile_page(text));
        assert_page(&page);
        let seen =
            open(browser, &written(folder.path(), &format!("{index}.html"), &page), false, WINDOW);
        assert_eq!(seen.console, Vec::<String>::new(), "{text}");
        let request = seen.requests.iter().find(|it| it.contains(&url));
        assert_eq!(request, None, "{text}");
        assert_eq!(asked.load(Ordering::SeqCst), 0, "the browser connected: {text}");
    }
    // The test would notice: without its policy and its escapes a page does ask.
    let open_page =
        format!("<!doctype html><title>x</title><img src={url}><script>console.log(3)</script>");
    let seen = open(browser, &written(folder.path(), "open.html", &open_page), false, WINDOW);
    assert!(asked.load(Ordering::SeqCst) > 0 && !seen.console.is_empty(), "{:?}", seen.console);
    assert!(seen.requests.iter().any(|it| it.contains(&url)), "{:?}", seen.requests);
}

#[test]
fn in_a_browser_a_page_looks_the_same_each_time_and_is_light_or_dark_as_the_reader_prefers() {
    let Some(browser) = browser() else { return };
    let mut work = ServedPlace::applied(MANIFESTS);
    go_live(&mut work);
    work.place.write("a.yaml", &MANIFESTS.replace("NORMAL", "LOW").replace("studio", "atelier"));
    let folder = tempfile::tempdir().expect("a folder");
    let page = work.run("plan -f manifests --format html --prune").stdout;
    let file = written(folder.path(), "plan.html", &page);
    let (light, again, dark) = (
        open(browser, &file, false, WINDOW),
        open(browser, &file, false, WINDOW),
        open(browser, &file, true, WINDOW),
    );
    assert!(light.console.is_empty() && dark.console.is_empty(), "{:?}", light.console);
    assert!(light.picture == again.picture, "two pictures of one page differ");
    assert!(light.picture != dark.picture, "the page ignores the preference for dark");
    // A box that is not ticked hides its group without a script.
    let (box_of, unticked) = ("id=\"show-deferred\" checked", "id=\"show-deferred\"");
    assert!(page.contains(box_of), "{page}");
    let hidden = page.replace(box_of, unticked);
    let hidden = open(browser, &written(folder.path(), "hidden.html", &hidden), false, WINDOW);
    assert!(hidden.console.is_empty(), "{:?}", hidden.console);
    // The group takes most of this page.
    assert!(hidden.picture.len() < light.picture.len(), "the group is still shown");
}

#[test]
fn in_a_browser_a_page_of_thousands_of_steps_opens_folded_and_unfolded() {
    let Some(browser) = browser() else { return };
    let count = if every_case() { 10_000 } else { 3_000 };
    let work = ServedPlace::new(MANIFESTS);
    let mut manifests = "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: shows }\n\
        spec: { region: us-west-2, quotas: { Channel: 20000 } }\n"
        .to_owned();
    for number in 0..count {
        manifests.push_str(&format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: c{number} }}\n\
             spec: {{ latencyMode: NORMAL }}\n"
        ));
    }
    work.place.write("a.yaml", &manifests);
    let ran = work.run("plan -f manifests --format html");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_page(&ran.stdout);
    assert!(ran.stdout.len() < 600 * count, "{} bytes", ran.stdout.len());
    assert_eq!(ran.stdout.matches("class=\"row\"").count(), count);
    assert!(ran.stdout.contains(&format!("{count} resources are too many for one picture")));
    let folder = tempfile::tempdir().expect("a folder");
    let folded = "<details class=\"group\" id=\"create\">";
    assert!(ran.stdout.contains(folded), "a large group is folded at first");
    let unfolded = ran.stdout.replace(folded, "<details class=\"group\" id=\"create\" open>");
    let first = open(browser, &written(folder.path(), "folded.html", &ran.stdout), false, WINDOW);
    let second = open(browser, &written(folder.path(), "unfolded.html", &unfolded), false, WINDOW);
    assert!(first.console.is_empty() && second.console.is_empty());
    assert!(first.picture.len() < second.picture.len(), "unfolding shows no rows");
}

#[test]
fn a_page_of_a_small_stack_holds_the_picture_of_its_dependencies_as_well_formed_xml() {
    let work = ServedPlace::new(MANIFESTS);
    let page = work.run("plan -f manifests --format html").stdout;
    let (from, to) = (page.find("<svg").expect("a picture"), page.find("</svg>").expect("its end"));
    let picture = roxmltree::Document::parse(&page[from..to + "</svg>".len()]).expect("XML");
    let titles = picture.descendants().filter(|it| it.has_tag_name("title"));
    let titles: Vec<&str> = titles.filter_map(|it| it.text()).collect();
    assert_eq!(titles.len(), 3, "{titles:?}");
    assert!(titles.contains(&"Channel/main (create)"), "{titles:?}");
    let plan: Value =
        serde_json::from_str(&work.run("plan -f manifests --format json").stdout).expect("JSON");
    assert_eq!(plan["steps"].as_array().map(Vec::len), Some(3));
}
