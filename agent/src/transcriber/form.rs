//! Reads a request's form, within its limits.

use axum::extract::Multipart;
use axum::extract::multipart::{Field, MultipartError};
use axum::http::StatusCode;
use speech::{Audio, SAMPLE_RATE_HZ, wav};

use super::reply::{Format, Refusal};
use super::{AUDIO_MAX_SECONDS, REQUEST_MAX_BYTES};

/// Text fields beyond this are refused.
const TEXT_MAX_BYTES: usize = 4 * 1024;

/// What is wanted.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) audio: Audio,
    pub(super) prompt: String,
    pub(super) format: Format,
}

#[derive(Default)]
struct Fields {
    file: Option<Vec<u8>>,
    model: Option<String>,
    prompt: String,
    format: Option<String>,
    words: bool,
    segments: bool,
}

/// Reads the form of a request for `model`.
pub(super) async fn read(mut form: Multipart, model: &str) -> Result<Wanted, Refusal> {
    let mut fields = Fields::default();
    while let Some(field) = form.next_field().await.map_err(|error| unreadable(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "file" {
            let bytes = field.bytes().await.map_err(|error| unreadable(&error))?;
            fields.file = Some(bytes.to_vec());
        } else {
            fields.take(&name, text(field).await?)?;
        }
    }
    let Some(file) = fields.file.take() else {
        return Err(Refusal::field("file", "there"));
    };
    match fields.model.as_deref() {
        // The name that every client knows.
        Some(wanted) if wanted == model || wanted == "whisper-1" => {}
        _ => {
            let refusal = Refusal::field("model", format_args!("whisper-1 or {model}"));
            return Err(refusal.with_code(StatusCode::NOT_FOUND, "model_not_found"));
        }
    }
    let format = fields.format()?;
    // Reading and resampling are work: not on the threads that serve.
    let samples = tokio::task::spawn_blocking(move || wav::decode(file.as_slice())).await;
    let samples = samples
        .ok()
        .and_then(Result::ok)
        .ok_or_else(|| Refusal::field("file", "a WAV file of PCM"))?;
    if samples.len() > AUDIO_MAX_SECONDS * SAMPLE_RATE_HZ as usize {
        return Err(Refusal::field(
            "file",
            format_args!("at most {AUDIO_MAX_SECONDS} s of audio"),
        ));
    }
    Ok(Wanted {
        audio: samples.into(),
        prompt: fields.prompt,
        format,
    })
}

impl Fields {
    fn take(&mut self, name: &str, text: String) -> Result<(), Refusal> {
        match name {
            "model" => self.model = Some(text),
            "prompt" => self.prompt = text,
            "response_format" => self.format = Some(text),
            "language" if text == "en" => {}
            "language" => return Err(Refusal::field("language", "en")),
            // Whisper always takes its best guess here: 0.
            "temperature" if text.parse() == Ok(0.0) => {}
            "temperature" => return Err(Refusal::field("temperature", "0")),
            "stream" if text == "false" => {}
            "stream" => return Err(Refusal::field("stream", "false")),
            "timestamp_granularities[]" | "timestamp_granularities" => match text.as_str() {
                "word" => self.words = true,
                "segment" => self.segments = true,
                _ => return Err(Refusal::field("timestamp_granularities", "word or segment")),
            },
            other => {
                let message = format!("the field {:.80} is not known here", other.escape_debug());
                return Err(Refusal::new(
                    StatusCode::BAD_REQUEST,
                    message,
                    "unknown_parameter",
                ));
            }
        }
        Ok(())
    }

    fn format(&self) -> Result<Format, Refusal> {
        let has_granularities = self.words || self.segments;
        let format = match self.format.as_deref() {
            Some("verbose_json") => {
                return Ok(Format::Verbose {
                    words: self.words,
                    segments: self.segments || !self.words,
                });
            }
            None | Some("json") => Format::Json,
            Some("text") => Format::Text,
            Some(_) => return Err(Refusal::field("response_format", "json, text or verbose_json")),
        };
        if has_granularities {
            let limit = "verbose_json where timestamp_granularities are wanted";
            return Err(Refusal::field("response_format", limit));
        }
        Ok(format)
    }
}

async fn text(mut field: Field<'_>) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unreadable(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TEXT_MAX_BYTES {
            let message = format!("a text field must be at most {TEXT_MAX_BYTES} bytes");
            return Err(Refusal::new(StatusCode::BAD_REQUEST, message, "too_long"));
        }
    }
    String::from_utf8(bytes).map_err(|_| {
        Refusal::new(
            StatusCode::BAD_REQUEST,
            "a text field must be UTF-8",
            "invalid_text",
        )
    })
}

fn unreadable(error: &MultipartError) -> Refusal {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let refusal = Refusal::field("file", format_args!("at most {REQUEST_MAX_BYTES} bytes"));
        return refusal.with_code(StatusCode::PAYLOAD_TOO_LARGE, "too_large");
    }
    Refusal::new(
        StatusCode::BAD_REQUEST,
        "the form could not be read to its end",
        "invalid_form",
    )
}
