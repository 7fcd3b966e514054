//! The bounded queue between the ticker and the reader of one stream. Never blocks: a reader who is
//! late loses the oldest frames, and the count of them is kept.
//!
//! Sound comes two frames at a time, every 20 ms, and wakes the reader. Digital silence waits until more of it has come
//! together: most microphones of a meeting are silent most of the time, and waking their readers costs more than all else
//! that is done for them.

use std::{
    borrow::Cow,
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use super::format::PcmFormat;
use crate::audio_frame::AudioFrame;

/// What a queue of "unlimited" size holds at most: one minute.
const MAX_FRAMES: usize = 6_000;

/// Silent frames that may wait for one another: 100 ms, and never more than a quarter of what the queue holds.
const MAX_SILENT_FRAMES: usize = 10;
/// Frames come two at a time: a shorter queue would lose some of a reader who is only a moment late.
const MIN_FRAMES: usize = 4;

/// What silent frames hold, up to 10 ms of eight channels at 192 kHz: nothing is allocated for them.
static SILENCE: [i16; 8 * 1_920] = [0; 8 * 1_920];

/// Frames of one format on their way to one reader.
pub(crate) struct FrameQueue {
    format: PcmFormat,
    max_frames: usize,
    /// So many frames wake the reader, though they are silent.
    silent_batch_frames: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    frames: VecDeque<AudioFrame<'static>>,
    /// No more frames will be added; the reader gets what is left, then the end.
    finished: bool,
    /// The reader is gone.
    abandoned: bool,
    dropped_frames: u64,
    /// Sound is in it that the reader has not been woken for.
    has_sound: bool,
    waker: Option<Waker>,
}

impl FrameQueue {
    /// A queue of `max_frames`, [`MIN_FRAMES`] at least; zero stands for the largest.
    pub(crate) fn new(format: PcmFormat, max_frames: usize) -> Arc<Self> {
        let max_frames = if max_frames == 0 {
            MAX_FRAMES
        } else {
            max_frames.clamp(MIN_FRAMES, MAX_FRAMES)
        };
        Arc::new(Self {
            format,
            max_frames,
            silent_batch_frames: (max_frames / 4).clamp(1, MAX_SILENT_FRAMES),
            state: Mutex::default(),
        })
    }

    pub(crate) fn format(&self) -> PcmFormat {
        self.format
    }

    /// Adds a frame; false when the reader is gone. With the `last` one of those that come together the reader is to be
    /// woken, and joins `readers`: the caller wakes them.
    pub(crate) fn push(&self, samples: &[i16], last: bool, readers: &mut Vec<Waker>) -> bool {
        let has_sound = samples.iter().any(|sample| *sample != 0);
        let data = match SILENCE.get(..samples.len()) {
            Some(silence) if !has_sound => Cow::Borrowed(silence),
            _ => Cow::Owned(samples.to_vec()),
        };
        let frame = AudioFrame {
            data,
            sample_rate: self.format.rate_hz,
            num_channels: self.format.channels as u32,
            samples_per_channel: (samples.len() / self.format.channels) as u32,
        };
        let mut state = self.state.lock();
        if state.abandoned || state.finished {
            return false;
        }
        if state.frames.len() >= self.max_frames {
            state.frames.pop_front();
            state.dropped_frames += 1;
            let dropped_frames = state.dropped_frames;
            if dropped_frames.is_power_of_two() {
                tracing::warn!(dropped_frames, "an audio stream is read too slowly");
            }
        }
        state.frames.push_back(frame);
        state.has_sound |= has_sound;
        if last && (state.has_sound || state.frames.len() >= self.silent_batch_frames) {
            state.has_sound = false;
            readers.extend(state.waker.take());
        }
        true
    }

    /// The track has ended: the reader gets what is queued and then the end.
    pub(crate) fn finish(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.finished = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The reader has gone: what is queued is forgotten and nothing more is taken.
    pub(crate) fn abandon(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.abandoned = true;
            state.frames = VecDeque::new();
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<AudioFrame<'static>>> {
        let mut state = self.state.lock();
        if let Some(frame) = state.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if state.finished || state.abandoned {
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    const FORMAT: PcmFormat = PcmFormat {
        rate_hz: 16_000,
        channels: 1,
    };

    /// Adds a frame and wakes the reader.
    fn push(queue: &FrameQueue, samples: &[i16], last: bool) -> bool {
        let mut readers = Vec::new();
        let taken = queue.push(samples, last, &mut readers);
        readers.into_iter().for_each(Waker::wake);
        taken
    }

    fn next(queue: &FrameQueue) -> Poll<Option<i16>> {
        queue
            .poll_next(&mut Context::from_waker(Waker::noop()))
            .map(|frame| frame.map(|frame| frame.data[0]))
    }

    #[test]
    fn the_oldest_frame_gives_way() {
        let queue = FrameQueue::new(FORMAT, 5);
        for marker in 1..=6 {
            assert!(push(&queue, &[marker; 160], true));
        }
        for marker in 2..=6 {
            assert_eq!(next(&queue), Poll::Ready(Some(marker)));
        }
        assert_eq!(next(&queue), Poll::Pending);
        assert_eq!(queue.state.lock().dropped_frames, 1);
    }

    #[test]
    fn a_finished_track_is_heard_to_its_end() {
        let queue = FrameQueue::new(FORMAT, 2);
        push(&queue, &[1; 160], true);
        queue.finish();
        assert!(!push(&queue, &[2; 160], true));
        assert_eq!(next(&queue), Poll::Ready(Some(1)));
        assert_eq!(next(&queue), Poll::Ready(None));
    }

    #[test]
    fn an_abandoned_queue_ends_at_once() {
        let queue = FrameQueue::new(FORMAT, 2);
        push(&queue, &[1; 160], true);
        queue.abandon();
        assert!(!push(&queue, &[1; 160], true));
        assert_eq!(next(&queue), Poll::Ready(None));
    }

    /// Whether a reader who waits is woken by each of these frames, of which two come at a time.
    fn wakes(queue: &Arc<FrameQueue>, frames: &[i16]) -> Vec<bool> {
        struct Woken(AtomicBool);
        impl std::task::Wake for Woken {
            fn wake(self: Arc<Self>) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(woken.clone());
        let read_all = || while queue.poll_next(&mut Context::from_waker(&waker)).is_ready() {};
        read_all();
        let push = |(at, sample): (usize, &i16)| {
            push(queue, &[*sample; 160], at % 2 == 1);
            let wakes = woken.0.swap(false, Ordering::Relaxed);
            if wakes {
                read_all();
            }
            wakes
        };
        frames.iter().enumerate().map(push).collect()
    }

    #[test]
    fn silence_waits_for_more_of_it_and_sound_for_its_second_frame() {
        let queue = FrameQueue::new(FORMAT, 100);
        let silent = wakes(&queue, &[0; 30]);
        let after: Vec<usize> = (0..30).filter(|at| silent[*at]).collect();
        assert_eq!(after, [9, 19, 29]);
        assert_eq!(
            wakes(&queue, &[0, 0, 1, 0, 1, 1, 0, -1, 0, 0]),
            [false, false, false, true, false, true, false, true, false, false]
        );
    }

    #[test]
    fn a_short_queue_is_read_before_it_is_full() {
        for max_frames in [1, 2, 10] {
            let queue = FrameQueue::new(FORMAT, max_frames);
            assert_eq!(wakes(&queue, &[0, 0, 1, 1]), [false, true, false, true]);
            assert_eq!(queue.state.lock().dropped_frames, 0);
        }
    }

    #[test]
    fn the_end_of_a_silent_track_is_told_at_once() {
        let queue = FrameQueue::new(FORMAT, 100);
        push(&queue, &[0; 160], true);
        queue.finish();
        assert_eq!(next(&queue), Poll::Ready(Some(0)));
        assert_eq!(next(&queue), Poll::Ready(None));
    }

    #[test]
    fn nothing_is_allocated_for_silence() {
        let queue = FrameQueue::new(FORMAT, 4);
        for (sample, allocated) in [(0, false), (-1, true)] {
            push(&queue, &[sample; 160], true);
            let Poll::Ready(Some(frame)) = queue.poll_next(&mut Context::from_waker(Waker::noop())) else {
                panic!("a frame is there");
            };
            assert_eq!(frame.data.as_ref(), [sample; 160]);
            assert_eq!(matches!(frame.data, Cow::Owned(_)), allocated);
        }
    }

    #[test]
    fn even_an_unlimited_queue_has_an_end() {
        let queue = FrameQueue::new(FORMAT, 0);
        for _ in 0..MAX_FRAMES + 5 {
            push(&queue, &[0], true);
        }
        assert_eq!(queue.state.lock().frames.len(), MAX_FRAMES);
    }
}
