//! Server-sent events, as all pages get them.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::HeaderValue;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures_util::{Stream, StreamExt as _};

/// Events on their way to one browser; a slower one is brought up to date from the database.
pub(super) const EVENTS_WAITING_MAX: usize = 16;
/// How long a browser waits before it comes back.
pub(super) const COME_BACK: Duration = Duration::from_secs(1);
/// Proxies cut a connection that is silent for long.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Events until the browser goes.
pub(super) fn stream(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let mut response = Sse::new(events.map(Ok::<_, Infallible>))
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response();
    // Or a proxy would collect events before it passes them on.
    response
        .headers_mut()
        .insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}
