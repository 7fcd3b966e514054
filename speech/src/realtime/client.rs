//! The recogniser that sessions hold.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::actor::Actor;
use super::options::{RealtimeError, RealtimeOptions};
use crate::service::{Door, Meter, Tracks};
use crate::{Recognised, Recogniser, RecogniserLoad, Request, Sent, StreamId};

/// What every track of a client shares.
pub(super) struct Service {
    pub(super) options: RealtimeOptions,
    pub(super) engine: String,
    pub(super) door: Door,
    pub(super) meter: Meter,
    /// Likely to be said.
    pub(super) terms: Mutex<Arc<[String]>>,
}

/// A handle to the service; clones share its connections. When the last one is gone, what waits is still answered.
#[derive(Clone)]
pub struct Realtime {
    service: Arc<Service>,
    tracks: Arc<Tracks>,
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
        let service = Arc::new(Service {
            engine: format!("openai-realtime:{}", options.model),
            door: Door::new(options.limits.refusal_ms),
            meter: Meter::default(),
            terms: Mutex::default(),
            options,
        });
        let (shared, runtime) = (service.clone(), Handle::current());
        let tracks = Tracks::new(move |inbox| {
            runtime.spawn(Actor::new(shared.clone(), inbox).run());
        });
        Ok(Self { service, tracks })
    }
}

impl Recogniser for Realtime {
    fn engine(&self) -> &str {
        &self.service.engine
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        self.tracks.submit(request)
    }

    fn expect(&self, terms: &[String]) {
        *self.service.terms.lock() = terms.into();
    }

    fn take_sent(&self, stream: StreamId) -> Vec<Sent> {
        self.service.meter.take(stream, &self.service.engine)
    }

    fn load(&self) -> RecogniserLoad {
        self.tracks.load()
    }

    fn forget(&self, stream: StreamId) {
        self.tracks.forget(stream);
    }
}
