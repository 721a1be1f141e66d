//! What `/metrics` and `/healthz` answer.

use crate::target::Target;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;

/// What was counted.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    /// Whether this operator leads.
    pub(crate) leads: AtomicBool,
    /// How many times a source was looked at.
    pub(crate) looks: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    runs: BTreeMap<(&'static str, String), u64>,
    calls: u64,
    waited: Duration,
}

impl Metrics {
    /// Counts a run that ended.
    pub(crate) fn ran(
        &self,
        command: &'static str,
        code: Option<i32>,
        calls: u64,
        waited: Duration,
    ) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let code = code.map_or_else(|| "signal".to_owned(), |it| it.to_string());
        *counts.runs.entry((command, code)).or_default() += 1;
        counts.calls += calls;
        counts.waited += waited;
    }

    /// The text of `/metrics`.
    pub(crate) fn text(&self, targets: &[Target]) -> String {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(
                text,
                "# HELP ivs_apply_operator_{name} {help}\n# TYPE ivs_apply_operator_{name} {kind}"
            );
        };
        head(&mut text, "leader", "gauge", "1 where this operator leads.");
        let _ = writeln!(
            text,
            "ivs_apply_operator_leader {}",
            u8::from(self.leads.load(Ordering::Relaxed))
        );
        head(&mut text, "runs_total", "counter", "Runs of ivs-apply by command and exit code.");
        for ((command, code), count) in &counts.runs {
            let _ = writeln!(
                text,
                "ivs_apply_operator_runs_total{{command=\"{command}\",exit_code=\"{code}\"}} {count}"
            );
        }
        head(&mut text, "looks_total", "counter", "Looks at sources, which cost no call to AWS.");
        let looks = self.looks.load(Ordering::Relaxed);
        let _ = writeln!(text, "ivs_apply_operator_looks_total {looks}");
        head(&mut text, "calls_total", "counter", "Calls to AWS.");
        let _ = writeln!(text, "ivs_apply_operator_calls_total {}", counts.calls);
        head(
            &mut text,
            "queue_wait_seconds_total",
            "counter",
            "Time that runs waited for their account and region.",
        );
        let _ = writeln!(
            text,
            "ivs_apply_operator_queue_wait_seconds_total {:.3}",
            counts.waited.as_secs_f64()
        );
        drop(counts);
        head(&mut text, "target_ready", "gauge", "1 where the Target is ready.");
        for it in targets {
            let (namespace, name, reason) =
                (&it.namespace, &it.name, label(it.status.reason().unwrap_or("Unknown")));
            let ready = u8::from(it.status.is_ready());
            let _ = writeln!(
                text,
                "ivs_apply_operator_target_ready{{namespace=\"{namespace}\",name=\"{name}\",reason=\"{reason}\"}} {ready}"
            );
        }
        head(
            &mut text,
            "target_last_success_timestamp_seconds",
            "gauge",
            "When a run last ended with the Target ready.",
        );
        for it in targets {
            if let Some(time) = it.status.last_success {
                let (namespace, name) = (&it.namespace, &it.name);
                let seconds = time.as_second();
                let _ = writeln!(
                    text,
                    "ivs_apply_operator_target_last_success_timestamp_seconds{{namespace=\"{namespace}\",name=\"{name}\"}} {seconds}"
                );
            }
        }
        text
    }
}

/// Text that somebody else may have written into a status, as the value of a label.
fn label(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).take(63).collect()
}

/// Answers `/metrics` and `/healthz` until the process ends.
pub(crate) async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    targets: impl Fn() -> Vec<Target> + Clone + Send + 'static,
) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let (metrics, targets) = (Arc::clone(&metrics), targets.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let (status, text) = match request.uri().path() {
                "/healthz" => (StatusCode::OK, "ok\n".to_owned()),
                "/metrics" => (StatusCode::OK, metrics.text(&targets())),
                _ => (StatusCode::NOT_FOUND, String::new()),
            };
            let mut answer = Response::new(Full::new(Bytes::from(text)));
            *answer.status_mut() = status;
            async move { Ok::<_, std::convert::Infallible>(answer) }
        });
        tokio::spawn(async move {
            let mut server = hyper::server::conn::http1::Builder::new();
            let server =
                server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(10));
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_by_command_and_exit_code() {
        let metrics = Metrics::default();
        for code in [Some(0), Some(0), None] {
            metrics.ran("apply", code, 3, Duration::from_millis(500));
        }
        let text = metrics.text(&[]);
        for line in [
            "ivs_apply_operator_runs_total{command=\"apply\",exit_code=\"0\"} 2",
            "ivs_apply_operator_runs_total{command=\"apply\",exit_code=\"signal\"} 1",
            "ivs_apply_operator_calls_total 9",
            "ivs_apply_operator_queue_wait_seconds_total 1.500",
            "ivs_apply_operator_leader 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
