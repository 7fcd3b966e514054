//! Whether somebody speaks in noise.

use super::{FRAME_SAMPLES, rms};

/// In noise that the loud moments are not further above, Whisper hears less.
const NOISY_DB: usize = 25;
/// The loud moments and the quiet ones: so much is quieter.
const LOUD_SHARE: f64 = 0.95;
const QUIET_SHARE: f64 = 0.05;
/// Levels from a root mean square of one, under which all is silence, to the loudest, each 1 dB.
const LEVELS: usize = 92;

/// How often each level was heard, frame by frame.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    frames: [u32; LEVELS],
    count: u32,
}

impl Levels {
    /// Of all whole frames of an audio.
    pub(crate) fn of(audio: &[i16]) -> Self {
        let mut levels = Self {
            frames: [0; LEVELS],
            count: 0,
        };
        audio
            .chunks_exact(FRAME_SAMPLES)
            .for_each(|frame| levels.hear(frame));
        levels
    }

    /// Takes note of one more frame.
    pub(crate) fn hear(&mut self, frame: &[i16]) {
        self.frames[level(frame)] += 1;
        self.count += 1;
    }

    /// Whether the loud moments are hardly above the quiet ones. In an utterance the pauses around its words are among them.
    pub(crate) fn are_noisy(&self) -> bool {
        self.quiet_and_loud()
            .is_some_and(|(quiet, loud)| loud < quiet + NOISY_DB)
    }

    /// Whether a frame is nearer to the loud moments than to the quiet ones.
    pub(crate) fn are_exceeded_by(&self, frame: &[i16]) -> bool {
        self.quiet_and_loud()
            .is_some_and(|(quiet, loud)| 2 * level(frame) > quiet + loud)
    }

    fn quiet_and_loud(&self) -> Option<(usize, usize)> {
        let at = |share: f64| {
            let mut quieter = (f64::from(self.count) * share) as u32;
            self.frames
                .iter()
                .position(|&frames| match quieter.checked_sub(frames) {
                    Some(rest) => {
                        quieter = rest;
                        false
                    }
                    None => true,
                })
        };
        Some((at(QUIET_SHARE)?, at(LOUD_SHARE)?))
    }
}

fn level(frame: &[i16]) -> usize {
    let db = (20.0 * rms(frame).max(1.0).log10()).round() as usize;
    db.min(LEVELS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_told_by_the_pauses() {
        // A second of voice with 300 ms before it; the noise is so loud.
        let utterance = |noise: i16| -> Vec<i16> {
            let voice = |i: usize| if i < 4_800 { 0 } else { 3_000 };
            (0..20_800)
                .map(|i| (voice(i) + noise) * if i % 2 == 0 { 1 } else { -1 })
                .collect()
        };
        let noisy = [0, 30, 150, 400].map(|noise| Levels::of(&utterance(noise)).are_noisy());
        assert_eq!(noisy, [false, false, false, true]);
        assert!(!Levels::of(&[]).are_noisy());
    }
}
