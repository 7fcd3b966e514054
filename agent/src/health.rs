//! `/healthz`: the process runs. `/readyz`: it can take a meeting, or what is missing. `/metrics`: its figures.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use store::Store;

use crate::metrics::Metrics;

/// The database gets this long to answer a readiness check.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(2);

/// What readiness depends on.
#[derive(Debug)]
pub struct Health {
    /// The database.
    pub store: Store,
    /// The figures, among them whether the worker is registered.
    pub metrics: Arc<Metrics>,
    /// Set when the process takes no new meeting.
    pub draining: AtomicBool,
}

/// The routes.
pub fn router(health: Arc<Health>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Arc<Health>>) -> Response {
    let missing = if health.draining.load(Ordering::Relaxed) {
        "draining\n"
    } else if health.metrics.registered.load(Ordering::Relaxed) == 0 {
        "not registered at LiveKit\n"
    } else if !matches!(
        tokio::time::timeout(DATABASE_TIMEOUT, health.store.ping()).await,
        Ok(Ok(()))
    ) {
        "the database does not answer\n"
    } else {
        return "ok\n".into_response();
    };
    (StatusCode::SERVICE_UNAVAILABLE, missing).into_response()
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    health
        .metrics
        .tasks
        .store(i64::try_from(tasks).unwrap_or(i64::MAX), Ordering::Relaxed);
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        health.metrics.render(),
    )
        .into_response()
}
