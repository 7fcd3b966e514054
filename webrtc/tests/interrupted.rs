//! Speech that is interrupted: after `NativeAudioSource::clear_buffer()` nothing of what waited is sent or heard.

mod pair;
mod sound;

use std::f64::consts::TAU;

use libwebrtc::{
    audio_source::native::NativeAudioSource,
    audio_stream::native::NativeAudioStream,
    peer_connection_factory::native::PeerConnectionFactoryExt,
    prelude::*,
    stats::{InboundRtpStats, RtcStats},
};
use pair::{Side, negotiate, within};
use sound::{RATE_HZ, received, send_only};
use tokio_stream::StreamExt;

/// Of speech that waits in the source when it begins to be heard.
const QUEUED_MS: u32 = 5_000;
const HEARD_BEFORE_MS: u64 = 200;
/// Opus frames of 20 ms into which the beginning and the end fall.
const MAX_MORE_MS: f64 = 40.0;
/// Nothing is heard for so long: all that was sent has been heard.
const QUIET_FRAMES: u32 = 50;
const FRAME_MS: u64 = 10;
const PITCH_HZ: f64 = 440.0;
const AMPLITUDE: f64 = 12_000.0;

/// A tone that begins and ends at once.
fn tone(ms: u32) -> AudioFrame<'static> {
    let samples = RATE_HZ / 1_000 * ms;
    let sample = |n| (AMPLITUDE * (TAU * PITCH_HZ * f64::from(n) / f64::from(RATE_HZ)).sin()) as i16;
    AudioFrame {
        data: (0..samples).map(sample).collect::<Vec<_>>().into(),
        sample_rate: RATE_HZ,
        num_channels: 1,
        samples_per_channel: samples,
    }
}

fn is_loud(frame: &AudioFrame<'_>) -> bool {
    let loud = |sample: &i16| f64::from(sample.unsigned_abs()) > AMPLITUDE / 4.0;
    frame.data.iter().any(loud)
}

/// How much of the tone has left the source: it is all there is of energy.
async fn played_ms(transceiver: &RtpTransceiver) -> f64 {
    let stats = transceiver.sender().get_stats().await.expect("statistics");
    let source = stats.iter().find_map(|stats| match stats {
        RtcStats::MediaSource(source) => Some(source),
        _ => None,
    });
    let energy = source.expect("statistics of the source").audio.total_audio_energy;
    let power = (AMPLITUDE / 32_768.0).powi(2) / 2.0;
    energy / power * 1_000.0
}

/// What the listener's jitter buffer did; none before the first packet.
async fn inbound(side: &Side) -> Option<InboundRtpStats> {
    let receiver = side.connection.receivers().pop().expect("a receiver");
    let stats = receiver.get_stats().await.expect("statistics");
    stats.into_iter().find_map(|stats| match stats {
        RtcStats::InboundRtp(inbound) => Some(inbound),
        _ => None,
    })
}

/// What the listener has heard of the tone that nobody sent: made up for packets that came late, or stretched.
fn added_ms(before: &InboundRtpStats, after: &InboundRtpStats) -> f64 {
    let made_up = |stats: &InboundRtpStats| {
        let stats = &stats.inbound;
        stats.concealed_samples - stats.silent_concealed_samples + stats.inserted_samples_for_deceleration
    };
    (made_up(after) - made_up(before)) as f64 / f64::from(RATE_HZ / 1_000)
}

#[tokio::test]
async fn what_waits_is_not_heard_any_more_and_what_comes_after_is() {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, QUEUED_MS);
    let track = PeerConnectionFactory::default().create_audio_track("voice", source.clone());
    let (mut speaker, mut listener) = (Side::new(), Side::new());
    let transceiver = speaker
        .connection
        .add_transceiver(track.into(), send_only("voice"))
        .expect("a sender");
    negotiate(&mut speaker, &mut listener, OfferOptions::default()).await;
    speaker.reaches(PeerConnectionState::Connected).await;
    let (heard, _) = received(&listener).expect("a track");
    let mut stream = NativeAudioStream::new(heard, RATE_HZ as i32, 1);
    within("silence, which is sent too", async {
        while inbound(&listener).await.is_none() {
            stream.next().await.expect("the track lives");
        }
    })
    .await;

    // The second time shows that the source is as good as new.
    for _ in 0..2 {
        let already_ms = played_ms(&transceiver).await;
        let before = inbound(&listener).await.expect("packets came");
        source.capture_frame(&tone(QUEUED_MS)).await.expect("a source");
        let (mut heard_ms, mut quiet, mut played) = (0, 0, None);
        within("the end of the tone", async {
            while played.is_none() || quiet < QUIET_FRAMES {
                let frame = stream.next().await.expect("the track lives");
                if is_loud(&frame) {
                    heard_ms += FRAME_MS;
                    quiet = 0;
                } else {
                    quiet += 1;
                }
                if played.is_none() && heard_ms >= HEARD_BEFORE_MS {
                    source.clear_buffer();
                    // After it: the step that is under way has been played, too.
                    played = Some(played_ms(&transceiver).await - already_ms);
                }
            }
        })
        .await;
        let played_ms = played.expect("it was cleared");
        let after = inbound(&listener).await.expect("packets came");
        let heard_ms = heard_ms as f64 - added_ms(&before, &after);
        assert!(
            played_ms < f64::from(QUEUED_MS) / 2.0,
            "{played_ms} ms: too late to show anything"
        );
        assert!(
            heard_ms <= played_ms + MAX_MORE_MS,
            "{heard_ms} ms heard of {played_ms}"
        );
    }
}
