//! A server that speaks OpenAI's transcription protocol as it is documented and holds the client to it. It knows the
//! recording that is played to it and which words are spoken where: audio that is not a part of the recording, sample for
//! sample, is a violation, and so is everything that the documentation does not allow.
//!
//! Sources: platform.openai.com/docs/api-reference/audio/createTranscription, /docs/guides/speech-to-text,
//! /docs/guides/rate-limits, /docs/guides/error-codes.

use std::collections::HashMap;
use std::io::Cursor;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Multipart, State};
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::{any, post};
use futures_util::stream;
use serde_json::{Value, json};

use crate::booth::{Booth, Events, Serving};
use crate::played::Spoken;

pub(crate) const KEY: &str = "sk-test-0123456789";
/// Gives words with times.
pub(crate) const WITH_TIMES: &str = "whisper-1";
/// Gives text alone.
pub(crate) const TEXT_ONLY: &str = "gpt-4o-transcribe";

const FIELDS: [&str; 6] = [
    "model",
    "language",
    "prompt",
    "response_format",
    "temperature",
    "timestamp_granularities[]",
];

/// How one request goes; without instructions, well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    Well,
    Refuse(u16),
    /// 429, with this much of a wait in milliseconds.
    SlowDown(Option<u64>),
    /// 429, because the account is empty.
    Broke,
    /// No answer at all.
    Stall,
    /// The answer comes after so many milliseconds.
    Late(u64),
    /// The line is dead in the middle of the answer.
    Cut,
    /// An answer that is none.
    Rubbish(&'static str),
    /// Elsewhere is the answer.
    Redirect,
    /// An answer of so many megabytes, most of them blanks.
    Endless(usize),
    /// Plain text, whatever was asked for.
    Plain,
}

/// What a request was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) fields: HashMap<String, Vec<String>>,
    pub(crate) audio: Vec<i16>,
}

/// A request's connection is gone before it was answered.
pub(crate) struct HungUp;

struct Shared {
    recording: Arc<[i16]>,
    words: Vec<Spoken>,
    asked: Mutex<Vec<Asked>>,
    booth: Booth<Behaviour, HungUp>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) events: Events<HungUp>,
    shared: Arc<Shared>,
    _serving: Serving,
}

impl Server {
    pub(crate) async fn start(recording: Arc<[i16]>, words: Vec<Spoken>, behaviours: &[Behaviour]) -> Self {
        let (booth, events) = Booth::new(behaviours);
        let shared = Arc::new(Shared {
            recording,
            words,
            asked: Mutex::default(),
            booth,
        });
        let router = Router::new()
            .route("/v1/audio/transcriptions", post(transcribe))
            .route("/v1/elsewhere", any(elsewhere))
            .layer(DefaultBodyLimit::max(25 * 1024 * 1024))
            .with_state(shared.clone());
        let serving = Serving::start(|listener| async move {
            axum::serve(listener, router).await.unwrap();
        })
        .await;
        Self {
            url: format!("http://{}/v1", serving.address),
            events,
            shared,
            _serving: serving,
        }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    pub(crate) fn assert_no_violations(&self) {
        self.shared.booth.assert_no_violations();
    }
}

type Answer = Response<Body>;

fn answer(status: u16, body: &Value) -> Answer {
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap())
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.to_string().into())
        .unwrap()
}

fn error(status: u16, message: &str, param: Option<&str>, code: Option<&str>) -> Answer {
    let error =
        json!({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}});
    answer(status, &error)
}

/// Says when the client gave up before there was an answer.
struct Line<'a> {
    shared: &'a Shared,
    is_answered: bool,
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.shared.booth.tell(HungUp);
        }
    }
}

async fn elsewhere(State(shared): State<Arc<Shared>>) {
    shared
        .booth
        .violation("the key went wherever the endpoint pointed");
}

async fn transcribe(State(shared): State<Arc<Shared>>, headers: HeaderMap, form: Multipart) -> Answer {
    let mut line = Line {
        shared: &shared,
        is_answered: false,
    };
    let answer = respond(&shared, &headers, form).await;
    line.is_answered = true;
    answer
}

async fn respond(shared: &Shared, headers: &HeaderMap, form: Multipart) -> Answer {
    let authorised = headers.get("authorization").and_then(|value| value.to_str().ok());
    if authorised != Some(format!("Bearer {KEY}").as_str()) {
        return error(401, "Incorrect API key provided", None, Some("invalid_api_key"));
    }
    let violation = |what: String| {
        shared.booth.violation(what.clone());
        error(400, &what, None, None)
    };
    let asked = match read(form).await {
        Ok(asked) => asked,
        Err(what) => return violation(what),
    };
    shared.asked.lock().unwrap().push(asked.clone());
    match shared.booth.behaviour(Behaviour::Well) {
        Behaviour::Refuse(status) => return error(status, "no", None, None),
        Behaviour::SlowDown(wait_ms) => {
            let mut refused = error(429, "Rate limit reached", None, Some("rate_limit_exceeded"));
            if let Some(wait_ms) = wait_ms {
                let wait = (wait_ms as f64 / 1000.0).to_string().parse().unwrap();
                refused.headers_mut().insert("retry-after", wait);
            }
            return refused;
        }
        Behaviour::Broke => return error(429, "You exceeded your quota", None, Some("insufficient_quota")),
        Behaviour::Stall => std::future::pending().await,
        Behaviour::Cut => {
            let half = Ok(Bytes::from_static(br#"{"text":"half a "#));
            let pieces = stream::iter([half, Err(std::io::Error::other("cut"))]);
            return Response::new(Body::from_stream(pieces));
        }
        Behaviour::Rubbish(body) => return Response::new(body.into()),
        Behaviour::Endless(megabytes) => {
            let blanks = " ".repeat(megabytes << 20);
            return Response::new(format!(r#"{blanks}{{"text":"W0. W1."}}"#).into());
        }
        Behaviour::Redirect => {
            let mut elsewhere = error(303, "see there", None, None);
            elsewhere
                .headers_mut()
                .insert("location", "/v1/elsewhere".parse().unwrap());
            return elsewhere;
        }
        Behaviour::Plain => {
            let text = shared.text(&asked.audio).unwrap_or_default();
            return Response::builder()
                .header(header::CONTENT_TYPE, "text/plain; charset=utf-8")
                .body(text.into())
                .unwrap();
        }
        Behaviour::Late(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
        Behaviour::Well => {}
    }
    let field = |name: &str| asked.fields.get(name).cloned().unwrap_or_default();
    let model = field("model").join("");
    let format = field("response_format").join("");
    let granularities = field("timestamp_granularities[]");
    match (model.as_str(), format.as_str()) {
        (WITH_TIMES, "verbose_json" | "json") | (TEXT_ONLY, "json") => {}
        (TEXT_ONLY, "verbose_json") => {
            let message =
                "response_format 'verbose_json' is not compatible with this model. Use 'json' instead.";
            return error(400, message, Some("response_format"), Some("unsupported_value"));
        }
        (WITH_TIMES | TEXT_ONLY, _) => return violation(format!("unknown format {format}")),
        _ => {
            return error(
                404,
                "The model does not exist",
                Some("model"),
                Some("model_not_found"),
            );
        }
    }
    if !granularities.is_empty() && format != "verbose_json" {
        return violation("granularities without verbose_json".to_owned());
    }
    if asked.audio.len() < 1_600 {
        return violation("Audio file is too short. Minimum audio length is 0.1 seconds.".to_owned());
    }
    let Some(text) = shared.text(&asked.audio) else {
        return violation(format!("{} samples that nobody played", asked.audio.len()));
    };
    if format == "json" {
        return answer(
            200,
            &json!({"text": text, "usage": {"type": "duration", "seconds": 1}}),
        );
    }
    let seconds = asked.audio.len() as f64 / 16_000.0;
    let mut body = json!({"task": "transcribe", "language": "english", "duration": seconds, "text": text});
    if granularities.iter().any(|one| one == "word") {
        let words = shared.words(&asked.audio).unwrap_or_default();
        body["words"] = words
            .iter()
            .map(|word| {
                let bare = word.text.trim_matches(['.', ',', '?', '!']);
                json!({"word": bare, "start": word.start_ms as f64 / 1000.0, "end": word.end_ms as f64 / 1000.0})
            })
            .collect();
    }
    if granularities.is_empty() || granularities.iter().any(|one| one == "segment") {
        body["segments"] = json!([{"id": 0, "seek": 0, "start": 0.0, "end": seconds, "text": text, "tokens": [],
            "temperature": 0.0, "avg_logprob": -0.25, "compression_ratio": 1.2, "no_speech_prob": 0.01}]);
    }
    answer(200, &body)
}

/// The form, if it is one that the documentation knows.
async fn read(mut form: Multipart) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut files = 0;
    while let Some(field) = form.next_field().await.map_err(|error| error.to_string())? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            files += 1;
            // The format is known by the name's ending.
            if !field.file_name().unwrap_or_default().ends_with(".wav") {
                return Err("a file without an ending".to_owned());
            }
            let bytes = field.bytes().await.map_err(|error| error.to_string())?;
            asked.audio = samples(&bytes)?;
        } else if FIELDS.contains(&name.as_str()) {
            let text = field.text().await.map_err(|error| error.to_string())?;
            asked.fields.entry(name).or_default().push(text);
        } else {
            return Err(format!("unknown field {name}"));
        }
    }
    let repeated = asked
        .fields
        .iter()
        .find(|(name, values)| values.len() > 1 && !name.ends_with("[]"));
    match (files, repeated) {
        (1, None) => Ok(asked),
        (1, Some((name, _))) => Err(format!("{name} comes twice")),
        (files, _) => Err(format!("{files} files")),
    }
}

/// The samples of a WAV file, which has to be whole: its lengths are those of what is there.
fn samples(file: &[u8]) -> Result<Vec<i16>, String> {
    let length = |at: usize| {
        let bytes = file.get(at..at + 4)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?) as usize)
    };
    if length(4) != Some(file.len() - 8) || length(40) != Some(file.len() - 44) {
        return Err("a WAV file with wrong lengths".to_owned());
    }
    let mut reader = hound::WavReader::new(Cursor::new(file)).map_err(|error| error.to_string())?;
    let spec = reader.spec();
    if (spec.channels, spec.sample_rate, spec.bits_per_sample) != (1, 16_000, 16) {
        return Err(format!("{spec:?}"));
    }
    reader
        .samples::<i16>()
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())
}

impl Shared {
    /// The words in a part of the recording, with the part's own times.
    fn words(&self, audio: &[i16]) -> Option<Vec<Spoken>> {
        let at = self
            .recording
            .windows(audio.len())
            .position(|part| part == audio)?
            / 16;
        let (from, to) = (at, at + audio.len() / 16);
        let inside = |word: &&Spoken| (from..to).contains(&((word.start_ms + word.end_ms) / 2));
        let words = self.words.iter().filter(inside).map(|word| Spoken {
            voice: word.voice,
            text: word.text.clone(),
            start_ms: word.start_ms.saturating_sub(from),
            end_ms: word.end_ms - from,
        });
        Some(words.collect())
    }

    fn text(&self, audio: &[i16]) -> Option<String> {
        let texts: Vec<String> = self.words(audio)?.into_iter().map(|word| word.text).collect();
        Some(texts.join(" "))
    }
}
