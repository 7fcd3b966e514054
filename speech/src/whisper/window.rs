//! How much of its window the encoder computes for an utterance. The less the sooner, but in noise it hears better with more.

/// The encoder's whole window: 30 s at 50 frames a second.
pub(super) const FULL_CONTEXT: i32 = 1500;
const FRAMES_PER_SECOND: usize = 50;
/// The encoder computes in blocks; what does not fill one costs more than what does.
const BLOCK: i32 = 64;

/// The frames that a look needs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// Of silence behind the audio.
    pub(super) spare: i32,
    /// With fewer it is not reliable.
    pub(super) fewest: i32,
}

/// For a partial.
pub(super) const QUICK: Window = Window {
    spare: 64,
    fewest: 192,
};
/// For what may be the record. In the quiet more only costs: under three points of word error rate for five sixths of the time.
const CAREFUL: Window = Window {
    spare: 128,
    fewest: 384,
};
/// For the same in noise.
const NOISY: Window = Window {
    spare: 128,
    fewest: 1024,
};

impl Window {
    /// For an utterance that may become the record.
    pub(super) fn careful(is_noisy: bool) -> Self {
        if is_noisy { NOISY } else { CAREFUL }
    }

    /// How much audio can come before so much of it at no price: in noise the window is larger than the utterance.
    pub(super) fn room_ms(self, audio_ms: u64) -> u64 {
        let free = self.fewest - self.spare - (audio_ms as usize * FRAMES_PER_SECOND / 1000) as i32;
        (free.max(0) as usize * 1000 / FRAMES_PER_SECOND) as u64
    }

    /// The encoder's frames for so much audio.
    pub(super) fn frames(self, audio_ms: u64) -> i32 {
        let needed = (audio_ms as usize * FRAMES_PER_SECOND / 1000) as i32 + self.spare;
        let blocks = (needed.max(self.fewest) + BLOCK - 1) / BLOCK;
        (blocks * BLOCK).min(FULL_CONTEXT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoder_has_whole_blocks_and_never_too_few() {
        let frames = |ms| QUICK.frames(ms);
        assert_eq!((frames(300), frames(5_000), frames(60_000)), (192, 320, 1500));
        assert_eq!((CAREFUL.frames(300), CAREFUL.frames(6_000)), (384, 448));
        assert_eq!((NOISY.frames(300), NOISY.frames(20_000)), (1024, 1152));
        assert_eq!((NOISY.room_ms(5_000), NOISY.room_ms(20_000)), (12_920, 0));
        assert_eq!(NOISY.frames(5_000 + NOISY.room_ms(5_000)), NOISY.frames(5_000));
        for window in [QUICK, CAREFUL, NOISY] {
            let frames = (0..30_000).step_by(100).map(|ms| window.frames(ms));
            assert!(
                frames
                    .into_iter()
                    .all(|frames| frames % 64 == 0 || frames == 1500)
            );
        }
    }
}
