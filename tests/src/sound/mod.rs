//! Sound that figures are taken with: noise that the program makes, levels, and mixing. 16 kHz mono; the same samples for
//! the same seed on every machine.

pub mod level;
pub mod noise;

pub use level::{Heard, active_power, heard, with_level};
pub use noise::{Noise, Random, babble};

use crate::speech_file::SAMPLE_RATE_HZ;

/// Samples in a millisecond.
pub const SAMPLES_PER_MS: usize = SAMPLE_RATE_HZ as usize / 1000;

/// Speech with noise under it, the noise that many decibels less powerful than the speech: mean power of the noise over its
/// whole length against mean power of the speech where somebody speaks. What exceeds the range is clipped.
pub fn mixed(speech: &[i16], noise: &[f32], signal_to_noise_db: f64) -> Vec<i16> {
    let noise = &noise[..noise.len().min(speech.len())];
    let power = level::power(noise.iter().map(|&sample| f64::from(sample)));
    let wanted = active_power(speech) / 10_f64.powf(signal_to_noise_db / 10.0);
    let gain = if power > 0.0 { (wanted / power).sqrt() } else { 0.0 };
    let noisy = |(&speech, &noise): (&i16, &f32)| clipped(f64::from(speech) + gain * f64::from(noise));
    speech.iter().zip(noise).map(noisy).collect()
}

fn clipped(sample: f64) -> i16 {
    sample.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_noise_is_as_far_below_the_speech_as_asked() {
        // Two seconds of pause, two of a tone.
        let tone = |n: usize| (f64::from(n as u32) * 0.3).sin() * 4_000.0;
        let speech: Vec<i16> = (0..64_000)
            .map(|n| if n < 32_000 { 0 } else { tone(n) as i16 })
            .collect();
        let noise = Noise::White.samples(7, speech.len());
        for wanted_db in [20.0, 10.0, 0.0] {
            let both = mixed(&speech, &noise, wanted_db);
            let added = level::power(both[..32_000].iter().map(|&sample| f64::from(sample)));
            let db = 10.0 * (active_power(&speech) / added).log10();
            assert!((db - wanted_db).abs() < 0.5, "{db} instead of {wanted_db}");
        }
    }
}
