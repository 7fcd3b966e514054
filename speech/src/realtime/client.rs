//! The recogniser that sessions hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::actor::{Actor, Command};
use super::options::{RealtimeError, RealtimeOptions};
use crate::service::Gate;
use crate::{RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, StreamId};

/// Tracks at the same time. The service itself has a limit that depends on the contract.
const STREAMS_MAX: usize = 256;
/// Requests that may lie before a track that is busy sending.
const COMMANDS_MAX: usize = 64;

/// What every track of a client shares.
pub(super) struct Service {
    pub(super) options: RealtimeOptions,
    pub(super) engine: String,
    pub(super) gate: Mutex<Gate>,
    pub(super) waiting_finals: AtomicUsize,
    began: Instant,
}

impl Service {
    pub(super) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

pub(super) type Tracks = Mutex<HashMap<StreamId, mpsc::Sender<Command>>>;

/// A handle to the service; clones share its connections. When the last one is gone, what waits is still answered.
#[derive(Clone)]
pub struct Realtime {
    service: Arc<Service>,
    tracks: Arc<Tracks>,
    runtime: Handle,
}

impl std::fmt::Debug for Realtime {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Realtime")
            .field("engine", &self.service.engine)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

impl Realtime {
    /// A client; nothing is connected yet. Its connections live on the runtime in which this is called.
    ///
    /// # Errors
    /// The address or the key cannot be used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(options: RealtimeOptions) -> Result<Self, RealtimeError> {
        options.check()?;
        // Its dependencies bring two providers of cryptography: somebody has to choose. A choice made before stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            service: Arc::new(Service {
                engine: format!("openai-realtime:{}", options.model),
                options,
                gate: Mutex::default(),
                waiting_finals: AtomicUsize::new(0),
                began: Instant::now(),
            }),
            tracks: Arc::default(),
            runtime: Handle::current(),
        })
    }

    /// Gives a command to its track, which is made if there is none. What finds no place comes back.
    fn pass(&self, id: StreamId, command: Command) -> Result<(), Command> {
        // A track leaves the list under the same lock, and only when nothing lies before it.
        let mut tracks = self.tracks.lock();
        let is_full = tracks.len() >= STREAMS_MAX;
        let sent = match tracks.entry(id) {
            Entry::Occupied(track) => track.get().try_send(command),
            Entry::Vacant(_) if is_full => return Err(command),
            Entry::Vacant(place) => {
                let (sender, commands) = mpsc::channel(COMMANDS_MAX);
                let actor = Actor::new(self.service.clone(), id);
                self.runtime
                    .spawn(actor.run(commands, Arc::downgrade(&self.tracks)));
                place.insert(sender).try_send(command)
            }
        };
        sent.map_err(mpsc::error::TrySendError::into_inner)
    }
}

impl Recogniser for Realtime {
    fn engine(&self) -> &str {
        &self.service.engine
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        let id = request.stream;
        let one = usize::from(request.kind == RequestKind::Final);
        let waiting = &self.service.waiting_finals;
        waiting.fetch_add(one, Ordering::Relaxed);
        if let Err(Command::Ask(_, answer)) = self.pass(id, Command::Ask(request, answer)) {
            waiting.fetch_sub(one, Ordering::Relaxed);
            let _ = answer.send(Err(RecogniseError::Overloaded));
        }
        receiver
    }

    fn load(&self) -> RecogniserLoad {
        RecogniserLoad {
            waiting_finals: self.service.waiting_finals.load(Ordering::Relaxed),
            at_once: STREAMS_MAX,
        }
    }

    fn forget(&self, stream: StreamId) {
        if let Some(track) = self.tracks.lock().get(&stream) {
            // A track that is too busy for this ends when it is idle.
            let _ = track.try_send(Command::Forget);
        }
    }
}
