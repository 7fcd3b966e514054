//! 16 kHz as the 24 kHz that the service hears: three samples for two, by a windowed sinc. A sample depends on its neighbours
//! alone, so an utterance that is sent in pieces is the same as one that is sent at once. Pure.

use std::f64::consts::PI;
use std::sync::LazyLock;
use std::time::Duration;

/// Neighbours on each side.
const REACH: usize = 12;
const TAPS: usize = 2 * REACH;

/// For the three places that a new sample may have between two old ones: the weight of each neighbour.
static WEIGHTS: LazyLock<[[f64; TAPS]; 3]> = LazyLock::new(|| {
    std::array::from_fn(|phase| {
        let between = phase as f64 * 2.0 / 3.0 % 1.0;
        let weight = |tap: usize| {
            // From the neighbour to the new sample; Hann's window ends with the reach.
            let distance = between + (REACH as f64 - 1.0) - tap as f64;
            let sinc = if distance.abs() < 1e-9 {
                1.0
            } else {
                (PI * distance).sin() / (PI * distance)
            };
            sinc * (0.5 + 0.5 * (PI * distance / (REACH as f64 + 1.0)).cos())
        };
        let weights: [f64; TAPS] = std::array::from_fn(weight);
        let sum: f64 = weights.iter().sum();
        weights.map(|weight| weight / sum)
    })
});

/// How many new samples there are for so many old ones.
pub(super) fn len(samples: usize) -> usize {
    samples * 3 / 2
}

/// How long so many new samples are.
pub(super) fn length(samples: usize) -> Duration {
    Duration::from_micros(samples as u64 * 1_000 / 24)
}

/// How many of them do not change any more when the audio grows.
pub(super) fn settled(samples: usize) -> usize {
    len(samples.saturating_sub(REACH + 1))
}

/// The new samples from one place to another.
pub(super) fn convert(audio: &[i16], from: usize, to: usize) -> Vec<i16> {
    (from..to)
        .map(|at| {
            let before = at * 2 / 3;
            let weights = &WEIGHTS[at % 3];
            let sum: f64 = weights
                .iter()
                .enumerate()
                .map(|(tap, weight)| {
                    let neighbour = (before + tap + 1).checked_sub(REACH).and_then(|at| audio.get(at));
                    weight * f64::from(neighbour.copied().unwrap_or_default())
                })
                .sum();
            sum.round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch_and_its_loudness() {
        let tone = |rate: f64, len: usize| -> Vec<f64> {
            (0..len)
                .map(|at| (at as f64 / rate * 1_000.0 * std::f64::consts::TAU).sin() * 10_000.0)
                .collect()
        };
        let audio: Vec<i16> = tone(16_000.0, 16_000).into_iter().map(|s| s as i16).collect();
        let heard = convert(&audio, 0, len(audio.len()));
        let expected = tone(24_000.0, 24_000);
        // The ends have no neighbours.
        for at in 100..23_900 {
            let off = (f64::from(heard[at]) - expected[at]).abs();
            assert!(off < 100.0, "{} at {at} instead of {}", heard[at], expected[at]);
        }
    }

    proptest! {
        #[test]
        fn pieces_of_growing_audio_are_the_whole(
            audio in prop::collection::vec(any::<i16>(), 0..400),
            cuts in prop::collection::vec(0..400usize, 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|&cut| cut <= audio.len()).collect();
            cuts.sort_unstable();
            let (mut pieces, mut sent) = (Vec::new(), 0);
            for cut in cuts {
                let to = settled(cut).max(sent);
                pieces.extend(convert(&audio[..cut], sent, to));
                sent = to;
            }
            pieces.extend(convert(&audio, sent, len(audio.len())));
            prop_assert_eq!(pieces, convert(&audio, 0, len(audio.len())));
        }
    }
}
