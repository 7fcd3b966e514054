//! Sentence embeddings of a BERT-shaped model (all-MiniLM-L6-v2): tokens -> mean of the last layer -> length one.
//!
//! The work runs on blocking threads in small batches. A long job gives way between batches, so a question never waits
//! for a whole document.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config};
use tokio::sync::Semaphore;

use crate::tokens::{TokenCounter, TokenizerError};

/// Numbers in an embedding.
pub const EMBEDDING_DIMENSIONS: usize = 384;

/// An embedding of length one: the dot product of two is their cosine.
pub type Embedding = [f32; EMBEDDING_DIMENSIONS];

/// Texts in one pass through the model.
const BATCH_TEXTS: usize = 8;
/// Passes at the same time. The matrix products use all cores already; the second fills their gaps.
const CONCURRENT_BATCHES: usize = 2;
/// Calls of [`Embedder::embed`] that may be under way or waiting. One more is told [`EmbedError::Busy`].
const MAX_CALLS: usize = 64;
/// Texts in one call.
const MAX_TEXTS: usize = 8192;
/// In the first text, which nobody asks for: more than the model sees.
const FIRST_WORDS: usize = 300;

/// Why there is no embedding.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// A file of the model is missing or cannot be read.
    #[error("embedding model {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The folder holds another kind of model.
    #[error("embedding model: {0}")]
    Unsuitable(String),
    /// The tokenizer cannot be used.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The computation failed.
    #[error("embedding: {0}")]
    Compute(#[from] candle_core::Error),
    /// Too many calls at once.
    #[error("{MAX_CALLS} embedding calls are under way already")]
    Busy,
    /// Too many texts in one call.
    #[error("{texts} texts in one call; the limit is {MAX_TEXTS}")]
    TooManyTexts {
        /// How many there were.
        texts: usize,
    },
    /// The thread that computed was lost (the runtime is shutting down).
    #[error("the embedding was interrupted")]
    Interrupted,
}

/// The model, loaded. Cheap to clone; all clones share weights and limits.
#[derive(Clone)]
pub struct Embedder {
    shared: Arc<Shared>,
}

struct Shared {
    model: BertModel,
    counter: TokenCounter,
    batches: Arc<Semaphore>,
    calls: AtomicUsize,
}

impl Embedder {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` from a folder, and embeds once: the threads and the
    /// memory that it takes are there from the start. Takes about 0.2 s and 100 MB; blocks.
    pub fn load(folder: &Path) -> Result<Self, EmbedError> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| EmbedError::File {
                path: path.display().to_string(),
                source,
            })
        };
        let config: Config = serde_json::from_slice(&read("config.json")?)
            .map_err(|error| EmbedError::Unsuitable(format!("config.json: {error}")))?;
        if config.hidden_size != EMBEDDING_DIMENSIONS {
            return Err(EmbedError::Unsuitable(format!(
                "it makes {} numbers a text, {EMBEDDING_DIMENSIONS} are stored",
                config.hidden_size
            )));
        }
        let weights =
            VarBuilder::from_buffered_safetensors(read("model.safetensors")?, DType::F32, &Device::Cpu)?;
        let shared = Shared {
            model: BertModel::load(weights, &config)?,
            counter: TokenCounter::load(folder)?,
            batches: Arc::new(Semaphore::new(CONCURRENT_BATCHES)),
            calls: AtomicUsize::new(0),
        };
        let longest = shared.counter.ids(&"word ".repeat(FIRST_WORDS))?;
        shared.forward(&[longest])?;
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// The model's token counter, which [`crate::chunk()`] needs.
    pub fn counter(&self) -> &TokenCounter {
        &self.shared.counter
    }

    /// One embedding a text, in the same order. Text beyond the model's 256 tokens is not seen.
    ///
    /// Dropping the future stops the work at the next batch.
    pub async fn embed(&self, texts: &[&str]) -> Result<Vec<Embedding>, EmbedError> {
        if texts.len() > MAX_TEXTS {
            return Err(EmbedError::TooManyTexts { texts: texts.len() });
        }
        let _call = Call::begin(&self.shared.calls)?;
        let mut encoded = Vec::with_capacity(texts.len());
        for text in texts {
            encoded.push(self.shared.counter.ids(text)?);
        }
        // Texts of similar length share a batch: what a batch pads to its longest text is work for nothing.
        let mut order: Vec<usize> = (0..encoded.len()).collect();
        order.sort_by_key(|&index| encoded[index].len());

        let mut out = vec![[0.0; EMBEDDING_DIMENSIONS]; encoded.len()];
        for indices in order.chunks(BATCH_TEXTS) {
            let batch: Vec<Vec<u32>> = indices
                .iter()
                .map(|&index| std::mem::take(&mut encoded[index]))
                .collect();
            let permit = Arc::clone(&self.shared.batches)
                .acquire_owned()
                .await
                .map_err(|_| EmbedError::Interrupted)?;
            let shared = Arc::clone(&self.shared);
            let computed = tokio::task::spawn_blocking(move || {
                // Given back when the work ends, not when the caller stops waiting for it.
                let _permit = permit;
                shared.forward(&batch)
            })
            .await
            .map_err(|_| EmbedError::Interrupted)??;
            for (&index, embedding) in indices.iter().zip(computed) {
                out[index] = embedding;
            }
        }
        Ok(out)
    }
}

impl Shared {
    fn forward(&self, batch: &[Vec<u32>]) -> Result<Vec<Embedding>, EmbedError> {
        let rows = batch.len();
        let longest = batch.iter().map(Vec::len).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(rows * longest);
        let mut mask = Vec::with_capacity(rows * longest);
        for text in batch {
            ids.extend_from_slice(text);
            ids.resize(ids.len() + longest - text.len(), 0);
            mask.resize(mask.len() + text.len(), 1.0f32);
            mask.resize(mask.len() + longest - text.len(), 0.0f32);
        }
        let ids = Tensor::from_vec(ids, (rows, longest), &Device::Cpu)?;
        let mask = Tensor::from_vec(mask, (rows, longest), &Device::Cpu)?;
        let types = ids.zeros_like()?;
        let hidden = self.model.forward(&ids, &types, Some(&mask))?;

        let weights = mask.unsqueeze(2)?;
        let sum = hidden.broadcast_mul(&weights)?.sum(1)?;
        let mean = sum.broadcast_div(&mask.sum_keepdim(1)?)?;
        let rows: Vec<Vec<f32>> = mean.to_vec2()?;
        rows.into_iter()
            .map(|row| {
                let mut embedding: Embedding = row.try_into().map_err(|row: Vec<f32>| {
                    EmbedError::Unsuitable(format!("it made {} numbers for a text", row.len()))
                })?;
                normalise(&mut embedding);
                Ok(embedding)
            })
            .collect()
    }
}

/// Counts a call for as long as it lives.
struct Call<'a>(&'a AtomicUsize);

impl<'a> Call<'a> {
    fn begin(calls: &'a AtomicUsize) -> Result<Self, EmbedError> {
        let call = Self(calls);
        if calls.fetch_add(1, Ordering::AcqRel) >= MAX_CALLS {
            return Err(EmbedError::Busy);
        }
        Ok(call)
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

fn normalise(embedding: &mut Embedding) {
    let length = embedding.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length > 0.0 {
        for x in embedding {
            *x /= length;
        }
    }
}

/// Cosine of the angle between two embeddings of length one: 1 is the same direction, 0 unrelated.
pub fn cosine(a: &Embedding, b: &Embedding) -> f32 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}
