//! Where somebody speaks in a clean recording, told from its level: the truth that detectors are held against.

use runner::level;
pub use runner::level::power;
use runner::level::threshold;

use super::SAMPLES_PER_MS;

/// The grain of the truth.
pub const FRAME_MS: usize = level::WINDOW_MS;
/// Samples of a frame.
pub const FRAME_SAMPLES: usize = FRAME_MS * SAMPLES_PER_MS;
/// A frame is speech down to so much under the loudest ones: consonants are that quiet.
const SPEECH_DB: f64 = 25.0;
/// Whoever pauses for less may only look for the next word.
const STRETCH_PAUSE_MS: i64 = 1_000;
/// A stop consonant is a hole in the sound, not in the speech.
const HOLE_FRAMES: usize = 150 / FRAME_MS;
/// Around speech nobody can say whether it is speech.
const DOUBTFUL_FRAMES: usize = 100 / FRAME_MS;

/// What there is to hear in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody speaks.
    Speech,
    /// Nobody speaks.
    Pause,
    /// Too near to either.
    Doubtful,
}

fn powers(samples: &[i16]) -> Vec<f64> {
    level::powers(samples, SAMPLES_PER_MS)
}

/// Frame by frame (20 ms), what there is to hear in a clean recording.
pub fn heard(samples: &[i16]) -> Vec<Heard> {
    let powers = powers(samples);
    let least = threshold(&powers, SPEECH_DB);
    let mut speech: Vec<bool> = powers.iter().map(|&power| power >= least).collect();
    fill_holes(&mut speech);
    let near = |frame: usize| {
        let from = frame.saturating_sub(DOUBTFUL_FRAMES);
        let to = (frame + DOUBTFUL_FRAMES + 1).min(speech.len());
        speech[from..to].iter().any(|&is_speech| is_speech)
    };
    (0..speech.len())
        .map(|frame| match speech[frame] {
            true => Heard::Speech,
            false if near(frame) => Heard::Doubtful,
            false => Heard::Pause,
        })
        .collect()
}

/// Where each stretch of a clean recording's speech ends, in samples. A stretch goes on over a pause under a second. It ends with
/// its last word, not with the breath behind it, which is louder than a consonant may be.
pub fn stretch_ends(samples: &[i16]) -> Vec<usize> {
    let stretches = level::stretches(samples, SAMPLES_PER_MS, STRETCH_PAUSE_MS);
    let ends = stretches.into_iter().map(|(_, to)| to);
    ends.filter_map(|to| usize::try_from(to).ok())
        .map(|to| to * SAMPLES_PER_MS)
        .collect()
}

fn fill_holes(speech: &mut [bool]) {
    let mut last: Option<usize> = None;
    for frame in 0..speech.len() {
        if !speech[frame] {
            continue;
        }
        if let Some(before) = last.filter(|before| frame - before <= HOLE_FRAMES + 1) {
            speech[before..frame].fill(true);
        }
        last = Some(frame);
    }
}

/// The mean power where somebody speaks; 0 where nobody does.
pub fn active_power(samples: &[i16]) -> f64 {
    let powers = powers(samples);
    let least = threshold(&powers, SPEECH_DB);
    let active: Vec<f64> = powers.into_iter().filter(|&power| power >= least).collect();
    active.iter().sum::<f64>() / active.len().max(1) as f64
}

/// The recording with its speech at a level, in decibels of full scale (root mean square of 32768).
pub fn with_level(samples: &[i16], level_db: f64) -> Vec<i16> {
    let power = active_power(samples);
    let wanted = 32_768_f64.powi(2) * 10_f64.powf(level_db / 10.0);
    let gain = if power > 0.0 { (wanted / power).sqrt() } else { 1.0 };
    samples
        .iter()
        .map(|&sample| super::clipped(f64::from(sample) * gain))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(levels: &[f64]) -> Vec<i16> {
        let frame = |&level: &f64| (0..FRAME_SAMPLES).map(move |n| ((n as f64 * 0.5).sin() * level) as i16);
        levels.iter().flat_map(frame).collect()
    }

    #[test]
    fn a_short_hole_is_speech_and_its_surroundings_are_doubtful() {
        let mut levels = vec![0.0; 20];
        levels.extend([8_000.0; 30]);
        levels.extend([0.0; 4]);
        levels.extend([8_000.0; 30]);
        levels.extend([0.0; 20]);
        let heard = heard(&frames(&levels));
        let count = |wanted: Heard| heard.iter().filter(|&&one| one == wanted).count();
        assert_eq!(count(Heard::Speech), 64);
        assert_eq!(count(Heard::Doubtful), 2 * DOUBTFUL_FRAMES);
        assert_eq!(count(Heard::Pause), 40 - 2 * DOUBTFUL_FRAMES);
        assert!(heard[20..84].iter().all(|&one| one == Heard::Speech));
    }

    #[test]
    fn a_stretch_ends_with_its_voice_and_not_with_the_breath_behind_it() {
        let mut levels = vec![0.0; 10];
        levels.extend([8_000.0; 30]);
        levels.extend([0.0; 20]);
        levels.extend([8_000.0; 10]);
        levels.extend([800.0; 10]);
        levels.extend([0.0; 45]);
        levels.extend([8_000.0; 10]);
        let ends = stretch_ends(&frames(&levels));
        assert_eq!(ends, [70 * FRAME_SAMPLES, 135 * FRAME_SAMPLES]);
    }

    #[test]
    fn a_long_hole_is_a_pause() {
        let mut levels = vec![8_000.0; 30];
        levels.extend([0.0; 30]);
        levels.extend([8_000.0; 30]);
        assert_eq!(heard(&frames(&levels))[45], Heard::Pause);
    }

    #[test]
    fn pauses_do_not_count_for_the_level() {
        let mut levels = vec![0.0; 100];
        levels.extend([2_000.0; 50]);
        let loud = with_level(&frames(&levels), -26.0);
        let db = 10.0 * (active_power(&loud) / 32_768_f64.powi(2)).log10();
        assert!((db + 26.0).abs() < 0.1, "{db}");
        assert_eq!(loud[..FRAME_SAMPLES], [0; FRAME_SAMPLES]);
    }

    #[test]
    fn silence_has_no_speech() {
        assert_eq!(heard(&[0; 3 * FRAME_SAMPLES]), [Heard::Pause; 3]);
        assert_eq!(active_power(&[]), 0.0);
    }
}
