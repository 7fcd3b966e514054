//! A remote track from packets to streams, ticked by hand.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use super::{super::test_tone::*, *};
use crate::{
    audio::{
        EncodedAudio, EncoderOptions,
        encode::{Frame, FrameEncoder, MediaClock},
    },
    audio_frame::AudioFrame,
};

mod redundant;

const MONO: PcmFormat = PcmFormat {
    rate_hz: 16_000,
    channels: 1,
};

/// A packet comes from the network.
fn arrive(track: &InboundAudio, packet: RtpAudio, at: Instant) {
    track.count(&packet, at);
    track.push(packet, at);
}

/// Plays 20 ms; nobody waits for them.
fn play(track: &InboundAudio, at: Instant) -> bool {
    track.inner.tick(at, &mut Vec::new())
}

/// A track that the tests tick themselves.
fn track() -> InboundAudio {
    let track = InboundAudio::new();
    track.inner.inbox.lock().paced = true;
    track
}

fn next(queue: &FrameQueue) -> Poll<Option<AudioFrame<'static>>> {
    queue.poll_next(&mut Context::from_waker(Waker::noop()))
}

/// 440 Hz through the encoder of the sending side, one packet for every other step.
fn encoded(ticks: u32, start: Instant) -> Vec<EncodedAudio> {
    let source = PcmFormat {
        rate_hz: 48_000,
        channels: 1,
    };
    let mut encoder = FrameEncoder::new(source, EncoderOptions::default()).unwrap();
    let mut clock = MediaClock::starting_at(1);
    let steps = (0..ticks).filter_map(|n| {
        let pcm = tone_from(48_000, 440.0, 8_000.0, n as usize * 480, 480);
        match encoder.push(&mut clock, start + Duration::from_millis(10) * n, &pcm)? {
            Frame::Packet(packet) => Some(packet),
            Frame::Suppressed => None,
        }
    });
    steps.collect()
}

fn rtp(packet: &EncodedAudio, sequence: usize) -> RtpAudio {
    RtpAudio {
        sequence: sequence as u16,
        timestamp: packet.timestamp,
        payload: packet.payload.clone(),
        level_dbov: Some(packet.level_dbov),
        marker: packet.marker,
        copy: false,
    }
}

#[test]
fn what_is_sent_is_heard_in_every_format_through_a_lossy_network() {
    let track = track();
    let formats = [(16_000, 1), (48_000, 2), (44_100, 1), (22_050, 2)];
    let queues = formats.map(|(rate, channels)| FrameQueue::new(PcmFormat::nearest(rate, channels), 0));
    queues.iter().for_each(|queue| track.add_listener(queue));
    let start = Instant::now();
    let packets = encoded(1_000, start);
    for tick in 0..1_000_u32 {
        let now = start + Duration::from_millis(10) * tick;
        let index = tick as usize / 2;
        // One packet in twenty is lost, and some are late.
        if tick % 2 == 0 && index % 20 != 7 {
            let late = Duration::from_millis(if index.is_multiple_of(9) { 15 } else { 0 });
            arrive(&track, rtp(&packets[index], index), now + late);
        }
        if tick % 2 == 1 {
            assert!(play(&track, now), "both slots at once");
        }
    }
    for (queue, (rate, channels)) in queues.iter().zip(formats) {
        let mut left = Vec::new();
        while let Poll::Ready(Some(frame)) = next(queue) {
            assert_eq!(
                (frame.sample_rate, frame.num_channels),
                (rate as u32, channels as u32)
            );
            assert_eq!(
                frame.data.len() as u32,
                frame.samples_per_channel * frame.num_channels
            );
            assert!(
                frame.samples_per_channel.abs_diff(rate as u32 / 100) <= 1,
                "10 ms"
            );
            left.extend(frame.data.iter().step_by(channels as usize));
        }
        assert!(left.len().abs_diff(rate as usize * 10) <= 1, "{rate} Hz");
        let heard = pitch_hz(&left[rate as usize / 2..], rate as u32);
        // What is concealed adds a crossing of zero here and there.
        assert!((heard - 440.0).abs() < 5.0, "{heard} Hz at {rate} Hz");
    }
    let stats = track.stats();
    assert_eq!((stats.packets_received, stats.packets_lost), (475, 25));
    assert!(stats.playout.concealed_samples >= 20 * 960, "{stats:?}");
    assert!(stats.jitter_s < 0.01, "{stats:?}");
}

#[test]
fn the_end_of_a_track_is_heard_before_its_streams_end() {
    let track = track();
    let queue = FrameQueue::new(MONO, 0);
    track.add_listener(&queue);
    let start = Instant::now();
    for (index, packet) in encoded(100, start).iter().enumerate() {
        let now = start + Duration::from_millis(20) * index as u32;
        arrive(&track, rtp(packet, index), now);
        play(&track, now + Duration::from_millis(10));
    }
    track.close();
    let mut now = start + Duration::from_millis(1_010);
    while play(&track, now) {
        now += Duration::from_millis(20);
    }
    let mut last = Vec::new();
    let end = loop {
        match next(&queue) {
            Poll::Ready(Some(frame)) => last = frame.data.into_owned(),
            end => break end,
        }
    };
    assert!(matches!(end, Poll::Ready(None)));
    assert!(
        amplitude_at(&last, 16_000, 440.0) > 4_000.0,
        "the last frame still has the tone"
    );
    let late = FrameQueue::new(MONO, 0);
    track.add_listener(&late);
    assert!(
        matches!(next(&late), Poll::Ready(None)),
        "a closed track has nothing for newcomers"
    );
}

#[test]
fn nobody_listening_costs_nothing() {
    let track = InboundAudio::new();
    let start = Instant::now();
    for (index, packet) in encoded(20, start).iter().enumerate() {
        arrive(&track, rtp(packet, index), start);
    }
    assert!(track.inner.inbox.lock().packets.is_empty());
    assert_eq!(track.stats().packets_received, 10);

    track.inner.inbox.lock().paced = true;
    let queue = FrameQueue::new(MONO, 10);
    track.add_listener(&queue);
    assert!(play(&track, start));
    queue.abandon();
    assert!(
        !play(&track, start),
        "the track leaves the ticker with its last listener"
    );
    assert!(!track.inner.inbox.lock().paced);
}

#[test]
fn a_track_that_is_turned_off_is_silent() {
    let track = track();
    let queue = FrameQueue::new(MONO, 0);
    track.add_listener(&queue);
    assert!(track.set_enabled(false) && !track.set_enabled(false));
    let start = Instant::now();
    for (index, packet) in encoded(50, start).iter().enumerate() {
        let now = start + Duration::from_millis(20) * index as u32;
        arrive(&track, rtp(packet, index), now);
        play(&track, now + Duration::from_millis(10));
    }
    while let Poll::Ready(Some(frame)) = next(&queue) {
        assert!(frame.data.iter().all(|sample| *sample == 0));
    }
}

#[test]
fn a_ticker_that_does_not_come_does_not_fill_the_memory() {
    let track = track();
    track.add_listener(&FrameQueue::new(MONO, 10));
    let start = Instant::now();
    let packet = encoded(2, start).remove(0);
    (0..10_000).for_each(|sequence| arrive(&track, rtp(&packet, sequence), start));
    assert_eq!(track.inner.inbox.lock().packets.len(), MAX_INBOX_PACKETS);
}
