//! Answers and errors in the shapes that OpenAI's clients read.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use speech::{Hypothesis, Word};

/// How the words are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Text,
    Verbose { words: bool, segments: bool },
}

/// What is wrong with a request, or with us.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

impl Refusal {
    /// A field is outside its limit; `limit` ends the sentence "must be ...".
    pub(super) fn field(param: &'static str, limit: impl std::fmt::Display) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: format!("{param} must be {limit}"),
            param: Some(param),
            code: None,
        }
    }

    pub(super) fn with_code(mut self, status: StatusCode, code: &'static str) -> Self {
        (self.status, self.code) = (status, Some(code));
        self
    }

    pub(super) fn new(status: StatusCode, message: impl Into<String>, code: &'static str) -> Self {
        Self {
            status,
            message: message.into(),
            param: None,
            code: Some(code),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let kind = match self.status.as_u16() {
            429 => "rate_limit_error",
            400..=499 => "invalid_request_error",
            _ => "server_error",
        };
        let error = json!({ "message": self.message, "type": kind, "param": self.param, "code": self.code });
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        if self.status == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

/// The words as they are wanted. What Whisper does not tell us (tokens, compression ratio, probability of silence) is left
/// out.
pub(super) fn words(hypothesis: &Hypothesis, format: Format) -> Response {
    let text = hypothesis.text();
    match format {
        Format::Text => format!("{text}\n").into_response(),
        Format::Json => Json(json!({ "text": text })).into_response(),
        Format::Verbose { words, segments } => {
            let duration = seconds(hypothesis.audio_ms);
            let mut body =
                json!({ "task": "transcribe", "language": "english", "duration": duration, "text": text });
            if words {
                body["words"] = hypothesis.words.iter().map(word).collect();
            }
            if segments {
                body["segments"] = segment(&hypothesis.words, &text).into_iter().collect();
            }
            Json(body).into_response()
        }
    }
}

fn word(word: &Word) -> Value {
    json!({ "word": word.text, "start": seconds(word.start_ms), "end": seconds(word.end_ms),
        "probability": word.confidence })
}

/// An utterance is one segment, or none when nothing was said.
fn segment(words: &[Word], text: &str) -> Option<Value> {
    let (first, last) = (words.first()?, words.last()?);
    let logprob = |word: &Word| f64::from(word.confidence.max(f32::MIN_POSITIVE)).ln();
    let mean = words.iter().map(logprob).sum::<f64>() / words.len() as f64;
    Some(
        json!({ "id": 0, "start": seconds(first.start_ms), "end": seconds(last.end_ms), "text": text,
        "temperature": 0.0, "avg_logprob": mean }),
    )
}

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}
