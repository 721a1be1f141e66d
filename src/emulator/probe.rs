//! The look of a health check: whether an emulator answers at an address. Never changes anything there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How long the whole look may take.
const LIMIT: Duration = Duration::from_secs(2);
/// The longest answer that is read; a real one has two hundred bytes.
const LONGEST: u64 = 16 * 1024;

/// Asks the emulator at an address for the time of its account. One that listens on every address is asked on loopback.
pub async fn probe(at: SocketAddr) -> io::Result<()> {
    let ip = match at.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let answer = tokio::time::timeout(LIMIT, ask(SocketAddr::new(ip, at.port())));
    let answer = answer.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    if answer.starts_with("HTTP/1.1 200 ") && answer.contains("\"nowMillis\"") {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "something else than an emulator answers"))
}

async fn ask(at: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(at).await?;
    let path = super::control::ROOT;
    let request = format!("GET {path}clock HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
