//! Proves the backend against a real LiveKit server: two participants of the official `livekit`
//! crate exchange packets, a text stream and a tone, one leaves and comes back, the connection is
//! resumed and rebuilt.
//!
//! `LIVEKIT_URL`, `LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET` say where. Prints one line for each
//! step and ends with an error at the first that does not happen.

#![allow(clippy::print_stdout)] // an example tells what it sees

use std::{
    env,
    error::Error,
    f32::consts::TAU,
    future::Future,
    time::{Duration, Instant},
};

use livekit::{
    SimulateScenario, StreamReader,
    options::TrackPublishOptions,
    prelude::*,
    webrtc::{
        audio_frame::AudioFrame,
        audio_source::{AudioSourceOptions, RtcAudioSource, native::NativeAudioSource},
        audio_stream::native::NativeAudioStream,
    },
};
use livekit_api::access_token::{AccessToken, VideoGrants};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio_stream::StreamExt;

type Outcome<T> = Result<T, Box<dyn Error>>;

const RATE_HZ: u32 = 48_000;
const TONE_HZ: f32 = 440.0;
const FRAME_SAMPLES: u32 = RATE_HZ / 100;
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Outcome<()> {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into()),
        )
        .init();
    let room = format!("proof-{}", livekit::webrtc::native::create_random_uuid());
    let (alice, mut alice_events) = join(&room, "alice").await?;
    let (bob, mut bob_events) = join(&room, "bob").await?;

    packets(&alice, &mut bob_events).await?;
    packets(&bob, &mut alice_events).await?;
    text(&alice, &mut bob_events).await?;
    text(&bob, &mut alice_events).await?;

    let _tone = publish_tone(&alice).await?;
    hear(&mut bob_events, "bob").await?;
    let (carol, mut carol_events) = join(&room, "carol").await?;
    hear(&mut carol_events, "carol (late)").await?;
    // The server announces participants who publish nothing every few seconds only; one who is gone
    // before that was never there.
    within(
        "carol's coming",
        until(&mut bob_events, |event| {
            matches!(event, RoomEvent::ParticipantConnected(_)).then_some(())
        }),
    )
    .await??;
    carol.close().await?;
    within(
        "carol's leaving",
        until(&mut bob_events, |event| {
            matches!(event, RoomEvent::ParticipantDisconnected(_)).then_some(())
        }),
    )
    .await??;

    for (name, scenario, resumes) in [
        ("resume", SimulateScenario::SignalReconnect, true),
        ("full reconnect", SimulateScenario::FullReconnect, false),
    ] {
        let started = Instant::now();
        bob.simulate_scenario(scenario).await?;
        within(
            name,
            until(&mut bob_events, |event| {
                matches!(event, RoomEvent::Reconnected).then_some(())
            }),
        )
        .await??;
        println!("{name}: {} ms", started.elapsed().as_millis());
        if !resumes {
            hear(&mut bob_events, "bob again").await?;
        }
        packets(&alice, &mut bob_events).await?;
        packets(&bob, &mut alice_events).await?;
    }
    let started = Instant::now();
    bob.close().await?;
    alice.close().await?;
    println!("closed: {} ms", started.elapsed().as_millis());
    Ok(())
}

async fn join(room: &str, identity: &str) -> Outcome<(Room, UnboundedReceiver<RoomEvent>)> {
    let (key, secret) = (env::var("LIVEKIT_API_KEY")?, env::var("LIVEKIT_API_SECRET")?);
    let token = AccessToken::with_api_key(&key, &secret)
        .with_identity(identity)
        .with_grants(VideoGrants {
            room_join: true,
            room: room.to_owned(),
            ..Default::default()
        })
        .to_jwt()?;
    let started = Instant::now();
    let joined = Room::connect(&env::var("LIVEKIT_URL")?, &token, RoomOptions::default()).await?;
    println!("{identity} connected: {} ms", started.elapsed().as_millis());
    Ok(joined)
}

async fn packets(from: &Room, to: &mut UnboundedReceiver<RoomEvent>) -> Outcome<()> {
    for reliable in [true, false] {
        let payload = format!("reliable={reliable}").into_bytes();
        let packet = DataPacket {
            payload: payload.clone(),
            reliable,
            ..Default::default()
        };
        let started = Instant::now();
        from.local_participant().publish_data(packet).await?;
        within(
            "a packet",
            until(to, |event| match event {
                RoomEvent::DataReceived { payload: arrived, .. } if **arrived == payload => Some(()),
                _ => None,
            }),
        )
        .await??;
        println!(
            "packet, reliable={reliable}: {:.1} ms",
            started.elapsed().as_secs_f64() * 1e3
        );
    }
    Ok(())
}

async fn text(from: &Room, to: &mut UnboundedReceiver<RoomEvent>) -> Outcome<()> {
    let text = "The quick brown fox. ".repeat(5_000);
    let started = Instant::now();
    let options = livekit::SendTextOptions::new_with_topic("proof").with_compress(false);
    from.local_participant().send_text(&text, options).await?;
    let reader = within(
        "a text stream",
        until(to, |event| match event {
            RoomEvent::TextStreamOpened { reader, .. } => reader.take(),
            _ => None,
        }),
    )
    .await??;
    let arrived = within("the text", reader.read_all()).await??;
    if arrived != text {
        return Err("the text was changed on its way".into());
    }
    println!(
        "text stream of {} bytes: {} ms",
        text.len(),
        started.elapsed().as_millis()
    );
    Ok(())
}

/// Publishes a tone that lasts until the returned task is dropped with the room.
async fn publish_tone(room: &Room) -> Outcome<tokio::task::JoinHandle<()>> {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 100);
    let track = LocalAudioTrack::create_audio_track("tone", RtcAudioSource::Native(source.clone()));
    room.local_participant()
        .publish_track(
            LocalTrack::Audio(track),
            TrackPublishOptions {
                dtx: false,
                ..Default::default()
            },
        )
        .await?;
    Ok(tokio::spawn(async move {
        let mut phase = 0_f32;
        loop {
            let samples: Vec<i16> = (0..FRAME_SAMPLES)
                .map(|_| {
                    phase = (phase + TONE_HZ / RATE_HZ as f32).fract();
                    ((phase * TAU).sin() * 8_000.0) as i16
                })
                .collect();
            let frame = AudioFrame {
                data: samples.into(),
                sample_rate: RATE_HZ,
                num_channels: 1,
                samples_per_channel: FRAME_SAMPLES,
            };
            if source.capture_frame(&frame).await.is_err() {
                return;
            }
        }
    }))
}

/// Waits for a track and measures the tone on it.
async fn hear(events: &mut UnboundedReceiver<RoomEvent>, who: &str) -> Outcome<()> {
    let started = Instant::now();
    let track = within(
        "a track",
        until(events, |event| match event {
            RoomEvent::TrackSubscribed {
                track: RemoteTrack::Audio(track),
                ..
            } => Some(track.clone()),
            _ => None,
        }),
    )
    .await??;
    let mut stream = NativeAudioStream::new(track.rtc_track(), RATE_HZ as i32, 1);
    // The first frames may be silence, or the tone fading in.
    let mut skipped_ms = 0;
    loop {
        let frame = within("sound", stream.next()).await?.ok_or("the track ended")?;
        skipped_ms += 10;
        if frame.data.iter().any(|sample| sample.unsigned_abs() > 4_000) {
            break;
        }
    }
    let first_sound = started.elapsed();
    for _ in 0..20 {
        within("sound", stream.next()).await?.ok_or("the track ended")?;
    }
    let (mut samples, counted) = (Vec::new(), Instant::now());
    while samples.len() < RATE_HZ as usize {
        let frame = within("sound", stream.next()).await?.ok_or("the track ended")?;
        samples.extend_from_slice(&frame.data);
    }
    let rises = samples
        .windows(2)
        .filter(|pair| pair[0] < 0 && pair[1] >= 0)
        .count();
    let energy = samples
        .iter()
        .map(|sample| f64::from(*sample).powi(2))
        .sum::<f64>();
    let rms = (energy / samples.len() as f64).sqrt();
    println!(
        "{who} hears {rises} Hz at rms {rms:.0} (first sound after {} ms, {skipped_ms} ms of frames; 1 s took {} ms)",
        first_sound.as_millis(),
        counted.elapsed().as_millis()
    );
    if rises.abs_diff(TONE_HZ as usize) > 3 {
        return Err(format!("{TONE_HZ} Hz were sent, {rises} Hz heard").into());
    }
    Ok(())
}

async fn until<T>(
    events: &mut UnboundedReceiver<RoomEvent>,
    mut wanted: impl FnMut(&RoomEvent) -> Option<T>,
) -> Outcome<T> {
    while let Some(event) = events.recv().await {
        if let Some(found) = wanted(&event) {
            return Ok(found);
        }
    }
    Err("the room ended".into())
}

async fn within<T>(what: &str, step: impl Future<Output = T>) -> Outcome<T> {
    let waited = tokio::time::timeout(PATIENCE, step).await;
    waited.map_err(|_| format!("waited too long for {what}").into())
}
