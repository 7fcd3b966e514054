//! The Silero voice detector (16 kHz; github.com/snakers4/silero-vad, MIT) computed in plain Rust from its weights:
//! magnitudes of short spectra, four convolutions over them, one LSTM cell, one score for 32 ms. The weights are those of its
//! ONNX file under their names there, as safetensors. The safetensors file in Silero's own package has other names, and
//! other weights, which take people in the background for voice: it is refused.

use std::path::Path;
use std::sync::Arc;

use realfft::num_complex::Complex32;
use realfft::{RealFftPlanner, RealToComplex};
use safetensors::{Dtype, SafeTensors};

use super::products::Products;

/// Samples that one score is for, at 16 kHz.
pub const CHUNK_SAMPLES: usize = 512;
/// Of the chunk before, the network hears the end again.
const CONTEXT: usize = 64;
/// The end of the input is mirrored, to have whole windows.
const MIRRORED: usize = 64;
const WINDOW: usize = 256;
const HOP: usize = 128;
const BINS: usize = WINDOW / 2 + 1;
const SPECTRA: usize = (CONTEXT + CHUNK_SAMPLES + MIRRORED - WINDOW) / HOP + 1;
const CELLS: usize = 128;
/// Input channels, output channels and stride of the convolutions; each looks at three steps of time.
const CONVOLUTIONS: [(usize, usize, usize); 4] = [(BINS, 128, 1), (128, 64, 2), (64, 64, 2), (64, CELLS, 1)];
const TAPS: usize = 3;
/// The published file has 1.2 MB.
const FILE_MAX_BYTES: u64 = 16 << 20;

/// Why there is no voice model.
#[derive(Debug, thiserror::Error)]
pub enum VoiceModelError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Where it was looked for.
        path: String,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is no file of named tensors.
    #[error("{path} is not a safetensors file")]
    Format {
        /// Where it was looked for.
        path: String,
        /// What is wrong with it.
        #[source]
        source: safetensors::SafeTensorError,
    },
    /// It is another model.
    #[error(
        "{path} is not Silero's 16 kHz voice model: {tensor} is not there as {shape:?} numbers of 32 bits"
    )]
    Shape {
        /// Where it was looked for.
        path: String,
        /// Which tensor.
        tensor: &'static str,
        /// As it has to be.
        shape: Vec<usize>,
    },
}

/// The weights, shared by all detectors; clones are cheap.
#[derive(Clone)]
pub struct VoiceModel(Arc<Weights>);

impl std::fmt::Debug for VoiceModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("VoiceModel")
    }
}

struct Weights {
    products: Products,
    spectrum: Arc<dyn RealToComplex<f32>>,
    window: [f32; WINDOW],
    convolutions: [Convolution; 4],
    /// By input: the four gates of all cells.
    from_input: Vec<f32>,
    from_state: Vec<f32>,
    gates: Vec<f32>,
    output: Vec<f32>,
    output_bias: f32,
}

struct Convolution {
    inputs: usize,
    outputs: usize,
    stride: usize,
    /// By tap, then input, then output: the innermost loop runs over neighbours.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl VoiceModel {
    /// Loads the weights of Silero's ONNX file from a safetensors file (`cargo run --package runner -- setup` makes it).
    ///
    /// # Errors
    /// It cannot be read or is something else.
    pub fn load(path: &Path) -> Result<Self, VoiceModelError> {
        let shown = || path.display().to_string();
        let unreadable = |source| VoiceModelError::Unreadable {
            path: shown(),
            source,
        };
        if std::fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX_BYTES {
            return Err(unreadable(std::io::Error::other("larger than 16 MiB")));
        }
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|source| VoiceModelError::Format {
            path: shown(),
            source,
        })?;
        let read = |tensor: &'static str, shape: &[usize]| -> Result<Vec<f32>, VoiceModelError> {
            let found = tensors
                .tensor(tensor)
                .ok()
                .filter(|found| found.dtype() == Dtype::F32 && found.shape() == shape);
            let Some(found) = found else {
                return Err(VoiceModelError::Shape {
                    path: shown(),
                    tensor,
                    shape: shape.to_vec(),
                });
            };
            let numbers = found.data().as_chunks::<4>().0;
            Ok(numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
        };
        let convolution = |index: usize, weights, bias| -> Result<Convolution, VoiceModelError> {
            let (inputs, outputs, stride) = CONVOLUTIONS[index];
            let by_output = read(weights, &[outputs, inputs, TAPS])?;
            Ok(Convolution {
                inputs,
                outputs,
                stride,
                weights: (0..TAPS * inputs * outputs)
                    .map(|index| {
                        let (tap, input) = (index / (inputs * outputs), index / outputs % inputs);
                        by_output[(index % outputs * inputs + input) * TAPS + tap]
                    })
                    .collect(),
                bias: read(bias, &[outputs])?,
            })
        };
        let gates = 4 * CELLS;
        let biases = (
            read("model.decoder.rnn.bias_ih", &[gates])?,
            read("model.decoder.rnn.bias_hh", &[gates])?,
        );
        Ok(Self(Arc::new(Weights {
            products: Products::new(),
            spectrum: RealFftPlanner::new().plan_fft_forward(WINDOW),
            window: std::array::from_fn(|n| {
                let turn = std::f32::consts::TAU * n as f32 / WINDOW as f32;
                0.5 - 0.5 * turn.cos()
            }),
            convolutions: [
                convolution(
                    0,
                    "model.encoder.0.reparam_conv.weight",
                    "model.encoder.0.reparam_conv.bias",
                )?,
                convolution(
                    1,
                    "model.encoder.1.reparam_conv.weight",
                    "model.encoder.1.reparam_conv.bias",
                )?,
                convolution(
                    2,
                    "model.encoder.2.reparam_conv.weight",
                    "model.encoder.2.reparam_conv.bias",
                )?,
                convolution(
                    3,
                    "model.encoder.3.reparam_conv.weight",
                    "model.encoder.3.reparam_conv.bias",
                )?,
            ],
            from_input: transposed(
                &read("model.decoder.rnn.weight_ih", &[gates, CELLS])?,
                gates,
                CELLS,
            ),
            from_state: transposed(
                &read("model.decoder.rnn.weight_hh", &[gates, CELLS])?,
                gates,
                CELLS,
            ),
            gates: biases.0.iter().zip(&biases.1).map(|(a, b)| a + b).collect(),
            output: read("model.decoder.decoder.2.weight", &[1, CELLS, 1])?,
            output_bias: read("model.decoder.decoder.2.bias", &[1])?[0],
        })))
    }

    /// The network alone, for a track that begins now.
    pub fn network(&self) -> VoiceNetwork {
        VoiceNetwork {
            weights: self.0.clone(),
            context: [0.0; CONTEXT],
            hidden: [0.0; CELLS],
            cell: [0.0; CELLS],
        }
    }
}

/// Rows as columns.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    (0..columns)
        .flat_map(|column| (0..rows).map(move |row| matrix[row * columns + column]))
        .collect()
}

/// The network with what it remembers of one track.
pub struct VoiceNetwork {
    weights: Arc<Weights>,
    context: [f32; CONTEXT],
    hidden: [f32; CELLS],
    cell: [f32; CELLS],
}

impl std::fmt::Debug for VoiceNetwork {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("VoiceNetwork")
    }
}

impl VoiceNetwork {
    /// How likely there is voice in the next 32 ms, 0 to 1; samples are in -1 to 1.
    pub fn score(&mut self, chunk: &[f32; CHUNK_SAMPLES]) -> f32 {
        let weights = self.weights.clone();
        let mut features = self.spectra(chunk);
        for convolution in &weights.convolutions {
            features = convolution.apply(weights.products, &features);
        }
        self.remember(&weights, &features);
        let heard = self.hidden.iter().zip(&weights.output);
        let sum: f32 = heard.map(|(hidden, weight)| hidden.max(0.0) * weight).sum();
        sigmoid(sum + weights.output_bias)
    }

    /// The magnitudes of the spectra, one after the other.
    fn spectra(&mut self, chunk: &[f32; CHUNK_SAMPLES]) -> Vec<f32> {
        let mut samples = Vec::with_capacity(CONTEXT + CHUNK_SAMPLES + MIRRORED);
        samples.extend_from_slice(&self.context);
        samples.extend_from_slice(chunk);
        self.context.copy_from_slice(&chunk[CHUNK_SAMPLES - CONTEXT..]);
        let last = samples.len() - 1;
        samples.extend_from_within(last - MIRRORED..last);
        samples[last + 1..].reverse();
        let mut magnitudes = Vec::with_capacity(SPECTRA * BINS);
        let mut bins = [Complex32::default(); BINS];
        for start in (0..SPECTRA).map(|spectrum| spectrum * HOP) {
            let mut windowed: [f32; WINDOW] =
                std::array::from_fn(|n| samples[start + n] * self.weights.window[n]);
            // It fails only on wrong lengths, and these are constants; silence would be heard then.
            if self.weights.spectrum.process(&mut windowed, &mut bins).is_err() {
                bins.fill(Complex32::default());
            }
            magnitudes.extend(bins.iter().map(|bin| bin.norm_sqr().sqrt()));
        }
        magnitudes
    }

    /// The LSTM cell: gates in the order input, forget, candidate, output.
    fn remember(&mut self, weights: &Weights, features: &[f32]) {
        let mut gates = weights.gates.clone();
        let mut add =
            |inputs: &[f32], matrix| weights.products.add(&mut gates, 4 * CELLS, inputs, CELLS, matrix);
        add(&features[..CELLS], &weights.from_input);
        add(&self.hidden, &weights.from_state);
        for index in 0..CELLS {
            let gate = |number: usize| gates[number * CELLS + index];
            self.cell[index] = sigmoid(gate(1)) * self.cell[index] + sigmoid(gate(0)) * tanh(gate(2));
            self.hidden[index] = sigmoid(gate(3)) * tanh(self.cell[index]);
        }
    }
}

impl Convolution {
    /// Over time, with one step of silence on both sides; negative results are cut off.
    fn apply(&self, products: Products, features: &[f32]) -> Vec<f32> {
        let steps = features.len() / self.inputs;
        let results = steps.div_ceil(self.stride);
        let mut sums: Vec<f32> = self.bias.repeat(results);
        if steps == 1 {
            // The taps before and behind it hear nothing.
            let tap = self.inputs * self.outputs;
            products.add(
                &mut sums,
                self.outputs,
                features,
                self.inputs,
                &self.weights[tap..2 * tap],
            );
        } else {
            // What one result hears lies together: each tap's step behind the one before.
            let mut heard = vec![0.0; (steps + 2) * self.inputs];
            heard[self.inputs..][..features.len()].copy_from_slice(features);
            products.add(
                &mut sums,
                self.outputs,
                &heard,
                self.stride * self.inputs,
                &self.weights,
            );
        }
        for sum in &mut sums {
            *sum = sum.max(0.0);
        }
        sums
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}

/// To a millionth, at a third of the price of the library's, which keeps the last bits of small numbers.
fn tanh(value: f32) -> f32 {
    2.0 * sigmoid(2.0 * value) - 1.0
}
