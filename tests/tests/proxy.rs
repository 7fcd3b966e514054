//! Signalling goes through the proxy that `HTTP_PROXY` names, and over TLS through that of `HTTPS_PROXY`.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use livekit::prelude::*;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{Livekit, choose_tls};
use system_tests::certificates::Certificates;
use system_tests::proxy::Proxy;
use system_tests::token::token;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

const LIMIT: Duration = Duration::from_secs(60);
const URL: &str = "PROXY_TEST_URL";
const TOKEN: &str = "PROXY_TEST_TOKEN";

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
    let proxy = Proxy::start().await?;
    let environment = [("HTTP_PROXY", OsStr::new(&proxy.url))];
    let test = "a_participant_joins_through_a_proxy";
    let joined = join(test, &server, &server.url, &environment).await?;
    let told = String::from_utf8_lossy(&joined.stdout);
    assert!(joined.status.success(), "{told}");
    let there = server.url.replacen("ws://", "", 1);
    assert!(proxy.targets().contains(&there), "the proxy was not asked");
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
    let proxy = Proxy::start().await?;
    let url = format!("wss://{entrance}");
    let test = "a_participant_joins_over_tls_through_a_proxy";
    let variable = ("HTTPS_PROXY", OsStr::new(&proxy.url));
    let authority = ("SSL_CERT_FILE", certificates.authority.as_os_str());
    let joined = join(test, &server, &url, &[variable, authority]).await?;
    let told = String::from_utf8_lossy(&joined.stdout);
    assert!(joined.status.success(), "{told}");
    assert!(proxy.targets().contains(&entrance), "the proxy was not asked");
    // Without the authority's name nobody vouches for the server.
    let doubting = join(test, &server, &url, &[variable]).await?;
    assert!(!doubting.status.success());
    server.stop().await;
    Ok(())
}
