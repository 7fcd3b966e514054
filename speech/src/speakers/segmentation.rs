//! pyannote's segmentation 3.0 (Plaquet and Bredin, 2023; MIT): who of up to three people speaks when within ten
//! seconds, two of them at once at most. The three are told apart within one stretch only.

use ndarray::{Array1, Array2, Axis};

use super::lstm::{CELLS, Layer};
use super::sincnet::{OUTPUTS, SEEN, STEP, SincNet, leaky};
use super::weights::{SpeakerModelError, Weights};

/// The network was trained on stretches of this length.
pub(super) const STRETCH_SAMPLES: usize = 10 * crate::SAMPLE_RATE_HZ as usize;
/// From one frame to the next.
pub(super) const FRAME_SAMPLES: usize = STEP;
/// The middle of the first frame.
pub(super) const FIRST_MIDDLE: usize = SEEN / 2;
/// People that are told apart.
pub(super) const VOICES: usize = 3;
/// Nobody, one of three, two of three.
const CLASSES: usize = 7;
/// Who speaks, by class.
const MEMBERS: [[bool; VOICES]; CLASSES] = [
    [false, false, false],
    [true, false, false],
    [false, true, false],
    [false, false, true],
    [true, true, false],
    [true, false, true],
    [false, true, true],
];

/// Two at once are believed when they are so much less likely than one: the network hears overlaps late, in real meetings most of
/// all, where it missed half of them.
const TOGETHER: f32 = 2.0;

struct Dense {
    matrix: Array2<f32>,
    bias: Array1<f32>,
}

pub(super) struct Segmenter {
    front: SincNet,
    layers: Vec<Layer>,
    dense: [Dense; 2],
    classes: Dense,
}

impl Dense {
    fn load(
        weights: &Weights<'_>,
        name: &str,
        outputs: usize,
        inputs: usize,
    ) -> Result<Self, SpeakerModelError> {
        Ok(Self {
            matrix: weights.matrix(&format!("segmentation.{name}.weight"), outputs, inputs)?,
            bias: Array1::from(weights.numbers(&format!("segmentation.{name}.bias"), &[outputs])?),
        })
    }

    fn apply(&self, signal: &Array2<f32>) -> Array2<f32> {
        signal.dot(&self.matrix) + &self.bias
    }
}

impl Segmenter {
    pub(super) fn load(weights: &Weights<'_>) -> Result<Self, SpeakerModelError> {
        let layers: Result<Vec<Layer>, SpeakerModelError> = (0..4)
            .map(|number| Layer::load(weights, number, if number == 0 { OUTPUTS } else { 2 * CELLS }))
            .collect();
        Ok(Self {
            front: SincNet::load(weights)?,
            layers: layers?,
            dense: [
                Dense::load(weights, "linear.0", CELLS, 2 * CELLS)?,
                Dense::load(weights, "linear.1", CELLS, CELLS)?,
            ],
            classes: Dense::load(weights, "classifier", CLASSES, CELLS)?,
        })
    }

    /// How likely each class is in each frame; samples are in -1 to 1. No frame of less than a sixteenth of a second.
    pub(super) fn classes(&self, samples: &[f32]) -> Array2<f32> {
        let mut signal = self.front.apply(samples);
        for layer in &self.layers {
            signal = layer.apply(signal.view());
        }
        for dense in &self.dense {
            signal = dense.apply(&signal).mapv_into(leaky);
        }
        let mut classes = self.classes.apply(&signal);
        for mut row in classes.axis_iter_mut(Axis(0)) {
            let largest = row.fold(f32::MIN, |largest, value| largest.max(*value));
            row.mapv_inplace(|value| (value - largest).exp());
            let sum = row.sum();
            row /= sum;
        }
        classes
    }

    /// Who speaks in each frame.
    pub(super) fn speaking(&self, samples: &[f32]) -> Vec<[bool; VOICES]> {
        let classes = self.classes(samples);
        let likeliest = classes.axis_iter(Axis(0)).map(|row| {
            let weight = |class: usize| {
                let are_two = MEMBERS[class].iter().filter(|&&speaks| speaks).count() == 2;
                row[class] * if are_two { TOGETHER } else { 1.0 }
            };
            let best = (0..CLASSES).max_by(|&a, &b| weight(a).total_cmp(&weight(b)));
            MEMBERS[best.unwrap_or(0)]
        });
        likeliest.collect()
    }
}
