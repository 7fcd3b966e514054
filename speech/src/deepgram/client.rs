//! The recogniser that sessions hold.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::actor::{Actor, Command};
use super::options::{DeepgramError, DeepgramOptions};
use crate::service::Gate;
use crate::{RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, StreamId};

/// Tracks at the same time. The service itself has a limit that depends on the contract, and answers 429 above it.
const STREAMS_MAX: usize = 256;
/// Requests that may lie before a stream that is busy sending.
const COMMANDS_MAX: usize = 64;

/// What every stream of a client shares.
pub(super) struct Service {
    pub(super) options: DeepgramOptions,
    pub(super) client: deepgram::Deepgram,
    pub(super) gate: Mutex<Gate>,
    pub(super) waiting_finals: AtomicUsize,
    pub(super) seed: u64,
    began: Instant,
}

impl Service {
    pub(super) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }
}

pub(super) type Streams = Mutex<HashMap<StreamId, mpsc::Sender<Command>>>;

/// A handle to the service; clones share its connections. When the last one is gone, what waits is still answered, and
/// every connection says goodbye.
#[derive(Clone)]
pub struct Deepgram {
    service: Arc<Service>,
    streams: Arc<Streams>,
    engine: Arc<str>,
    runtime: Handle,
}

impl std::fmt::Debug for Deepgram {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Deepgram")
            .field("engine", &self.engine)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

impl Deepgram {
    /// A client; nothing is connected yet. Its connections live on the runtime in which this is called.
    ///
    /// # Errors
    /// The address or the key cannot be used.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(options: DeepgramOptions) -> Result<Self, DeepgramError> {
        let key = options.api_key.reveal();
        if key.is_empty() || !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(DeepgramError::Key);
        }
        // The client crate panics on other schemes, when it connects.
        let is_web = ["http://", "https://"]
            .iter()
            .any(|scheme| options.base_url.starts_with(scheme));
        if !is_web {
            return Err(DeepgramError::Address(options.base_url));
        }
        // Its dependencies bring two providers of cryptography: somebody has to choose. A choice made before stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = deepgram::Deepgram::with_base_url_and_api_key(options.base_url.as_str(), key);
        let client = client.map_err(|error| match error {
            deepgram::DeepgramError::InvalidUrl => DeepgramError::Address(options.base_url.clone()),
            other => DeepgramError::Client(Box::new(other)),
        })?;
        Ok(Self {
            engine: options.engine().into(),
            service: Arc::new(Service {
                options,
                client,
                gate: Mutex::default(),
                waiting_finals: AtomicUsize::new(0),
                seed: RandomState::new().hash_one(0),
                began: Instant::now(),
            }),
            streams: Arc::default(),
            runtime: Handle::current(),
        })
    }

    /// Gives a command to its stream, which is made if there is none. What finds no place comes back.
    fn pass(&self, id: StreamId, command: Command) -> Result<(), Command> {
        // A stream leaves the list under the same lock, and only when nothing lies before it.
        let mut streams = self.streams.lock();
        let is_full = streams.len() >= STREAMS_MAX;
        let sent = match streams.entry(id) {
            Entry::Occupied(stream) => stream.get().try_send(command),
            Entry::Vacant(_) if is_full => return Err(command),
            Entry::Vacant(place) => {
                let (sender, commands) = mpsc::channel(COMMANDS_MAX);
                let actor = Actor::new(self.service.clone(), id);
                self.runtime
                    .spawn(actor.run(commands, Arc::downgrade(&self.streams)));
                place.insert(sender).try_send(command)
            }
        };
        sent.map_err(mpsc::error::TrySendError::into_inner)
    }
}

impl Recogniser for Deepgram {
    fn engine(&self) -> &str {
        &self.engine
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        let id = request.stream;
        let is_final = request.kind == RequestKind::Final;
        let command = Command::Ask(request, answer);
        if is_final {
            self.service.waiting_finals.fetch_add(1, Ordering::Relaxed);
        }
        if let Err(Command::Ask(_, answer)) = self.pass(id, command) {
            if is_final {
                self.service.waiting_finals.fetch_sub(1, Ordering::Relaxed);
            }
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
        let streams = self.streams.lock();
        if let Some(stream) = streams.get(&stream) {
            // A stream that is too busy for this ends when it is idle.
            let _ = stream.try_send(Command::Forget);
        }
    }
}
