//! Sound for tests: a track that hums, and somebody who hears it.

#![allow(dead_code)] // each test file uses a part of this one

use libwebrtc::{
    audio_source::native::NativeAudioSource, audio_stream::native::NativeAudioStream,
    native::create_random_uuid, peer_connection_factory::native::PeerConnectionFactoryExt, prelude::*,
};
use tokio_stream::StreamExt;

use crate::pair::{Side, within};

pub(crate) const RATE_HZ: u32 = 48_000;
const FRAME_SAMPLES: u32 = RATE_HZ / 100;

/// A local track and the task that feeds it with a square wave for as long as it is listened to.
fn humming_track() -> (RtcAudioTrack, tokio::task::JoinHandle<()>) {
    let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 100);
    let track = PeerConnectionFactory::default().create_audio_track(&create_random_uuid(), source.clone());
    let feeder = tokio::spawn(async move {
        let half_wave = |sample: u32| {
            if (sample / 60).is_multiple_of(2) {
                6_000
            } else {
                -6_000
            }
        };
        let samples: Vec<i16> = (0..FRAME_SAMPLES).map(half_wave).collect();
        let frame = AudioFrame {
            data: samples.into(),
            sample_rate: RATE_HZ,
            num_channels: 1,
            samples_per_channel: FRAME_SAMPLES,
        };
        // It waits where the queue is full.
        while source.capture_frame(&frame).await.is_ok() {}
    });
    (track, feeder)
}

/// A side that sends a humming track in a stream of this name.
pub(crate) fn hum(side: &Side, stream: &str) -> (RtpTransceiver, tokio::task::JoinHandle<()>) {
    let (track, feeder) = humming_track();
    let transceiver = side.connection.add_transceiver(track.into(), send_only(stream));
    (transceiver.expect("a sender"), feeder)
}

pub(crate) fn send_only(stream: &str) -> RtpTransceiverInit {
    RtpTransceiverInit {
        direction: RtpTransceiverDirection::SendOnly,
        stream_ids: vec![stream.to_owned()],
        send_encodings: Vec::new(),
    }
}

pub(crate) async fn hear(track: RtcAudioTrack) {
    let mut stream = NativeAudioStream::new(track, RATE_HZ as i32, 1);
    within("sound", async {
        loop {
            let frame = stream.next().await.expect("the track lives");
            assert_eq!(
                (frame.sample_rate, frame.samples_per_channel),
                (RATE_HZ, FRAME_SAMPLES)
            );
            if frame.data.iter().any(|sample| sample.unsigned_abs() > 2_000) {
                return;
            }
        }
    })
    .await;
}

/// The first audio track that a connection receives, with the name of its stream.
pub(crate) fn received(side: &Side) -> Option<(RtcAudioTrack, String)> {
    side.connection.receivers().into_iter().find_map(|receiver| {
        let stream = receiver.streams().pop()?;
        Some((stream.audio_tracks().pop()?, stream.id()))
    })
}
