//! The routes: who may ask, how many at once, and what a recogniser's failure is to a client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use speech::{RecogniseError, Recogniser, RequestKind, StreamId};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::reply::{self, Refusal};
use super::{REQUEST_MAX_BYTES, REQUESTS_MAX, form};

/// A recogniser and who may use it.
#[derive(Debug)]
pub struct Transcriber {
    recogniser: Arc<dyn Recogniser>,
    model: String,
    /// Empty: anybody who can reach it.
    key: String,
    places: Semaphore,
    /// Every request is a stream of its own: none makes another one stale.
    streams: AtomicU64,
}

impl Transcriber {
    /// A transcriber; with an empty `key` it asks for none.
    pub fn new(recogniser: Arc<dyn Recogniser>, key: impl Into<String>) -> Self {
        let engine = recogniser.engine();
        let model = engine
            .split_once(':')
            .map_or(engine, |(_, model)| model)
            .to_owned();
        Self {
            recogniser,
            model,
            key: key.into(),
            places: Semaphore::new(REQUESTS_MAX),
            streams: AtomicU64::new(0),
        }
    }

    fn admit(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().strip_prefix(b"Bearer "))
            .unwrap_or_default();
        if self.key.is_empty() || bool::from(given.ct_eq(self.key.as_bytes())) {
            return Ok(());
        }
        let message = "the API key is missing or wrong";
        Err(Refusal::new(StatusCode::UNAUTHORIZED, message, "invalid_api_key"))
    }
}

/// The routes.
pub fn router(transcriber: Arc<Transcriber>) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        // The model is there before the address is.
        .route("/readyz", get(|| async { "ok\n" }))
        .route("/v1/models", get(models))
        .route("/v1/audio/transcriptions", post(transcribe))
        .layer(DefaultBodyLimit::max(REQUEST_MAX_BYTES))
        .with_state(transcriber)
}

async fn models(
    State(transcriber): State<Arc<Transcriber>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    transcriber.admit(&headers)?;
    let model = json!({ "id": transcriber.model, "object": "model", "created": 0, "owned_by": "rapporteur" });
    Ok(Json(json!({ "object": "list", "data": [model] })).into_response())
}

async fn transcribe(
    State(transcriber): State<Arc<Transcriber>>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, Refusal> {
    // Before the body is read: strangers send no megabytes.
    transcriber.admit(&headers)?;
    let busy = || {
        let message = "too many utterances wait: ask again later";
        Refusal::new(StatusCode::TOO_MANY_REQUESTS, message, "rate_limit_exceeded")
    };
    let _place = transcriber.places.try_acquire().map_err(|_| busy())?;
    let form = Multipart::from_request(request, &()).await;
    let form = form.map_err(|_| {
        let message = "the body must be a form, with content-type: multipart/form-data";
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message, "invalid_form")
    })?;
    let wanted = form::read(form, &transcriber.model).await?;
    // If the client hangs up, this future goes, and the recogniser drops what nobody waits for.
    let words = transcriber.recogniser.submit(speech::Request {
        stream: StreamId(transcriber.streams.fetch_add(1, Ordering::Relaxed)),
        utterance: 0,
        kind: RequestKind::Final,
        audio: wanted.audio,
        start_ms: 0,
        settled: Vec::new(),
        prompt: wanted.prompt,
    });
    match words.await {
        Ok(Ok(hypothesis)) => Ok(reply::words(&hypothesis, wanted.format)),
        Ok(Err(RecogniseError::Overloaded)) => Err(busy()),
        Ok(Err(_)) | Err(_) => {
            let message = "the utterance was not recognised";
            Err(Refusal::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                message,
                "server_error",
            ))
        }
    }
}
