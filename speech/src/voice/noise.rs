//! Whether somebody speaks in noise.

use super::{FRAME_SAMPLES, rms};

/// In noise that the loud moments are not further above, Whisper hears less.
const NOISY_DB: f64 = 25.0;
/// The loud moments and the quiet ones: so much is quieter.
const LOUD_SHARE: f64 = 0.95;
const QUIET_SHARE: f64 = 0.05;

/// Whether an utterance's loud moments are hardly above its quiet ones. The pauses around its words are part of it.
pub(crate) fn is_noisy(audio: &[i16]) -> bool {
    let mut levels: Vec<f64> = audio.chunks_exact(FRAME_SAMPLES).map(rms).collect();
    levels.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| levels.get((levels.len() as f64 * share) as usize).copied();
    match (at(QUIET_SHARE), at(LOUD_SHARE)) {
        (Some(quiet), Some(loud)) => loud < quiet.max(1.0) * 10_f64.powf(NOISY_DB / 20.0),
        _ => false,
    }
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
        let noisy = [0, 30, 150, 400].map(|noise| is_noisy(&utterance(noise)));
        assert_eq!(noisy, [false, false, false, true]);
        assert!(!is_noisy(&[]));
    }
}
