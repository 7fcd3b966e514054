//! CAM++ (Wang et al., 2023; trained by 3D-Speaker on 200 000 people's voices, Apache-2.0): what a voice sounds like, as
//! a direction in 192 dimensions. Two stretches of speech by one person point the same way.

use ndarray::{Array1, Array2, ArrayView2, Axis, s};

use super::embedding_front::{Front, OUTPUTS};
use super::fbank::{FilterBank, HOP, WINDOW};
use super::layers::{Convolution, Form, Scaling};
use super::weights::{SpeakerModelError, Weights};

/// Numbers in an embedding.
pub const EMBEDDING_SIZE: usize = 192;
/// Less audio says nothing of a voice.
pub(super) const SHORTEST_SAMPLES: usize = WINDOW + 20 * HOP;
/// What is longer is cut: more says no more.
pub(super) const LONGEST_SAMPLES: usize = 12 * crate::SAMPLE_RATE_HZ as usize;

const FIRST: usize = 128;
const GROWTH: usize = 32;
const NARROW: usize = 4 * GROWTH;
/// Layers and dilation of the blocks.
const BLOCKS: [(usize, usize); 3] = [(12, 1), (24, 2), (16, 2)];
/// The mask of a layer looks at means over so many steps, beside that over all.
const MASK_STEPS: usize = 100;

/// A layer that adds its result to what it has heard as more channels.
struct Dense {
    inputs: usize,
    before: Scaling,
    narrow: Array2<f32>,
    between: Scaling,
    local: Convolution,
    mask: [(Array2<f32>, Array1<f32>); 2],
}

struct Block {
    layers: Vec<Dense>,
    scaling: Scaling,
    halve: Array2<f32>,
}

/// The network with its weights.
pub(super) struct Embedder {
    features: FilterBank,
    front: Front,
    entry: (Convolution, Scaling),
    blocks: Vec<Block>,
    exit: Scaling,
    output: (Array2<f32>, Scaling),
}

impl Dense {
    fn load(
        weights: &Weights<'_>,
        name: &str,
        inputs: usize,
        dilation: usize,
    ) -> Result<Self, SpeakerModelError> {
        let mask = |part: &str, outputs, inputs| -> Result<_, SpeakerModelError> {
            let name = format!("{name}.cam_layer.{part}");
            let bias = weights.numbers(&format!("{name}.bias"), &[outputs])?;
            let matrix = weights.pointwise(&format!("{name}.weight"), outputs, inputs)?;
            Ok((matrix, Array1::from(bias)))
        };
        let form = Form {
            outputs: GROWTH,
            inputs: NARROW,
            taps: 3,
            stride: 1,
            dilation,
            is_padded: true,
            has_bias: false,
        };
        let scaling = |part: &str, channels| {
            Scaling::load(weights, &format!("{name}.{part}.batchnorm"), channels, true)
        };
        Ok(Self {
            inputs,
            before: scaling("nonlinear1", inputs)?,
            narrow: weights.pointwise(&format!("{name}.linear1.weight"), NARROW, inputs)?,
            between: scaling("nonlinear2", NARROW)?,
            local: Convolution::load(weights, &format!("{name}.cam_layer.linear_local"), form)?,
            mask: [
                mask("linear1", NARROW / 2, NARROW)?,
                mask("linear2", GROWTH, NARROW / 2)?,
            ],
        })
    }

    fn apply(&self, input: ArrayView2<'_, f32>) -> Array2<f32> {
        let mut heard = input.to_owned();
        self.before.apply_and_cut(heard.view_mut());
        let mut narrow = heard.dot(&self.narrow);
        self.between.apply_and_cut(narrow.view_mut());
        let mut local = self.local.apply(narrow.view());
        let Some(mean) = narrow.mean_axis(Axis(0)) else {
            return local;
        };
        let stretches = narrow.axis_chunks_iter(Axis(0), MASK_STEPS);
        for (stretch, mut rows) in stretches.zip(local.axis_chunks_iter_mut(Axis(0), MASK_STEPS)) {
            let context = match stretch.mean_axis(Axis(0)) {
                Some(near) => &mean + &near,
                None => mean.clone(),
            };
            let inner = (context.dot(&self.mask[0].0) + &self.mask[0].1).mapv_into(|value| value.max(0.0));
            let mask = (inner.dot(&self.mask[1].0) + &self.mask[1].1).mapv_into(sigmoid);
            rows *= &mask;
        }
        local
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

impl Embedder {
    pub(super) fn load(weights: &Weights<'_>) -> Result<Self, SpeakerModelError> {
        let name = "embedding.xvector";
        let form = Form {
            outputs: FIRST,
            inputs: OUTPUTS,
            taps: 5,
            stride: 2,
            dilation: 1,
            is_padded: true,
            has_bias: false,
        };
        let mut channels = FIRST;
        let mut blocks = Vec::with_capacity(BLOCKS.len());
        for (number, (count, dilation)) in (1..).zip(BLOCKS) {
            let layers: Result<Vec<Dense>, SpeakerModelError> = (0..count)
                .map(|index| {
                    let layer = format!("{name}.block{number}.tdnnd{}", index + 1);
                    Dense::load(weights, &layer, channels + index * GROWTH, dilation)
                })
                .collect();
            channels += count * GROWTH;
            let transit = format!("{name}.transit{number}");
            blocks.push(Block {
                layers: layers?,
                scaling: Scaling::load(weights, &format!("{transit}.nonlinear.batchnorm"), channels, true)?,
                halve: weights.pointwise(&format!("{transit}.linear.weight"), channels / 2, channels)?,
            });
            channels /= 2;
        }
        let scaling = |part: &str, channels, is_learned| {
            Scaling::load(weights, &format!("{name}.{part}.batchnorm"), channels, is_learned)
        };
        Ok(Self {
            features: FilterBank::new(),
            front: Front::load(weights)?,
            entry: (
                Convolution::load(weights, &format!("{name}.tdnn.linear"), form)?,
                scaling("tdnn.nonlinear", FIRST, true)?,
            ),
            blocks,
            exit: scaling("out_nonlinear", channels, true)?,
            output: (
                weights.pointwise(
                    &format!("{name}.dense.linear.weight"),
                    EMBEDDING_SIZE,
                    2 * channels,
                )?,
                scaling("dense.nonlinear", EMBEDDING_SIZE, false)?,
            ),
        })
    }

    /// The direction of a voice, its length 1; none of less than [`SHORTEST_SAMPLES`] or of what is no sound.
    pub(super) fn embed(&self, samples: &[f32]) -> Option<[f32; EMBEDDING_SIZE]> {
        if samples.len() < SHORTEST_SAMPLES {
            return None;
        }
        let samples = &samples[..samples.len().min(LONGEST_SAMPLES)];
        let features = self.features.features(samples);
        let mut signal = self.entry.0.apply(self.front.apply(features.view()).view());
        self.entry.1.apply_and_cut(signal.view_mut());
        for block in &self.blocks {
            signal = block.apply(signal);
        }
        self.exit.apply_and_cut(signal.view_mut());
        let count = signal.nrows() as f32;
        let mean = signal.mean_axis(Axis(0))?;
        signal -= &mean;
        let spread = signal.map_axis(Axis(0), |column| {
            let squares: f32 = column.iter().map(|value| value * value).sum();
            (squares / (count - 1.0).max(1.0)).sqrt()
        });
        let statistics = ndarray::concatenate(Axis(0), &[mean.view(), spread.view()]).ok()?;
        let mut output = statistics.dot(&self.output.0).insert_axis(Axis(0));
        self.output.1.apply(output.view_mut());
        unit(output.as_slice()?)
    }
}

/// The same direction with length 1; none of nothing, or of what is no number.
pub(super) fn unit(direction: &[f32]) -> Option<[f32; EMBEDDING_SIZE]> {
    let length = direction.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_finite() || length < 1e-6 {
        return None;
    }
    let mut unit: [f32; EMBEDDING_SIZE] = direction.try_into().ok()?;
    unit.iter_mut().for_each(|value| *value /= length);
    Some(unit)
}

impl Block {
    fn apply(&self, signal: Array2<f32>) -> Array2<f32> {
        let channels = signal.ncols() + self.layers.len() * GROWTH;
        let mut grown = Array2::zeros((signal.nrows(), channels));
        grown.slice_mut(s![.., ..signal.ncols()]).assign(&signal);
        for layer in &self.layers {
            let added = layer.apply(grown.slice(s![.., ..layer.inputs]));
            let place = s![.., layer.inputs..layer.inputs + GROWTH];
            grown.slice_mut(place).assign(&added);
        }
        self.scaling.apply_and_cut(grown.view_mut());
        grown.dot(&self.halve)
    }
}
