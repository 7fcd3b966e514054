//! Signalling goes through the proxy that `HTTP_PROXY` names, and over TLS through that of `HTTPS_PROXY`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use livekit::prelude::*;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{Livekit, choose_tls};
use system_tests::certificates::Certificates;
use system_tests::token::token;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const LIMIT: Duration = Duration::from_secs(60);
const MAX_REQUEST_BYTES: usize = 8 * 1_024;
const URL: &str = "PROXY_TEST_URL";
const TOKEN: &str = "PROXY_TEST_TOKEN";

/// Opens a tunnel for each CONNECT request (RFC 9110, section 9.3.6) and counts those to `target`.
async fn serve(listener: TcpListener, target: String, tunnels: Arc<AtomicUsize>) {
    while let Ok((client, _)) = listener.accept().await {
        let (target, tunnels) = (target.clone(), tunnels.clone());
        tokio::spawn(async move { tunnel(client, &target, &tunnels).await });
    }
}

async fn tunnel(mut client: TcpStream, target: &str, tunnels: &AtomicUsize) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        ensure!(request.len() < MAX_REQUEST_BYTES, "a request without end");
        request.push(client.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request);
    let to = request.strip_prefix("CONNECT ").context("another request")?;
    let to = to.split_whitespace().next().context("no target")?;
    if to == target {
        tunnels.fetch_add(1, Ordering::Relaxed);
    }
    let mut server = TcpStream::connect(to).await?;
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// Ends TLS in front of `target`, as a load balancer does.
async fn end_tls(listener: TcpListener, acceptor: TlsAcceptor, target: String) {
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, target) = (acceptor.clone(), target.clone());
        tokio::spawn(async move {
            let mut client = acceptor.accept(client).await?;
            let mut server = TcpStream::connect(target).await?;
            tokio::io::copy_bidirectional(&mut client, &mut server).await
        });
    }
}

fn acceptor(certificates: &Certificates) -> Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(&certificates.certificate)?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&certificates.key)?;
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What the test's child process does, if this is it. A proxy is named to a process when it starts, so the participant has
/// one of its own.
async fn joined_as_child() -> Result<bool> {
    choose_tls();
    let (Ok(url), Ok(token)) = (std::env::var(URL), std::env::var(TOKEN)) else {
        return Ok(false);
    };
    let (room, _events) = Room::connect(&url, &token, RoomOptions::default()).await?;
    ensure!(room.name() == "proxy");
    room.close().await?;
    Ok(true)
}

async fn server(run: &Path) -> Result<Livekit> {
    let cache = Cache::open()?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    Livekit::start(&parts, run).await
}

/// A proxy, and how often it was asked for the way to `target`.
async fn proxy(target: String) -> Result<(String, Arc<AtomicUsize>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = format!("http://{}", listener.local_addr()?);
    let tunnels = Arc::new(AtomicUsize::new(0));
    tokio::spawn(serve(listener, target, tunnels.clone()));
    Ok((proxy, tunnels))
}

/// Has a participant in a process of their own join the server at `url`.
async fn join(test: &str, server: &Livekit, url: &str, environment: &[(&str, &OsStr)]) -> Result<Output> {
    let token = token(server, "proxy", "behind")?;
    let joined = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env_remove("SSL_CERT_FILE")
        .envs(environment.iter().copied())
        .env(URL, url)
        .env(TOKEN, token)
        .stdin(Stdio::null())
        .output();
    Ok(tokio::time::timeout(LIMIT, joined).await.context("joining")??)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_participant_joins_through_a_proxy() -> Result<()> {
    if joined_as_child().await? {
        return Ok(());
    }
    let run = Cache::open()?.run_folder("tests-proxy")?;
    let mut server = server(&run.path).await?;
    let (proxy, tunnels) = proxy(server.url.replacen("ws://", "", 1)).await?;
    let environment = [("HTTP_PROXY", OsStr::new(&proxy))];
    let test = "a_participant_joins_through_a_proxy";
    let joined = join(test, &server, &server.url, &environment).await?;
    let told = String::from_utf8_lossy(&joined.stdout);
    assert!(joined.status.success(), "{told}");
    assert!(tunnels.load(Ordering::Relaxed) >= 1, "the proxy was not asked");
    server.stop().await;
    Ok(())
}

/// The server's certificate is of a private authority, which the operator names.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_joins_over_tls_through_a_proxy() -> Result<()> {
    if joined_as_child().await? {
        return Ok(());
    }
    let run = Cache::open()?.run_folder("tests-proxy-tls")?;
    let mut server = server(&run.path).await?;
    let certificates = Certificates::make(&run.path)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let entrance = format!("localhost:{}", listener.local_addr()?.port());
    let behind = server.url.replacen("ws://", "", 1);
    tokio::spawn(end_tls(listener, acceptor(&certificates)?, behind));
    let (proxy, tunnels) = proxy(entrance.clone()).await?;
    let url = format!("wss://{entrance}");
    let test = "a_participant_joins_over_tls_through_a_proxy";
    let proxy = ("HTTPS_PROXY", OsStr::new(&proxy));
    let authority = ("SSL_CERT_FILE", certificates.authority.as_os_str());
    let joined = join(test, &server, &url, &[proxy, authority]).await?;
    let told = String::from_utf8_lossy(&joined.stdout);
    assert!(joined.status.success(), "{told}");
    assert!(tunnels.load(Ordering::Relaxed) >= 1, "the proxy was not asked");
    // Without the authority's name nobody vouches for the server.
    let doubting = join(test, &server, &url, &[proxy]).await?;
    assert!(!doubting.status.success());
    server.stop().await;
    Ok(())
}
