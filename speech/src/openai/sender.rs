//! The HTTP side of one request: a bounded answer, or the name of what went wrong. It stands in for the client library's
//! own sender, which would try again by itself, keep whatever comes, and write what it cannot read into the log.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::service::Refusal;

/// The longest answer that is read; an hour of words with their times is shorter.
const ANSWER_MAX_BYTES: usize = 2 * 1024 * 1024;

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Refused(Refusal),
    /// Too often; the endpoint may say for how long.
    SlowDown {
        wait_ms: Option<u64>,
    },
    /// The model gives no times of words.
    NoTimes,
    /// The network or the server: the same request may succeed.
    Failed,
    /// What came is no answer, or too long for one.
    Rubbish,
}

/// What is known about one request beyond what the client library passes on.
#[derive(Clone, Default)]
pub(super) struct Watch {
    fault: Arc<OnceLock<Fault>>,
    is_plain: Arc<OnceLock<()>>,
    is_free: Arc<OnceLock<()>>,
}

impl Watch {
    pub(super) fn fault(&self) -> Fault {
        self.fault.get().copied().unwrap_or(Fault::Failed)
    }

    /// The answer is plain text, whatever was asked for.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain.get().is_some()
    }

    /// The endpoint did not take the request: nobody bills it.
    pub(super) fn is_free(&self) -> bool {
        self.is_free.get().is_some()
    }

    fn fail(&self, fault: Fault) -> OpenAIError {
        let _ = self.fault.set(fault);
        OpenAIError::InvalidArgument("see the watch".to_owned())
    }
}

/// Sends the requests of the client library.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) http: reqwest::Client,
    pub(super) watch: Watch,
}

impl Sender {
    async fn send(self, request: HttpRequestFactory) -> Result<Response, OpenAIError> {
        let request = request.build().await?;
        let response = self.http.execute(request).await.map_err(|error| {
            tracing::warn!(
                timeout = error.is_timeout(),
                connect = error.is_connect(),
                "the transcription endpoint cannot be reached"
            );
            if error.is_connect() {
                let _ = self.watch.is_free.set(());
            }
            self.watch.fail(Fault::Failed)
        })?;
        let status = response.status();
        if !status.is_success() {
            let _ = self.watch.is_free.set(());
        }
        let headers = response.headers().clone();
        let body = read(response).await.map_err(|fault| self.watch.fail(fault))?;
        if !status.is_success() {
            let fault = fault(status, &headers, &body);
            tracing::warn!(
                status = status.as_u16(),
                ?fault,
                "the transcription endpoint refuses"
            );
            return Err(self.watch.fail(fault));
        }
        let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| kind.trim_start().starts_with("text/plain")) {
            let _ = self.watch.is_plain.set(());
        }
        Ok(http::Response::new(reqwest::Body::from(body)).into())
    }
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

async fn read(mut response: Response) -> Result<Bytes, Fault> {
    let mut body = BytesMut::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= ANSWER_MAX_BYTES => body.extend_from_slice(&chunk),
            Ok(Some(_)) => return Err(Fault::Rubbish),
            Ok(None) => return Ok(body.freeze()),
            // A connection that is cut is the network's fault: whole answers say so by their length.
            Err(_) => return Err(Fault::Failed),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: Details,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    code: Option<String>,
    param: Option<String>,
}

/// What an answer that is no success means.
fn fault(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Fault {
    let details = serde_json::from_slice::<Refused>(body).unwrap_or_default().error;
    let about_times = details.param.is_some_and(|param| {
        param.starts_with("response_format") || param.starts_with("timestamp_granularities")
    });
    match status.as_u16() {
        401 | 403 => Fault::Refused(Refusal::Unauthorised),
        402 => Fault::Refused(Refusal::PaymentRequired),
        // No waiting helps an account without money.
        429 if details.code.as_deref() == Some("insufficient_quota") => {
            Fault::Refused(Refusal::PaymentRequired)
        }
        429 => Fault::SlowDown {
            wait_ms: retry_after_ms(headers),
        },
        400 | 422 if about_times => Fault::NoTimes,
        408 | 409 | 425 | 500..=599 => Fault::Failed,
        _ => Fault::Refused(Refusal::Misconfigured),
    }
}

/// `Retry-After` in seconds, or OpenAI's own finer one.
fn retry_after_ms(headers: &HeaderMap) -> Option<u64> {
    let number = |name: &str| -> Option<f64> { headers.get(name)?.to_str().ok()?.trim().parse().ok() };
    let wait_ms = number("retry-after-ms").or_else(|| Some(number(RETRY_AFTER.as_str())? * 1000.0))?;
    (0.0..3_600_000.0).contains(&wait_ms).then_some(wait_ms as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault_of(status: u16, header: Option<(&'static str, &str)>, body: &str) -> Fault {
        let mut headers = HeaderMap::new();
        if let Some((name, value)) = header {
            headers.insert(name, value.parse().unwrap());
        }
        fault(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
    }

    #[test]
    fn every_refusal_has_a_meaning() {
        let plain = |status| fault_of(status, None, "<html>");
        assert_eq!(plain(401), Fault::Refused(Refusal::Unauthorised));
        assert_eq!(plain(402), Fault::Refused(Refusal::PaymentRequired));
        assert_eq!(plain(404), Fault::Refused(Refusal::Misconfigured));
        assert_eq!(plain(400), Fault::Refused(Refusal::Misconfigured));
        assert_eq!(plain(301), Fault::Refused(Refusal::Misconfigured));
        assert_eq!(plain(503), Fault::Failed);
        let unsupported = r#"{"error":{"message":"x","param":"response_format","code":"unsupported_value"}}"#;
        assert_eq!(fault_of(400, None, unsupported), Fault::NoTimes);
        let broke = r#"{"error":{"code":"insufficient_quota"}}"#;
        assert_eq!(
            fault_of(429, None, broke),
            Fault::Refused(Refusal::PaymentRequired)
        );
    }

    #[test]
    fn a_wait_is_read_if_it_is_one() {
        let waits = |value| fault_of(429, Some(("retry-after", value)), "");
        assert_eq!(waits("1.5"), Fault::SlowDown { wait_ms: Some(1_500) });
        for rubbish in ["-1", "NaN", "soon", "1e300", "Wed, 21 Oct 2026 07:28:00 GMT"] {
            assert_eq!(waits(rubbish), Fault::SlowDown { wait_ms: None }, "{rubbish}");
        }
        let fine = fault_of(429, Some(("retry-after-ms", "20")), "");
        assert_eq!(fine, Fault::SlowDown { wait_ms: Some(20) });
    }
}
