//! The workers. One copy of the weights, one state and one thread a worker; a request is answered through its receiver.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::model::{LoadError, WhisperModel};
use super::queue::Queue;
use crate::{
    Hypothesis, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, SAMPLES_PER_MS, StreamId,
};

/// How the pool is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WhisperOptions {
    /// Threads that recognise, 1 to 64; each has about 230 MiB of its own with tiny.en, from the start.
    pub workers: usize,
}

impl Default for WhisperOptions {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(2, |cores| cores.get().min(64)),
        }
    }
}

/// How busy the pool is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PoolLoad {
    /// Complete utterances that wait.
    pub waiting_finals: usize,
    /// Growing utterances that wait.
    pub waiting_partials: usize,
    /// Threads at work now.
    pub busy_workers: usize,
    /// All threads.
    pub workers: usize,
    /// Time spent computing since the start, over all threads.
    pub compute_ms: u64,
    /// Audio of complete utterances recognised since the start.
    pub final_audio_ms: u64,
}

type Answer = oneshot::Sender<Recognised>;

#[derive(Default)]
struct Shared {
    queue: Mutex<(Queue<Answer>, bool)>,
    work: Condvar,
    busy: AtomicU64,
    compute_ms: AtomicU64,
    final_audio_ms: AtomicU64,
}

/// A handle to the workers; clones share them. They end when the last handle is gone and the queue is empty.
#[derive(Clone)]
pub struct WhisperPool {
    shared: Arc<Shared>,
    model: WhisperModel,
    workers: usize,
    _closer: Arc<Closer>,
}

impl std::fmt::Debug for WhisperPool {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("WhisperPool")
            .field("engine", &self.model.engine())
            .field("load", &self.snapshot())
            .finish()
    }
}

/// Tells the workers that nobody can ask any more.
struct Closer(Arc<Shared>);

impl Drop for Closer {
    fn drop(&mut self) {
        self.0.queue.lock().1 = true;
        self.0.work.notify_all();
    }
}

impl WhisperPool {
    /// Loads a ggml model and starts the workers. Takes as long as the file is read; call it off the async threads.
    ///
    /// # Errors
    /// There is no model at `path`, `workers` is outside its limit, or threads cannot be had.
    pub fn load(path: &Path, options: WhisperOptions) -> Result<Self, LoadError> {
        if !(1..=64).contains(&options.workers) {
            return Err(LoadError::Workers);
        }
        let model = WhisperModel::load(path)?;
        let shared = Arc::new(Shared::default());
        for number in 0..options.workers {
            let mut worker = model.worker()?;
            let shared = shared.clone();
            std::thread::Builder::new()
                .name(format!("whisper-{number}"))
                .spawn(move || {
                    // Beside the rest of the start: an utterance that comes before it is done waits for it.
                    if let Err(error) = worker.claim_memory() {
                        tracing::warn!(%error, "whisper failed on silence; its memory will grow with its work");
                    }
                    while let Some((request, answer)) = next(&shared) {
                        // Whoever asked may be gone: their session ended.
                        if answer.is_closed() {
                            continue;
                        }
                        shared.busy.fetch_add(1, Ordering::Relaxed);
                        let begun = Instant::now();
                        let hypothesis = worker.recognise(&request);
                        let compute_ms = begun.elapsed().as_millis() as u64;
                        let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
                        shared.busy.fetch_sub(1, Ordering::Relaxed);
                        shared.compute_ms.fetch_add(compute_ms, Ordering::Relaxed);
                        if request.kind == RequestKind::Final {
                            shared.final_audio_ms.fetch_add(audio_ms, Ordering::Relaxed);
                        }
                        let _ = answer.send(hypothesis.map(|hypothesis| Hypothesis {
                            compute_ms,
                            ..hypothesis
                        }));
                    }
                })?;
        }
        Ok(Self {
            model,
            workers: options.workers,
            _closer: Arc::new(Closer(shared.clone())),
            shared,
        })
    }

    /// How busy it is.
    pub fn snapshot(&self) -> PoolLoad {
        let (waiting_finals, waiting_partials) = self.shared.queue.lock().0.len();
        PoolLoad {
            waiting_finals,
            waiting_partials,
            busy_workers: self.shared.busy.load(Ordering::Relaxed) as usize,
            workers: self.workers,
            compute_ms: self.shared.compute_ms.load(Ordering::Relaxed),
            final_audio_ms: self.shared.final_audio_ms.load(Ordering::Relaxed),
        }
    }
}

impl Recogniser for WhisperPool {
    fn engine(&self) -> &str {
        self.model.engine()
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        let refused = self.shared.queue.lock().0.push(request, answer);
        if let Some((answer, error)) = refused {
            let _ = answer.send(Err(error));
        }
        self.shared.work.notify_one();
        receiver
    }

    fn pause_over(&self, stream: StreamId, utterance: u64) {
        self.shared.queue.lock().0.pause_over(stream, utterance);
    }

    fn awaited(&self, stream: StreamId, utterance: u64) {
        self.shared.queue.lock().0.awaited(stream, utterance);
    }

    fn forget(&self, stream: StreamId) {
        self.model.forget(stream);
    }

    fn load(&self) -> RecogniserLoad {
        let load = self.snapshot();
        RecogniserLoad {
            waiting_finals: load.waiting_finals,
            at_once: load.workers,
        }
    }
}

/// Waits for the next request; `None` when nobody can ask any more and everything is answered.
fn next(shared: &Shared) -> Option<(Request, Answer)> {
    let mut queue = shared.queue.lock();
    loop {
        if let Some(work) = queue.0.pop() {
            return Some(work);
        }
        if queue.1 {
            return None;
        }
        shared.work.wait(&mut queue);
    }
}
