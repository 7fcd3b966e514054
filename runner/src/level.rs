//! How loud a clean recording is where, and where somebody speaks in it.

/// From and to, milliseconds.
pub type Place = (i64, i64);

/// What is as loud is loud or not.
pub const WINDOW_MS: usize = 20;
/// The loudest windows of speech: this share is quieter.
const LOUD_SHARE: f64 = 0.95;
/// A vowel is so much quieter than the loudest at most. At 20 dB a reader's breath behind the last word is speech too.
const VOICE_DB: f64 = 14.0;

/// The mean of the squares; 0 of nothing.
pub fn power(samples: impl ExactSizeIterator<Item = f64>) -> f64 {
    let count = samples.len().max(1) as f64;
    samples.map(|sample| sample * sample).sum::<f64>() / count
}

/// That of each 20 ms, at so many samples a millisecond.
pub fn powers(samples: &[i16], samples_per_ms: usize) -> Vec<f64> {
    samples
        .chunks_exact(WINDOW_MS * samples_per_ms.max(1))
        .map(|window| power(window.iter().map(|&sample| f64::from(sample))))
        .collect()
}

/// The least power of a window that is so many decibels under the loudest.
pub fn threshold(powers: &[f64], under_db: f64) -> f64 {
    let mut audible: Vec<f64> = powers.iter().copied().filter(|&power| power > 1.0).collect();
    audible.sort_unstable_by(f64::total_cmp);
    let loud = audible.get((audible.len() as f64 * LOUD_SHARE) as usize);
    loud.copied().unwrap_or(f64::INFINITY) / 10_f64.powf(under_db / 10.0)
}

/// The stretches of speech in a clean recording. A stretch goes on over a pause under `pause_ms`, and ends with its last vowel.
pub fn stretches(samples: &[i16], samples_per_ms: usize, pause_ms: i64) -> Vec<Place> {
    let powers = powers(samples, samples_per_ms);
    let least = threshold(&powers, VOICE_DB);
    let mut places: Vec<Place> = Vec::new();
    for (window, _) in powers.iter().enumerate().filter(|(_, power)| **power >= least) {
        let at = (window * WINDOW_MS) as i64;
        let to = at + WINDOW_MS as i64;
        match places.last_mut() {
            Some(last) if at - last.1 < pause_ms => last.1 = to,
            _ => places.push((at, to)),
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_goes_on_over_a_pause_and_ends_with_its_voice() {
        let mut samples = vec![3_i16; 16 * 3_000];
        samples[16 * 500..16 * 1_100].fill(5_000);
        samples[16 * 1_300..16 * 1_500].fill(5_000);
        // A breath.
        samples[16 * 1_500..16 * 1_700].fill(800);
        samples[16 * 2_300..16 * 2_400].fill(5_000);
        assert_eq!(stretches(&samples, 16, 600), [(500, 1_500), (2_300, 2_400)]);
        assert_eq!(stretches(&samples, 16, 1_000), [(500, 2_400)]);
    }

    #[test]
    fn silence_has_no_stretch() {
        assert_eq!(stretches(&[0; 16_000], 16, 600), []);
        assert_eq!(stretches(&[], 16, 600), []);
    }
}
