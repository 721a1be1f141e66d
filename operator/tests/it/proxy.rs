//! Between an operator and the API server: counts the requests, refuses or holds those that a test names, and brings the
//! resources of definitions to a second server where there is one.

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

/// What becomes of requests that a test names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// They are never answered, and never reach the API server.
    Held,
    /// They are answered with 500, and never reach the API server.
    Refused,
}

/// A rule for requests.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Their method.
    pub(crate) method: &'static str,
    /// What their path contains.
    pub(crate) path: &'static str,
    /// What becomes of them.
    pub(crate) fate: Fate,
}

#[derive(Default)]
struct Seen {
    counts: BTreeMap<(String, String), u64>,
    rules: Vec<Rule>,
}

/// A proxy; it works as long as the runtime of its scenario.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

/// The servers behind a proxy. The clients have no credentials of their own: those of each request are passed on.
#[derive(Clone)]
pub(crate) struct Servers {
    /// Everything but what the other one has.
    pub(crate) main: Client,
    /// Definitions and their resources, where a server of its own has them.
    pub(crate) of_definitions: Option<Client>,
}

impl Servers {
    fn of(&self, path: &str) -> &Client {
        let groups =
            ["/apis/apiextensions.k8s.io", "/apis/ivs-apply.dev", "/apis/source.toolkit.fluxcd.io"];
        let is_there = groups.iter().any(|it| path.starts_with(it));
        self.of_definitions.as_ref().filter(|_| is_there).unwrap_or(&self.main)
    }
}

impl Proxy {
    pub(crate) async fn start(servers: Servers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let proxy = Self { url, seen: Arc::default() };
        let to_all = proxy.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (proxy, servers) = (to_all.clone(), servers.clone());
                let service =
                    service_fn(move |request| proxy.clone().pass(servers.clone(), request));
                // A client that hangs up is no mistake.
                tokio::spawn(async move {
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await
                });
            }
        });
        proxy
    }

    async fn pass(
        self,
        servers: Servers,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Box<dyn std::error::Error + Send + Sync>> {
        let (mut parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let fate = self.with(|seen| {
            // A watch is one request that lasts.
            let is_watch = parts.uri.query().is_some_and(|it| it.contains("watch=true"));
            let method = if is_watch { "WATCH" } else { parts.method.as_str() };
            *seen.counts.entry((method.to_owned(), kind_of(&path))).or_default() += 1;
            let rule = seen.rules.iter().find(|it| it.method == method && path.contains(it.path));
            rule.map(|it| it.fate)
        });
        match fate {
            Some(Fate::Held) => std::future::pending().await,
            Some(Fate::Refused) => {
                return Ok(Response::builder().status(500).body(Body::empty())?);
            }
            None => {}
        }
        for name in [hyper::header::HOST, hyper::header::CONNECTION] {
            parts.headers.remove(name);
        }
        parts.uri =
            parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default().parse()?;
        let bytes = body.collect().await?.to_bytes().to_vec();
        let client = servers.of(&path).clone();
        let mut answer = client.send(Request::from_parts(parts, Body::from(bytes))).await?;
        for name in [hyper::header::TRANSFER_ENCODING, hyper::header::CONNECTION] {
            answer.headers_mut().remove(name);
        }
        Ok(answer)
    }

    fn with<T>(&self, work: impl FnOnce(&mut Seen) -> T) -> T {
        work(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Sets what becomes of requests, in place of what was set before.
    pub(crate) fn rules(&self, rules: &[Rule]) {
        self.with(|seen| seen.rules = rules.to_vec());
    }

    /// Forgets what was counted.
    pub(crate) fn forget(&self) {
        self.with(|seen| seen.counts.clear());
    }

    /// How many requests of a method there were for a kind, such as `GET` of `configmaps`.
    pub(crate) fn count(&self, method: &str, kind: &str) -> u64 {
        let key = (method.to_owned(), kind.to_owned());
        self.with(|seen| seen.counts.get(&key).copied().unwrap_or(0))
    }

    /// All that was counted.
    pub(crate) fn counts(&self) -> BTreeMap<(String, String), u64> {
        self.with(|seen| seen.counts.clone())
    }
}

/// The kind of a path: `targets/status` for `/apis/ivs-apply.dev/v1/namespaces/default/targets/live/status`.
fn kind_of(path: &str) -> String {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let group = if parts.first() == Some(&"apis") { 3 } else { 2 };
    match parts.get(group..).unwrap_or_default() {
        ["namespaces", _, kind, _, below, ..] => format!("{kind}/{below}"),
        ["namespaces", _, kind, ..] => (*kind).to_owned(),
        [kind, _, below, ..] => format!("{kind}/{below}"),
        [kind, ..] => (*kind).to_owned(),
        [] => String::new(),
    }
}
