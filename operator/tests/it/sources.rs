//! Artifacts of Flux from a small server: good ones, hostile ones, and one of a gigabyte.

use crate::operator::settled;
use crate::server::{Cluster, channel, scenario};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::io::{Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// An archive of one file or link, compressed.
fn artifact(name: &str, kind: tar::EntryType, text: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_size(text.len() as u64);
    header.set_mode(0o644);
    header.set_cksum();
    let encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut builder = tar::Builder::new(encoder);
    builder.append(&header, text).expect("in memory");
    builder.into_inner().and_then(flate2::write::GzEncoder::finish).expect("in memory")
}

/// Serves these bytes to everybody who asks; gives the address.
fn serve(bytes: Vec<u8>) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let length = bytes.len();
            // A client that has read enough hangs up.
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
            );
            let _ = stream.write_all(&bytes);
        }
    });
    format!("http://{address}/artifact.tar.gz")
}

/// A server whose artifact has a gigabyte. It says so beforehand, or lets its client find out; it counts what it could send.
fn serve_a_gigabyte(says_so: bool) -> (String, Arc<AtomicU64>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let sent = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&sent);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let length =
                if says_so { format!("content-length: {GIGABYTE}\r\n") } else { String::new() };
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n{length}connection: close\r\n\r\n");
            let block = vec![0; 1 << 16];
            // A client that has read enough hangs up.
            for _ in 0..GIGABYTE >> 16 {
                if stream.write_all(&block).is_err() {
                    break;
                }
                counter.fetch_add(1 << 16, Ordering::Relaxed);
            }
        }
    });
    (format!("http://{address}/artifact.tar.gz"), sent)
}

const GIGABYTE: u64 = 1 << 30;

/// What may be on its way in the buffers of two sockets beyond what the operator takes.
const BUFFERS: u64 = 32 << 20;

#[test]
fn an_artifact_of_a_gigabyte_is_refused_once_it_is_larger_than_it_may_be() {
    scenario(async |cluster: Cluster| {
        cluster.define(&flux()).await;
        let mut counts = Vec::new();
        for (name, says_so) in [("announced", true), ("silent", false)] {
            let (url, sent) = serve_a_gigabyte(says_so);
            counts.push((name, sent));
            repository(&cluster, name, &url, &"0".repeat(64)).await;
        }
        let operator = cluster.operator("one", &["--artifact-bytes", "1000000"]);
        for (name, sent) in counts {
            let status = cluster.until_reason(name, "ArtifactRefused").await;
            assert!(status.to_string().contains("more than 1000000 bytes"), "{status:#}");
            let sent = sent.load(Ordering::Relaxed);
            assert!(sent < BUFFERS, "{name}: {sent} bytes were taken");
        }
        assert_eq!(operator.runs(), 0, "nothing of it reaches a run");
    });
}

/// The definition of a kind of Flux: what the operator reads of it.
fn flux() -> Value {
    let any = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "gitrepositories.source.toolkit.fluxcd.io" },
        "spec": {
            "group": "source.toolkit.fluxcd.io", "scope": "Namespaced",
            "names": { "kind": "GitRepository", "listKind": "GitRepositoryList", "plural": "gitrepositories", "singular": "gitrepository" },
            "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": any } }],
        },
    })
}

/// A repository whose artifact is there, and a Target of it.
async fn repository(cluster: &Cluster, name: &str, url: &str, digest: &str) {
    let artifact =
        json!({ "url": url, "digest": format!("sha256:{digest}"), "revision": "main@sha1:1" });
    let object = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": name }, "status": { "artifact": artifact },
    });
    cluster.put("source.toolkit.fluxcd.io/v1", "GitRepository", Some("default"), &object).await;
    let source = json!({ "path": "live", "sourceRef": { "kind": "GitRepository", "name": name } });
    let spec = json!({ "mode": "Apply", "interval": "1h", "manifests": source });
    cluster.target("default", name, spec).await;
}

#[test]
fn artifacts_of_flux_are_applied_and_hostile_ones_are_refused_and_say_so() {
    scenario(async |cluster: Cluster| {
        cluster.define(&flux()).await;
        let good = artifact("live/a.yaml", tar::EntryType::Regular, channel("LOW").as_bytes());
        let cases = [
            ("good", good.clone(), None, "Applied"),
            (
                "link",
                artifact("live/a.yaml", tar::EntryType::Symlink, b""),
                None,
                "ArtifactRefused",
            ),
            (
                "out",
                artifact("../../a.yaml", tar::EntryType::Regular, b"x"),
                None,
                "ArtifactRefused",
            ),
            ("other", good, Some("0".repeat(64)), "ArtifactRefused"),
            ("large", vec![0; 40_000], None, "ArtifactRefused"),
        ];
        for (name, bytes, digest, _) in &cases {
            let digest = digest.clone().unwrap_or_else(|| hex::encode(Sha256::digest(bytes)));
            repository(&cluster, name, &serve(bytes.clone()), &digest).await;
        }
        let operator = cluster.operator("one", &["--artifact-bytes", "20000"]);
        for (name, _, _, reason) in &cases {
            cluster.until_reason(name, reason).await;
        }
        assert_eq!(cluster.channels().len(), 1);
        assert_eq!(settled(&operator).await, 1, "what is refused is not run");
    });
}
