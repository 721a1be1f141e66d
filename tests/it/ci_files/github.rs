//! A small part of GitHub on loopback: comments, issues, pull requests of a commit, and the files of releases.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};

/// The token of every job.
pub(crate) const TOKEN: &str = "ghs_token";

/// The repository whose workflows run.
pub(crate) const REPOSITORY: &str = "company/video";

/// A server that ends with the test's process.
pub(crate) struct Github {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    /// By the number of the pull request or issue.
    pub(crate) comments: BTreeMap<u64, Vec<Value>>,
    pub(crate) issues: Vec<Value>,
    /// The number of the pull request that a commit came from.
    pub(crate) merged: BTreeMap<String, u64>,
    /// What is below `/`, such as archives of releases.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) read_only: bool,
    /// Whose token it is, if it is not one of a workflow.
    pub(crate) login: Option<String>,
    /// So many requests of the API are answered with status 502.
    pub(crate) broken: u32,
    pub(crate) requests: Vec<String>,
    last_id: u64,
}

impl Github {
    pub(crate) fn start() -> Self {
        Self::on("127.0.0.1:0")
    }

    /// One at this address.
    pub(crate) fn on(address: &str) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let state = Arc::new(Mutex::new(State::default()));
        let github = Self { url, state: state.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = state.clone();
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        github
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no panic")
    }

    /// The bodies of the comments that a bot has written.
    pub(crate) fn written(&self, number: u64) -> Vec<String> {
        let state = self.state();
        let all = state.comments.get(&number).map(Vec::as_slice).unwrap_or_default();
        let bots = all.iter().filter(|it| it["user"]["type"] == "Bot");
        bots.map(|it| it["body"].as_str().expect("a body").to_owned()).collect()
    }

    /// A comment of a person.
    pub(crate) fn comment_by(&self, login: &str, number: u64, body: &str) {
        let mut state = self.state();
        let comment = state.new_item(body, login, "User");
        state.comments.entry(number).or_default().push(comment);
    }
}

/// One request of a connection, and its answer.
fn serve(mut stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut first = String::new();
    if reader.read_line(&mut first).is_err() || first.is_empty() {
        return;
    }
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).is_err() || line.trim().is_empty() {
            break;
        }
        let (name, value) = line.split_once(':').expect("a header");
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |it| it.parse().expect("a number"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the body");
    let mut words = first.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut state = state.lock().expect("no panic");
    state.requests.push(format!("{method} {target}"));
    let (status, answer) = if state.broken > 0 && path.starts_with("/api") {
        state.broken -= 1;
        (502, b"<html>".to_vec())
    } else if let Some(path) = path.strip_prefix("/api") {
        let authorized = headers.get("authorization").is_some_and(|it| it == &bearer());
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (status, answer) = if authorized {
            state.answer(method, path, query, &body)
        } else {
            (401, json!({ "message": "Bad credentials" }))
        };
        (status, answer.to_string().into_bytes())
    } else {
        let file = state.files.get(path).cloned();
        file.map_or((404, b"Not Found".to_vec()), |it| (200, it))
    };
    drop(state);
    let head = format!(
        "HTTP/1.1 {status} Status\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        answer.len()
    );
    // A client that has gone has its reason.
    let _ = stream.write_all(&[head.into_bytes(), answer].concat());
}

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}

/// What a token may not do.
fn forbidden() -> (u16, Value) {
    (403, json!({ "message": "Resource not accessible by integration" }))
}

/// The page of a list that the query asks for.
fn page(items: &[Value], query: &str) -> (u16, Value) {
    let asked = |name: &str, usual: usize| {
        let named = query.split('&').find_map(|it| it.strip_prefix(name));
        named.map_or(usual, |it| it.parse().expect("a number"))
    };
    let size = asked("per_page=", 30).min(100);
    let start = (asked("page=", 1) - 1) * size;
    (200, items.iter().skip(start).take(size).cloned().collect())
}

impl State {
    fn new_item(&mut self, body: &str, login: &str, kind: &str) -> Value {
        self.last_id += 1;
        json!({
            "id": self.last_id,
            "body": body,
            "user": { "login": login, "type": kind },
            "html_url": format!("https://github.com/{REPOSITORY}#{}", self.last_id),
        })
    }

    /// What the token's user writes. GitHub takes no longer text.
    fn own_item(&mut self, body: &Value) -> Result<Value, (u16, Value)> {
        let text = body["body"].as_str().expect("a body");
        if text.chars().count() > 65_536 {
            return Err((422, json!({ "message": "Body is too long" })));
        }
        let (login, kind) = match &self.login {
            Some(login) => (login.clone(), "User"),
            None => ("github-actions[bot]".to_owned(), "Bot"),
        };
        Ok(self.new_item(text, &login, kind))
    }

    fn answer(&mut self, method: &str, path: &str, query: &str, body: &Value) -> (u16, Value) {
        if path == "/user" {
            let user = self.login.as_ref().map(|it| (200, json!({ "login": it })));
            return user.unwrap_or_else(forbidden);
        }
        if self.read_only && method != "GET" {
            return forbidden();
        }
        let path = path.strip_prefix(&format!("/repos/{REPOSITORY}/")).expect("this repository");
        let words: Vec<&str> = path.split('/').collect();
        let number = |text: &str| text.parse::<u64>().expect("a number");
        match (method, words.as_slice()) {
            ("GET", ["commits", commit, "pulls"]) => {
                let number = self.merged.get(*commit);
                (200, number.map(|it| json!({ "number": it })).into_iter().collect())
            }
            ("GET", ["issues"]) => {
                let is_open = |it: &&Value| it["state"] == "open" || !query.contains("state=open");
                let issues: Vec<Value> = self.issues.iter().filter(is_open).cloned().collect();
                page(&issues, query)
            }
            ("POST", ["issues"]) => match self.own_item(body) {
                Err(refused) => refused,
                Ok(mut issue) => {
                    let number = 100 + self.issues.len();
                    issue["number"] = json!(number);
                    issue["html_url"] =
                        json!(format!("https://github.com/{REPOSITORY}/issues/{number}"));
                    issue["title"] = body["title"].clone();
                    issue["state"] = json!("open");
                    self.issues.push(issue.clone());
                    (201, issue)
                }
            },
            ("PATCH", ["issues", issue]) => {
                let issue = number(issue);
                let found = self.issues.iter_mut().find(|it| it["number"] == issue);
                let issue = found.expect("an issue");
                for (key, value) in body.as_object().expect("fields") {
                    issue[key] = value.clone();
                }
                (200, issue.clone())
            }
            ("GET", ["issues", issue, "comments"]) => {
                let comments = self.comments.get(&number(issue));
                page(comments.map(Vec::as_slice).unwrap_or_default(), query)
            }
            ("POST", ["issues", issue, "comments"]) => match self.own_item(body) {
                Err(refused) => refused,
                Ok(comment) => {
                    self.comments.entry(number(issue)).or_default().push(comment.clone());
                    (201, comment)
                }
            },
            ("PATCH", ["issues", "comments", id]) => {
                let id = number(id);
                let mut all = self.comments.values_mut().flatten();
                let comment = all.find(|it| it["id"] == id).expect("a comment");
                comment["body"] = body["body"].clone();
                (200, comment.clone())
            }
            _ => panic!("{method} {path} is not asked for"),
        }
    }
}
