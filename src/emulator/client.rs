//! The in-process front: the real SDK talks to the emulator without a socket, so serialisers,
//! signing, retries and error parsing are the real ones.

use std::io;

pub(crate) use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;

use super::failure::Failure;
use super::{Emulator, Millis, reply};

/// AWS takes a signature for so long after the time that it was made at, and before.
const SIGNATURE_LASTS: std::time::Duration = std::time::Duration::from_mins(5);

pub(crate) use aws_types::sdk_config::SharedTimeSource;

/// The emulator's clock for the client that signs requests to it, without the time that control requests have
/// added.
pub(crate) fn time_source(emulator: &Emulator) -> SharedTimeSource {
    #[derive(Debug)]
    struct Time(Emulator);
    impl aws_types::sdk_config::TimeSource for Time {
        fn now(&self) -> std::time::SystemTime {
            let since = self.0.now().since(Millis(0));
            std::time::SystemTime::UNIX_EPOCH + since
        }
    }
    SharedTimeSource::new(Time(emulator.clone()))
}

#[derive(Clone, Debug)]
struct Connector {
    emulator: Emulator,
    timeout: Option<std::time::Duration>,
}

/// An HTTP client for the SDK that sends every request to `emulator`.
pub(crate) fn http_client(emulator: &Emulator) -> SharedHttpClient {
    let emulator = emulator.clone();
    http_client_fn(move |settings, _| {
        let timeout = settings.read_timeout();
        SharedHttpConnector::new(Connector { emulator: emulator.clone(), timeout })
    })
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { emulator, timeout } = self.clone();
        HttpConnectorFuture::new(async move {
            let answer = answer(emulator, request);
            match timeout {
                None => answer.await,
                Some(timeout) => tokio::time::timeout(timeout, answer)
                    .await
                    .unwrap_or_else(|late| Err(ConnectorError::timeout(late.into()))),
            }
        })
    }
}

async fn answer(emulator: Emulator, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let signed = parts.headers.get("x-amz-date").and_then(|it| it.to_str().ok());
    // The client's clock is not moved by a control request, until the SDK corrects it by the `Date` of an answer.
    let clocks = [emulator.now(), emulator.state().account.clock(emulator.now())];
    if let Some(failure) = signed.and_then(|it| expired(it, &clocks)) {
        let refusal = reply::finish(Err((None, failure)), false, "expired", emulator.now());
        return answered(super::response(refusal));
    }
    let body = body
        .bytes()
        .ok_or_else(|| ConnectorError::user("a streaming body is not supported".into()))?
        .to_vec();
    let dropped = |error| ConnectorError::io(Box::new(io::Error::other(error)));
    let response =
        emulator.answer(http::Request::from_parts(parts, body)).await.map_err(dropped)?;
    answered(response)
}

fn answered(response: http::Response<Vec<u8>>) -> Result<HttpResponse, ConnectorError> {
    HttpResponse::try_from(response.map(SdkBody::from))
        .map_err(|error| ConnectorError::other(error.into(), None))
}

/// The refusal of a request with an expired or future signature (IAM user guide, "AWS Signature Version
/// 4 for API requests"). Looked at in process alone, where client and emulator share a clock.
fn expired(signed: &str, clocks: &[Millis]) -> Option<Failure> {
    let digits = |range| signed.get(range).unwrap_or_default();
    let (date, time) = (digits(0..8), digits(9..15));
    let iso = format!(
        "{}-{}-{}T{}:{}:{}Z",
        date.get(0..4)?,
        date.get(4..6)?,
        date.get(6..8)?,
        time.get(0..2)?,
        time.get(2..4)?,
        time.get(4..6)?
    );
    let then = Millis::from_iso(&iso)?;
    let apart = |now: &Millis| then.since(*now).max(now.since(then));
    let now = clocks.last()?;
    let message = format!("Signature expired: {signed} is not within 5 min of {}", now.to_iso());
    clocks
        .iter()
        .all(|now| apart(now) > SIGNATURE_LASTS)
        .then(|| Failure::with_status("InvalidSignatureException", 403, message))
}

#[cfg(test)]
mod tests {
    use super::super::{Clock, Settings};
    use super::*;
    use serde_json::{Value, json};

    fn request(operation: &str) -> HttpRequest {
        let path = format!("/{operation}");
        let request = super::super::tests::signed(&path, &json!({}));
        HttpRequest::try_from(request.map(SdkBody::from)).expect("a request")
    }

    #[tokio::test(start_paused = true)]
    async fn the_sdk_gets_answers_broken_connections_and_timeouts() {
        let emulator = Emulator::new(Settings { clock: Clock::Tokio, ..Settings::default() });
        let timeout = Some(std::time::Duration::from_secs(5));
        let connector = Connector { emulator: emulator.clone(), timeout };
        let answer = connector.call(request("CreateStage")).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        let body = answer.body().bytes().map(serde_json::from_slice::<Value>);
        assert!(matches!(body, Some(Ok(body)) if body["stage"]["arn"].is_string()));
        for (kind, operation) in [("loseReply", "CreateStage"), ("stall", "ListStages")] {
            let fault = json!({"operation": operation, "kind": kind});
            emulator.control("POST", "/_emulator/faults", fault);
        }
        let broken = connector.call(request("CreateStage")).await.expect_err("broken");
        assert!(broken.is_io());
        let late = connector.call(request("ListStages")).await.expect_err("late");
        assert!(late.is_timeout());
    }
}
