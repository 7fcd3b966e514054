//! The front of the segmentation network (Ravanelli and Bengio, 2018): band-pass filters that were learned as pairs of
//! frequencies, two convolutions, and after each the maximum of three steps and a normalisation over time.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, Axis, ShapeBuilder as _};

use super::layers::{Convolution, Form};
use super::weights::{SpeakerModelError, Weights};

const FILTERS: usize = 80;
const TAPS: usize = 251;
const STRIDE: usize = 10;
/// What the front gives for each step of time.
pub(super) const OUTPUTS: usize = 60;
const POOLED: usize = 3;
/// Samples that a step sees, and from one step to the next.
pub(super) const SEEN: usize =
    TAPS + STRIDE * (POOLED - 1 + POOLED * (4 + POOLED - 1 + POOLED * (4 + POOLED - 1)));
pub(super) const STEP: usize = STRIDE * POOLED * POOLED * POOLED;
const LOWEST_HZ: f32 = 50.0;
const NARROWEST_HZ: f32 = 50.0;
/// What remains of negative values.
pub(super) const LEAK: f32 = 0.01;
const VARIANCE_FLOOR: f32 = 1e-5;

/// A normalisation to mean 0 and variance 1 over the stretch that is heard.
struct Normalisation {
    factors: Vec<f32>,
    summands: Vec<f32>,
}

impl Normalisation {
    fn load(weights: &Weights<'_>, name: &str, channels: usize) -> Result<Self, SpeakerModelError> {
        Ok(Self {
            factors: weights.numbers(&format!("{name}.weight"), &[channels])?,
            summands: weights.numbers(&format!("{name}.bias"), &[channels])?,
        })
    }

    fn apply(&self, signal: &mut Array2<f32>) {
        let rows = signal.nrows().max(1) as f32;
        let means = signal.sum_axis(Axis(0)) / rows;
        *signal -= &means;
        let mut squares = vec![0.0_f32; self.factors.len()];
        for row in signal.rows() {
            squares
                .iter_mut()
                .zip(row)
                .for_each(|(sum, value)| *sum += value * value);
        }
        for (sum, factor) in squares.iter_mut().zip(&self.factors) {
            *sum = factor / (*sum / rows + VARIANCE_FLOOR).sqrt();
        }
        for mut row in signal.rows_mut() {
            for (value, (factor, summand)) in row.iter_mut().zip(squares.iter().zip(&self.summands)) {
                *value = *value * factor + summand;
            }
        }
    }
}

pub(super) struct SincNet {
    sound: Normalisation,
    filters: Array2<f32>,
    convolutions: [Convolution; 2],
    normalisations: [Normalisation; 3],
}

impl SincNet {
    pub(super) fn load(weights: &Weights<'_>) -> Result<Self, SpeakerModelError> {
        let name = "segmentation.sincnet";
        let convolution = |number: usize, inputs| {
            let form = Form {
                outputs: OUTPUTS,
                inputs,
                taps: 5,
                stride: 1,
                dilation: 1,
                is_padded: false,
                has_bias: true,
            };
            Convolution::load(weights, &format!("{name}.conv1d.{number}"), form)
        };
        let normalisation = |number: usize, channels| {
            Normalisation::load(weights, &format!("{name}.norm1d.{number}"), channels)
        };
        Ok(Self {
            sound: Normalisation::load(weights, &format!("{name}.wav_norm1d"), 1)?,
            filters: filters(weights, &format!("{name}.conv1d.0.filterbank"))?,
            convolutions: [convolution(1, FILTERS)?, convolution(2, OUTPUTS)?],
            normalisations: [
                normalisation(0, FILTERS)?,
                normalisation(1, OUTPUTS)?,
                normalisation(2, OUTPUTS)?,
            ],
        })
    }

    /// Samples to `[steps, 60]`; no step of less than [`SEEN`] samples.
    pub(super) fn apply(&self, samples: &[f32]) -> Array2<f32> {
        if samples.len() < SEEN {
            return Array2::zeros((0, OUTPUTS));
        }
        let mut sound = Array2::from_shape_fn((samples.len(), 1), |(index, _)| samples[index]);
        self.sound.apply(&mut sound);
        let sound = sound.into_raw_vec_and_offset().0;
        let steps = (sound.len() - TAPS) / STRIDE + 1;
        let mut signal = Array2::zeros((steps, FILTERS));
        // Rows overlap: each hears 251 samples, 10 further than the one before.
        if let Ok(rows) = ArrayView2::from_shape((steps, TAPS).strides((STRIDE, 1)), &sound) {
            general_mat_mul(1.0, &rows, &self.filters, 0.0, &mut signal);
        }
        signal.mapv_inplace(f32::abs);
        signal = self.pooled(&signal, 0);
        for (number, convolution) in (1..).zip(&self.convolutions) {
            signal = self.pooled(&convolution.apply(signal.view()), number);
        }
        signal
    }

    /// The maximum of each three steps, normalised.
    fn pooled(&self, signal: &Array2<f32>, number: usize) -> Array2<f32> {
        let mut pooled = Array2::from_elem((signal.nrows() / POOLED, signal.ncols()), f32::MIN);
        for (mut into, rows) in pooled
            .rows_mut()
            .into_iter()
            .zip(signal.axis_chunks_iter(Axis(0), POOLED))
        {
            for row in rows.rows() {
                into.iter_mut()
                    .zip(row)
                    .for_each(|(into, value)| *into = into.max(*value));
            }
        }
        self.normalisations[number].apply(&mut pooled);
        pooled.mapv_into(leaky)
    }
}

pub(super) fn leaky(value: f32) -> f32 {
    if value < 0.0 { LEAK * value } else { value }
}

/// The filters: for each pair of frequencies an even and an odd one, as columns.
fn filters(weights: &Weights<'_>, name: &str) -> Result<Array2<f32>, SpeakerModelError> {
    let (pairs, half) = (FILTERS / 2, TAPS / 2);
    let low = weights.numbers(&format!("{name}.low_hz_"), &[pairs, 1])?;
    let band = weights.numbers(&format!("{name}.band_hz_"), &[pairs, 1])?;
    let window = weights.numbers(&format!("{name}.window_"), &[half])?;
    // The left half's times, in turns of one hertz.
    let times = weights.numbers(&format!("{name}.n_"), &[1, half])?;
    let mut filters = Array2::zeros((TAPS, FILTERS));
    for pair in 0..pairs {
        let low = LOWEST_HZ + low[pair].abs();
        let high =
            (low + NARROWEST_HZ + band[pair].abs()).clamp(LOWEST_HZ, crate::SAMPLE_RATE_HZ as f32 / 2.0);
        let width = 2.0 * (high - low);
        for tap in 0..half {
            let (low, high) = (low * times[tap], high * times[tap]);
            let scale = window[tap] / (times[tap] / 2.0) / width;
            let (even, odd) = ((high.sin() - low.sin()) * scale, (low.cos() - high.cos()) * scale);
            filters[[tap, pair]] = even;
            filters[[TAPS - 1 - tap, pair]] = even;
            filters[[tap, pairs + pair]] = odd;
            filters[[TAPS - 1 - tap, pairs + pair]] = -odd;
        }
        filters[[half, pair]] = 1.0;
    }
    Ok(filters)
}
