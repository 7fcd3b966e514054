//! The sending side of one local track: takes the source's sound step by step, encodes it and hands
//! each frame to the driver's sink; also feeds streams that listen to the track locally.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Instant,
};

use parking_lot::Mutex;

use super::{
    EncodedAudio, EncoderOptions,
    convert::Converter,
    encode::{Frame, FrameEncoder, MediaClock},
    format::TICK_MS,
    level::mean_square,
    queue::FrameQueue,
    source::{Outlet, SourceQueue},
};

/// Takes encoded frames, on the audio thread: it must not block.
type Sink = Arc<dyn Fn(EncodedAudio) + Send + Sync>;

/// Counters since the track was made, in the terms of the W3C statistics.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct OutboundAudioStats {
    pub packets_sent: u64,
    /// Payload only.
    pub bytes_sent: u64,
    /// Frames that silence made unnecessary.
    pub frames_suppressed: u64,
    /// The last 10 ms, linear, 1 for full scale.
    pub audio_level: f64,
    /// Sum of squared levels times their duration.
    pub total_audio_energy: f64,
    pub total_samples_duration_s: f64,
    /// What the encoder is asked for; zero while none runs.
    pub target_bitrate_bps: u32,
}

/// The sending side of one local track. Clones are the same side.
#[derive(Clone)]
pub(crate) struct OutboundAudio {
    inner: Arc<Outbound>,
}

struct Outbound {
    this: Weak<Self>,
    source: Arc<SourceQueue>,
    enabled: AtomicBool,
    state: Mutex<State>,
}

struct State {
    clock: MediaClock,
    sink: Option<(Sink, Option<FrameEncoder>)>,
    listeners: Vec<(Arc<FrameQueue>, Converter)>,
    stats: OutboundAudioStats,
    scratch: Vec<i16>,
    expected_loss_percent: u8,
}

impl OutboundAudio {
    pub(crate) fn new(source: Arc<SourceQueue>) -> Self {
        let state = State {
            clock: MediaClock::starting_at(rand::random()),
            sink: None,
            listeners: Vec::new(),
            stats: OutboundAudioStats::default(),
            scratch: Vec::new(),
            expected_loss_percent: 0,
        };
        let enabled = AtomicBool::new(true);
        let state = Mutex::new(state);
        Self {
            inner: Arc::new_cyclic(|this| Outbound {
                this: Weak::clone(this),
                source,
                enabled,
                state,
            }),
        }
    }

    /// Sends encoded frames to `sink` from now on. A second call replaces the sink; the encoder goes
    /// on undisturbed unless the options differ. The sink is called on the audio thread.
    pub(crate) fn attach(&self, sink: Sink, options: EncoderOptions) {
        let outbound = &self.inner;
        {
            let mut state = outbound.state.lock();
            let kept = state.sink.take().and_then(|(_, encoder)| encoder);
            let mut encoder = match kept {
                Some(encoder) if encoder.options() == options => Some(encoder),
                _ => FrameEncoder::new(outbound.source.format(), options)
                    .inspect_err(|error| tracing::error!(%error, "no encoder: the track stays silent"))
                    .ok(),
            };
            if let Some(encoder) = &mut encoder {
                encoder.expect_loss(state.expected_loss_percent);
            }
            state.sink = Some((sink, encoder));
        }
        outbound.source.attach(outbound.as_outlet());
    }

    /// Prepares for this loss from the next frame on.
    pub(crate) fn expect_loss(&self, percent: u8) {
        let mut state = self.inner.state.lock();
        state.expected_loss_percent = percent;
        if let Some((_, Some(encoder))) = &mut state.sink {
            encoder.expect_loss(percent);
        }
    }

    /// Sends no more.
    pub(crate) fn detach(&self) {
        let mut state = self.inner.state.lock();
        state.sink = None;
        if state.listeners.is_empty() {
            drop(state);
            self.inner.leave_source();
        }
    }

    pub(crate) fn stats(&self) -> OutboundAudioStats {
        let state = self.inner.state.lock();
        let encoder = state.sink.as_ref().and_then(|(_, encoder)| encoder.as_ref());
        OutboundAudioStats {
            target_bitrate_bps: encoder.map_or(0, FrameEncoder::bitrate_bps),
            ..state.stats
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.inner.enabled.load(Ordering::Relaxed)
    }

    /// A track that is not enabled sends silence. True when that is a change.
    pub(crate) fn set_enabled(&self, enabled: bool) -> bool {
        self.inner.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    pub(crate) fn add_listener(&self, queue: &Arc<FrameQueue>) {
        let converter = Converter::new(self.inner.source.format(), queue.format());
        self.inner
            .state
            .lock()
            .listeners
            .push((Arc::clone(queue), converter));
        self.inner.source.attach(self.inner.as_outlet());
    }
}

impl Outbound {
    fn as_outlet(&self) -> Weak<dyn Outlet> {
        Weak::clone(&self.this) as Weak<dyn Outlet>
    }

    fn leave_source(&self) {
        self.source.detach(&self.as_outlet());
    }
}

impl Outlet for Outbound {
    fn feed(&self, slot: Instant, pcm: &[i16]) {
        let silence;
        let pcm = if self.enabled.load(Ordering::Relaxed) {
            pcm
        } else {
            silence = vec![0; pcm.len()];
            &silence
        };
        let mut state = self.state.lock();
        let State {
            clock,
            sink,
            listeners,
            stats,
            scratch,
            ..
        } = &mut *state;
        stats.measure(pcm);
        let mut readers = Vec::new();
        listeners.retain_mut(|(queue, converter)| {
            scratch.clear();
            converter.convert(pcm, scratch);
            queue.push(scratch, true, &mut readers)
        });
        readers.into_iter().for_each(Waker::wake);
        let Some((sink, encoder)) = sink else {
            if listeners.is_empty() {
                drop(state);
                self.leave_source();
            }
            return;
        };
        let Some(encoder) = encoder else { return };
        match encoder.push(clock, slot, pcm) {
            Some(Frame::Packet(packet)) => {
                stats.packets_sent += 1;
                stats.bytes_sent += packet.payload.len() as u64;
                let sink = Arc::clone(sink);
                drop(state);
                sink(packet);
            }
            Some(Frame::Suppressed) => stats.frames_suppressed += 1,
            None => {}
        }
    }
}

impl Drop for Outbound {
    fn drop(&mut self) {
        for (queue, _) in &self.state.get_mut().listeners {
            queue.finish();
        }
    }
}

impl OutboundAudioStats {
    fn measure(&mut self, pcm: &[i16]) {
        let seconds = f64::from(TICK_MS) / 1_000.0;
        let square = mean_square(pcm) / (32_768.0 * 32_768.0);
        self.audio_level = square.sqrt();
        self.total_audio_energy += square * seconds;
        self.total_samples_duration_s += seconds;
    }
}

#[cfg(test)]
mod tests {
    use std::{
        task::{Context, Poll, Waker},
        time::Duration,
    };

    use super::{
        super::{format::PcmFormat, level::SILENCE_DBOV, test_tone::tone},
        *,
    };
    use crate::audio_source::AudioSourceOptions;

    fn outbound() -> OutboundAudio {
        OutboundAudio::new(SourceQueue::new(AudioSourceOptions::default(), 16_000, 1, 100))
    }

    /// A sink that keeps what it gets, and what it has got.
    fn ear() -> (Sink, Arc<Mutex<Vec<EncodedAudio>>>) {
        let packets = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&packets);
        (Arc::new(move |packet| heard.lock().push(packet)), packets)
    }

    /// Plays a tone for as many steps, without the ticker.
    fn feed(track: &OutboundAudio, start: Instant, ticks: u32) {
        let pcm = tone(16_000, 400.0, 8_000.0, 160);
        (0..ticks).for_each(|tick| track.inner.feed(start + Duration::from_millis(10) * tick, &pcm));
    }

    /// As `attach`, and leaves the source alone, whose ticker would play along.
    fn attach(track: &OutboundAudio, sink: Sink, options: EncoderOptions) {
        track.attach(sink, options);
        track.inner.leave_source();
    }

    #[test]
    fn a_new_sink_goes_on_with_the_same_timestamps() {
        let track = outbound();
        let start = Instant::now();
        let (sink, first) = ear();
        attach(&track, sink, EncoderOptions::default());
        first.lock().clear();
        feed(&track, start, 20);
        let (sink, second) = ear();
        attach(
            &track,
            sink,
            EncoderOptions {
                max_bitrate_bps: Some(16_000),
                ..EncoderOptions::default()
            },
        );
        feed(&track, start + Duration::from_millis(200), 20);
        let (first, second) = (first.lock(), second.lock());
        let (last, next) = (first.last().unwrap(), second.first().unwrap());
        let between = next.timestamp.wrapping_sub(last.timestamp);
        assert!((960..=1_920).contains(&between), "{between}");
        let bytes =
            |packets: &[EncodedAudio]| packets.iter().map(|packet| packet.payload.len()).sum::<usize>();
        assert!(
            second.len() >= 9 && bytes(&second) < bytes(&first),
            "new options take effect"
        );
    }

    #[test]
    fn a_track_that_is_turned_off_sends_silence() {
        let track = outbound();
        let (sink, packets) = ear();
        attach(&track, sink, EncoderOptions::default());
        assert!(track.set_enabled(false));
        feed(&track, Instant::now(), 20);
        assert!(
            packets
                .lock()
                .iter()
                .all(|packet| packet.level_dbov == SILENCE_DBOV)
        );
        assert!(packets.lock().len() >= 10);
    }

    #[test]
    fn nothing_is_sent_after_detaching_and_streams_still_listen() {
        let track = outbound();
        let (sink, packets) = ear();
        attach(&track, sink, EncoderOptions::default());
        let queue = FrameQueue::new(
            PcmFormat {
                rate_hz: 48_000,
                channels: 2,
            },
            0,
        );
        track.add_listener(&queue);
        track.detach();
        packets.lock().clear();
        feed(&track, Instant::now(), 20);
        assert!(packets.lock().is_empty());
        let frame = queue.poll_next(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(frame)) = frame else {
            panic!("no frame")
        };
        assert_eq!(
            (frame.sample_rate, frame.num_channels, frame.samples_per_channel),
            (48_000, 2, 480)
        );
        assert!(track.stats().total_samples_duration_s >= 0.2);
    }

    #[tokio::test]
    async fn a_source_is_sent_in_real_time_by_the_ticker() {
        let source = SourceQueue::new(AudioSourceOptions::default(), 16_000, 1, 100);
        let track = OutboundAudio::new(Arc::clone(&source));
        let (sender, mut packets) = tokio::sync::mpsc::channel(64);
        let sink = move |packet| drop(sender.try_send(packet));
        track.attach(Arc::new(sink), EncoderOptions::default());
        let mut timestamps = Vec::new();
        while timestamps.len() < 5 {
            let packet: EncodedAudio = packets.recv().await.unwrap();
            assert_eq!(packet.level_dbov, SILENCE_DBOV, "an empty queue is silence");
            timestamps.push(packet.timestamp);
        }
        assert!(
            timestamps
                .windows(2)
                .all(|pair| pair[1].wrapping_sub(pair[0]).is_multiple_of(480))
        );
        track.detach();
    }
}
