//! The HTTP side of a completion: one request, one more when the endpoint says when, and a body that goes through the gate.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Body, Response, StatusCode};

use super::ChatLimits;
use super::gate::{Gate, GateError};
use crate::answer::Fallback;

/// Statuses after which the same request may succeed.
const WORTH_A_SECOND_TRY: [StatusCode; 2] = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];

/// The HTTP client. TLS is rustls with ring, whether or not the process has chosen a provider.
pub(super) fn client(limits: &ChatLimits) -> reqwest::Result<reqwest::Client> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // An error says that there is one already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
    reqwest::Client::builder()
        .connect_timeout(Duration::from_millis(limits.connect_ms))
        // A key is not to follow wherever an endpoint points.
        .redirect(reqwest::redirect::Policy::none())
        .build()
}

/// What is known about one request beyond what the client library passes on.
#[derive(Clone, Default)]
pub(super) struct Watch {
    shared: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    failure: OnceLock<Fallback>,
    done: AtomicBool,
}

impl Watch {
    /// Why it failed, or [`Fallback::Unreachable`] where nothing more is known.
    pub(super) fn failure(&self) -> Fallback {
        self.shared
            .failure
            .get()
            .copied()
            .unwrap_or(Fallback::Unreachable)
    }

    /// Whether the stream came to its proper end.
    pub(super) fn is_done(&self) -> bool {
        self.shared.done.load(Ordering::Acquire)
    }

    fn fail(&self, reason: Fallback) -> OpenAIError {
        let _ = self.shared.failure.set(reason);
        OpenAIError::InvalidArgument(reason.as_str().to_owned())
    }
}

/// Sends the requests of the client library.
#[derive(Clone)]
pub(super) struct Sender {
    http: reqwest::Client,
    limits: ChatLimits,
    watch: Watch,
}

impl Sender {
    pub(super) fn new(http: reqwest::Client, limits: ChatLimits, watch: Watch) -> Self {
        Self { http, limits, watch }
    }

    async fn send(self, request: HttpRequestFactory) -> Result<Response, OpenAIError> {
        let mut response = self.send_once(&request).await?;
        if WORTH_A_SECOND_TRY.contains(&response.status()) {
            let Some(wait) = retry_after(response.headers(), self.limits.retry_after_ms) else {
                return Err(self.watch.fail(Fallback::RateLimited));
            };
            drop(response);
            tokio::time::sleep(wait).await;
            response = self.send_once(&request).await?;
        }
        match response.status() {
            status if status.is_success() => {}
            status if WORTH_A_SECOND_TRY.contains(&status) => {
                return Err(self.watch.fail(Fallback::RateLimited));
            }
            status => {
                tracing::warn!(status = status.as_u16(), "the chat endpoint refuses");
                return Err(self.watch.fail(Fallback::Refused));
            }
        }
        if !is_event_stream(response.headers()) {
            return Err(self.watch.fail(Fallback::Rubbish));
        }
        Ok(self.gated(response))
    }

    async fn send_once(&self, request: &HttpRequestFactory) -> Result<Response, OpenAIError> {
        let request = request.build().await?;
        self.http.execute(request).await.map_err(|error| {
            let reason = if error.is_timeout() {
                Fallback::TooSlow
            } else {
                Fallback::Unreachable
            };
            tracing::warn!(reason = reason.as_str(), "the chat endpoint does not answer");
            self.watch.fail(reason)
        })
    }

    /// The same response with a body that ends at the first thing that does not belong there.
    fn gated(self, response: Response) -> Response {
        let gate = Gate::new(self.limits.response_bytes);
        let body = Box::pin(response.bytes_stream().map_err(|_| Fallback::Unreachable));
        let watch = self.watch;
        let lines = pass(body, gate, watch);
        http::Response::new(Body::wrap_stream(lines)).into()
    }
}

fn pass(
    body: impl Stream<Item = Result<Bytes, Fallback>> + Unpin + Send + 'static,
    gate: Gate,
    watch: Watch,
) -> impl Stream<Item = Result<Bytes, OpenAIError>> + Send + 'static {
    stream::try_unfold((body, gate, watch), |(mut body, mut gate, watch)| async move {
        let Some(bytes) = body.next().await else {
            return Ok(None);
        };
        let passed = bytes.and_then(|bytes| {
            gate.pass(&bytes).map_err(|error| match error {
                GateError::Rubbish => Fallback::Rubbish,
                GateError::TooLong => Fallback::TooLong,
            })
        });
        match passed {
            Ok(lines) => {
                if gate.done {
                    watch.shared.done.store(true, Ordering::Release);
                }
                Ok(Some((lines, (body, gate, watch))))
            }
            Err(reason) => Err(watch.fail(reason)),
        }
    })
}

impl tower::Service<HttpRequestFactory> for Sender {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}

/// The wait that the endpoint asks for, where it names one in seconds and it is short enough.
fn retry_after(headers: &HeaderMap, limit_ms: u64) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    let wait = Duration::try_from_secs_f64(seconds).ok()?;
    (wait <= Duration::from_millis(limit_ms)).then_some(wait)
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| {
            value
                .trim_start()
                .to_ascii_lowercase()
                .starts_with("text/event-stream")
        })
}
