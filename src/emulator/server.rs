//! The socket front: HTTP/1.1, on a loopback address unless the caller says otherwise. Browsers are kept out: a request
//! with an `Origin`, or for a host by a name that a page of the web could have, is refused whatever it asks.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::{Dropped, Emulator};

/// The largest body. Real ones are a few kilobytes; this only bounds memory.
const LARGEST_BODY: usize = 1024 * 1024;
/// A connection that has not sent its headers by then is closed.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A body that has not come by then is given up.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time; more wait to be accepted.
const CONNECTIONS: usize = 256;
/// How long connections may finish what they do after the shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// Who may call a served emulator, and by which names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// This machine, through a loopback address and by a name of it.
    #[default]
    Loopback,
    /// Whoever can connect to the address: by an address, by a name without a dot, as containers call each other, or by
    /// one of these names.
    Network {
        /// Further names, such as `ivs.test.svc`.
        names: Vec<String>,
    },
}

impl Reach {
    /// Whether a `Host` value is one that a request may have. No page of the web can have a name without a dot, or an
    /// address, that leads to a port of this machine.
    fn allows(&self, host: &str) -> bool {
        let Self::Network { names } = self else { return is_loopback(host) };
        let name = name_of(host);
        let is_word = |it: &str| {
            let mut bytes = it.bytes();
            !it.is_empty() && bytes.all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
        };
        is_loopback(host)
            || name.parse::<IpAddr>().is_ok()
            || is_word(name)
            || names.iter().any(|it| it.eq_ignore_ascii_case(name))
    }
}

/// Serves until `shutdown`.
pub(crate) async fn serve(
    emulator: &Emulator,
    listener: TcpListener,
    reach: Reach,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if reach == Reach::Loopback && !address.ip().is_loopback() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("the emulator listens on loopback addresses only, not on {address}"),
        ));
    }
    let reach = Arc::new(reach);
    let (stop, stopping) = watch::channel(false);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        match accepted {
            Ok((stream, place)) => {
                let (emulator, reach) = (emulator.clone(), reach.clone());
                let stopping = stopping.clone();
                connections.spawn(async move {
                    connection(emulator, reach, stream, stopping).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, or the peer has disconnected: go on after a pause.
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let _ = stop.send(true);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(GRACE, finished).await;
    Ok(())
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    Ok((stream, place))
}

async fn connection(
    emulator: Emulator,
    reach: Arc<Reach>,
    stream: TcpStream,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are small and whole: waiting to fill packets only costs the caller 40 ms each.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let (emulator, reach) = (emulator.clone(), reach.clone());
        async move { answer(&emulator, &reach, request).await }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The emulator's answers carry the date of its own clock, or none where a fault says so.
        .auto_date_header(false)
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let finished = tokio::select! {
        result = &mut connection => Some(result),
        _ = stopping.changed() => None,
    };
    let result = if let Some(result) = finished {
        result
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(
    emulator: &Emulator,
    reach: &Reach,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Dropped> {
    if let Some(refused) = refused(reach, request.headers(), request.uri().host()) {
        return Ok(refused);
    }
    let (parts, body) = request.into_parts();
    let whole = Limited::new(body, LARGEST_BODY).collect();
    let body = match tokio::time::timeout(BODY_TIMEOUT, whole).await {
        Err(_) => return Ok(plain(StatusCode::REQUEST_TIMEOUT, "The body did not arrive in time")),
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "The body exceeds 1 MiB"));
        }
        Ok(Err(_)) => return Ok(plain(StatusCode::BAD_REQUEST, "The body could not be read")),
    };
    // Kept going if the caller hangs up: a service does not stop its work for that.
    let work = {
        let emulator = emulator.clone();
        tokio::spawn(async move { emulator.answer(Request::from_parts(parts, body)).await })
    };
    let answer = work.await.unwrap_or(Err(Dropped));
    answer.map(|response| response.map(|body| Full::new(Bytes::from(body))))
}

fn refused(
    reach: &Reach,
    headers: &HeaderMap,
    uri_host: Option<&str>,
) -> Option<Response<Full<Bytes>>> {
    if headers.contains_key(header::ORIGIN) {
        return Some(plain(StatusCode::FORBIDDEN, "Requests with an Origin are refused"));
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let good =
        host.is_some_and(|it| reach.allows(it)) && uri_host.is_none_or(|it| reach.allows(it));
    let message = match reach {
        Reach::Loopback => "The host must be a loopback name",
        Reach::Network { .. } => {
            "The host must be an address, a name without a dot, or a name that --allow-host gives"
        }
    };
    (!good).then(|| plain(StatusCode::MISDIRECTED_REQUEST, message))
}

/// A `Host` value without its port and brackets.
fn name_of(host: &str) -> &str {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name)
}

/// Whether a `Host` value names this machine.
fn is_loopback(host: &str) -> bool {
    let name = name_of(host);
    // Names below `localhost` are loopback names too (RFC 6761 section 6.3); a client that wants its
    // requests told apart by service says `ivs.localhost` or `ivsrealtime.localhost`.
    ["localhost", "ivs.localhost", "ivsrealtime.localhost"]
        .iter()
        .any(|it| name.eq_ignore_ascii_case(it))
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn plain(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "message": message }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for good in [
            "localhost",
            "LOCALHOST:80",
            "ivs.localhost:4599",
            "ivsrealtime.localhost",
            "127.0.0.1:4599",
            "127.9.9.9",
            "[::1]:1",
            "[::1]",
        ] {
            assert!(is_loopback(good), "{good}");
        }
        for bad in [
            "",
            "example.com",
            "localhost.example.com",
            "10.0.0.1:80",
            "127.0.0.1.nip.io",
            "a.localhost",
        ] {
            assert!(!is_loopback(bad), "{bad}");
        }
    }

    #[test]
    fn on_a_network_a_host_is_an_address_a_name_without_a_dot_or_one_that_is_allowed() {
        let reach = Reach::Network { names: vec!["ivs.test.svc".to_owned()] };
        for good in
            ["localhost:1", "ivs:4599", "IVS_1", "10.0.0.1:80", "[fe80::1]:1", "ivs.test.svc:1"]
        {
            assert!(reach.allows(good), "{good}");
        }
        for bad in ["", ":4599", "example.com", "10.0.0.1.nip.io", "a.localhost", "i v", "test.svc"]
        {
            assert!(!reach.allows(bad), "{bad}");
        }
    }
}
