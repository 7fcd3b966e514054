//! Tones for tests, and the instruments that find them again.

use std::f64::consts::TAU;

/// A sine of the given rate, frequency, amplitude and length in samples.
pub(crate) fn tone(rate_hz: u32, hz: f64, amplitude: f64, samples: usize) -> Vec<i16> {
    tone_from(rate_hz, hz, amplitude, 0, samples)
}

/// The same from sample `start` of the sine on.
pub(crate) fn tone_from(rate_hz: u32, hz: f64, amplitude: f64, start: usize, samples: usize) -> Vec<i16> {
    (start..start + samples)
        .map(|n| (amplitude * (TAU * hz * n as f64 / f64::from(rate_hz)).sin()).round() as i16)
        .collect()
}

/// The amplitude of one frequency in PCM (Goertzel).
pub(crate) fn amplitude_at(pcm: &[i16], rate_hz: u32, hz: f64) -> f64 {
    let step = TAU * hz / f64::from(rate_hz);
    let (mut before, mut last) = (0.0, 0.0);
    for sample in pcm {
        let next = f64::from(*sample) + 2.0 * step.cos() * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - 2.0 * step.cos() * last * before;
    2.0 * power.max(0.0).sqrt() / pcm.len() as f64
}

/// The frequency of a tone by its rising zero crossings.
pub(crate) fn pitch_hz(pcm: &[i16], rate_hz: u32) -> f64 {
    let rising: Vec<usize> = pcm
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| pair[0] < 0 && pair[1] >= 0)
        .map(|(n, _)| n)
        .collect();
    match (rising.first(), rising.last()) {
        (Some(first), Some(last)) if last > first => {
            (rising.len() - 1) as f64 * f64::from(rate_hz) / (last - first) as f64
        }
        _ => 0.0,
    }
}
