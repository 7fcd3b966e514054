//! The bounded queue between the ticker and the reader of one stream. Never blocks: a reader who is
//! late loses the oldest frames, and the count of them is kept.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

use super::format::PcmFormat;
use crate::audio_frame::AudioFrame;

/// What a queue of "unlimited" size holds at most: one minute.
const MAX_FRAMES: usize = 6_000;

/// Frames of one format on their way to one reader.
pub(crate) struct FrameQueue {
    format: PcmFormat,
    max_frames: usize,
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
    waker: Option<Waker>,
}

impl FrameQueue {
    /// A queue of `max_frames`; zero stands for the largest.
    pub(crate) fn new(format: PcmFormat, max_frames: usize) -> Arc<Self> {
        let max_frames = if max_frames == 0 {
            MAX_FRAMES
        } else {
            max_frames.min(MAX_FRAMES)
        };
        Arc::new(Self {
            format,
            max_frames,
            state: Mutex::default(),
        })
    }

    pub(crate) fn format(&self) -> PcmFormat {
        self.format
    }

    /// Adds a frame; false when the reader is gone.
    pub(crate) fn push(&self, samples: &[i16]) -> bool {
        let frame = AudioFrame {
            data: samples.to_vec().into(),
            sample_rate: self.format.rate_hz,
            num_channels: self.format.channels as u32,
            samples_per_channel: (samples.len() / self.format.channels) as u32,
        };
        let waker = {
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
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
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
    use super::*;

    const FORMAT: PcmFormat = PcmFormat {
        rate_hz: 16_000,
        channels: 1,
    };

    fn next(queue: &FrameQueue) -> Poll<Option<i16>> {
        queue
            .poll_next(&mut Context::from_waker(Waker::noop()))
            .map(|frame| frame.map(|frame| frame.data[0]))
    }

    #[test]
    fn the_oldest_frame_gives_way() {
        let queue = FrameQueue::new(FORMAT, 2);
        for marker in 1..=3 {
            assert!(queue.push(&[marker; 160]));
        }
        assert_eq!(next(&queue), Poll::Ready(Some(2)));
        assert_eq!(next(&queue), Poll::Ready(Some(3)));
        assert_eq!(next(&queue), Poll::Pending);
        assert_eq!(queue.state.lock().dropped_frames, 1);
    }

    #[test]
    fn a_finished_track_is_heard_to_its_end() {
        let queue = FrameQueue::new(FORMAT, 2);
        queue.push(&[1; 160]);
        queue.finish();
        assert!(!queue.push(&[2; 160]));
        assert_eq!(next(&queue), Poll::Ready(Some(1)));
        assert_eq!(next(&queue), Poll::Ready(None));
    }

    #[test]
    fn an_abandoned_queue_ends_at_once() {
        let queue = FrameQueue::new(FORMAT, 2);
        queue.push(&[1; 160]);
        queue.abandon();
        assert!(!queue.push(&[1; 160]));
        assert_eq!(next(&queue), Poll::Ready(None));
    }

    #[test]
    fn even_an_unlimited_queue_has_an_end() {
        let queue = FrameQueue::new(FORMAT, 0);
        for _ in 0..MAX_FRAMES + 5 {
            queue.push(&[0]);
        }
        assert_eq!(queue.state.lock().frames.len(), MAX_FRAMES);
    }
}
