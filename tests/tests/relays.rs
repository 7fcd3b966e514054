//! Participants who may use nothing but the media server's relay hear one another.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use livekit::prelude::*;
use livekit::webrtc::peer_connection_factory::IceTransportsType;
use livekit::webrtc::stats::RtcStats;
use runner::cache::{Cache, RunFolder};
use runner::parts;
use runner::servers::{Livekit, Relay};
use system_tests::certificates::Certificates;
use system_tests::proxy::Proxy;
use system_tests::token::token;
use system_tests::tone::{pitch_hz, publish};
use tokio::sync::mpsc::UnboundedReceiver;

const LIMIT: Duration = Duration::from_secs(30);
/// Where there is a way it takes a second.
const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// Names the folder with the certificates to the process that trusts their authority.
const FOLDER: &str = "RELAYS_TEST_FOLDER";

async fn join(server: &Livekit, identity: &str) -> Result<(Room, UnboundedReceiver<RoomEvent>)> {
    let token = token(server, "relays", identity)?;
    let mut options = RoomOptions::default();
    options.rtc_config.ice_transport_type = IceTransportsType::Relay;
    tokio::time::timeout(JOIN_LIMIT, Room::connect(&server.url, &token, options))
        .await
        .context("no way through the relay")?
        .context("joining through the relay")
}

async fn ensure_relayed(room: &Room) -> Result<()> {
    let stats = room.get_stats().await?;
    let mut pairs = 0;
    for stats in stats.publisher_stats.iter().chain(&stats.subscriber_stats) {
        match stats {
            RtcStats::LocalCandidate(candidate) => {
                let kind = format!("{:?}", candidate.local_candidate.candidate_type);
                ensure!(kind == "Some(Relay)", "an address of our own is used: {kind}");
            }
            RtcStats::CandidatePair(_) => pairs += 1,
            _ => {}
        }
    }
    if pairs == 0 {
        bail!("no way is known");
    }
    Ok(())
}

/// Waits until the server has reported about what we send and about what it sends, every few seconds.
async fn reported(room: &Room) -> Result<()> {
    loop {
        let stats = room.get_stats().await?;
        let all = || stats.publisher_stats.iter().chain(&stats.subscriber_stats);
        let ours = all().any(|stats| {
            matches!(stats, RtcStats::RemoteInboundRtp(remote)
                if remote.remote_inbound.round_trip_time_measurements > 0
                    && (0.0..5.0).contains(&remote.remote_inbound.round_trip_time))
        });
        let theirs = all().any(|stats| {
            matches!(stats, RtcStats::RemoteOutboundRtp(remote)
                if remote.remote_outbound.reports_sent > 0 && remote.sent.packets_sent > 0)
        });
        if ours && theirs {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Two who may use nothing but this relay hear one another.
async fn tones_go_both_ways(cache: &Cache, folder: &Path, relay: &Relay) -> Result<()> {
    runner::servers::choose_tls();
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start_with_relay(&parts, folder, relay).await?;
    let (alice, mut alice_hears) = join(&server, "alice").await?;
    let (ben, mut ben_hears) = join(&server, "ben").await?;
    let low = publish(&alice, 330.0).await?;
    let high = publish(&ben, 880.0).await?;
    let heard = tokio::time::timeout(LIMIT, async {
        tokio::try_join!(pitch_hz(&mut ben_hears, LIMIT), pitch_hz(&mut alice_hears, LIMIT))
    });
    let (by_ben, by_alice) = heard.await.context("waiting for the tones")??;
    // A period is a whole number of samples: at 880 Hz that is 54 or 55.
    assert!((by_ben / 330.0 - 1.0).abs() <= 0.02, "{by_ben} Hz");
    assert!((by_alice / 880.0 - 1.0).abs() <= 0.02, "{by_alice} Hz");
    ensure_relayed(&alice).await?;
    ensure_relayed(&ben).await?;
    let both = async { tokio::try_join!(reported(&alice), reported(&ben)) };
    let reports = tokio::time::timeout(LIMIT, both).await;
    reports.context("waiting for the server's reports")??;
    low.abort();
    high.abort();
    alice.close().await?;
    ben.close().await?;
    server.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_udp() -> Result<()> {
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-relays-udp")?;
    tones_go_both_ways(&cache, &run.path, &Relay::Udp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tcp() -> Result<()> {
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-relays-tcp")?;
    tones_go_both_ways(&cache, &run.path, &Relay::Tcp).await
}

/// A meeting that is held in a process of its own: what a process trusts, and its proxies, are said to it when it starts.
struct Apart {
    test: &'static str,
    run: RunFolder,
    /// Of a private authority, which the operator names as such.
    certificates: Certificates,
}

impl Apart {
    /// None in the meeting's own process, which has held it then.
    async fn of(test: &'static str) -> Result<Option<Self>> {
        let cache = Cache::open()?;
        if let Some(folder) = std::env::var_os(FOLDER) {
            let folder = PathBuf::from(folder);
            let Certificates { certificate, key, .. } = Certificates::in_folder(&folder);
            tones_go_both_ways(&cache, &folder, &Relay::Tls { certificate, key }).await?;
            return Ok(None);
        }
        let run = cache.run_folder(&format!("tests-relays-{test}"))?;
        let certificates = Certificates::make(&run.path)?;
        Ok(Some(Self {
            test,
            run,
            certificates,
        }))
    }

    async fn hold(&self, environment: &[(&str, &OsStr)]) -> Result<Output> {
        let output = tokio::process::Command::new(std::env::current_exe()?)
            .args(["--exact", self.test, "--nocapture"])
            .env_remove("SSL_CERT_FILE")
            .envs(environment.iter().copied())
            .env(FOLDER, &self.run.path)
            .output();
        Ok(output.await?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_tls() -> Result<()> {
    let Some(meeting) = Apart::of("over_tls").await? else {
        return Ok(());
    };
    let trust = ("SSL_CERT_FILE", meeting.certificates.authority.as_os_str());
    let trusting = meeting.hold(&[trust]).await?;
    assert!(
        trusting.status.success(),
        "{}",
        String::from_utf8_lossy(&trusting.stdout)
    );
    // Without the authority's name there is no way.
    let doubting = meeting.hold(&[]).await?;
    assert!(!doubting.status.success());
    Ok(())
}

/// Where signalling would go through a proxy, so does the way to the relay.
#[tokio::test(flavor = "multi_thread")]
async fn over_tls_through_a_proxy() -> Result<()> {
    let Some(meeting) = Apart::of("over_tls_through_a_proxy").await? else {
        return Ok(());
    };
    let proxy = Proxy::start().await?;
    let trust = ("SSL_CERT_FILE", meeting.certificates.authority.as_os_str());
    let held = meeting
        .hold(&[trust, ("HTTPS_PROXY", OsStr::new(&proxy.url))])
        .await?;
    assert!(held.status.success(), "{}", String::from_utf8_lossy(&held.stdout));
    let ways = proxy.targets();
    assert!(
        ways.len() >= 2 && ways.iter().all(|way| *way == ways[0]),
        "{ways:?}"
    );
    Ok(())
}
