//! Where no datagram passes, participants hear one another over TCP, by ICE alone: as behind the walls of many offices.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use livekit::prelude::*;
use livekit::webrtc::stats::RtcStats;
use runner::cache::Cache;
use runner::parts;
use runner::servers::Livekit;
use system_tests::token::token;
use system_tests::tone::{pitch_hz, publish};
use tokio::sync::mpsc::UnboundedReceiver;

const LIMIT: Duration = Duration::from_secs(30);

async fn join(server: &Livekit, identity: &str) -> Result<(Room, UnboundedReceiver<RoomEvent>)> {
    let token = token(server, "tcp", identity)?;
    let joined = Room::connect(&server.url, &token, RoomOptions::default());
    Ok(tokio::time::timeout(LIMIT, joined).await??)
}

/// Every pair that carries something is one of TCP.
async fn ensure_tcp(room: &Room) -> Result<()> {
    let stats = room.get_stats().await?;
    let all = || stats.publisher_stats.iter().chain(&stats.subscriber_stats);
    let used: Vec<&str> = all()
        .filter_map(|stats| match stats {
            RtcStats::CandidatePair(pair) if pair.candidate_pair.bytes_sent > 0 => {
                Some(pair.candidate_pair.remote_candidate_id.as_str())
            }
            _ => None,
        })
        .collect();
    ensure!(!used.is_empty(), "no way is known");
    for stats in all() {
        if let RtcStats::RemoteCandidate(candidate) = stats
            && used.contains(&candidate.rtc.id.as_str())
        {
            let protocol = &candidate.remote_candidate.protocol;
            ensure!(protocol == "tcp", "a way over {protocol} is used");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tones_go_both_ways_where_no_datagram_passes() -> Result<()> {
    runner::servers::choose_tls();
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-over-tcp")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start_without_udp(&parts, &run.path).await?;
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
    ensure_tcp(&alice).await?;
    ensure_tcp(&ben).await?;
    low.abort();
    high.abort();
    alice.close().await?;
    ben.close().await?;
    server.stop().await;
    Ok(())
}
