//! Signalling goes through the proxy that `HTTP_PROXY` names.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use livekit::prelude::*;
use livekit_api::access_token::{AccessToken, VideoGrants};
use runner::cache::Cache;
use runner::parts;
use runner::servers::{Livekit, choose_tls};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

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

/// The proxy is named to a process when it starts, so the participant has one of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_participant_joins_through_a_proxy() -> Result<()> {
    choose_tls();
    if let (Ok(url), Ok(token)) = (std::env::var(URL), std::env::var(TOKEN)) {
        let (room, _events) = Room::connect(&url, &token, RoomOptions::default()).await?;
        ensure!(room.name() == "proxy");
        return Ok(room.close().await?);
    }
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-proxy")?;
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start(&parts, &run.path).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = format!("http://{}", listener.local_addr()?);
    let tunnels = Arc::new(AtomicUsize::new(0));
    let target = server.url.replacen("ws://", "", 1);
    tokio::spawn(serve(listener, target, tunnels.clone()));
    let token = AccessToken::with_api_key(&server.api_key, &server.api_secret)
        .with_identity("behind")
        .with_grants(VideoGrants {
            room_join: true,
            room: "proxy".into(),
            ..Default::default()
        })
        .to_jwt()?;
    let joined = tokio::process::Command::new(std::env::current_exe()?)
        .args(["--exact", "a_participant_joins_through_a_proxy", "--nocapture"])
        .env("HTTP_PROXY", proxy)
        .env(URL, &server.url)
        .env(TOKEN, token)
        .stdin(Stdio::null())
        .output();
    let joined = tokio::time::timeout(LIMIT, joined).await.context("joining")??;
    assert!(
        joined.status.success(),
        "{}",
        String::from_utf8_lossy(&joined.stdout)
    );
    assert!(tunnels.load(Ordering::Relaxed) >= 1, "the proxy was not asked");
    server.stop().await;
    Ok(())
}
