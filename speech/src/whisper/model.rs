//! The weights, and one thread's means to recognise with them.

use std::path::Path;
use std::sync::Arc;

use whisper_rs::{DtwParameters, WhisperContext, WhisperContextParameters, WhisperError, WhisperState};

use super::alignment;
use super::before::Memory;
use super::decode::{claim_memory, decode};
use super::vocabulary::Vocabulary;
use crate::{Hypothesis, Recognised, Request, RequestKind, SAMPLES_PER_MS, StreamId};

/// Why there is no model, or no pool of it.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no usable model at the path.
    #[error("{path} is not a ggml Whisper model")]
    Model {
        /// Where it was looked for.
        path: String,
        /// What Whisper says.
        #[source]
        source: WhisperError,
    },
    /// The number of workers is outside its limit.
    #[error("workers must be 1 to 64")]
    Workers,
    /// The system gives no more threads.
    #[error("no thread for a worker")]
    Thread(#[from] std::io::Error),
}

/// A model's weights, shared by all of its workers; clones are cheap.
#[derive(Clone)]
pub struct WhisperModel {
    context: Arc<WhisperContext>,
    vocabulary: Arc<Vocabulary>,
    memory: Arc<Memory>,
    path: Arc<str>,
    engine: Arc<str>,
}

impl std::fmt::Debug for WhisperModel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("WhisperModel").field(&self.engine).finish()
    }
}

impl WhisperModel {
    /// Reads a ggml file.
    ///
    /// # Errors
    /// There is no model at `path`.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        whisper_rs::install_logging_hooks();
        let failed = |source| LoadError::Model {
            path: path.display().to_string(),
            source,
        };
        let mut parameters = WhisperContextParameters::default();
        let unreadable = |_| failed(WhisperError::InitError);
        // The fast kind of attention does not give out its weights, by which words are timed.
        parameters
            .use_gpu(false)
            .flash_attn(false)
            .dtw_parameters(DtwParameters {
                mode: alignment::mode_of(path).map_err(unreadable)?,
                ..DtwParameters::default()
            });
        let context = WhisperContext::new_with_params(path, parameters).map_err(failed)?;
        let name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(Self {
            vocabulary: Arc::new(Vocabulary::of(&context)),
            memory: Arc::default(),
            context: Arc::new(context),
            path: path.display().to_string().into(),
            engine: format!("whisper:{name}").into(),
        })
    }

    /// What recognises, for the record.
    pub fn engine(&self) -> &str {
        &self.engine
    }

    /// The track is over: what is kept of it goes.
    pub(super) fn forget(&self, stream: StreamId) {
        self.memory.forget(stream);
    }

    /// Memory to compute in, for one thread.
    ///
    /// # Errors
    /// Whisper cannot have it.
    pub fn worker(&self) -> Result<WhisperWorker, LoadError> {
        let state = self.context.create_state().map_err(|source| LoadError::Model {
            path: self.path.to_string(),
            source,
        })?;
        Ok(WhisperWorker {
            model: self.clone(),
            state,
        })
    }
}

/// Recognises one utterance at a time.
pub struct WhisperWorker {
    model: WhisperModel,
    state: WhisperState,
}

impl std::fmt::Debug for WhisperWorker {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_tuple("WhisperWorker")
            .field(&self.model.engine)
            .finish()
    }
}

impl WhisperWorker {
    /// Takes from the system all the memory that recognising may need; as long as the encoder takes for 30 s of audio.
    ///
    /// # Errors
    /// Whisper fails.
    pub fn claim_memory(&mut self) -> Result<(), WhisperError> {
        claim_memory(&mut self.state, &self.model.vocabulary)
    }

    /// Recognises an utterance; the caller knows best how long it took.
    ///
    /// # Errors
    /// Whisper fails, or loses its way in what is no final.
    pub fn recognise(&mut self, request: &Request) -> Recognised {
        let model = &self.model;
        let words = decode(
            &model.context,
            &mut self.state,
            &model.vocabulary,
            &model.memory,
            request,
        )?;
        Ok(Hypothesis {
            utterance: request.utterance,
            words,
            engine: model.engine.to_string(),
            audio_ms: (request.audio.len() / SAMPLES_PER_MS) as u64,
            is_whole: request.kind != RequestKind::Partial,
            compute_ms: 0,
        })
    }
}
