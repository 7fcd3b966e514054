//! Conversion between any two rates by a windowed-sinc filter whose phase is an exact fraction, so
//! that streams of any length stay in step: 10 ms in are 10 ms out. For the rates Opus does not know.

use std::f64::consts::PI;

/// Zero crossings of the filter on either side. With the window below: stop band under -80 dB.
const HALF_WIDTH: usize = 16;
/// Stored phases between two input samples; between these the coefficients are interpolated.
const PHASES: usize = 256;
/// The pass band as a share of the lower of the two half rates.
const PASS_BAND: f64 = 0.94;

pub(crate) struct Resampler {
    channels: usize,
    taps: usize,
    /// `PHASES + 1` filters of `taps` coefficients, in the order in which samples come.
    filters: Vec<f32>,
    /// Input not yet fully used, channels interleaved.
    history: Vec<f32>,
    /// Where the next output lies after the first frame of the history, in `1 / out_step` frames.
    position: u64,
    in_step: u64,
    out_step: u64,
}

impl Resampler {
    pub(crate) fn new(in_hz: u32, out_hz: u32, channels: usize) -> Self {
        let common = gcd(in_hz, out_hz);
        let cutoff = PASS_BAND * (f64::from(out_hz) / f64::from(in_hz)).min(1.0);
        let half = (HALF_WIDTH as f64 / cutoff.min(1.0)).ceil() as usize;
        let taps = 2 * half;
        Self {
            channels,
            taps,
            filters: filters(half, cutoff),
            history: vec![0.0; (taps - 1) * channels],
            position: 0,
            in_step: u64::from(in_hz / common),
            out_step: u64::from(out_hz / common),
        }
    }

    /// Converts interleaved PCM and appends the result.
    pub(crate) fn process(&mut self, pcm: &[i16], out: &mut Vec<i16>) {
        self.history.extend(pcm.iter().map(|sample| f32::from(*sample)));
        let frames = self.history.len() / self.channels;
        let mut filter = vec![0.0_f32; self.taps];
        loop {
            let first = (self.position / self.out_step) as usize;
            if first + self.taps > frames {
                break;
            }
            let phase = (self.position % self.out_step) as f64 / self.out_step as f64 * PHASES as f64;
            self.interpolate(phase, &mut filter);
            let window = &self.history[first * self.channels..(first + self.taps) * self.channels];
            for channel in 0..self.channels {
                let samples = window.iter().skip(channel).step_by(self.channels);
                let sum: f32 = samples
                    .zip(&filter)
                    .map(|(sample, coefficient)| sample * coefficient)
                    .sum();
                out.push(sum.round().clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16);
            }
            self.position += self.in_step;
        }
        let used = ((self.position / self.out_step) as usize).min(frames);
        self.history.drain(..used * self.channels);
        self.position -= used as u64 * self.out_step;
    }

    fn interpolate(&self, phase: f64, filter: &mut [f32]) {
        let index = (phase as usize).min(PHASES - 1);
        let share = (phase - index as f64) as f32;
        let pair = &self.filters[index * self.taps..(index + 2) * self.taps];
        let (low, high) = pair.split_at(self.taps);
        for ((coefficient, low), high) in filter.iter_mut().zip(low).zip(high) {
            *coefficient = low + (high - low) * share;
        }
    }
}

/// All phases of the filter, each scaled to unity gain at zero frequency.
fn filters(half: usize, cutoff: f64) -> Vec<f32> {
    let taps = 2 * half;
    let mut all = Vec::with_capacity((PHASES + 1) * taps);
    for phase in 0..=PHASES {
        let centre = half as f64 - 1.0 + phase as f64 / PHASES as f64;
        let filter: Vec<f64> = (0..taps)
            .map(|tap| {
                let x = tap as f64 - centre;
                sinc(x * cutoff) * blackman(x / half as f64)
            })
            .collect();
        let gain: f64 = filter.iter().sum();
        all.extend(filter.iter().map(|coefficient| (coefficient / gain) as f32));
    }
    all
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else {
        (PI * x).sin() / (PI * x)
    }
}

/// The Blackman window over -1..1.
fn blackman(x: f64) -> f64 {
    if x.abs() >= 1.0 {
        0.0
    } else {
        0.42 + 0.5 * (PI * x).cos() + 0.08 * (2.0 * PI * x).cos()
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::{super::test_tone::*, *};

    #[test]
    fn every_ten_milliseconds_stay_ten_milliseconds() {
        for (in_hz, out_hz) in [
            (48_000, 44_100),
            (44_100, 48_000),
            (48_000, 32_000),
            (24_000, 22_050),
        ] {
            let mut resampler = Resampler::new(in_hz, out_hz, 2);
            for tick in 1..=1_000 {
                let mut out = Vec::new();
                resampler.process(&vec![0; in_hz as usize / 50], &mut out);
                let exact = f64::from(out_hz) / 100.0;
                let got = out.len() as f64 / 2.0;
                assert!(
                    (got - exact).abs() < 1.0,
                    "{got} frames in tick {tick} of {in_hz} -> {out_hz}"
                );
            }
        }
        let mut resampler = Resampler::new(48_000, 11_025, 1);
        let mut out = Vec::new();
        (0..100).for_each(|_| resampler.process(&[0; 480], &mut out));
        assert_eq!(out.len(), 11_025);
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_its_strength_and_what_is_too_high_vanishes() {
        let mut out = Vec::new();
        Resampler::new(48_000, 44_100, 1).process(&tone(48_000, 1_000.0, 10_000.0, 48_000), &mut out);
        assert!((amplitude_at(&out[4_410..], 44_100, 1_000.0) - 10_000.0).abs() < 20.0);

        let mut out = Vec::new();
        Resampler::new(48_000, 16_000, 1).process(&tone(48_000, 11_000.0, 10_000.0, 48_000), &mut out);
        let loudest = out[1_600..14_400]
            .iter()
            .map(|sample| sample.unsigned_abs())
            .max();
        assert!(
            loudest < Some(10),
            "{loudest:?} is left of a tone beyond the half rate"
        );
    }
}
