//! The program as people run it: real processes, exit codes, both streams; against an emulator behind a
//! real socket, or with one inside.

use crate::account::switches;
use crate::client::Client;
use crate::golden::{self, Goldens};
use ivs_apply::emulator::Switches;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Credentials in the environment that an emulator takes.
pub(crate) const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")];

/// The same with a region.
pub(crate) const SIGNED_IN: [(&str, &str); 3] = [KEYS[0], KEYS[1], ("AWS_REGION", "us-west-2")];

/// The program with nothing of this machine's configuration.
pub(crate) fn ivs_apply(home: &Path) -> Command {
    on(Command::new(env!("CARGO_BIN_EXE_ivs-apply")), home)
}

/// The program where no signal is ignored, also where the tests run under `nohup`.
pub(crate) fn ivs_apply_with_signals(home: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return ivs_apply(home);
    }
    let mut command = Command::new("/usr/bin/env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_ivs-apply")]);
    on(command, home)
}

fn on(mut command: Command, home: &Path) -> Command {
    command
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("COLUMNS", "100")
        .current_dir(golden::root())
        .stdin(Stdio::null());
    command
}

pub(crate) fn run(command: &mut Command) -> Ran {
    let output = command.output().expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8");
    Ran { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Does the work for all of these at the same time: a run of the program mostly waits, for its turn and for the
/// emulator.
pub(crate) fn side_by_side<I: Send, T: Send>(
    items: impl IntoIterator<Item = I>,
    work: impl Fn(I) -> T + Sync,
) -> Vec<T> {
    let work = &work;
    std::thread::scope(|scope| {
        let running: Vec<_> =
            items.into_iter().map(|item| scope.spawn(move || work(item))).collect();
        let ended = running.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.map(|it| it.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    })
}

/// A folder of one test, with an emulated account in a file.
pub(crate) struct Place {
    pub(crate) folder: tempfile::TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        std::fs::create_dir(folder.path().join("manifests")).expect("writable");
        Self { folder }
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.folder.path().join("manifests").join(name), text).expect("writable");
    }

    /// Runs a command on this folder's manifests and emulated account.
    pub(crate) fn run(&self, words: &str) -> Ran {
        run(&mut self.command(words))
    }

    pub(crate) fn command(&self, words: &str) -> Command {
        let mut command = ivs_apply(self.folder.path());
        command.current_dir(self.folder.path()).args(words.split_whitespace());
        if reads_manifests(words) {
            command.args(["-f", "manifests"]);
        }
        command.arg("--emulator");
        command
    }
}

/// Whether the command of a line takes `-f`.
pub(crate) fn reads_manifests(words: &str) -> bool {
    let without = ["completions", "emulator", "explain", "export", "init", "man", "schema", "show"];
    words.split_whitespace().next().is_none_or(|it| !without.contains(&it))
}

/// The emulator as a process of its own.
pub(crate) struct Served {
    child: Child,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn start(home: &Path, words: &[&str]) -> Self {
        let mut child = ivs_apply(home)
            .args(["emulator", "--listen", "127.0.0.1:0"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the emulator starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("piped");
        BufReader::new(out).read_line(&mut line).expect("the emulator says where it listens");
        let url = line.trim().rsplit(' ').next().expect("an address").to_owned();
        Client::new(&url).control("POST", "switches", &switches());
        Self { child, url }
    }

    /// One whose switches are the defaults, whatever the other tests run with: for clients that compare it with
    /// another, or expect its default answers.
    pub(crate) fn with_defaults(home: &Path, words: &[&str]) -> Self {
        let served = Self::start(home, words);
        Client::new(&served.url).control("POST", "switches", &json!(Switches::default()));
        served
    }

    /// The number of the process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of manifests, and an emulator as a process of its own that the program is run against.
pub(crate) struct ServedPlace {
    pub(crate) place: Place,
    pub(crate) served: Served,
    pub(crate) client: Client,
}

impl ServedPlace {
    /// One manifest, and an account without objects.
    pub(crate) fn new(manifests: &str) -> Self {
        let place = Place::new();
        place.write("a.yaml", manifests);
        let served = Served::start(place.folder.path(), &[]);
        let client = Client::new(&served.url);
        Self { place, served, client }
    }

    /// The same with the manifest applied.
    pub(crate) fn applied(manifests: &str) -> Self {
        let served = Self::new(manifests);
        assert_eq!(served.run("apply --yes -f manifests").code, Some(0));
        served
    }

    /// Runs a command in the folder.
    pub(crate) fn run(&self, words: &str) -> Ran {
        run_at(&self.place, &self.served, words)
    }
}

/// Runs the program in the folder of a place, on a served emulator.
pub(crate) fn run_at(place: &Place, served: &Served, words: &str) -> Ran {
    let mut command = ivs_apply(place.folder.path());
    command
        .envs(SIGNED_IN)
        .current_dir(place.folder.path())
        .args(words.split_whitespace())
        // Not a flag, which `show` does not have.
        .env("IVS_APPLY_ENDPOINT_URL", &served.url);
    run(&mut command)
}

/// The manifests of the issue that everything else stands on.
const BROADCAST: &str = include_str!("../../examples/broadcast/broadcast.yaml");

fn golden_run(goldens: &mut Goldens, name: &str, ran: &Ran) {
    let id = regex::Regex::new("/[A-Za-z0-9]{12}\\b").expect("a valid pattern");
    let text = format!(
        "exit: {}\n--- stdout\n{}--- stderr\n{}",
        ran.code.map_or("killed".to_owned(), |it| it.to_string()),
        ran.stdout,
        ran.stderr
    );
    goldens.expect(format!("tests/snapshots/{name}.txt"), &id.replace_all(&text, "/<id>"));
}

#[test]
fn an_apply_makes_the_account_equal_to_the_manifests_and_the_next_plan_is_empty() {
    let mut goldens = Goldens::default();
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let code = |words: &str| {
        let ran = place.run(words);
        (ran.code, ran)
    };
    assert_eq!(code("validate").0, Some(0));
    let (two, plan) = code("plan --detailed-exitcode");
    assert_eq!(two, Some(2));
    golden_run(&mut goldens, "plan-of-an-empty-account", &plan);
    let (zero, applied) = code("apply --yes");
    assert_eq!(zero, Some(0), "{applied:?}");
    let (zero, again) = code("plan --detailed-exitcode");
    assert_eq!(zero, Some(0), "{again:?}");
    golden_run(&mut goldens, "plan-of-an-equal-account", &again);
    let (zero, drift) = code("drift");
    assert_eq!(zero, Some(0), "{drift:?}");
    golden_run(&mut goldens, "drift-of-an-equal-account", &drift);

    place.write("broadcast.yaml", &BROADCAST.replace("latencyMode: NORMAL", "latencyMode: LOW"));
    let (two, changed) = code("plan --detailed-exitcode");
    assert_eq!(two, Some(2));
    golden_run(&mut goldens, "plan-of-a-changed-field", &changed);

    place.write(
        "broadcast.yaml",
        &BROADCAST.replace("recordingConfiguration: archive", "recordingConfiguration: archiv"),
    );
    let (one, misspelt) = code("plan");
    assert_eq!(one, Some(1));
    golden_run(&mut goldens, "a-misspelt-reference", &misspelt);

    assert_eq!(code("plan --unknown-flag").0, Some(1), "usage errors are 1, since 2 means changes");
}

/// A document on standard output, which must fit the shipped schema.
pub(crate) fn document(ran: &Ran) -> serde_json::Value {
    let schema = serde_json::from_str(include_str!("../../schemas/output.json")).expect("JSON");
    let validator = jsonschema::draft7::new(&schema).expect("a valid schema");
    let document =
        serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let errors: Vec<String> = validator.iter_errors(&document).map(|it| it.to_string()).collect();
    assert!(errors.is_empty(), "{errors:#?}: {document:#}");
    // A field that only some commands have names them, for `docs/json.md`.
    let command = &document["command"];
    for name in document.as_object().expect("an object").keys() {
        let commands = schema["properties"][name].get("x-commands").and_then(|it| it.as_array());
        assert!(
            commands.is_none_or(|it| it.contains(command)),
            "`{name}` is a field of {commands:?}, and {command} has it"
        );
    }
    document
}

#[test]
fn json_is_whole_and_versioned_even_where_the_run_fails() {
    let mut goldens = Goldens::default();
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let planned = place.run("plan --format json");
    let told = document(&planned);
    assert_eq!(told["formatVersion"], "2.0");
    assert_eq!(told["status"], "changes");
    assert_eq!(told["summary"]["create"], 6);
    assert_eq!(told["steps"][0]["because"][0]["cause"], "missing");
    assert_eq!(told["calls"]["ListChannels"], 1);
    golden_run(&mut goldens, "plan-as-json", &planned);

    let refused = place.run("apply --format json");
    let told = document(&refused);
    assert_eq!((refused.code, told["status"].as_str()), (Some(4), Some("blocked")));
    assert!(told["error"]["help"].as_str().is_some_and(|it| it.contains("--yes")));

    let validated = place.run("validate --format json");
    assert_eq!(document(&validated)["resources"], 6);

    let applied = place.run("apply --yes --format json");
    let told = document(&applied);
    assert!(told["steps"].as_array().expect("steps").iter().all(|it| it["status"] == "done"));

    place.write(
        "broadcast.yaml",
        "apiVersion: ivs-apply.dev/v1\nkind: Chanel\nmetadata: { name: x }\n",
    );
    let failed = place.run("plan --format json");
    let told = document(&failed);
    assert_eq!((failed.code, &told["status"]), (Some(1), &"failed".into()));
    assert_eq!(told["diagnostics"][0]["code"], "E0102");

    let nowhere = run(ivs_apply(place.folder.path()).args([
        "plan",
        "--format",
        "json",
        "-f",
        "examples/quickstart",
    ]));
    let told = document(&nowhere);
    assert_eq!((nowhere.code, &told["status"]), (Some(1), &"failed".into()));
    assert_eq!(told["error"]["message"], "no region is configured");
}

#[test]
fn nothing_is_carried_out_without_a_yes() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let refused = place.run("apply");
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("--yes"), "{refused:?}");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(2), "nothing was written");
}

#[test]
fn many_deletes_need_their_exact_number() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    assert_eq!(place.run("apply --yes").code, Some(0));
    let destroy = "destroy --yes --allow-live Composition/show";
    let refused = place.run(destroy);
    assert_eq!(refused.code, Some(4), "{refused:?}");
    assert!(refused.stderr.contains("--confirm-deletes 6"), "{refused:?}");
    assert_eq!(place.run(&format!("{destroy} --confirm-deletes 5")).code, Some(4));
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0), "nothing was deleted");
    let done = place.run(&format!("{destroy} --confirm-deletes 6"));
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(place.run("plan").stdout.contains("6 to create"));
}

#[test]
fn six_of_twenty_go_without_a_number_and_seven_only_with_theirs() {
    let stages = |count: usize| -> String {
        let one = |index| {
            format!(
                "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: s{index} }}\nspec: {{}}\n"
            )
        };
        (0..count).map(one).collect()
    };
    for (left, code) in [(14, 0), (13, 4)] {
        let place = Place::new();
        place.write("stages.yaml", &stages(20));
        assert_eq!(place.run("apply --yes").code, Some(0));
        place.write("stages.yaml", &stages(left));
        let ran = place.run("apply --yes --prune");
        assert_eq!(ran.code, Some(code), "{ran:?}");
        if code == 4 {
            assert!(ran.stderr.contains("--confirm-deletes 7"), "{ran:?}");
            assert_eq!(place.run("apply --yes --prune --confirm-deletes 7").code, Some(0));
            let again = place.run("apply --yes --prune --confirm-deletes 7");
            assert_eq!(again.code, Some(0), "what was done needs no number: {again:?}");
        }
    }
}

#[test]
fn a_number_of_deletes_that_is_not_the_plans_is_refused_also_where_none_is_needed() {
    let place = Place::new();
    let stage = |name: &str| {
        format!(
            "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: {{ name: {name} }}\nspec: {{}}\n"
        )
    };
    place.write("stages.yaml", &(stage("a") + &stage("b")));
    assert_eq!(place.run("apply --yes").code, Some(0));
    place.write("stages.yaml", &stage("a"));
    let ran = place.run("apply --yes --prune --confirm-deletes 2");
    assert_eq!(ran.code, Some(4), "{ran:?}");
    assert!(ran.stderr.contains("this would delete 1 of 2 resources"), "{ran:?}");
    assert_eq!(place.run("apply --yes --prune --confirm-deletes 1").code, Some(0));
}

#[test]
fn consent_to_an_object_that_does_not_exist_is_a_warning_and_the_run_goes_on() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let ran = place.run("apply --yes --allow-live Channel/gone");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("`--allow-live Channel/gone` matches no resource of this stack"));
}

#[test]
fn the_account_and_the_caller_are_shown_with_one_call_per_run() {
    let place = Place::new();
    let stage = "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\nspec: {}\n";
    place.write("stage.yaml", stage);
    for command in ["plan", "drift", "output", "apply --yes"] {
        let told = document(&place.run(&format!("{command} --format json")));
        assert_eq!(told["account"], "000000000000", "{command}");
        assert_eq!(told["caller"], "arn:aws:iam::000000000000:user/emulator", "{command}");
        assert_eq!(told["calls"]["GetCallerIdentity"], 1, "{command}: {}", told["calls"]);
    }
    let said = place.run("plan").stdout;
    let signed_in = "Account 000000000000, signed in as arn:aws:iam::000000000000:user/emulator";
    assert!(said.contains(signed_in), "{said}");
    let lines = place.run("output --format github").stdout;
    assert!(lines.contains("account=000000000000"), "{lines}");
}

#[test]
fn an_empty_set_of_manifests_deletes_nothing() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    assert_eq!(place.run("apply --yes").code, Some(0));
    let stack = BROADCAST.split("\n---").next().expect("the Stack document");
    place.write("broadcast.yaml", stack);
    let ran = place.run("apply --yes --prune");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    std::fs::remove_file(place.folder.path().join("manifests/broadcast.yaml")).expect("there");
    let ran = place.run("apply --yes --prune");
    assert_eq!(ran.code, Some(1), "no manifests at all is an error: {ran:?}");
    place.write("broadcast.yaml", BROADCAST);
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0), "everything is still there");
}

#[test]
fn another_region_or_account_than_the_stacks_is_an_error_before_any_call() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &[]);
    place.write("broadcast.yaml", BROADCAST);
    let at = |region: &str| {
        run(ivs_apply(place.folder.path())
            .args(["plan", "--region", region, "--endpoint-url", &served.url])
            .args(["-f", "examples/broadcast"])
            .envs(KEYS))
    };
    let region = at("eu-west-1");
    assert_eq!(region.code, Some(1));
    assert!(region.stderr.contains("stack `broadcast` is in region `us-west-2`"), "{region:?}");
    let account = at("us-west-2");
    assert_eq!(account.code, Some(1));
    assert!(
        account.stderr.contains("the credentials are those of account 000000000000"),
        "{account:?}"
    );
}

#[test]
fn a_plain_http_endpoint_elsewhere_is_refused() {
    let place = Place::new();
    let ran = run(ivs_apply(place.folder.path())
        .args(["plan", "--region", "us-west-2", "--endpoint-url", "http://192.0.2.1"])
        .args(["-f", "examples/quickstart"]));
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("not encrypted"), "{ran:?}");
}

#[test]
fn the_real_clients_reach_the_emulator_through_a_socket() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &[]);
    let on_socket = |words: &[&str]| {
        run(ivs_apply(place.folder.path())
            .args(words)
            .args([
                "--region",
                "us-west-2",
                "--endpoint-url",
                &served.url,
                "-f",
                "examples/quickstart",
            ])
            .envs(KEYS))
    };
    let applied = on_socket(&["apply", "--yes"]);
    assert_eq!(applied.code, Some(0), "{applied:?}");
    let again = on_socket(&["plan", "--detailed-exitcode"]);
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn an_apply_defers_changes_to_a_live_channel_and_the_next_one_carries_them_out() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &[]);
    let mut client = Client::new(&served.url);
    let run = |words: &str| {
        run(ivs_apply(place.folder.path())
            .current_dir(place.folder.path())
            .args(words.split_whitespace())
            .args(["--region", "us-west-2", "--endpoint-url", &served.url, "-f", "manifests"])
            .envs(KEYS))
    };
    let channel = |latency: &str| {
        format!(
            "apiVersion: ivs-apply.dev/v1\nkind: Channel\nmetadata: {{ name: main }}\nspec: {{ latencyMode: {latency} }}\n"
        )
    };
    let stage =
        "---\napiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: studio }\nspec: {}\n";
    place.write("show.yaml", &format!("{}{stage}", channel("LOW")));
    let ran = run("apply --yes");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let objects =
        |client: &mut Client| client.control("GET", "objects", &json!({}))["objects"].clone();
    let before = objects(&mut client);
    let arn = |kind: &str| {
        let mut all = before.as_array().expect("a list").iter();
        all.find(|it| it["kind"] == kind).expect("made")["arn"].clone()
    };
    client.control(
        "POST",
        "streams",
        &json!({ "channelArn": arn("Channel"), "viewerCount": 1204 }),
    );
    client.control("POST", "participants", &json!({ "stageArn": arn("Stage"), "userId": "host" }));
    client.control("DELETE", "history", &json!({}));
    place.write("show.yaml", &channel("NORMAL"));
    let ran = run("apply --yes --prune");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stdout.contains("1,204 viewers") && ran.stdout.contains("2 deferred"), "{ran:?}");
    let latency = |all: &serde_json::Value| {
        let mut all = all.as_array().expect("a list").iter();
        all.find(|it| it["kind"] == "Channel").expect("there")["object"]["latencyMode"].clone()
    };
    assert_eq!(latency(&objects(&mut client)), "LOW");
    assert_eq!(client.control("GET", "history", &json!({}))["events"], json!([]));
    client.control("DELETE", "streams", &json!({ "channelArn": arn("Channel") }));
    client.control("POST", "clock", &json!({ "advanceSeconds": 60 }));
    let ran = run("apply --yes --prune");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert_eq!(latency(&objects(&mut client)), "NORMAL");
}

#[test]
fn manifests_come_from_standard_input_too() {
    let place = Place::new();
    let mut child = ivs_apply(place.folder.path())
        .args(["validate", "-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    child.stdin.take().expect("piped").write_all(BROADCAST.as_bytes()).expect("read");
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "6 resources valid\n");
}

#[test]
fn a_closed_output_pipe_does_not_stop_an_apply() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let mut child = place
        .command("apply --yes")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    child.wait().expect("the program ends");
    assert_eq!(place.run("plan --detailed-exitcode").code, Some(0), "everything was made");
}

#[test]
fn a_plan_with_a_closed_output_pipe_prints_no_error() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let mut child = place
        .command("plan --detailed-exitcode")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the program ends");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(2), "what was found does not depend on its reader");
}

#[test]
fn the_graph_is_drawn_in_each_form() {
    let place = Place::new();
    place.write("broadcast.yaml", BROADCAST);
    let mut goldens = Goldens::default();
    for (format, name) in [("dot", "graph-dot"), ("mermaid", "graph-mermaid"), ("svg", "graph-svg")]
    {
        let ran = place.run(&format!("graph --format {format}"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        golden_run(&mut goldens, name, &ran);
    }
}

#[test]
fn an_interrupted_apply_drains_and_the_next_one_goes_on() {
    stopped_apply_drains_and_the_next_one_goes_on("-INT", 130);
}

#[test]
fn an_apply_whose_terminal_is_closed_drains_as_one_that_is_terminated() {
    side_by_side([("-HUP", 129), ("-TERM", 143)], |(signal, code)| {
        stopped_apply_drains_and_the_next_one_goes_on(signal, code);
    });
}

#[test]
fn an_apply_under_nohup_survives_the_end_of_its_terminal() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &["--latency", "150ms"]);
    let line = "trap '' HUP; exec \"$0\" apply --yes --region us-west-2 --endpoint-url \"$1\" \
                -f examples/quickstart";
    let mut child = Command::new("bash")
        .args(["-c", line, env!("CARGO_BIN_EXE_ivs-apply"), &served.url])
        .env_clear()
        .envs([("HOME", "/nonexistent"), ("AWS_ACCESS_KEY_ID", "test")])
        .env("AWS_SECRET_ACCESS_KEY", "test")
        .current_dir(golden::root())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut talk = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    talk.read_line(&mut line).expect("the program talks");
    let killed = Command::new("kill").args(["-HUP", &child.id().to_string()]).status();
    assert!(killed.expect("kill is there").success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut talk, &mut rest).expect("the program talks");
    assert_eq!(child.wait().expect("the program ends").code(), Some(0), "{rest}");
}

fn stopped_apply_drains_and_the_next_one_goes_on(signal: &str, code: i32) {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &["--latency", "600ms"]);
    let apply = || {
        let mut command = ivs_apply_with_signals(place.folder.path());
        command
            .args(["apply", "--yes", "--region", "us-west-2", "--endpoint-url", &served.url])
            .args(["-f", "examples/quickstart"])
            .envs(KEYS)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    };
    let mut child = apply().spawn().expect("the program starts");
    let mut talk = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    // The first line of talk comes once the first step is under way.
    talk.read_line(&mut line).expect("the program talks");
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(killed.expect("kill is there").success());
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut talk, &mut rest).expect("the program talks");
    let mut answer = String::new();
    let mut out = child.stdout.take().expect("piped");
    std::io::Read::read_to_string(&mut out, &mut answer).expect("the program answers");
    assert_eq!(child.wait().expect("the program ends").code(), Some(code), "{rest}{answer}");
    assert!(rest.contains("no new step is started"), "{rest}");
    assert!(answer.contains("not started"), "{answer}");
    let again = run(&mut apply());
    assert_eq!(again.code, Some(0), "{again:?}");
}

#[test]
fn help_and_every_commands_help_are_what_is_documented() {
    let place = Place::new();
    let commands = [
        "",
        "init",
        "validate",
        "plan",
        "show",
        "apply",
        "drift",
        "fleet",
        "fleet list",
        "fleet plan",
        "fleet apply",
        "fleet report",
        "status",
        "export",
        "destroy",
        "unlock",
        "output",
        "graph",
        "iam-policy",
        "schema",
        "explain",
        "emulator",
        "completions",
        "man",
    ];
    let mut text = String::new();
    for command in commands {
        let ran =
            run(ivs_apply(place.folder.path()).args(command.split_whitespace()).arg("--help"));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        text.push_str(&format!("$ ivs-apply {command} --help\n{}\n", ran.stdout));
    }
    golden::expect("tests/snapshots/help.txt", &text);
}

#[test]
fn no_secret_reaches_any_stream_at_any_level() {
    let place = Place::new();
    for (name, text) in [
        ("channels.yaml", include_str!("../../examples/quickstart/channels.yaml")),
        (
            "ingest.yaml",
            "apiVersion: ivs-apply.dev/v1\nkind: IngestConfiguration\nmetadata: { name: camera }\nspec: { ingestProtocol: RTMPS }\n",
        ),
    ] {
        place.write(name, text);
    }
    for words in [
        "plan",
        "apply --yes",
        "apply --yes --format json",
        "plan --refresh full",
        "drift",
        "export",
        "graph",
    ] {
        let ran = run(place.command(words).args(["-vv"]).env("RUST_LOG", "trace"));
        for (stream, text) in [("stdout", &ran.stdout), ("stderr", &ran.stderr)] {
            for secret in ["sk_emulator", "rt_0000", "passphrase", "AWS4-HMAC"] {
                assert!(!text.contains(secret), "{words}: {secret} on {stream}");
            }
        }
    }
    // The account does hold such secrets, or the above would prove nothing.
    let state = std::fs::read_to_string(place.folder.path().join(".ivs-apply/emulator.json"));
    assert!(state.expect("kept").contains("sk_emulator"));
}

/// The system lets the program start no thread, which the runtime takes for a defect: a panic as real as any. Root is
/// free of the limit, so root runs the program as another user.
#[cfg(target_os = "linux")]
#[test]
fn a_panic_is_told_as_a_defect_with_its_place_and_how_to_report_it_and_exits_101() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    let program = place.folder.path().join("program");
    std::fs::copy(env!("CARGO_BIN_EXE_ivs-apply"), &program).expect("copied");
    std::fs::set_permissions(place.folder.path(), PermissionsExt::from_mode(0o755))
        .expect("readable");
    let id = Command::new("id").arg("-u").output().expect("id is there");
    let root = id.stdout.starts_with(b"0\n");
    let words: &[&str] =
        if root { &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] } else { &[] };
    let mut words = words.iter().copied().chain(["prlimit", "--nproc=1"]);
    let mut command = Command::new(words.next().expect("a program"));
    command.args(words).arg(&program).args(["plan", "--emulator", "-f", "examples/quickstart"]);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ran = run(on(command, place.folder.path()).env("PATH", path));
    assert_eq!(ran.code, Some(101), "{ran:?}");
    assert!(ran.stdout.is_empty(), "{ran:?}");
    let mut lines = ran.stderr.lines();
    let told = lines.next().expect("a first line");
    assert!(
        told.starts_with("error: ivs-apply stopped because of a defect in the program: "),
        "{told}"
    );
    assert!(told.contains(".rs:"), "{told}");
    let help = lines.next().expect("a second line");
    assert!(help.contains("run the same command again") && help.contains("report this"), "{help}");
    assert_eq!(lines.next(), None, "{ran:?}");
}
