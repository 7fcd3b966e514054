//! Two channels arrive apart where the listener asks for them (RFC 7587, `stereo=1`), and as one where nobody does.

mod pair;
mod sound;

use std::f64::consts::TAU;

use libwebrtc::{
    MediaType, audio_source::native::NativeAudioSource, audio_stream::native::NativeAudioStream,
    peer_connection_factory::native::PeerConnectionFactoryExt, prelude::*,
};
use pair::{Side, negotiate_edited, within};
use sound::{RATE_HZ, received};
use tokio_stream::StreamExt;

const FRAME_SAMPLES: u32 = RATE_HZ / 100;
const LEFT_HZ: f64 = 440.0;
const RIGHT_HZ: f64 = 1_100.0;
const AMPLITUDE: f64 = 10_000.0;
/// Of sound, per channel, once it has begun.
const MEASURED_SAMPLES: usize = RATE_HZ as usize;

/// A track with a tone of its own in each channel, and the task that plays it for as long as it is listened to.
fn two_tones() -> (RtcAudioTrack, tokio::task::JoinHandle<()>) {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 2, 100);
    let track = PeerConnectionFactory::default().create_audio_track("tones", source.clone());
    let player = tokio::spawn(async move {
        for at in (0_u32..).step_by(FRAME_SAMPLES as usize) {
            let sample =
                |n: u32, hz: f64| (AMPLITUDE * (TAU * hz * f64::from(n) / f64::from(RATE_HZ)).sin()) as i16;
            let both = |n| [sample(n, LEFT_HZ), sample(n, RIGHT_HZ)];
            let samples: Vec<i16> = (at..at + FRAME_SAMPLES).flat_map(both).collect();
            let frame = AudioFrame {
                data: samples.into(),
                sample_rate: RATE_HZ,
                num_channels: 2,
                samples_per_channel: FRAME_SAMPLES,
            };
            if source.capture_frame(&frame).await.is_err() {
                return;
            }
        }
    });
    (track, player)
}

/// The left and the right channel of a stretch of what is heard where the offer is edited so.
async fn heard(edit: impl Fn(&str) -> String) -> (Vec<i16>, Vec<i16>) {
    let (mut listener, mut speaker) = (Side::new(), Side::new());
    let receive = RtpTransceiverInit {
        direction: RtpTransceiverDirection::RecvOnly,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    };
    listener
        .connection
        .add_transceiver_for_media(MediaType::Audio, receive)
        .expect("a receiver");
    let (track, player) = two_tones();
    speaker
        .connection
        .add_track(track.into(), &["tones"])
        .expect("a sender");
    negotiate_edited(&mut listener, &mut speaker, OfferOptions::default(), edit).await;
    let (track, _) = received(&listener).expect("a track");
    let mut stream = NativeAudioStream::new(track, RATE_HZ as i32, 2);
    let (mut left, mut right) = (Vec::new(), Vec::new());
    within("sound", async {
        while left.len() < 2 * MEASURED_SAMPLES {
            let frame = stream.next().await.expect("the track lives");
            assert_eq!(frame.num_channels, 2);
            if left.is_empty() && frame.data.iter().all(|sample| sample.unsigned_abs() < 2_000) {
                continue;
            }
            left.extend(frame.data.iter().step_by(2));
            right.extend(frame.data.iter().skip(1).step_by(2));
        }
    })
    .await;
    player.abort();
    // An encoder needs some packets to hear that there are two.
    (
        left.split_off(MEASURED_SAMPLES),
        right.split_off(MEASURED_SAMPLES),
    )
}

/// How much of a tone is in a stretch of sound, as its amplitude: over pieces of 50 ms, because a jitter buffer may leave
/// out or repeat a period between them.
fn amplitude(pcm: &[i16], hz: f64) -> f64 {
    let pieces = pcm.chunks_exact(RATE_HZ as usize / 20);
    let count = pieces.len() as f64;
    let amplitudes = pieces.map(|piece| {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, sample) in piece.iter().enumerate() {
            let phase = TAU * hz * n as f64 / f64::from(RATE_HZ);
            sine += f64::from(*sample) * phase.sin();
            cosine += f64::from(*sample) * phase.cos();
        }
        2.0 * f64::hypot(sine, cosine) / piece.len() as f64
    });
    amplitudes.sum::<f64>() / count
}

#[tokio::test]
async fn each_channel_arrives_with_its_own_pitch() {
    let asking = |offer: &str| {
        let asking = offer.replace("useinbandfec=1", "useinbandfec=1;stereo=1");
        assert_ne!(asking, offer, "the offer has a place for it");
        asking
    };
    let (left, right) = heard(asking).await;
    for (channel, own_hz, other_hz) in [(&left, LEFT_HZ, RIGHT_HZ), (&right, RIGHT_HZ, LEFT_HZ)] {
        let (own, other) = (amplitude(channel, own_hz), amplitude(channel, other_hz));
        assert!(
            own > 0.5 * AMPLITUDE && other < 0.1 * own,
            "{own_hz} Hz: {own}, {other}"
        );
    }
}

#[tokio::test]
async fn where_nobody_asks_both_channels_are_the_same() {
    let (left, right) = heard(str::to_owned).await;
    assert_eq!(left, right);
    for hz in [LEFT_HZ, RIGHT_HZ] {
        let half = amplitude(&left, hz);
        assert!((0.3..0.7).contains(&(half / AMPLITUDE)), "{hz} Hz: {half}");
    }
}
