//! Whose credentials a run uses, what it says of them, and what it says where there are none.

use crate::binary::{Place, Ran, Served, document, ivs_apply, run};
use std::process::Command;

const STAGE: &str = "apiVersion: ivs-apply.dev/v1\nkind: Stage\nmetadata: { name: a }\n";

/// A folder with a manifest and two profiles, and the emulator behind a socket.
struct Signed {
    place: Place,
    served: Served,
}

impl Signed {
    fn new() -> Self {
        let place = Place::new();
        place.write("stage.yaml", STAGE);
        let folder = place.folder.path().join(".aws");
        std::fs::create_dir(&folder).expect("writable");
        let keys = |name: &str, key: &str| {
            format!("[{name}]\naws_access_key_id = {key}\naws_secret_access_key = example\n")
        };
        let text = keys("staging", "AKIDSTAGING") + &keys("production", "AKIDPRODUCTION");
        std::fs::write(folder.join("credentials"), text).expect("writable");
        let served = Served::start(place.folder.path(), &[]);
        Self { place, served }
    }

    /// A plan that logs its calls, with these further words and variables.
    fn plan(&self, words: &[&str], variables: &[(&str, &str)]) -> Ran {
        run(self.command("plan").args(words).envs(variables.iter().copied()))
    }

    fn command(&self, name: &str) -> Command {
        let mut command = ivs_apply(self.place.folder.path());
        command.current_dir(self.place.folder.path()).args([name, "-v", "-f", "manifests"]);
        command.args(["--region", "us-west-2", "--endpoint-url", &self.served.url]);
        command
    }
}

const KEYS: [(&str, &str); 2] =
    [("AWS_ACCESS_KEY_ID", "AKIDENVIRONMENT"), ("AWS_SECRET_ACCESS_KEY", "example")];

#[track_caller]
fn uses(ran: &Ran, source: &str, warnings: usize) {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains(&format!("credentials: {source}")), "{source}: {ran:?}");
    assert_eq!(ran.stderr.matches("warning: ").count(), warnings, "{ran:?}");
}

#[test]
fn a_profile_of_the_command_line_beats_keys_in_the_environment_and_aws_profile_does_not() {
    let signed = Signed::new();
    let with = |more: &[(&'static str, &'static str)]| [&KEYS[..], more].concat();
    uses(&signed.plan(&[], &KEYS), "the variables `AWS_ACCESS_KEY_ID`", 0);
    uses(&signed.plan(&["--profile", "staging"], &[]), "profile `staging`", 0);
    uses(&signed.plan(&["--profile", "staging"], &KEYS), "profile `staging`", 1);
    let variable = signed.plan(&[], &with(&[("IVS_APPLY_PROFILE", "staging")]));
    uses(&variable, "profile `staging`", 1);
    let theirs = signed.plan(&[], &with(&[("AWS_PROFILE", "staging")]));
    uses(&theirs, "the variables `AWS_ACCESS_KEY_ID`", 1);
    assert!(theirs.stderr.contains("not profile `staging` of `AWS_PROFILE`"), "{theirs:?}");
    uses(&signed.plan(&[], &[("AWS_PROFILE", "production")]), "profile `production`", 0);
    let both = signed.plan(&["--profile", "staging"], &[("AWS_PROFILE", "production")]);
    uses(&both, "profile `staging`", 0);
    // Without `-v` nothing is said of it.
    let quiet = run(ivs_apply(signed.place.folder.path())
        .current_dir(signed.place.folder.path())
        .args(["plan", "-f", "manifests", "--region", "us-west-2", "--profile", "staging"])
        .args(["--endpoint-url", &signed.served.url]));
    assert_eq!((quiet.code, quiet.stderr.as_str()), (Some(0), ""), "{quiet:?}");
}

#[test]
fn a_profile_that_does_not_exist_is_an_error_wherever_it_is_named() {
    let signed = Signed::new();
    let unknown = [
        signed.plan(&["--profile", "stagging"], &[]),
        signed.plan(&["--profile", "stagging"], &KEYS),
        signed.plan(&[], &[("IVS_APPLY_PROFILE", "stagging")]),
        signed.plan(&[], &[("AWS_PROFILE", "stagging")]),
        signed.plan(&[], &[KEYS[0], KEYS[1], ("AWS_PROFILE", "stagging")]),
    ];
    for ran in unknown {
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("profile `stagging` does not exist"), "{ran:?}");
        assert!(ran.stderr.contains("the profiles are production, staging"), "{ran:?}");
    }
}

#[test]
fn the_plan_begins_with_the_account_and_the_caller_at_the_cost_of_one_call() {
    let signed = Signed::new();
    let said = signed.plan(&[], &KEYS).stdout;
    let head = "Account 000000000000, signed in as arn:aws:iam::000000000000:user/emulator";
    assert!(said.contains(head), "{said}");
    let told = signed.plan(&["--format", "json"], &KEYS);
    let told = document(&told);
    assert_eq!(told["account"], "000000000000");
    assert_eq!(told["calls"]["GetCallerIdentity"], 1, "{}", told["calls"]);
    let markdown = signed.plan(&["--format", "markdown"], &KEYS).stdout;
    assert!(markdown.contains("Account `000000000000`"), "{markdown}");
}

#[test]
fn a_plan_without_sts_says_that_the_account_is_unknown_and_why() {
    let signed = Signed::new();
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let closed = free.local_addr().expect("bound").to_string();
    drop(free);
    let sts = format!("http://{closed}");
    let on = |words: &[&str]| {
        run(ivs_apply(signed.place.folder.path())
            .current_dir(signed.place.folder.path())
            .args(words)
            .args(["--region", "us-west-2"])
            .envs(KEYS)
            .env("AWS_ENDPOINT_URL", &signed.served.url)
            .env("AWS_ENDPOINT_URL_STS", &sts))
    };
    let unknown = "Account unknown: GetCallerIdentity";
    let plan = on(&["plan", "-f", "manifests"]);
    assert_eq!(plan.code, Some(0), "{plan:?}");
    assert!(plan.stdout.contains(unknown), "{plan:?}");
    assert!(plan.stdout.contains(&format!("no connection to {closed}")), "{plan:?}");
    let markdown = on(&["plan", "-f", "manifests", "--format", "markdown"]);
    assert!(markdown.stdout.contains("Account unknown: `"), "{markdown:?}");
    let told = document(&on(&["plan", "-f", "manifests", "--format", "json"]));
    assert_eq!(told["account"], serde_json::Value::Null, "{told}");
    let apply = on(&["apply", "--yes", "-f", "manifests"]);
    assert_eq!(apply.code, Some(0), "an account on this machine: {apply:?}");
    let drift = on(&["drift", "-f", "manifests"]);
    assert_eq!(drift.code, Some(0), "{drift:?}");
    assert!(drift.stdout.contains(unknown), "{drift:?}");
    let export = on(&["export", "--out", "exported"]);
    assert_eq!(export.code, Some(0), "{export:?}");
    assert!(export.stderr.contains("which is unknown: GetCallerIdentity"), "{export:?}");
    // What is approved is approved for an account.
    let saved = on(&["plan", "-f", "manifests", "--out", "p.json"]);
    assert_eq!(saved.code, Some(1), "{saved:?}");
    assert!(saved.stderr.contains("a plan of an unknown account cannot be saved"), "{saved:?}");
    let stack = "apiVersion: ivs-apply.dev/v1\nkind: Stack\nmetadata: { name: default }\n\
        spec: { account: \"000000000000\", region: us-west-2 }\n";
    signed.place.write("stack.yaml", stack);
    let named = on(&["plan", "-f", "manifests"]);
    assert_eq!(named.code, Some(1), "{named:?}");
    assert!(named.stderr.contains("the account could not be determined"), "{named:?}");
    assert_eq!(named.stderr.matches("GetCallerIdentity").count(), 1, "said once: {named:?}");
}

/// An error as a person reads it: one sentence and what to do, and nothing of a request.
#[track_caller]
fn sentence(ran: &Ran, says: &[&str]) {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for part in says {
        assert!(ran.stderr.contains(part), "{part}: {ran:?}");
    }
    assert!(ran.stderr.contains("  help: "), "{ran:?}");
    assert!(ran.stderr.lines().all(|it| it.len() < 700), "{ran:?}");
    for dump in ["{ ", "Some(", "Error(", "Failure", "dispatch failure", "authorization"] {
        assert!(!ran.stderr.contains(dump), "`{dump}`: {ran:?}");
    }
}

#[test]
fn missing_credentials_are_an_error_with_the_sources_asked_and_the_settings_to_make() {
    let signed = Signed::new();
    let none = signed.plan(&[], &[]);
    sentence(
        &none,
        &[
            "no AWS credentials were found; sources tried: the variables `AWS_ACCESS_KEY_ID`",
            "profile `default`",
            "the EC2 instance metadata service",
            "name a profile with `--profile`",
        ],
    );
    // A profile that should have them and has not.
    let folder = signed.place.folder.path().join(".aws");
    let broken = "[profile broken]\nregion = us-west-2\ncredential_process = /bin/false\n";
    std::fs::write(folder.join("config"), broken).expect("writable");
    let ran = signed.plan(&["--profile", "broken"], &[]);
    sentence(&ran, &["profile `broken` of the AWS configuration files gave no AWS credentials"]);
}

#[test]
fn endpoints_that_do_not_answer_or_are_no_service_are_an_error_of_one_sentence() {
    let signed = Signed::new();
    let at = |url: &str| {
        run(ivs_apply(signed.place.folder.path())
            .current_dir(signed.place.folder.path())
            .args(["plan", "-f", "manifests", "--region", "us-west-2", "--endpoint-url", url])
            .envs(KEYS))
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = free.local_addr().expect("bound").to_string();
    drop(free);
    let begun = std::time::Instant::now();
    sentence(&at(&format!("http://{address}")), &["no connection to ", &address]);
    assert!(begun.elapsed().as_secs() < 10, "nothing listens there: {:?}", begun.elapsed());
    sentence(&at("nonsense"), &["endpoint `nonsense` is not a URL of a server"]);
    sentence(&at("127.0.0.1:4599"), &["is not a URL of a server", "http://127.0.0.1:PORT"]);
    sentence(&at("ftp://127.0.0.1"), &["is not a URL of a server"]);
}

#[test]
fn a_server_that_does_not_answer_is_told_before_the_calls_are_repeated_and_once() {
    let signed = Signed::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    // Every connection is closed without an answer.
    std::thread::spawn(move || listener.incoming().count());
    let mut command = ivs_apply(signed.place.folder.path());
    command
        .current_dir(signed.place.folder.path())
        .args(["plan", "-f", "manifests", "--region", "us-west-2", "--endpoint-url", &url])
        .envs(KEYS)
        .stderr(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    let mut lines = std::io::BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut lines, &mut line).expect("it is told");
    assert!(line.contains("no answer from 127.0.0.1:"), "{line}");
    assert!(line.trim_end().ends_with("; trying again"), "{line}");
    // Several calls are repeated in this time.
    std::thread::sleep(std::time::Duration::from_secs(3));
    child.kill().expect("it still repeats its calls");
    let mut rest = String::new();
    std::io::Read::read_to_string(&mut lines, &mut rest).expect("the program writes UTF-8");
    child.wait().expect("it ends");
    assert!(!rest.contains("trying again"), "{rest}");
}

#[test]
fn every_call_is_logged_with_its_request_id_and_its_time_on_request() {
    let signed = Signed::new();
    let once = signed.plan(&[], &KEYS);
    assert!(once.stderr.contains("reading the account"), "{once:?}");
    assert!(!once.stderr.contains("ListStages"), "{once:?}");
    let twice = signed.plan(&["-v"], &KEYS);
    let call = regex::Regex::new(r"ListStages: 200 in \d+ ms, request [0-9A-Za-z-]+");
    assert!(call.expect("a pattern").is_match(&twice.stderr), "{twice:?}");
    assert!(twice.stderr.contains("GetCallerIdentity: 200 in"), "{twice:?}");
}
