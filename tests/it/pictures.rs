//! The pictures of `docs/images`: a plan and its beginning, light and dark, a drift report and a status in a real browser.
//!
//! `UPDATE=1` takes them anew, and needs Python for that. Otherwise they are compared with what the browser shows now: the share of small squares
//! whose colour differs. Letters that another version of the browser or of a font draws a little differently do not count.

use crate::binary::{KEYS, Place, Ran, Served, ivs_apply, run};
use crate::client::Client;
use crate::golden::{rewrites, root};
use crate::html::{assert_page, browser, open, written};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use regex::Regex;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// What is on air on the evening of a show.
const SHOW: &str = r#"
apiVersion: ivs-apply.dev/v1
kind: Stack
metadata: { name: cup-final }
spec: { region: us-west-2, account: "123456789012", tags: { service: live } }
---
apiVersion: ivs-apply.dev/v1
kind: RecordingConfiguration
metadata: { name: archive }
spec: { destinationConfiguration: { s3: { bucketName: cup-recordings } } }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: main }
spec: { latencyMode: LOW, recordingConfiguration: archive }
---
apiVersion: ivs-apply.dev/v1
kind: Channel
metadata: { name: backstage }
spec: { latencyMode: LOW, tags: { team: social } }
---
apiVersion: ivs-apply.dev/v1
kind: StreamKey
metadata: { name: main }
spec: { channel: main }
---
apiVersion: ivs-apply.dev/v1
kind: StorageConfiguration
metadata: { name: tape }
spec: { s3: { bucketName: cup-tapes } }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: full-hd }
spec: { video: { width: 1920, height: 1080, framerate: 30, bitrate: 6000000 } }
---
apiVersion: ivs-apply.dev/v1
kind: EncoderConfiguration
metadata: { name: mobile }
spec: { video: { width: 640, height: 360, framerate: 30, bitrate: 800000 } }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: studio }
spec: { autoParticipantRecordingConfiguration: { storageConfiguration: tape } }
---
apiVersion: ivs-apply.dev/v1
kind: Stage
metadata: { name: interviews }
spec: {}
---
apiVersion: ivs-apply.dev/v1
kind: Composition
metadata: { name: show }
spec:
  stage: studio
  destinations:
    - { name: air, channel: { channel: main, encoderConfiguration: full-hd } }
    - { name: tape, s3: { storageConfiguration: tape, encoderConfigurations: [full-hd] } }
"#;

/// What the next pull request changes, as text before and after.
const NEXT: [(&str, &str); 4] = [
    ("latencyMode: LOW, recordingConfiguration", "latencyMode: NORMAL, recordingConfiguration"),
    ("tags: { team: social }", "tags: { team: social, tier: gold }"),
    ("bitrate: 800000", "bitrate: 1200000"),
    ("{ name: interviews }", "{ name: green-room }"),
];

/// The largest picture of a page that loads quickly.
const LARGEST: u64 = 150_000;

/// The share of squares that may differ: what a font changes, not what a reader sees.
const TOLERANCE: f64 = 0.01;

/// A small white picture.
const NO_PICTURE: &[u8] = include_bytes!("../html/white.png");

/// An account in which the show is on air.
struct Evening {
    place: Place,
    served: Served,
    client: Client,
}

impl Evening {
    fn begin() -> Self {
        let place = Place::new();
        place.write("show.yaml", SHOW);
        let served = Served::with_defaults(place.folder.path(), &["--account", "123456789012"]);
        let client = Client::new(&served.url);
        let mut evening = Self { place, served, client };
        evening.ok("apply --yes");
        let (studio, main) = (evening.arn("Stage/studio"), evening.arn("Channel/main"));
        for user in ["host", "guest"] {
            let joins = json!({ "stageArn": studio, "userId": user });
            evening.client.control("POST", "participants", &joins);
        }
        // The composition starts with its first publisher.
        evening.ok("apply --yes");
        evening.client.control("POST", "clock", &json!({ "advanceSeconds": 60 }));
        let viewers = json!({ "channelArn": main, "viewerCount": 1204 });
        evening.client.control("POST", "streams", &viewers);
        evening.client.control("POST", "clock", &json!({ "advanceSeconds": 2460 }));
        evening
    }

    fn run(&self, words: &str) -> Ran {
        let mut command = ivs_apply(self.place.folder.path());
        command.envs(KEYS).env("AWS_REGION", "us-west-2");
        command.env("AWS_ENDPOINT_URL", &self.served.url);
        command.current_dir(self.place.folder.path());
        run(command.args(words.split_whitespace()).args(["-f", "manifests"]))
    }

    #[track_caller]
    fn ok(&self, words: &str) -> String {
        let ran = self.run(words);
        assert_eq!(ran.code, Some(0), "{words}: {ran:?}");
        ran.stdout
    }

    fn arn(&self, address: &str) -> Value {
        let outputs = self.ok("output --format json");
        let outputs: Value = serde_json::from_str(&outputs).expect("JSON");
        outputs["outputs"][address]["arn"].clone()
    }

    /// A page without what differs from run to run: the port, ids and times.
    fn page(&self, words: &str) -> String {
        let page = self.run(&format!("{words} --format html")).stdout;
        assert_page(&page);
        let mut page = page.replace(&self.served.url, "http://127.0.0.1:4599");
        for (pattern, instead) in [
            ("/[A-Za-z0-9]{12}\\b", "/AbCdEfGhIjKl"),
            ("\\bst-[A-Za-z0-9]+", "st-AbCdEfGhIjKlMnOpQrStUvWxYz"),
            ("\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}Z", "2026-07-12T19:42:00Z"),
            ("since 2026-07-12T19:42:00Z", "since 2026-07-12T19:00:00Z"),
            ("for 4\\d min", "for 42 min"),
        ] {
            let pattern = Regex::new(pattern).expect("a pattern");
            page = pattern.replace_all(&page, instead).into_owned();
        }
        page
    }
}

/// The three pages, each with the height of its picture, and the beginning of the plan for the README.
fn pages() -> [(&'static str, String, u32); 4] {
    let mut evening = Evening::begin();
    let status = evening.page("status");
    let next = NEXT.iter().fold(SHOW.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    });
    evening.place.write("show.yaml", &next);
    let plan = evening.page("plan --prune");
    evening.place.write("show.yaml", SHOW);
    // Changes by hand, on the evening of the show.
    let (main, backstage) = (evening.arn("Channel/main"), evening.arn("Channel/backstage"));
    let interviews = evening.arn("Stage/interviews");
    let client = &mut evening.client;
    let main = main.as_str().expect("an ARN").replace(':', "%3A").replace('/', "%2F");
    client.send("POST", &format!("/tags/{main}"), &json!({ "tags": { "service": "test" } }), 200);
    client.call("UpdateChannel", &json!({ "arn": backstage, "authorized": true }));
    client.call("DeleteStage", &json!({ "arn": interviews }));
    let drift = evening.page("drift");
    [
        ("plan-top", plan.clone(), 626),
        ("plan", plan, 2300),
        ("drift", drift, 1330),
        ("status", status, 1345),
    ]
}

/// Says of pairs of pictures, in a browser that runs the script below, which share of squares of 8 by 8 pixels differs.
fn differences(browser: &str, folder: &Path, pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<f64> {
    let image =
        |bytes: &[u8]| format!("<img src=\"data:image/png;base64,{}\">", STANDARD.encode(bytes));
    let images: String = pairs.iter().map(|(a, b)| image(a) + &image(b)).collect();
    let script = "
        const squares = image => {
          const canvas = document.createElement('canvas');
          canvas.width = Math.floor(image.naturalWidth / 8);
          canvas.height = Math.floor(image.naturalHeight / 8);
          const context = canvas.getContext('2d');
          context.imageSmoothingQuality = 'high';
          context.drawImage(image, 0, 0, canvas.width, canvas.height);
          return context.getImageData(0, 0, canvas.width, canvas.height).data;
        };
        addEventListener('load', () => {
          const all = [...document.images].map(squares);
          const shares = [];
          for (let at = 0; at < all.length; at += 2) {
            const [a, b] = [all[at], all[at + 1]];
            let differing = 0;
            for (let square = 0; square < a.length; square += 4) {
              const far = [0, 1, 2].some(it => Math.abs(a[square + it] - b[square + it]) > 40);
              if (far) differing += 1;
            }
            shares.push(a.length === b.length ? differing * 4 / a.length : 1);
          }
          document.body.textContent = 'shares ' + JSON.stringify(shares) + ' end';
        });";
    let page = format!("<!doctype html><body>{images}<script>{script}</script></body>");
    let file = written(folder, "compare.html", &page);
    let profile = tempfile::tempdir().expect("a folder");
    let output = Command::new("timeout")
        .args(["120", browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg("--dump-dom")
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("the browser starts");
    let told = String::from_utf8_lossy(&output.stdout);
    let shares = told.rsplit_once("shares ").and_then(|(_, it)| it.split_once(" end"));
    let (shares, _) = shares.unwrap_or_else(|| panic!("no answer: {told:.500}"));
    serde_json::from_str(shares).expect("numbers")
}

#[test]
fn the_pictures_in_the_documents_are_what_a_browser_shows_now() {
    let Some(browser) = browser() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root().join("docs/images")).expect("writable");
    let (mut names, mut pairs) = (Vec::new(), Vec::new());
    for (name, page, height) in pages() {
        let file = written(folder.path(), &format!("{name}.html"), &page);
        // Pages of the book show light pictures alone: in the book as one page, a second source would lead nowhere.
        let schemes = [("light", false), ("dark", true)];
        for (scheme, dark) in &schemes[..if name.starts_with("plan") { 2 } else { 1 }] {
            let seen = open(browser, &file, *dark, (1000, height));
            assert_eq!(seen.console, Vec::<String>::new(), "{name} {scheme}");
            let path = root().join(format!("docs/images/{name}-{scheme}.png"));
            // What is missing differs as a whole: its size is another one.
            let expected = std::fs::read(&path).unwrap_or_else(|_| NO_PICTURE.to_vec());
            names.push(path);
            pairs.push((expected, seen.picture));
        }
    }
    // The comparison would notice: light is not dark, and a page is not another page.
    let light_and_dark = (pairs[0].1.clone(), pairs[1].1.clone());
    let of_others = (pairs[2].1.clone(), pairs[4].1.clone());
    pairs.extend([light_and_dark, of_others]);
    let shares = differences(browser, folder.path(), &pairs);
    assert_eq!(shares.len(), names.len() + 2);
    assert!(shares[names.len()..].iter().all(|it| *it > 3.0 * TOLERANCE), "{shares:?}");
    let mut differing = Vec::new();
    for ((path, share), (_, picture)) in names.iter().zip(&shares).zip(&pairs) {
        if *share > TOLERANCE {
            if rewrites() {
                let taken = folder.path().join("taken.png");
                std::fs::write(&taken, picture).expect("writable");
                let smaller = root().join("tests/html/smaller.py");
                let ran = Command::new("python3").arg(smaller).arg(&taken).arg(path).status();
                assert!(ran.expect("python3 starts").success(), "{}", path.display());
            }
            differing.push(format!("{}: {:.1} % of it differs", path.display(), share * 100.0));
        }
    }
    for path in &names {
        let size = path.metadata().map_or(0, |it| it.len());
        assert!((1..LARGEST).contains(&size), "{}: {size} bytes", path.display());
    }
    assert!(differing.is_empty(), "look at them (UPDATE=1 takes them anew): {differing:#?}");
}
