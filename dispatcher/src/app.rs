//! What all routes and background parts share, and the whole router.

use std::sync::Arc;

use axum::Router;
use chrono::{DateTime, Utc};
use knowledge::Embedder;
use store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::api::documents::upload::UPLOADS_MAX;
use crate::captions::CaptionHub;
use crate::export::download::EXPORTS_MAX;
use crate::health::Health;
use crate::http::frame;
use crate::links::Links;
use crate::livekit::LiveKit;
use crate::metrics::Metrics;
use crate::pages::assets::LiveKitClient;
use crate::webhooks::SeenEvents;
use crate::{api, pages};

/// Shared by reference; clones are cheap.
pub type App = Arc<Parts>;

/// The parts.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// LiveKit.
    pub livekit: LiveKit,
    /// The sentence embedding model.
    pub embedder: Embedder,
    /// Signs links.
    pub links: Links,
    /// The key of the API.
    pub api_key: String,
    /// Where browsers reach us; without a slash at the end.
    pub public_url: String,
    /// The live captions of all rooms.
    pub captions: CaptionHub,
    /// The browser library of the join page, if it is installed.
    pub livekit_client: Option<LiveKitClient>,
    /// LiveKit events that were recorded lately.
    pub seen_events: SeenEvents,
    /// What works and what does not.
    pub health: Health,
    /// The figures.
    pub metrics: Metrics,
    /// The wall clock.
    pub now: fn() -> DateTime<Utc>,
    /// Uploads that may still begin.
    pub uploads: Arc<Semaphore>,
    /// Exports that may still begin.
    pub exports: Arc<Semaphore>,
    /// Requests that may still begin.
    pub requests: Arc<Semaphore>,
    /// Cancelled when the process ends.
    pub shutdown: CancellationToken,
}

/// What a process is given; the rest of its parts follow.
pub struct Setup {
    /// The database.
    pub store: Store,
    /// LiveKit.
    pub livekit: LiveKit,
    /// The sentence embedding model.
    pub embedder: Embedder,
    /// Signs links.
    pub links: Links,
    /// The key of the API.
    pub api_key: String,
    /// Where browsers reach us; without a slash at the end.
    pub public_url: String,
    /// The browser library of the join page, if it is installed.
    pub livekit_client: Option<LiveKitClient>,
    /// The wall clock.
    pub now: fn() -> DateTime<Utc>,
    /// Cancelled when the process ends.
    pub shutdown: CancellationToken,
}

impl Parts {
    /// The parts of a process.
    pub fn new(setup: Setup) -> App {
        let Setup {
            store,
            livekit,
            embedder,
            links,
            api_key,
            public_url,
            livekit_client,
            now,
            shutdown,
        } = setup;
        Arc::new(Self {
            store,
            livekit,
            embedder,
            links,
            api_key,
            public_url,
            captions: CaptionHub::default(),
            livekit_client,
            seen_events: SeenEvents::default(),
            health: Health::default(),
            metrics: Metrics::default(),
            now,
            uploads: Arc::new(Semaphore::new(UPLOADS_MAX)),
            exports: Arc::new(Semaphore::new(EXPORTS_MAX)),
            requests: Arc::new(Semaphore::new(frame::REQUESTS_MAX)),
            shutdown,
        })
    }

    /// The wall clock in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        (self.now)()
    }
}

/// Every route.
pub fn router(app: App) -> Router {
    let (documented, openapi) = api::routes(app.clone()).split_for_parts();
    Router::new()
        .merge(documented)
        .merge(pages::assets::routes())
        .merge(api::openapi::routes(openapi))
        .fallback(api::not_found)
        .method_not_allowed_fallback(api::method_not_allowed)
        .layer(axum::middleware::from_fn_with_state(app.clone(), frame::frame))
        .with_state(app)
}
