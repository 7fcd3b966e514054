//! Misses and false alarms, counted in frames of 20 ms.

use serde::Serialize;
use system_tests::sound::{Heard, level};

/// What a detector made of one noise at one ratio.
#[derive(Debug, Serialize)]
pub(crate) struct Tally {
    detector: &'static str,
    noise: &'static str,
    ratio_db: Option<u32>,
    speech_frames: usize,
    missed_frames: usize,
    pause_frames: usize,
    false_frames: usize,
}

impl Tally {
    pub(crate) fn new(detector: &'static str, noise: &'static str, ratio_db: Option<u32>) -> Self {
        Self {
            detector,
            noise,
            ratio_db,
            speech_frames: 0,
            missed_frames: 0,
            pause_frames: 0,
            false_frames: 0,
        }
    }

    /// Adds what was heard in a recording; the detector judges chunks of so many samples, and its word on the chunk with the
    /// middle of a frame counts. What it said nothing about is no voice.
    pub(crate) fn count(&mut self, heard: &[Heard], is_voice: &[bool], chunk_samples: usize) {
        for (frame, heard) in heard.iter().enumerate() {
            let middle = frame * level::FRAME_SAMPLES + level::FRAME_SAMPLES / 2;
            let is_voice = is_voice.get(middle / chunk_samples).copied().unwrap_or(false);
            match heard {
                Heard::Speech => {
                    self.speech_frames += 1;
                    self.missed_frames += usize::from(!is_voice);
                }
                Heard::Pause => {
                    self.pause_frames += 1;
                    self.false_frames += usize::from(is_voice);
                }
                Heard::Doubtful => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubtful_frames_do_not_count_and_silence_of_the_detector_is_no_voice() {
        let mut tally = Tally::new("d", "none", None);
        let heard = [
            Heard::Pause,
            Heard::Doubtful,
            Heard::Speech,
            Heard::Speech,
            Heard::Speech,
        ];
        // Chunks of 32 ms: the third frame's middle (50 ms) lies in the second one, the fifth's (90 ms) in none.
        tally.count(&heard, &[true, true], 512);
        let counted = (
            tally.pause_frames,
            tally.false_frames,
            tally.speech_frames,
            tally.missed_frames,
        );
        assert_eq!(counted, (1, 1, 3, 2));
    }
}
