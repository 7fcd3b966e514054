//! Both networks, loaded once for a process.

use std::path::Path;
use std::sync::Arc;

use super::embedding::{EMBEDDING_SIZE, Embedder};
use super::overlaps;
use super::segmentation::Segmenter;
use super::turns::{self, Turns};
use super::weights::{self, SpeakerModelError, Weights};

/// The speaker networks with their weights; clones are cheap.
#[derive(Clone)]
pub struct SpeakerModel(Arc<Networks>);

struct Networks {
    embedder: Embedder,
    segmenter: Segmenter,
}

impl std::fmt::Debug for SpeakerModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("SpeakerModel")
    }
}

impl SpeakerModel {
    /// Loads the weights, a safetensors file with both networks.
    ///
    /// # Errors
    /// It cannot be read or is something else.
    pub fn load(path: &Path) -> Result<Self, SpeakerModelError> {
        let bytes = weights::read(path)?;
        let weights = Weights::new(path, &bytes)?;
        Ok(Self(Arc::new(Networks {
            embedder: Embedder::load(&weights)?,
            segmenter: Segmenter::load(&weights)?,
        })))
    }

    /// Who speaks when in an utterance of 16 kHz audio, and what they sound like; `before` is what was said just before it.
    pub fn turns(&self, before: &[i16], utterance: &[i16]) -> Turns {
        turns::turns(&self.0.segmenter, &self.0.embedder, before, utterance)
    }

    /// Where two people speak at once in an utterance of 16 kHz audio, from when to when in its milliseconds; `before` is what
    /// was said just before it.
    pub fn overlaps(&self, before: &[i16], utterance: &[i16]) -> Vec<(u32, u32)> {
        overlaps::overlaps(&self.0.segmenter, before, utterance)
    }

    /// What the voice in a stretch of 16 kHz audio sounds like: a direction, its length 1. None of less than a quarter
    /// of a second; what is longer than twelve seconds is cut.
    pub fn embed(&self, samples: &[i16]) -> Option<[f32; EMBEDDING_SIZE]> {
        let samples: Vec<f32> = samples.iter().map(|&sample| f32::from(sample)).collect();
        self.0.embedder.embed(&samples)
    }

    /// How likely in each frame (16.875 ms, the first one's middle at 31 ms) nobody speaks, one of three, or two of
    /// three (0 and 1, 0 and 2, 1 and 2), in a stretch of 16 kHz audio.
    pub fn segment(&self, samples: &[i16]) -> Vec<[f32; 7]> {
        let samples: Vec<f32> = samples
            .iter()
            .map(|&sample| f32::from(sample) / 32_768.0)
            .collect();
        let classes = self.0.segmenter.classes(&samples);
        classes
            .rows()
            .into_iter()
            .map(|row| std::array::from_fn(|class| row[class]))
            .collect()
    }
}
