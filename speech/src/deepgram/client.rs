//! The recogniser that sessions hold.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::actor::Actor;
use super::options::{DeepgramError, DeepgramOptions};
use crate::service::{Door, Meter, Tracks};
use crate::{Recognised, Recogniser, RecogniserLoad, Request, Sent, StreamId};

/// What every stream of a client shares.
pub(super) struct Service {
    pub(super) options: DeepgramOptions,
    pub(super) client: deepgram::Deepgram,
    pub(super) door: Door,
    pub(super) meter: Meter,
    /// Likely to be said.
    pub(super) terms: Mutex<Arc<[String]>>,
    pub(super) seed: u64,
    /// How many there were so far, on all tracks.
    pub(super) connections: AtomicU64,
}

/// A handle to the service; clones share its connections. When the last one is gone, what waits is still answered, and
/// every connection says goodbye.
#[derive(Clone)]
pub struct Deepgram {
    tracks: Arc<Tracks>,
    service: Arc<Service>,
    engine: Arc<str>,
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
        let engine = options.engine().into();
        let service = Arc::new(Service {
            door: Door::new(options.limits.refusal_ms),
            meter: Meter::default(),
            terms: Mutex::default(),
            options,
            client,
            seed: RandomState::new().hash_one(0),
            connections: AtomicU64::new(0),
        });
        let (shared, runtime) = (service.clone(), Handle::current());
        let tracks = Tracks::new(move |inbox| {
            runtime.spawn(Actor::new(shared.clone(), inbox).run());
        });
        Ok(Self {
            tracks,
            service,
            engine,
        })
    }
}

impl Recogniser for Deepgram {
    fn engine(&self) -> &str {
        &self.engine
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        self.tracks.submit(request)
    }

    fn expect(&self, terms: &[String]) {
        *self.service.terms.lock() = terms.into();
    }

    fn take_sent(&self, stream: StreamId) -> Vec<Sent> {
        self.service.meter.take(stream, &self.engine)
    }

    fn load(&self) -> RecogniserLoad {
        self.tracks.load()
    }

    fn forget(&self, stream: StreamId) {
        self.tracks.forget(stream);
    }
}
