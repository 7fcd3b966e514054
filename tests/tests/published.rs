//! What is asked for when a track is published arrives: its loudness makes somebody an active speaker; its bit rate, its silence and
//! copies against loss show in what the other side receives.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use livekit::options::{AudioEncoding, TrackPublishOptions};
use livekit::prelude::*;
use livekit::webrtc::audio_frame::AudioFrame;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::webrtc::stats::RtcStats;
use runner::cache::{Cache, RunFolder};
use runner::parts;
use runner::servers::Livekit;
use system_tests::room_events::{event, first_sound};
use system_tests::token::token;
use system_tests::tone::{RATE_HZ, pitch_hz, play, publish};
use tokio::sync::mpsc::UnboundedReceiver;

const LIMIT: Duration = Duration::from_secs(30);
/// Of sound, by the count of what was played: so much is compared.
const STRETCH_MS: u64 = 4_000;

struct Ground {
    server: Livekit,
    alice: Room,
    ben: Room,
    ben_hears: UnboundedReceiver<RoomEvent>,
    _run: RunFolder,
}

impl Ground {
    async fn begin(name: &str) -> Result<Self> {
        runner::servers::choose_tls();
        let cache = Cache::open()?;
        let run = cache.run_folder(&format!("tests-published-{name}"))?;
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
        let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
        let server = Livekit::start(&parts, &run.path).await?;
        let join = async |identity| {
            let token = token(&server, name, identity)?;
            anyhow::Ok(Room::connect(&server.url, &token, RoomOptions::default()).await?)
        };
        let (alice, _) = join("alice").await?;
        let (ben, ben_hears) = join("ben").await?;
        Ok(Self {
            server,
            alice,
            ben,
            ben_hears,
            _run: run,
        })
    }

    async fn end(mut self) -> Result<()> {
        self.alice.close().await?;
        self.ben.close().await?;
        self.server.stop().await;
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_heard_is_an_active_speaker_until_silent() -> Result<()> {
    let mut ground = Ground::begin("speakers").await?;
    let tone = publish(&ground.alice, 440.0).await?;
    let speakers = |event| match event {
        RoomEvent::ActiveSpeakersChanged { speakers } => Some(speakers),
        _ => None,
    };
    let is_alice =
        |speakers: &Vec<Participant>| speakers.iter().any(|one| one.identity().as_str() == "alice");
    let heard = event(&mut ground.ben_hears, "an active speaker", LIMIT, |event| {
        speakers(event).filter(is_alice)
    })
    .await?;
    assert_eq!(heard.len(), 1, "nobody else speaks");
    tone.abort();
    event(&mut ground.ben_hears, "the end of it", LIMIT, |event| {
        speakers(event).filter(|speakers| !is_alice(speakers))
    })
    .await?;
    ground.end().await
}

/// Publishes a tone, or silence, and gives how much of it the other side has received, a second of sound.
async fn received(ground: &mut Ground, hz: f64, options: TrackPublishOptions) -> Result<(f64, f64)> {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 100);
    let track = LocalAudioTrack::create_audio_track("sound", RtcAudioSource::Native(source.clone()));
    let published = ground
        .alice
        .local_participant()
        .publish_track(LocalTrack::Audio(track), options)
        .await?;
    let (played, mut plays) = tokio::sync::watch::channel(0_u64);
    let player = tokio::spawn(async move {
        let count = || played.send_modify(|ms| *ms += 10);
        if hz > 0.0 {
            return play(source, hz, count).await;
        }
        loop {
            let silence = AudioFrame::new(RATE_HZ, 1, RATE_HZ / 100);
            if source.capture_frame(&silence).await.is_err() {
                return;
            }
            count();
        }
    });
    let heard = first_sound(&mut ground.ben_hears, LIMIT).await?;
    // The first second holds what an encoder begins with.
    let begun_ms = *plays.borrow() + 1_000;
    plays.wait_for(|ms| *ms >= begun_ms).await?;
    let before = counts(&heard).await?;
    plays.wait_for(|ms| *ms >= begun_ms + STRETCH_MS).await?;
    let after = counts(&heard).await?;
    player.abort();
    let publication = published.sid();
    ground
        .alice
        .local_participant()
        .unpublish_track(&publication)
        .await?;
    let seconds = STRETCH_MS as f64 / 1_000.0;
    Ok((
        (after.0 - before.0) as f64 / seconds,
        (after.1 - before.1) as f64 / seconds,
    ))
}

/// Packets and bytes.
async fn counts(track: &RemoteAudioTrack) -> Result<(u64, u64)> {
    let stats = track.get_stats().await?;
    let inbound = stats.iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => {
            Some((inbound.received.packets_received, inbound.inbound.bytes_received))
        }
        _ => None,
    });
    inbound.context("no statistics of what is received")
}

#[tokio::test(flavor = "multi_thread")]
async fn bit_rate_and_silence_are_as_asked_for() -> Result<()> {
    let mut ground = Ground::begin("options").await?;
    let with = |max_bitrate, dtx| TrackPublishOptions {
        audio_encoding: Some(AudioEncoding { max_bitrate }),
        dtx,
        red: false,
        ..TrackPublishOptions::default()
    };
    let (packets, narrow) = received(&mut ground, 440.0, with(12_000, true)).await?;
    assert!((40.0..60.0).contains(&packets), "{packets} packets a second");
    let (_, wide) = received(&mut ground, 440.0, with(64_000, true)).await?;
    assert!(
        narrow < 12_000.0 / 8.0 * 1.3 && wide > 3.0 * narrow,
        "{narrow} and {wide} bytes a second"
    );
    let (packets, _) = received(&mut ground, 0.0, with(32_000, true)).await?;
    assert!(packets < 10.0, "{packets} packets a second of silence");
    let (packets, _) = received(&mut ground, 0.0, with(32_000, false)).await?;
    assert!(
        packets > 40.0,
        "{packets} packets a second of silence that is sent"
    );
    ground.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_packet_carries_the_one_before_where_that_is_asked_for() -> Result<()> {
    let mut ground = Ground::begin("redundant").await?;
    let with = |red| TrackPublishOptions {
        red,
        dtx: false,
        ..TrackPublishOptions::default()
    };
    let (plain_packets, plain) = received(&mut ground, 440.0, with(false)).await?;
    let (packets, redundant) = received(&mut ground, 440.0, with(true)).await?;
    let times = (redundant / packets) / (plain / plain_packets);
    assert!(
        (1.8..2.4).contains(&times),
        "{plain} and {redundant} bytes a second"
    );
    let tone = publish(&ground.alice, 440.0).await?;
    let heard_hz = pitch_hz(&mut ground.ben_hears, LIMIT).await?;
    tone.abort();
    assert!((heard_hz - 440.0).abs() < 5.0, "{heard_hz} Hz");
    ground.end().await
}
