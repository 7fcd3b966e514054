//! The receiving side of one remote track. The driver drops packets into an inbox and goes on; the
//! ticker takes them from there, runs one jitter buffer for each format that is listened to, and fills
//! the streams' queues. A track nobody listens to costs nothing but its counters.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use parking_lot::Mutex;

use super::{
    RtpAudio,
    convert::Converter,
    format::PcmFormat,
    playout::Playout,
    playout_stats::PlayoutStats,
    queue::FrameQueue,
    receive::ReceiveStats,
    ticker::{self, Paced},
};

/// Packets the driver may leave between two steps; beyond that the oldest are dropped. Four seconds of
/// sound: more than the jitter buffer takes.
const MAX_INBOX_PACKETS: usize = 200;
/// After the track has ended, what is still buffered is played for this many steps at most.
const MAX_DRAIN_TICKS: u32 = 100;

/// Counters since the track was made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct InboundAudioStats {
    pub packets_received: u64,
    /// Payload only.
    pub bytes_received: u64,
    /// Expected less received (RFC 3550).
    pub packets_lost: i64,
    pub jitter_s: f64,
    pub last_packet: Option<Instant>,
    /// What the jitter buffer did for the first format listened to.
    pub playout: PlayoutStats,
}

/// The receiving side of one remote track. Clones are the same side.
#[derive(Clone)]
pub(crate) struct InboundAudio {
    inner: Arc<Inbound>,
}

struct Inbound {
    this: Weak<Self>,
    enabled: AtomicBool,
    closed: AtomicBool,
    /// Locked before `inbox` where both are.
    listening: Mutex<Listening>,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    packets: Vec<(RtpAudio, Instant)>,
    received: ReceiveStats,
    dropped: u64,
    /// The ticker calls, so somebody listens.
    paced: bool,
}

#[derive(Default)]
struct Listening {
    players: Vec<Player>,
    stats: PlayoutStats,
    arrivals: Vec<(RtpAudio, Instant)>,
    drain_ticks: u32,
}

/// One format with all who listen in it.
struct Player {
    format: PcmFormat,
    playout: Playout,
    converter: Converter,
    queues: Vec<Arc<FrameQueue>>,
    decoded: Vec<i16>,
    delivered: Vec<i16>,
}

impl InboundAudio {
    pub(crate) fn new() -> Self {
        let inner = Arc::new_cyclic(|this| Inbound {
            this: Weak::clone(this),
            enabled: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            listening: Mutex::default(),
            inbox: Mutex::default(),
        });
        Self { inner }
    }

    /// Takes a packet from the network; returns at once.
    pub(crate) fn push(&self, packet: RtpAudio, arrival: Instant) {
        let mut inbox = self.inner.inbox.lock();
        inbox.received.observe(&packet, arrival);
        if !inbox.paced || self.is_closed() {
            return;
        }
        if inbox.packets.len() >= MAX_INBOX_PACKETS {
            inbox.packets.remove(0);
            inbox.dropped += 1;
        }
        inbox.packets.push((packet, arrival));
    }

    /// The track has ended: streams get what is buffered, then their end.
    pub(crate) fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    pub(crate) fn stats(&self) -> InboundAudioStats {
        let playout = self.inner.listening.lock().stats;
        let inbox = self.inner.inbox.lock();
        InboundAudioStats {
            packets_received: inbox.received.packets,
            bytes_received: inbox.received.payload_bytes,
            packets_lost: inbox.received.lost(),
            jitter_s: inbox.received.jitter_s(),
            last_packet: inbox.received.last_arrival(),
            playout: PlayoutStats {
                packets_discarded: playout.packets_discarded + inbox.dropped,
                ..playout
            },
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.inner.enabled.load(Ordering::Relaxed)
    }

    /// A track that is not enabled is heard as silence. True when that is a change.
    pub(crate) fn set_enabled(&self, enabled: bool) -> bool {
        self.inner.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    /// Fills the queue from the next step on.
    pub(crate) fn add_listener(&self, queue: &Arc<FrameQueue>) {
        let mut listening = self.inner.listening.lock();
        let format = queue.format();
        if let Some(player) = listening
            .players
            .iter_mut()
            .find(|player| player.format == format)
        {
            player.queues.push(Arc::clone(queue));
            return;
        }
        match Playout::new(format.opus()) {
            Ok(playout) if !self.is_closed() => listening.players.push(Player {
                format,
                playout,
                converter: Converter::new(format.opus(), format),
                queues: vec![Arc::clone(queue)],
                decoded: Vec::new(),
                delivered: Vec::new(),
            }),
            Ok(_) => return queue.finish(),
            Err(error) => {
                tracing::error!(%error, "no decoder: the stream ends");
                return queue.finish();
            }
        }
        let mut inbox = self.inner.inbox.lock();
        if !inbox.paced {
            inbox.paced = true;
            ticker::join(Weak::clone(&self.inner.this) as Weak<dyn Paced>);
        }
    }
}

impl Paced for Inbound {
    fn tick(&self, slot: Instant) -> bool {
        let mut listening = self.listening.lock();
        let listening = &mut *listening;
        std::mem::swap(&mut listening.arrivals, &mut self.inbox.lock().packets);
        let silent = !self.enabled.load(Ordering::Relaxed);
        for (index, player) in listening.players.iter_mut().enumerate() {
            player.step(&listening.arrivals, slot, silent);
            let counted = std::mem::take(&mut player.playout.stats);
            if index == 0 {
                listening.stats += counted;
            }
        }
        listening.arrivals.clear();
        if self.closed.load(Ordering::Acquire) {
            listening.drain_ticks += 1;
            let drained = listening.players.iter().all(|player| player.playout.is_drained());
            if drained || listening.drain_ticks > MAX_DRAIN_TICKS {
                listening.finish();
            }
        }
        listening.players.retain(|player| !player.queues.is_empty());
        if listening.players.is_empty() {
            let mut inbox = self.inbox.lock();
            inbox.packets = Vec::new();
            inbox.paced = false;
            return false;
        }
        true
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.listening.get_mut().finish();
    }
}

impl Listening {
    fn finish(&mut self) {
        for queue in self.players.drain(..).flat_map(|player| player.queues) {
            queue.finish();
        }
    }
}

impl Player {
    fn step(&mut self, arrivals: &[(RtpAudio, Instant)], slot: Instant, silent: bool) {
        for (packet, arrival) in arrivals {
            self.playout.insert(packet, *arrival);
        }
        self.decoded.clear();
        self.delivered.clear();
        self.playout.pull(slot, &mut self.decoded);
        if silent {
            self.decoded.fill(0);
        }
        self.converter.convert(&self.decoded, &mut self.delivered);
        self.queues.retain(|queue| queue.push(&self.delivered));
    }
}

#[cfg(test)]
mod tests {
    use std::{
        task::{Context, Poll, Waker},
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

    const MONO: PcmFormat = PcmFormat {
        rate_hz: 16_000,
        channels: 1,
    };

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
                track.push(rtp(&packets[index], index), now + late);
            }
            assert!(track.inner.tick(now));
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
            track.push(rtp(packet, index), now);
            track.inner.tick(now);
            track.inner.tick(now + Duration::from_millis(10));
        }
        track.close();
        let mut now = start + Duration::from_secs(1);
        while track.inner.tick(now) {
            now += Duration::from_millis(10);
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
            track.push(rtp(packet, index), start);
        }
        assert!(track.inner.inbox.lock().packets.is_empty());
        assert_eq!(track.stats().packets_received, 10);

        track.inner.inbox.lock().paced = true;
        let queue = FrameQueue::new(MONO, 10);
        track.add_listener(&queue);
        assert!(track.inner.tick(start));
        queue.abandon();
        assert!(
            !track.inner.tick(start),
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
            track.push(rtp(packet, index), now);
            track.inner.tick(now);
            track.inner.tick(now + Duration::from_millis(10));
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
        (0..10_000).for_each(|sequence| track.push(rtp(&packet, sequence), start));
        assert_eq!(track.inner.inbox.lock().packets.len(), MAX_INBOX_PACKETS);
    }
}
