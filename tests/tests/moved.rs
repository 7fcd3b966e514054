//! A translator of addresses forgets everybody in the middle of a meeting: it goes on.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::StreamExt as _;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit::webrtc::audio_stream::native::NativeAudioStream;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{BadNetwork, Livekit, choose_tls};
use system_tests::room_events::{event, first_sound};
use system_tests::token::token;
use system_tests::tone::{AMPLITUDE, RATE_HZ, play};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout};

/// Without a word from anybody, silence ends a connection after 25 s.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(30);

struct Participant {
    room: Room,
    events: UnboundedReceiver<RoomEvent>,
}

impl Participant {
    /// In the room, and with a tone there.
    async fn join(server: &Livekit, identity: &str) -> Result<Self> {
        let token = token(server, "moved", identity)?;
        let (room, events) = Room::connect(&server.url, &token, RoomOptions::default()).await?;
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 100);
        let track = LocalAudioTrack::create_audio_track("tone", RtcAudioSource::Native(source.clone()));
        room.local_participant()
            .publish_track(LocalTrack::Audio(track), TrackPublishOptions::default())
            .await?;
        tokio::spawn(play(source, 440.0, || ()));
        Ok(Self { room, events })
    }

    async fn event(&mut self, what: &str, wanted: fn(&RoomEvent) -> bool) -> Result<()> {
        event(&mut self.events, what, LIMIT, |event| {
            wanted(&event).then_some(())
        })
        .await
    }

    /// The other one's sound.
    async fn stream(&mut self) -> Result<NativeAudioStream> {
        let track = first_sound(&mut self.events, LIMIT).await?;
        Ok(NativeAudioStream::new(track.rtc_track(), RATE_HZ as i32, 1))
    }
}

/// Waits until there is sound, or none for half a second.
async fn wait_for_sound(stream: &mut NativeAudioStream, wanted: bool) -> Result<()> {
    let mut quiet_frames = 0;
    let heard = async {
        loop {
            let frame = stream.next().await.context("the track has ended")?;
            let loud = |sample: &i16| f64::from(sample.unsigned_abs()) > AMPLITUDE / 4.0;
            quiet_frames = if frame.data.iter().any(loud) {
                0
            } else {
                quiet_frames + 1
            };
            if wanted && quiet_frames == 0 || !wanted && quiet_frames >= 50 {
                return Ok(());
            }
        }
    };
    timeout(LIMIT, heard).await.context("waiting for sound")?
}

#[tokio::test(flavor = "multi_thread")]
async fn a_meeting_goes_on_from_other_addresses() -> Result<()> {
    choose_tls();
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-moved")?;
    let workspace = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start_behind(&parts, &run.path, BadNetwork::ADDRESS).await?;
    let network = BadNetwork::start(server.udp_port().context("a server of our own")?).await?;
    let mut alice = Participant::join(&server, "alice").await?;
    let mut ben = Participant::join(&server, "ben").await?;
    let (mut to_alice, mut to_ben) = (alice.stream().await?, ben.stream().await?);
    wait_for_sound(&mut to_alice, true).await?;
    wait_for_sound(&mut to_ben, true).await?;

    network.forget_addresses();
    let begun = Instant::now();
    wait_for_sound(&mut to_alice, false).await?;
    for participant in [&mut alice, &mut ben] {
        participant
            .event("the break to be noticed", |event| {
                matches!(event, RoomEvent::Reconnecting)
            })
            .await?;
        assert!(begun.elapsed() < NOTICED_WITHIN, "{:?}", begun.elapsed());
    }
    for participant in [&mut alice, &mut ben] {
        participant
            .event("the reconnection", |event| {
                matches!(event, RoomEvent::Reconnected)
            })
            .await?;
    }
    wait_for_sound(&mut to_alice, true).await?;
    wait_for_sound(&mut to_ben, true).await?;
    alice.room.close().await?;
    ben.room.close().await?;
    server.stop().await;
    Ok(())
}
