//! A layer of LSTM cells that hears a stretch forwards and backwards.

use ndarray::{Array1, Array2, ArrayView2, s};

use super::weights::{SpeakerModelError, Weights};

/// Cells of each direction.
pub(super) const CELLS: usize = 128;
const GATES: usize = 4 * CELLS;

struct Direction {
    from_input: Array2<f32>,
    /// By cell that is heard: the gates of all cells.
    from_state: Vec<f32>,
    bias: Array1<f32>,
}

pub(super) struct Layer {
    forwards: Direction,
    backwards: Direction,
}

impl Direction {
    fn load(weights: &Weights<'_>, suffix: &str, inputs: usize) -> Result<Self, SpeakerModelError> {
        let name = |part: &str| format!("segmentation.lstm.{part}_{suffix}");
        let biases = (
            weights.numbers(&name("bias_ih"), &[GATES])?,
            weights.numbers(&name("bias_hh"), &[GATES])?,
        );
        let from_state = weights.matrix(&name("weight_hh"), GATES, CELLS)?;
        Ok(Self {
            from_input: weights.matrix(&name("weight_ih"), GATES, inputs)?,
            from_state: from_state.into_raw_vec_and_offset().0,
            bias: biases.0.iter().zip(&biases.1).map(|(a, b)| a + b).collect(),
        })
    }

    fn apply(
        &self,
        input: ArrayView2<'_, f32>,
        order: impl Iterator<Item = usize>,
        output: &mut Array2<f32>,
        at: usize,
    ) {
        let projected = input.dot(&self.from_input) + &self.bias;
        let (mut hidden, mut cell) = ([0.0_f32; CELLS], [0.0_f32; CELLS]);
        let mut gates = [0.0_f32; GATES];
        for step in order {
            for (gate, value) in gates.iter_mut().zip(projected.row(step)) {
                *gate = *value;
            }
            // Four cells at once: the sums are read and written a quarter as often.
            let rows = self.from_state.chunks_exact(4 * GATES);
            for (heard, rows) in hidden.as_chunks::<4>().0.iter().zip(rows) {
                let (a, rest) = rows.split_at(GATES);
                let (b, rest) = rest.split_at(GATES);
                let (c, d) = rest.split_at(GATES);
                for (index, gate) in gates.iter_mut().enumerate() {
                    *gate +=
                        heard[0] * a[index] + heard[1] * b[index] + heard[2] * c[index] + heard[3] * d[index];
                }
            }
            // Gates in the order input, forget, candidate, output.
            for index in 0..CELLS {
                let gate = |number: usize| gates[number * CELLS + index];
                cell[index] = sigmoid(gate(1)) * cell[index] + sigmoid(gate(0)) * gate(2).tanh();
                hidden[index] = sigmoid(gate(3)) * cell[index].tanh();
            }
            let mut into = output.slice_mut(s![step, at..at + CELLS]);
            into.iter_mut()
                .zip(&hidden)
                .for_each(|(into, hidden)| *into = *hidden);
        }
    }
}

impl Layer {
    pub(super) fn load(
        weights: &Weights<'_>,
        number: usize,
        inputs: usize,
    ) -> Result<Self, SpeakerModelError> {
        Ok(Self {
            forwards: Direction::load(weights, &format!("l{number}"), inputs)?,
            backwards: Direction::load(weights, &format!("l{number}_reverse"), inputs)?,
        })
    }

    /// `[steps, inputs]` to `[steps, 256]`.
    pub(super) fn apply(&self, input: ArrayView2<'_, f32>) -> Array2<f32> {
        let steps = input.nrows();
        let mut output = Array2::zeros((steps, 2 * CELLS));
        self.forwards.apply(input, 0..steps, &mut output, 0);
        self.backwards.apply(input, (0..steps).rev(), &mut output, CELLS);
        output
    }
}

fn sigmoid(value: f32) -> f32 {
    1.0 / (1.0 + (-value).exp())
}
