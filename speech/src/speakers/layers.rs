//! What both networks are made of. Signals are matrices: a row for each step of time, a column for each channel.

use ndarray::linalg::general_mat_mul;
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, s};

use super::weights::{SpeakerModelError, Weights};

/// As the networks were trained with.
const VARIANCE_FLOOR: f32 = 1e-5;

/// A batch normalisation whose statistics are settled: a factor and a summand for each channel.
pub(super) struct Scaling {
    factors: Vec<f32>,
    summands: Vec<f32>,
}

impl Scaling {
    pub(super) fn load(
        weights: &Weights<'_>,
        name: &str,
        channels: usize,
        is_learned: bool,
    ) -> Result<Self, SpeakerModelError> {
        let read = |part: &str| weights.numbers(&format!("{name}.{part}"), &[channels]);
        let (means, variances) = (read("running_mean")?, read("running_var")?);
        let (factors, summands) = match is_learned {
            true => (read("weight")?, read("bias")?),
            false => (vec![1.0; channels], vec![0.0; channels]),
        };
        let factors: Vec<f32> = factors
            .iter()
            .zip(&variances)
            .map(|(factor, variance)| factor / (variance + VARIANCE_FLOOR).sqrt())
            .collect();
        let summands = summands
            .iter()
            .zip(means.iter().zip(&factors))
            .map(|(summand, (mean, factor))| summand - mean * factor)
            .collect();
        Ok(Self { factors, summands })
    }

    /// Scales each row.
    pub(super) fn apply(&self, mut rows: ArrayViewMut2<'_, f32>) {
        for mut row in rows.rows_mut() {
            for (value, (factor, summand)) in row.iter_mut().zip(self.factors.iter().zip(&self.summands)) {
                *value = *value * factor + summand;
            }
        }
    }

    /// Scales each row and cuts off what is negative.
    pub(super) fn apply_and_cut(&self, mut rows: ArrayViewMut2<'_, f32>) {
        for mut row in rows.rows_mut() {
            for (value, (factor, summand)) in row.iter_mut().zip(self.factors.iter().zip(&self.summands)) {
                *value = (*value * factor + summand).max(0.0);
            }
        }
    }
}

/// A convolution over time, with silence where it looks beyond the edges if it is `padded`.
pub(super) struct Convolution {
    /// By tap: inputs by outputs.
    taps: Vec<Array2<f32>>,
    bias: Option<Array1<f32>>,
    stride: usize,
    dilation: usize,
    is_padded: bool,
}

/// A convolution's form.
#[derive(Clone, Copy)]
pub(super) struct Form {
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    pub(super) taps: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    pub(super) is_padded: bool,
    pub(super) has_bias: bool,
}

impl Convolution {
    pub(super) fn load(weights: &Weights<'_>, name: &str, form: Form) -> Result<Self, SpeakerModelError> {
        let shape = [form.outputs, form.inputs, form.taps];
        let numbers = weights.numbers(&format!("{name}.weight"), &shape)?;
        let tap = |tap| {
            Array2::from_shape_fn((form.inputs, form.outputs), |(input, output)| {
                numbers[(output * form.inputs + input) * form.taps + tap]
            })
        };
        let bias = match form.has_bias {
            true => Some(Array1::from(
                weights.numbers(&format!("{name}.bias"), &[form.outputs])?,
            )),
            false => None,
        };
        Ok(Self {
            taps: (0..form.taps).map(tap).collect(),
            bias,
            stride: form.stride,
            dilation: form.dilation,
            is_padded: form.is_padded,
        })
    }

    pub(super) fn apply(&self, input: ArrayView2<'_, f32>) -> Array2<f32> {
        let reach = (self.taps.len() - 1) * self.dilation;
        let before = if self.is_padded { reach / 2 } else { 0 };
        let whole = input.nrows() + 2 * before;
        let steps = if whole > reach {
            (whole - reach - 1) / self.stride + 1
        } else {
            0
        };
        let outputs = self.taps.first().map_or(0, Array2::ncols);
        let mut sums = Array2::zeros((steps, outputs));
        if let Some(bias) = &self.bias {
            sums += bias;
        }
        for (index, tap) in self.taps.iter().enumerate() {
            // Step `n` hears row `n * stride + offset - before`, where there is such a row.
            let offset = index * self.dilation;
            let first = before.saturating_sub(offset).div_ceil(self.stride);
            let heard = (input.nrows() + before).saturating_sub(offset);
            let last = heard.div_ceil(self.stride).min(steps);
            if first >= last {
                continue;
            }
            let from = first * self.stride + offset - before;
            let to = (last - 1) * self.stride + offset - before + 1;
            let rows = input.slice(s![from..to;self.stride, ..]);
            general_mat_mul(1.0, &rows, tap, 1.0, &mut sums.slice_mut(s![first..last, ..]));
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition, term by term.
    #[test]
    fn convolutions_do_what_their_definition_says() {
        for (taps, stride, dilation, is_padded, rows) in [
            (3, 1, 1, true, 7),
            (5, 2, 1, true, 8),
            (3, 1, 2, true, 5),
            (3, 1, 2, true, 1),
            (5, 1, 1, false, 9),
            (5, 1, 1, false, 3),
        ] {
            let weight =
                |tap: usize, input: usize, output: usize| (tap * 7 + input * 3 + output) as f32 - 4.0;
            let convolution = Convolution {
                taps: (0..taps)
                    .map(|tap| Array2::from_shape_fn((2, 3), |(input, output)| weight(tap, input, output)))
                    .collect(),
                bias: Some(Array1::from(vec![1.0, 2.0, 3.0])),
                stride,
                dilation,
                is_padded,
            };
            let input = Array2::from_shape_fn((rows, 2), |(row, column)| (row * 2 + column) as f32);
            let before = if is_padded { (taps - 1) * dilation / 2 } else { 0 };
            let found = convolution.apply(input.view());
            let steps = (rows + 2 * before)
                .checked_sub((taps - 1) * dilation + 1)
                .map_or(0, |room| room / stride + 1);
            assert_eq!(found.dim(), (steps, 3));
            for step in 0..steps {
                for output in 0..3 {
                    let mut sum = output as f32 + 1.0;
                    for tap in 0..taps {
                        let Some(row) = (step * stride + tap * dilation)
                            .checked_sub(before)
                            .filter(|&row| row < rows)
                        else {
                            continue;
                        };
                        sum += (0..2)
                            .map(|c| input[[row, c]] * weight(tap, c, output))
                            .sum::<f32>();
                    }
                    assert_eq!(
                        found[[step, output]],
                        sum,
                        "{taps} {stride} {dilation} {is_padded}"
                    );
                }
            }
        }
    }
}
