//! Speech through a network that loses a tenth of it: the listener gets most of what is lost back from copies, whole ones in the
//! next packet, or Opus' own, which a participant sends who hears of the loss from the media server.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use livekit::prelude::*;
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use livekit::webrtc::stats::RtcStats;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{BadNetwork, Livekit, choose_tls};
use system_tests::participant::Participant;
use system_tests::room_events::first_sound;
use system_tests::speech_file;
use system_tests::token::token;

const ROOM: &str = "lossy";
const LOSS_PERCENT: u32 = 10;
const SPEECH: Duration = Duration::from_secs(30);
const LIMIT: Duration = Duration::from_secs(60);

/// What a listener knows of a track: packets that never came, and of how many the sound was got back from a copy.
#[derive(Debug, Default)]
struct Received {
    lost: i64,
    recovered: u64,
}

async fn received(track: &RemoteAudioTrack) -> Result<Received> {
    let stats = track.get_stats().await?;
    let inbound = stats.iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(inbound),
        _ => None,
    });
    let inbound = inbound.context("a received track has statistics")?;
    Ok(Received {
        lost: inbound.received.packets_lost,
        recovered: inbound.inbound.fec_packets_received,
    })
}

/// What becomes of speech, from a client that sends redundant sound or from one that does not.
async fn speech(name: &str, red: bool) -> Result<Received> {
    choose_tls();
    let cache = Cache::open()?;
    let run = cache.run_folder(&format!("tests-lossy-{name}"))?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start_behind(&parts, &run.path, BadNetwork::ADDRESS).await?;
    let network = BadNetwork::start(server.udp_port().context("a server of our own")?).await?;
    network.lose(LOSS_PERCENT);

    let (listener, mut events) = Room::connect(
        &server.url,
        &token(&server, ROOM, "listener")?,
        RoomOptions::default(),
    )
    .await?;
    // Deaf: on a connection that brings no sound there is nothing but the server's reports.
    let token = token(&server, ROOM, "speaker")?;
    let (speaker, _heard) = if red {
        Participant::join_deaf(&server.url, &token).await?
    } else {
        Participant::join_deaf_without_red(&server.url, &token).await?
    };
    let track = first_sound(&mut events, LIMIT).await?;
    let mut stream = NativeAudioStream::new(track.rtc_track(), 16_000, 1);
    let listening = tokio::spawn(async move { while stream.next().await.is_some() {} });

    let mut speech = speech_file::read(&parts.recordings.join("two_cities.wav"))?;
    speech.truncate(SPEECH.as_secs() as usize * speech_file::SAMPLE_RATE_HZ as usize);
    speaker.play("speech", &speech).await?;
    let received = received(&track).await?;
    assert!(
        received.lost > 50,
        "the network lost too little to tell: {received:?}"
    );

    speaker.leave().await?;
    listener.close().await?;
    listening.await?;
    server.stop().await;
    Ok(received)
}

#[tokio::test(flavor = "multi_thread")]
async fn nearly_all_that_is_lost_comes_with_the_next_packet() -> Result<()> {
    let received = speech("red", true).await?;
    // No copy helps against two losses in a row.
    assert!(received.recovered as i64 * 5 > received.lost * 4, "{received:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redundancy_opus_makes_copies_where_loss_is_reported() -> Result<()> {
    let received = speech("plain", false).await?;
    // In the first seconds nobody has heard of the loss yet, and no copy helps against two losses in a row.
    assert!(received.recovered as i64 * 2 > received.lost, "{received:?}");
    Ok(())
}
