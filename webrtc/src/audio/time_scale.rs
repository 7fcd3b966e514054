//! Makes speech a little shorter or longer without changing its pitch: one period of the signal is
//! left out or repeated, cross-faded where it meets itself. Quiet passages take any cut.

use super::{
    format::PcmFormat,
    level::{dbov, mean_square},
};

/// Sound needed to look for a period, in milliseconds: two of the longest.
pub(crate) const NEEDED_MS: u32 = 30;
/// Periods from 400 Hz down to 66 Hz: the range of voices.
const MIN_PERIOD_US: u32 = 2_500;
const MAX_PERIOD_US: u32 = 15_000;
/// What is compared, in milliseconds.
const COMPARED_MS: u32 = 10;
/// How alike two periods must be, of 1.
const ALIKE: f64 = 0.8;
/// Quieter than this, a cut is not heard.
const QUIET_DBOV: u8 = 60;
/// What is cut out of or put into quiet passages.
const QUIET_STEP_MS: u32 = 10;
/// The search looks at every so many hertz of samples first.
const COARSE_HZ: u32 = 8_000;

/// Leaves one period out of the beginning of `pcm`; returns how many samples a channel that were, or
/// none when the signal does not allow it.
pub(crate) fn shorten(pcm: &mut Vec<i16>, format: PcmFormat) -> Option<usize> {
    let period = period(pcm, format)?;
    let samples = period * format.channels;
    fade(pcm, 0, samples, samples, format.channels);
    pcm.drain(samples..2 * samples);
    Some(period)
}

/// Repeats one period at the beginning of `pcm`; returns its length in samples a channel, or none when
/// the signal does not allow it.
pub(crate) fn lengthen(pcm: &mut Vec<i16>, format: PcmFormat) -> Option<usize> {
    let period = period(pcm, format)?;
    let samples = period * format.channels;
    let first: Vec<i16> = pcm[..samples].to_vec();
    // first period, then the second fading into the first, then the second and what follows.
    let mut bridge = [&pcm[samples..2 * samples], &first].concat();
    fade(&mut bridge, 0, samples, samples, format.channels);
    bridge.truncate(samples);
    pcm.splice(samples..samples, bridge);
    Some(period)
}

/// Nobody hears where this is cut.
pub(crate) fn is_quiet(pcm: &[i16]) -> bool {
    dbov(mean_square(pcm)) >= QUIET_DBOV
}

/// Fades `length` samples at `at` into those `ahead` samples later.
fn fade(pcm: &mut [i16], at: usize, ahead: usize, length: usize, channels: usize) {
    let frames = (length / channels).max(1) as i32;
    for n in 0..length {
        let share = (n / channels) as i32;
        let (old, new) = (i32::from(pcm[at + n]), i32::from(pcm[at + n + ahead]));
        pcm[at + n] = ((old * (frames - share) + new * share) / frames) as i16;
    }
}

/// The period at the beginning of `pcm` in samples a channel.
fn period(pcm: &[i16], format: PcmFormat) -> Option<usize> {
    let needed = (format.rate_hz / 1_000 * NEEDED_MS) as usize * format.channels;
    let pcm = pcm.get(..needed)?;
    if is_quiet(pcm) {
        return Some((format.rate_hz / 1_000 * QUIET_STEP_MS) as usize);
    }
    let mono: Vec<f32> = pcm
        .chunks_exact(format.channels)
        .map(|frame| f32::from(frame[0]))
        .collect();
    let samples = |us: u32| (u64::from(format.rate_hz) * u64::from(us) / 1_000_000) as usize;
    let (least, most) = (samples(MIN_PERIOD_US), samples(MAX_PERIOD_US));
    let compared = samples(COMPARED_MS * 1_000);
    let stride = (format.rate_hz / COARSE_HZ).max(1) as usize;
    let coarse = best(&mono, (least..=most).step_by(stride), compared, stride)?.0;
    let around = coarse.saturating_sub(stride).max(least)..=(coarse + stride).min(most);
    let (period, alike) = best(&mono, around, compared, 1)?;
    (alike >= ALIKE).then_some(period)
}

/// The lag at which the signal is most like itself, and how much.
fn best(
    mono: &[f32],
    lags: impl Iterator<Item = usize>,
    compared: usize,
    stride: usize,
) -> Option<(usize, f64)> {
    lags.filter(|lag| lag + compared <= mono.len())
        .map(|lag| {
            (
                lag,
                likeness(&mono[..compared], &mono[lag..lag + compared], stride),
            )
        })
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

/// Normalised cross-correlation.
fn likeness(a: &[f32], b: &[f32], stride: usize) -> f64 {
    let (mut product, mut of_a, mut of_b) = (0.0_f32, 0.0_f32, 0.0_f32);
    for (a, b) in a.iter().zip(b).step_by(stride) {
        product += a * b;
        of_a += a * a;
        of_b += b * b;
    }
    f64::from(product) / (f64::from(of_a) * f64::from(of_b)).sqrt().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::{super::test_tone::*, *};

    #[test]
    fn a_tone_changes_its_length_and_not_its_pitch() {
        for rate_hz in [8_000, 16_000, 48_000] {
            let format = PcmFormat { rate_hz, channels: 1 };
            let mut pcm = tone(rate_hz, 200.0, 8_000.0, rate_hz as usize);
            let cut = shorten(&mut pcm, format).expect("a tone has a period");
            assert_eq!(pcm.len(), rate_hz as usize - cut);
            assert!((pitch_hz(&pcm[..rate_hz as usize / 10], rate_hz) - 200.0).abs() < 2.0);
            let put = lengthen(&mut pcm, format).expect("a tone has a period");
            assert_eq!(pcm.len(), rate_hz as usize - cut + put);
            assert!((pitch_hz(&pcm[..rate_hz as usize / 10], rate_hz) - 200.0).abs() < 2.0);
            let steepest = pcm.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max();
            let natural = 8_000.0 * std::f64::consts::TAU * 200.0 / f64::from(rate_hz);
            assert!(
                f64::from(steepest.unwrap_or(0)) < natural * 1.2,
                "the seam must not click"
            );
        }
    }

    #[test]
    fn silence_takes_any_cut_and_noise_takes_none() {
        let format = PcmFormat {
            rate_hz: 16_000,
            channels: 2,
        };
        let mut silence = vec![0; 1_280];
        assert_eq!(shorten(&mut silence, format), Some(160));
        assert_eq!(silence.len(), 960);
        assert_eq!(shorten(&mut vec![0; 900], format), None, "too little to look at");
        let mut state = 1_u32;
        let mut noise: Vec<i16> = (0..1_280)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 18) as i16
            })
            .map(|sample| sample - 8_192)
            .collect();
        assert_eq!(shorten(&mut noise, format), None);
    }
}
