//! Asks the links and waits for them. Decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::core::{Change, Core, Course, Step, Wanted};
use super::{ChainLimits, ChainNotice, LINKS_MAX};
use crate::{
    RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, SAMPLES_PER_MS, Sent,
    StreamId,
};

/// Why there is no chain.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChainError {
    /// It has no link, or too many.
    #[error("a chain has 1 to {LINKS_MAX} recognisers, not {0}")]
    Length(usize),
}

struct Shared {
    links: Vec<Arc<dyn Recogniser>>,
    engine: String,
    core: Mutex<Core>,
    waiting_finals: AtomicUsize,
    told: Box<dyn Fn(ChainNotice) + Send + Sync>,
    began: Instant,
}

impl Shared {
    /// Lets the core decide, and tells what changed by it.
    fn decide<R>(&self, decide: impl FnOnce(&mut Core, u64) -> R) -> R {
        let now_ms = self.began.elapsed().as_millis() as u64;
        let (decision, changes) = {
            let mut core = self.core.lock();
            let decision = decide(&mut core, now_ms);
            (decision, std::mem::take(&mut core.changes))
        };
        for change in changes {
            self.tell(change);
        }
        decision
    }

    fn tell(&self, change: Change) {
        let name = |link: usize| self.links[link].engine().to_owned();
        (self.told)(match change {
            Change::Rested { link, error, rest_ms } => {
                let engine = name(link);
                tracing::warn!(engine, %error, rest_ms, "a recogniser is rested");
                ChainNotice::Rested {
                    engine,
                    error,
                    rest_ms,
                }
            }
            Change::Back { link } => {
                let engine = name(link);
                tracing::info!(engine, "a recogniser is back");
                ChainNotice::Back { engine }
            }
        });
    }
}

/// An ordered list of recognisers; clones share what is known of their health.
#[derive(Clone)]
pub struct Chain {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Chain")
            .field("links", &self.shared.links)
            .finish_non_exhaustive()
    }
}

impl Chain {
    /// A chain of recognisers, the first one preferred. `told` hears of every change and must not block. What waits
    /// for answers lives on the runtime in which this is called.
    ///
    /// # Errors
    /// There is no recogniser, or there are more than [`LINKS_MAX`].
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(
        links: Vec<Arc<dyn Recogniser>>,
        limits: ChainLimits,
        told: impl Fn(ChainNotice) + Send + Sync + 'static,
    ) -> Result<Self, ChainError> {
        if !(1..=LINKS_MAX).contains(&links.len()) {
            return Err(ChainError::Length(links.len()));
        }
        let names: Vec<&str> = links.iter().map(|link| link.engine()).collect();
        Ok(Self {
            shared: Arc::new(Shared {
                engine: names.join(", "),
                core: Mutex::new(Core::new(links.iter().map(|link| link.gives_partials()), limits)),
                links,
                waiting_finals: AtomicUsize::new(0),
                told: Box::new(told),
                began: Instant::now(),
            }),
            runtime: Handle::current(),
        })
    }
}

impl Recogniser for Chain {
    fn engine(&self) -> &str {
        &self.shared.engine
    }

    fn gives_partials(&self) -> bool {
        self.shared.links.iter().any(|link| link.gives_partials())
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        let wanted = Wanted {
            stream: request.stream,
            utterance: request.utterance,
            kind: request.kind,
            audio_ms: (request.audio.len() / SAMPLES_PER_MS) as u64,
        };
        match self.shared.decide(|core, now_ms| core.begin(wanted, now_ms)) {
            (_, Step::Answer(result)) => {
                let _ = answer.send(result);
            }
            (course, Step::Ask { link, patience_ms }) => {
                // Asked here and not in the task: links count on a track's requests in order.
                let words = self.shared.links[link].submit(request.clone());
                let waiting = Waiting {
                    words,
                    patience_ms,
                    course,
                };
                self.runtime
                    .spawn(attend(self.shared.clone(), request, waiting, answer));
            }
        }
        receiver
    }

    fn pause_over(&self, stream: StreamId, utterance: u64) {
        for link in &self.shared.links {
            link.pause_over(stream, utterance);
        }
    }

    fn awaited(&self, stream: StreamId, utterance: u64) {
        for link in &self.shared.links {
            link.awaited(stream, utterance);
        }
    }

    fn take_sent(&self, stream: StreamId) -> Vec<Sent> {
        let links = self.shared.links.iter();
        links.flat_map(|link| link.take_sent(stream)).collect()
    }

    fn load(&self) -> RecogniserLoad {
        let serving = self.shared.decide(|core, now_ms| core.serving(now_ms));
        let serving = self.shared.links[serving].load();
        let own = self.shared.waiting_finals.load(Ordering::Relaxed);
        RecogniserLoad {
            waiting_finals: own.max(serving.waiting_finals),
            ..serving
        }
    }

    fn expect(&self, terms: &[String]) {
        for link in &self.shared.links {
            link.expect(terms);
        }
    }

    fn forget(&self, stream: StreamId) {
        for link in &self.shared.links {
            link.forget(stream);
        }
    }
}

struct Waiting {
    words: oneshot::Receiver<Recognised>,
    patience_ms: u64,
    course: Course,
}

/// Counts a final for as long as it is waited for, however that ends.
struct Counted<'a>(&'a AtomicUsize, usize);

impl<'a> Counted<'a> {
    fn new(counter: &'a AtomicUsize, kind: RequestKind) -> Self {
        let one = usize::from(kind == RequestKind::Final);
        counter.fetch_add(one, Ordering::Relaxed);
        Self(counter, one)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(self.1, Ordering::Relaxed);
    }
}

async fn attend(
    shared: Arc<Shared>,
    request: Request,
    mut waiting: Waiting,
    mut answer: oneshot::Sender<Recognised>,
) {
    let _counted = Counted::new(&shared.waiting_finals, request.kind);
    loop {
        let patience = Duration::from_millis(waiting.patience_ms);
        let result = tokio::select! {
            biased;
            () = answer.closed() => {
                shared.decide(|core, now_ms| core.abandoned(&mut waiting.course, now_ms));
                return;
            }
            result = timeout(patience, &mut waiting.words) => match result {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(RecogniseError::ShutDown),
                Err(_) => Err(RecogniseError::Late),
            },
        };
        let step = shared.decide(|core, now_ms| core.answered(&mut waiting.course, result, now_ms));
        match step {
            Step::Answer(result) => {
                let _ = answer.send(result);
                return;
            }
            // The former receiver goes: an answer that still comes is nobody's.
            Step::Ask { link, patience_ms } => {
                waiting.words = shared.links[link].submit(request.clone());
                waiting.patience_ms = patience_ms;
            }
        }
    }
}
