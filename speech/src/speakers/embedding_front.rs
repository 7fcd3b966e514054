//! The front of the embedding network: ten convolutions over time and frequency that make 320 channels of 80 bands.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array2, ArrayView2, ShapeBuilder as _, s};

use super::fbank::BANDS;
use super::layers::Scaling;
use super::weights::{SpeakerModelError, Weights};

const CHANNELS: usize = 32;
const TAPS: usize = 3;
/// What the front gives for each step of time.
pub(super) const OUTPUTS: usize = CHANNELS * BANDS / 8;

/// Three by three over frequency and time; over frequency it may step by two.
struct Plane {
    /// By tap of frequency: three steps of time with their channels, by outputs.
    taps: Vec<Array2<f32>>,
    inputs: usize,
    stride: usize,
    scaling: Scaling,
}

/// A signal: for each frequency its steps of time, each with its channels, and one step of silence at both ends.
struct Signal {
    frequencies: Vec<Vec<f32>>,
    steps: usize,
    channels: usize,
}

impl Signal {
    fn silence(frequencies: usize, steps: usize, channels: usize) -> Self {
        Self {
            frequencies: vec![vec![0.0; (steps + 2) * channels]; frequencies],
            steps,
            channels,
        }
    }

    /// The steps without the silence at the ends.
    fn rows_mut(frequency: &mut [f32], channels: usize, steps: usize) -> &mut [f32] {
        &mut frequency[channels..(steps + 1) * channels]
    }
}

impl Plane {
    fn load(
        weights: &Weights<'_>,
        convolution: &str,
        scaling: &str,
        inputs: usize,
        stride: usize,
    ) -> Result<Self, SpeakerModelError> {
        let numbers = weights.numbers(&format!("{convolution}.weight"), &[CHANNELS, inputs, TAPS, TAPS])?;
        let tap = |frequency: usize| {
            Array2::from_shape_fn((TAPS * inputs, CHANNELS), |(row, output)| {
                let (time, input) = (row / inputs, row % inputs);
                numbers[((output * inputs + input) * TAPS + frequency) * TAPS + time]
            })
        };
        Ok(Self {
            taps: (0..TAPS).map(tap).collect(),
            inputs,
            stride,
            scaling: Scaling::load(weights, scaling, CHANNELS, true)?,
        })
    }

    /// Convolved and scaled, with `shortcut` added; what is negative is cut off.
    fn apply(&self, input: &Signal, shortcut: Option<&Signal>) -> Signal {
        let frequencies = input.frequencies.len().div_ceil(self.stride);
        let mut output = Signal::silence(frequencies, input.steps, CHANNELS);
        let (steps, width) = (input.steps, TAPS * self.inputs);
        for (index, row) in output.frequencies.iter_mut().enumerate() {
            let mut sums = Array2::<f32>::zeros((steps, CHANNELS));
            for (tap, matrix) in self.taps.iter().enumerate() {
                let Some(heard) = (index * self.stride + tap)
                    .checked_sub(1)
                    .and_then(|frequency| input.frequencies.get(frequency))
                else {
                    continue;
                };
                // Each row sees its neighbours too: rows overlap.
                let shape = (steps, width).strides((self.inputs, 1));
                if let Ok(rows) = ArrayView2::from_shape(shape, heard) {
                    general_mat_mul(1.0, &rows, matrix, 1.0, &mut sums);
                }
            }
            self.scaling.apply(sums.view_mut());
            let sums = sums.as_slice().unwrap_or_default();
            let added = shortcut.map(|signal| &signal.frequencies[index][CHANNELS..]);
            let into = Signal::rows_mut(row, CHANNELS, steps);
            for (position, (value, sum)) in into.iter_mut().zip(sums).enumerate() {
                *value = (sum + added.map_or(0.0, |added| added[position])).max(0.0);
            }
        }
        output
    }
}

/// Two planes and a way past them.
struct Residual {
    planes: [Plane; 2],
    /// Where the planes step over frequencies, the way past them does too.
    shortcut: Option<(Array2<f32>, Scaling)>,
}

impl Residual {
    fn load(weights: &Weights<'_>, name: &str, stride: usize) -> Result<Self, SpeakerModelError> {
        let plane = |number: u8, stride| {
            Plane::load(
                weights,
                &format!("{name}.conv{number}"),
                &format!("{name}.bn{number}"),
                CHANNELS,
                stride,
            )
        };
        let shortcut = match stride {
            1 => None,
            _ => {
                let numbers =
                    weights.numbers(&format!("{name}.shortcut.0.weight"), &[CHANNELS, CHANNELS, 1, 1])?;
                let matrix = Array2::from_shape_fn((CHANNELS, CHANNELS), |(input, output)| {
                    numbers[output * CHANNELS + input]
                });
                let scaling = Scaling::load(weights, &format!("{name}.shortcut.1"), CHANNELS, true)?;
                Some((matrix, scaling))
            }
        };
        Ok(Self {
            planes: [plane(1, stride)?, plane(2, 1)?],
            shortcut,
        })
    }

    fn apply(&self, input: &Signal) -> Signal {
        let inner = self.planes[0].apply(input, None);
        let Some((matrix, scaling)) = &self.shortcut else {
            return self.planes[1].apply(&inner, Some(input));
        };
        let mut past = Signal::silence(inner.frequencies.len(), input.steps, CHANNELS);
        let stride = self.planes[0].stride;
        for (row, heard) in past
            .frequencies
            .iter_mut()
            .zip(input.frequencies.iter().step_by(stride))
        {
            let mut sums = Array2::zeros((input.steps, CHANNELS));
            if let Ok(rows) = ArrayView2::from_shape((input.steps, CHANNELS), &heard[CHANNELS..]) {
                general_mat_mul(1.0, &rows, matrix, 0.0, &mut sums);
            }
            scaling.apply(sums.view_mut());
            let sums = sums.as_slice().unwrap_or_default();
            Signal::rows_mut(row, CHANNELS, input.steps).copy_from_slice(sums);
        }
        self.planes[1].apply(&inner, Some(&past))
    }
}

pub(super) struct Front {
    first: Plane,
    residuals: [Residual; 4],
    last: Plane,
}

impl Front {
    pub(super) fn load(weights: &Weights<'_>) -> Result<Self, SpeakerModelError> {
        let residual =
            |name: &str, stride| Residual::load(weights, &format!("embedding.head.{name}"), stride);
        let plane = |number: u8, inputs, stride| {
            let convolution = format!("embedding.head.conv{number}");
            Plane::load(
                weights,
                &convolution,
                &format!("embedding.head.bn{number}"),
                inputs,
                stride,
            )
        };
        Ok(Self {
            first: plane(1, 1, 1)?,
            residuals: [
                residual("layer1.0", 2)?,
                residual("layer1.1", 1)?,
                residual("layer2.0", 2)?,
                residual("layer2.1", 1)?,
            ],
            last: plane(2, CHANNELS, 2)?,
        })
    }

    /// Features `[steps, 80]` to `[steps, 320]`.
    pub(super) fn apply(&self, features: ArrayView2<'_, f32>) -> Array2<f32> {
        let steps = features.nrows();
        let mut signal = Signal::silence(features.ncols(), steps, 1);
        for (row, band) in signal.frequencies.iter_mut().zip(features.columns()) {
            for (value, heard) in Signal::rows_mut(row, 1, steps).iter_mut().zip(band) {
                *value = *heard;
            }
        }
        signal = self.first.apply(&signal, None);
        for residual in &self.residuals {
            signal = residual.apply(&signal);
        }
        signal = self.last.apply(&signal, None);
        let frequencies = signal.frequencies.len();
        let mut joined = Array2::zeros((steps, signal.channels * frequencies));
        for (frequency, heard) in signal.frequencies.iter().enumerate() {
            let Ok(rows) =
                ArrayView2::from_shape((steps, CHANNELS), &heard[CHANNELS..(steps + 1) * CHANNELS])
            else {
                continue;
            };
            joined.slice_mut(s![.., frequency..;frequencies]).assign(&rows);
        }
        joined
    }
}
