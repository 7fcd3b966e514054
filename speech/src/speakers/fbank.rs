//! Kaldi's log mel filter bank, as the embedding network was trained with: 80 bands, 25 ms every 10 ms, no dither.

use std::sync::Arc;

use ndarray::Array2;
use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};

/// Bands of the filter bank.
pub(super) const BANDS: usize = 80;
pub(super) const WINDOW: usize = 400;
pub(super) const HOP: usize = 160;
const SPECTRUM: usize = 512;
/// Kaldi leaves out the highest frequency.
const BINS: usize = SPECTRUM / 2;
const PREEMPHASIS: f32 = 0.97;
const LOWEST_HZ: f32 = 20.0;

pub(super) struct FilterBank {
    spectrum: Arc<dyn RealToComplex<f32>>,
    window: Vec<f32>,
    /// By band: its first bin and its weights.
    bands: Vec<(usize, Vec<f32>)>,
}

/// Kaldi's mel scale.
fn mel(hz: f32) -> f32 {
    1127.0 * (1.0 + hz / 700.0).ln()
}

impl FilterBank {
    pub(super) fn new() -> Self {
        let turn = std::f32::consts::TAU / (WINDOW - 1) as f32;
        let nyquist_hz = crate::SAMPLE_RATE_HZ as f32 / 2.0;
        let lowest = mel(LOWEST_HZ);
        let step = (mel(nyquist_hz) - lowest) / (BANDS + 1) as f32;
        let band = |band: usize| {
            let left = lowest + band as f32 * step;
            let weight = |bin: usize| {
                let at = (mel(bin as f32 * nyquist_hz / BINS as f32) - left) / step;
                at.min(2.0 - at).max(0.0)
            };
            let first = (0..BINS).find(|&bin| weight(bin) > 0.0).unwrap_or(0);
            let weights = (first..BINS).map(weight).take_while(|&weight| weight > 0.0);
            (first, weights.collect())
        };
        Self {
            spectrum: RealFftPlanner::new().plan_fft_forward(SPECTRUM),
            // Hann's window, a little wider: Povey's.
            window: (0..WINDOW)
                .map(|n| (0.5 - 0.5 * (turn * n as f32).cos()).powf(0.85))
                .collect(),
            bands: (0..BANDS).map(band).collect(),
        }
    }

    /// A row for each 10 ms, the mean over time taken off each band. Samples are in the range of 16 bits.
    pub(super) fn features(&self, samples: &[f32]) -> Array2<f32> {
        let rows = (samples.len() + HOP).saturating_sub(WINDOW) / HOP;
        let mut features = Array2::zeros((rows, BANDS));
        let mut frame = vec![0.0; SPECTRUM];
        let mut bins = vec![Complex32::default(); BINS + 1];
        for (index, mut row) in features.rows_mut().into_iter().enumerate() {
            let heard = &samples[index * HOP..index * HOP + WINDOW];
            let mean = heard.iter().sum::<f32>() / WINDOW as f32;
            let mut before = heard[0] - mean;
            for ((value, sample), window) in frame.iter_mut().zip(heard).zip(&self.window) {
                let sample = sample - mean;
                *value = (sample - PREEMPHASIS * before) * window;
                before = sample;
            }
            frame[WINDOW..].fill(0.0);
            // It fails only on wrong lengths, and these are constants; silence would be heard then.
            if self.spectrum.process(&mut frame, &mut bins).is_err() {
                bins.fill(Complex32::default());
            }
            for (value, (first, weights)) in row.iter_mut().zip(&self.bands) {
                let powers = bins[*first..].iter().map(|bin| bin.norm_sqr());
                let power: f32 = powers.zip(weights).map(|(power, weight)| power * weight).sum();
                *value = power.max(f32::EPSILON).ln();
            }
        }
        if let Some(means) = features.mean_axis(ndarray::Axis(0)) {
            features -= &means;
        }
        features
    }
}
