//! A translator of addresses forgets everybody in the middle of a meeting: it goes on.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
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
use runner::servers::{Livekit, choose_tls};
use system_tests::token::token;
use system_tests::tone::{AMPLITUDE, RATE_HZ, play};
use tokio::net::UdpSocket;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Without a word from anybody, silence ends a connection after 25 s.
const NOTICED_WITHIN: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_secs(30);
/// Where participants take the server to be.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const MAX_DATAGRAM_BYTES: usize = 2_048;

/// Passes datagrams on from a port of its own for each participant; with each change of `forgotten` from another one.
async fn translate(port: u16, mut forgotten: watch::Receiver<()>) -> Result<()> {
    let front = Arc::new(UdpSocket::bind((OUTSIDE, port)).await?);
    let mut ways: HashMap<SocketAddr, (Arc<UdpSocket>, tokio::task::JoinHandle<()>)> = HashMap::new();
    let mut buffer = [0; MAX_DATAGRAM_BYTES];
    loop {
        tokio::select! {
            changed = forgotten.changed() => {
                changed?;
                ways.drain().for_each(|(_, (_, back))| back.abort());
            }
            received = front.recv_from(&mut buffer) => {
                let (length, participant) = received?;
                let way = match ways.entry(participant) {
                    Entry::Occupied(way) => way.into_mut(),
                    Entry::Vacant(place) => {
                        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
                        socket.connect((Ipv4Addr::LOCALHOST, port)).await?;
                        let back = tokio::spawn(pass_back(socket.clone(), front.clone(), participant));
                        place.insert((socket, back))
                    }
                };
                // A lost datagram is the network's business.
                let _ = way.0.send(&buffer[..length]).await;
            }
        }
    }
}

async fn pass_back(socket: Arc<UdpSocket>, front: Arc<UdpSocket>, participant: SocketAddr) {
    let mut buffer = [0; MAX_DATAGRAM_BYTES];
    while let Ok(length) = socket.recv(&mut buffer).await {
        let _ = front.send_to(&buffer[..length], participant).await;
    }
}

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

    async fn event<T>(&mut self, what: &str, mut wanted: impl FnMut(RoomEvent) -> Option<T>) -> Result<T> {
        let found = async {
            loop {
                let event = self.events.recv().await.context("the room is gone")?;
                if let Some(found) = wanted(event) {
                    return Ok(found);
                }
            }
        };
        timeout(LIMIT, found)
            .await
            .with_context(|| format!("waiting for {what}"))?
    }

    /// The other one's sound.
    async fn stream(&mut self) -> Result<NativeAudioStream> {
        let track = self.event("a track", |event| match event {
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Audio(track),
                ..
            } => Some(track),
            _ => None,
        });
        Ok(NativeAudioStream::new(
            track.await?.rtc_track(),
            RATE_HZ as i32,
            1,
        ))
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
    let mut server = Livekit::start_behind(&parts, &run.path, OUTSIDE).await?;
    let port = server.udp_port().context("a server of our own")?;
    let (forget, forgotten) = watch::channel(());
    let translator = tokio::spawn(translate(port, forgotten));
    let mut alice = Participant::join(&server, "alice").await?;
    let mut ben = Participant::join(&server, "ben").await?;
    let (mut to_alice, mut to_ben) = (alice.stream().await?, ben.stream().await?);
    wait_for_sound(&mut to_alice, true).await?;
    wait_for_sound(&mut to_ben, true).await?;

    forget.send(())?;
    let begun = Instant::now();
    wait_for_sound(&mut to_alice, false).await?;
    for participant in [&mut alice, &mut ben] {
        let reconnecting = |event| matches!(event, RoomEvent::Reconnecting).then_some(());
        participant.event("the break to be noticed", reconnecting).await?;
        assert!(begun.elapsed() < NOTICED_WITHIN, "{:?}", begun.elapsed());
    }
    for participant in [&mut alice, &mut ben] {
        let back = |event| matches!(event, RoomEvent::Reconnected).then_some(());
        participant.event("the reconnection", back).await?;
    }
    wait_for_sound(&mut to_alice, true).await?;
    wait_for_sound(&mut to_ben, true).await?;
    alice.room.close().await?;
    ben.room.close().await?;
    translator.abort();
    server.stop().await;
    Ok(())
}
