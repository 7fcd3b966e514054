//! The frame around every request: an id, a limit on how many run and for how long, a log line and the figures. Paths
//! carry ids, queries may carry link tokens: only the route's pattern is logged.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument as _;
use uuid::Uuid;

use super::problem::{Problem, ProblemKind};
use crate::App;

/// Requests that are worked on at the same time; one more is told to come back.
pub const REQUESTS_MAX: usize = 512;
/// How long a request may take until its answer begins. Uploads of slow lines need most of it.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// A client's own request id is kept up to this length.
const REQUEST_ID_MAX_BYTES: usize = 64;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(&REQUEST_ID).filter(|value| {
        let bytes = value.as_bytes();
        (1..=REQUEST_ID_MAX_BYTES).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
    });
    match given {
        Some(given) => given.clone(),
        None => HeaderValue::from_str(&Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown")),
    }
}

/// Middleware: see the module.
pub async fn frame(State(app): State<App>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(&request);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let method = request.method().clone();
    let span = tracing::info_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = method.as_str(),
        route
    );
    let mut response = async {
        let Ok(_permit) = app.requests.clone().try_acquire_owned() else {
            return Problem::new(
                ProblemKind::Overloaded,
                format!("{REQUESTS_MAX} requests are under way"),
            )
            .into_response();
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => Problem::new(
                ProblemKind::TimedOut,
                format!("no answer within {} seconds", REQUEST_TIMEOUT.as_secs()),
            )
            .into_response(),
        }
    }
    .instrument(span.clone())
    .await;
    let elapsed = begun.elapsed();
    let status = response.status();
    span.in_scope(|| {
        let (status, elapsed_ms) = (status.as_u16(), elapsed.as_secs_f64() * 1000.0);
        // "Not ready" is an answer, not a fault, and whoever waits for readiness asks often.
        if status >= 500 && route != "/readyz" {
            tracing::warn!(status, elapsed_ms, "answered");
        } else {
            tracing::debug!(status, elapsed_ms, "answered");
        }
    });
    app.metrics
        .request(&route, method.as_str(), status.as_u16(), elapsed);
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID.clone(), id);
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("referrer-policy", HeaderValue::from_static("no-referrer"));
    response
}
