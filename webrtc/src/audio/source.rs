//! The queue behind a `NativeAudioSource`: PCM goes in at the program's pace and comes out 10 ms at a
//! time in real time, silence when there is none. It drains whether or not anything is attached, so
//! that a capturing program never waits for ever.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
    task::Waker,
    time::Instant,
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    format::{PcmFormat, TICK_MS},
    ticker::{self, Pace, Paced},
};
use crate::{RtcError, audio_frame::AudioFrame, audio_source::AudioSourceOptions};

/// Where the sound of a source goes.
pub(crate) trait Outlet: Send + Sync {
    /// Takes 10 ms of sound of the source's format. `slot` is when it is played.
    fn feed(&self, slot: Instant, pcm: &[i16]);
}

/// The outlets as of some moment; replaced as a whole so that feeding them needs no lock.
type Outlets = Arc<Vec<Weak<dyn Outlet>>>;

pub(crate) struct SourceQueue {
    this: Weak<Self>,
    format: PcmFormat,
    /// Zero: frames are handed on as they come.
    queue_samples: usize,
    state: Mutex<State>,
    drained: Notify,
}

struct State {
    options: AudioSourceOptions,
    pcm: VecDeque<i16>,
    outlets: Outlets,
    /// Raised by each clearing, so that a capture under way gives up the rest of its frame.
    clearings: u64,
    /// Samples a channel that rounding to whole 10 ms has left over, in hundredths.
    carry_hundredths: u32,
    paced: bool,
}

impl SourceQueue {
    pub(crate) fn new(options: AudioSourceOptions, rate_hz: u32, channels: u32, queue_ms: u32) -> Arc<Self> {
        assert!(
            queue_ms.is_multiple_of(TICK_MS),
            "queue_size_ms must be a multiple of {TICK_MS}"
        );
        assert!(rate_hz > 0 && channels > 0, "a source needs a rate and a channel");
        let queue_samples = u64::from(queue_ms) * u64::from(rate_hz) / 1_000 * u64::from(channels);
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            format: PcmFormat {
                rate_hz,
                channels: channels as usize,
            },
            queue_samples: usize::try_from(queue_samples).unwrap_or(usize::MAX / 2),
            state: Mutex::new(State {
                options,
                pcm: VecDeque::new(),
                outlets: Outlets::default(),
                clearings: 0,
                carry_hundredths: 0,
                paced: false,
            }),
            drained: Notify::new(),
        })
    }

    pub(crate) fn format(&self) -> PcmFormat {
        self.format
    }

    pub(crate) fn sample_rate_hz(&self) -> u32 {
        self.format.rate_hz
    }

    pub(crate) fn channels(&self) -> u32 {
        self.format.channels as u32
    }

    pub(crate) fn options(&self) -> AudioSourceOptions {
        let state = self.state.lock();
        let AudioSourceOptions {
            echo_cancellation,
            noise_suppression,
            auto_gain_control,
        } = state.options;
        AudioSourceOptions {
            echo_cancellation,
            noise_suppression,
            auto_gain_control,
        }
    }

    pub(crate) fn set_options(&self, options: AudioSourceOptions) {
        self.state.lock().options = options;
    }

    /// Feeds the outlet from the next slot on, for as long as it lives and stays attached.
    pub(crate) fn attach(&self, outlet: Weak<dyn Outlet>) {
        let mut state = self.state.lock();
        let outlets = Arc::make_mut(&mut state.outlets);
        if !outlets.iter().any(|known| known.ptr_eq(&outlet)) {
            outlets.push(outlet);
        }
        self.pace(&mut state);
    }

    pub(crate) fn detach(&self, outlet: &Weak<dyn Outlet>) {
        let mut state = self.state.lock();
        Arc::make_mut(&mut state.outlets).retain(|known| !known.ptr_eq(outlet));
    }

    pub(crate) fn clear(&self) {
        let mut state = self.state.lock();
        state.pcm.clear();
        state.clearings += 1;
        self.drained.notify_waiters();
    }

    pub(crate) async fn capture(&self, frame: &AudioFrame<'_>) -> Result<(), RtcError> {
        if frame.sample_rate != self.sample_rate_hz() || frame.num_channels != self.channels() {
            return Err(RtcError::invalid_state(
                "the frame's rate or channel count is not the source's",
            ));
        }
        if !frame.data.len().is_multiple_of(self.format.channels) {
            return Err(RtcError::invalid_state(
                "the frame's length is no multiple of its channel count",
            ));
        }
        if self.queue_samples == 0 {
            return self.hand_on(&frame.data);
        }
        let clearings = self.state.lock().clearings;
        for chunk in frame.data.chunks(self.queue_samples) {
            // Several callers may capture at once: each waits for room, which bounds the queue at
            // twice its size, and then until its own sound is within the queue's size.
            let mut queued = false;
            loop {
                let drained = self.drained.notified();
                {
                    let mut state = self.state.lock();
                    if state.clearings != clearings {
                        return Ok(());
                    }
                    if !queued && state.pcm.len() + chunk.len() <= 2 * self.queue_samples {
                        state.pcm.extend(chunk);
                        self.pace(&mut state);
                        queued = true;
                    }
                    if queued && state.pcm.len() <= self.queue_samples {
                        break;
                    }
                }
                drained.await;
            }
        }
        Ok(())
    }

    /// The way without a queue.
    fn hand_on(&self, pcm: &[i16]) -> Result<(), RtcError> {
        let expected = self.format.rate_hz as usize * TICK_MS as usize / 1_000 * self.format.channels;
        if pcm.len() != expected {
            return Err(RtcError::invalid_state(format!(
                "without a queue a frame must last {TICK_MS} ms: {expected} samples, not {}",
                pcm.len()
            )));
        }
        let outlets = Arc::clone(&self.state.lock().outlets);
        feed(&outlets, Instant::now(), pcm);
        Ok(())
    }

    fn pace(&self, state: &mut State) {
        if !state.paced && self.queue_samples > 0 {
            state.paced = true;
            ticker::join(Pace::Slot, Weak::clone(&self.this) as Weak<dyn Paced>);
        }
    }
}

impl Paced for SourceQueue {
    fn tick(&self, slot: Instant, _: &mut Vec<Waker>) -> bool {
        let (pcm, outlets) = {
            let mut state = self.state.lock();
            let hundredths = self.format.rate_hz * TICK_MS / 10 + state.carry_hundredths;
            state.carry_hundredths = hundredths % 100;
            let wanted = (hundredths / 100) as usize * self.format.channels;
            let had = state.pcm.len().min(wanted);
            if had == 0 && state.outlets.iter().all(|outlet| outlet.strong_count() == 0) {
                state.outlets = Outlets::default();
                state.paced = false;
                return false;
            }
            let mut pcm: Vec<i16> = state.pcm.drain(..had).collect();
            pcm.resize(wanted, 0);
            if had > 0 && state.pcm.len() <= 2 * self.queue_samples {
                self.drained.notify_waiters();
            }
            (pcm, Arc::clone(&state.outlets))
        };
        feed(&outlets, slot, &pcm);
        true
    }
}

fn feed(outlets: &Outlets, slot: Instant, pcm: &[i16]) {
    for outlet in outlets.iter().filter_map(Weak::upgrade) {
        outlet.feed(slot, pcm);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Poll},
        time::Duration,
    };

    use super::*;

    #[derive(Default)]
    struct Ear(Mutex<Vec<i16>>);

    impl Outlet for Ear {
        fn feed(&self, _slot: Instant, pcm: &[i16]) {
            self.0.lock().extend_from_slice(pcm);
        }
    }

    /// A queue that the tests tick themselves.
    fn queue(queue_ms: u32) -> Arc<SourceQueue> {
        let queue = SourceQueue::new(AudioSourceOptions::default(), 16_000, 1, queue_ms);
        queue.state.lock().paced = true;
        queue
    }

    fn frame(samples: usize) -> AudioFrame<'static> {
        AudioFrame {
            data: vec![1; samples].into(),
            sample_rate: 16_000,
            num_channels: 1,
            samples_per_channel: samples as u32,
        }
    }

    fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn capturing_waits_until_the_rest_fits_the_queue() {
        let queue = queue(100);
        let frame = frame(3_200);
        let mut capture = pin!(queue.capture(&frame));
        let mut ticks = 0;
        while poll(&mut capture).is_pending() {
            assert!(queue.state.lock().pcm.len() <= 3_200, "twice the queue at most");
            queue.tick(Instant::now(), &mut Vec::new());
            ticks += 1;
        }
        assert_eq!(ticks, 10, "200 ms of sound, of which 100 ms may wait");
    }

    #[test]
    fn clearing_ends_a_capture_and_what_it_had_queued() {
        let queue = queue(100);
        let ear = Arc::new(Ear::default());
        queue.attach(Arc::downgrade(&ear) as Weak<dyn Outlet>);
        let frame = frame(16_000);
        let mut capture = pin!(queue.capture(&frame));
        assert!(poll(&mut capture).is_pending());
        queue.tick(Instant::now(), &mut Vec::new());
        queue.clear();
        assert!(poll(&mut capture).is_ready(), "the rest of the frame is given up");
        (0..5).for_each(|_| assert!(queue.tick(Instant::now(), &mut Vec::new())));
        let heard = ear.0.lock();
        assert_eq!(heard.len(), 6 * 160, "silence goes on");
        assert!(heard[160..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn frames_of_another_shape_are_refused() {
        let queue = queue(100);
        let wrong = AudioFrame {
            sample_rate: 48_000,
            ..frame(160)
        };
        assert!(matches!(
            poll(&mut pin!(queue.capture(&wrong))),
            Poll::Ready(Err(_))
        ));
        let direct = SourceQueue::new(AudioSourceOptions::default(), 16_000, 1, 0);
        assert!(matches!(
            poll(&mut pin!(direct.capture(&frame(320)))),
            Poll::Ready(Err(_))
        ));
        assert!(matches!(
            poll(&mut pin!(direct.capture(&frame(160)))),
            Poll::Ready(Ok(()))
        ));
    }

    #[test]
    fn a_source_with_nothing_to_do_leaves_the_ticker() {
        let queue = queue(100);
        assert!(matches!(
            poll(&mut pin!(queue.capture(&frame(240)))),
            Poll::Ready(Ok(()))
        ));
        assert!(queue.tick(Instant::now(), &mut Vec::new()));
        assert!(
            queue.tick(Instant::now(), &mut Vec::new()),
            "the half step that is left is played, too"
        );
        assert!(!queue.tick(Instant::now(), &mut Vec::new()));
        assert!(!queue.state.lock().paced);
    }

    #[tokio::test]
    async fn without_a_sender_capturing_returns() {
        let queue = SourceQueue::new(AudioSourceOptions::default(), 16_000, 1, 50);
        let second = frame(16_000 / 4);
        let captured = tokio::time::timeout(Duration::from_secs(10), queue.capture(&second)).await;
        assert!(
            matches!(captured, Ok(Ok(()))),
            "a quarter of a second through a queue of 50 ms"
        );
    }
}
