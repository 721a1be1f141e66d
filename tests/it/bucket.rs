//! A bucket of S3 in this process, whose objects are read, written and deleted under conditions.

use aws_smithy_runtime_api::client::http::{
    HttpClient as _, HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector,
    http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// The version and the content of an object.
type Object = (String, Vec<u8>);

/// Objects by the path of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bucket {
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
    written: Arc<Mutex<u64>>,
}

impl Bucket {
    /// A client whose requests to S3 end here, and all others in `others`.
    pub(crate) fn beside(&self, others: SharedHttpClient) -> SharedHttpClient {
        let bucket = self.clone();
        http_client_fn(move |settings, components| {
            let others = others.http_connector(settings, components);
            SharedHttpConnector::new(Connector { bucket: bucket.clone(), others })
        })
    }

    /// Deletes an object, as another program does.
    pub(crate) fn delete(&self, path: &str) {
        let deleted = self.objects.lock().expect("no panic").remove(path);
        assert!(deleted.is_some(), "there is no object {path}");
    }

    fn answer(&self, path: &str, request: &HttpRequest) -> http::Response<Vec<u8>> {
        let mut objects = self.objects.lock().expect("no panic");
        let version = objects.get(path).map(|(version, _)| version.clone());
        let absent = request.headers().get("if-none-match").is_some();
        let wanted = request.headers().get("if-match");
        let fails = absent && version.is_some() || wanted.is_some() && wanted != version.as_deref();
        let answer = |status: u16| {
            http::Response::builder()
                .status(status)
                .header("date", "Thu, 01 Jan 2026 00:00:00 GMT")
                .header("x-amz-request-id", "0")
        };
        let refused = |status, code: &str| {
            let body = format!("<Error><Code>{code}</Code><Message>refused</Message></Error>");
            let answer = answer(status).header("content-type", "application/xml");
            answer.body(body.into_bytes()).expect("a response")
        };
        let answer_of = |(version, body): &Object| {
            let answer = answer(200).header("etag", version.as_str());
            answer.body(body.clone()).expect("a response")
        };
        match request.method() {
            "GET" => objects.get(path).map_or_else(|| refused(404, "NoSuchKey"), answer_of),
            _ if fails => refused(412, "PreconditionFailed"),
            "DELETE" => {
                objects.remove(path);
                answer(204).body(Vec::new()).expect("a response")
            }
            _ => {
                let mut written = self.written.lock().expect("no panic");
                *written += 1;
                let body = request.body().bytes().expect("a body").to_vec();
                let object = (format!("\"{written}\""), body);
                let answer = answer_of(&(object.0.clone(), Vec::new()));
                objects.insert(path.to_owned(), object);
                answer
            }
        }
    }
}

#[derive(Debug)]
struct Connector {
    bucket: Bucket,
    others: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let uri: http::Uri = request.uri().parse().expect("a URI");
        let bucket = uri.host().and_then(|it| it.split_once(".s3.")).map(|(bucket, _)| bucket);
        let Some(bucket) = bucket else { return self.others.call(request) };
        let answer = self.bucket.answer(&format!("/{bucket}{}", uri.path()), &request);
        let answer = HttpResponse::try_from(answer.map(SdkBody::from)).expect("a response");
        HttpConnectorFuture::ready(Ok(answer))
    }
}
