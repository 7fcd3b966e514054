//! `/healthz`: the process runs. `/readyz`: it can do its work, or what is missing. `/metrics`: its figures.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::App;

/// Each dependency gets this long to answer a readiness check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// A check is asked again after this: probes of many monitors are one load.
const CHECK_VALID: Duration = Duration::from_secs(1);

/// What the background parts say about themselves.
#[derive(Clone, Default)]
pub struct Health {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    migrated: AtomicBool,
    draining: AtomicBool,
    /// Parts that are in trouble now, and how.
    trouble: Mutex<BTreeMap<&'static str, String>>,
    checked: tokio::sync::Mutex<Option<(Instant, Readiness)>>,
}

impl Health {
    /// The schema is up to date.
    pub fn migrated(&self) {
        self.shared.migrated.store(true, Ordering::Relaxed);
    }

    /// The process is going away.
    pub fn drain(&self) {
        self.shared.draining.store(true, Ordering::Relaxed);
    }

    /// A background part cannot do its work. The same again is not news.
    pub fn trouble(&self, part: &'static str, what: impl Into<String>) {
        let what = what.into();
        let before = self.shared.trouble.lock().insert(part, what.clone());
        if before.as_ref() != Some(&what) {
            tracing::warn!(part, what, "in trouble; trying again");
        }
    }

    /// A background part works.
    pub fn well(&self, part: &'static str) {
        if self.shared.trouble.lock().remove(part).is_some() {
            tracing::info!(part, "works again");
        }
    }
}

/// What the process needs, each `ok` or what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Readiness {
    /// Whether everything is there.
    pub ready: bool,
    /// By part.
    pub checks: BTreeMap<&'static str, String>,
}

/// The process runs.
#[utoipa::path(get, path = "/healthz", tag = "operation", security(()), responses((status = 200, description = "It runs", body = String)))]
pub async fn healthz() -> &'static str {
    "ok\n"
}

/// The process can do its work, or what is missing.
#[utoipa::path(get, path = "/readyz", tag = "operation", security(()), responses(
    (status = 200, description = "Everything is there", body = Readiness),
    (status = 503, description = "Something is missing", body = Readiness),
))]
pub async fn readyz(State(app): State<App>) -> Response {
    // Behind a lock: whoever comes meanwhile shares the answer.
    let mut checked = app.health.shared.checked.lock().await;
    let readiness = match checked.take() {
        Some((at, readiness)) if at.elapsed() < CHECK_VALID => {
            *checked = Some((at, readiness.clone()));
            readiness
        }
        _ => {
            let readiness = check(&app).await;
            *checked = Some((Instant::now(), readiness.clone()));
            readiness
        }
    };
    let status = if readiness.ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        axum::Json(readiness),
    )
        .into_response()
}

async fn answers<E: std::fmt::Display>(call: impl Future<Output = Result<(), E>>) -> String {
    match tokio::time::timeout(CHECK_TIMEOUT, call).await {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => error.to_string(),
        Err(_) => format!("no answer within {} s", CHECK_TIMEOUT.as_secs()),
    }
}

async fn check(app: &App) -> Readiness {
    let shared = &app.health.shared;
    let (database, livekit) = tokio::join!(answers(app.store.ping()), answers(app.livekit.check()));
    let mut checks = BTreeMap::from([("database", database), ("livekit", livekit)]);
    let migrations = if shared.migrated.load(Ordering::Relaxed) {
        "ok"
    } else {
        "not run yet"
    };
    checks.insert("migrations", migrations.to_owned());
    for (part, what) in shared.trouble.lock().iter() {
        checks.insert(part, what.clone());
    }
    if shared.draining.load(Ordering::Relaxed) {
        checks.insert("process", "shutting down".to_owned());
    }
    Readiness {
        ready: checks.values().all(|check| check == "ok"),
        checks,
    }
}

/// The process's figures for Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "operation", security(()), responses((status = 200, description = "OpenMetrics text", body = String)))]
pub async fn metrics(State(app): State<App>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.metrics.render()).into_response()
}
