//! The messages. What the service says is reduced to what is used; what is new is passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::options::RealtimeOptions;
use crate::service::Refusal;

/// The service's rate, in hertz.
const RATE_HZ: u32 = 24_000;
/// What is remembered of an id.
const ID_MAX_BYTES: usize = 200;
/// The service takes 224 tokens of prompt; for keywords it names no limit.
const TERMS_MAX_BYTES: usize = 600;
/// Our name for the message that sets the session up.
const SETUP: &str = "setup";

/// What the service says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// The session is as we want it.
    Ready,
    /// What was appended since the last commit has a name now.
    Committed { item: String },
    /// More text of an item.
    Delta { item: String, text: String },
    /// The whole text of an item.
    Completed { item: String, text: String },
    /// There will be no text of an item.
    Failed { item: String },
    /// Something that we sent is wrong, or the session is.
    Error(Fault),
    /// A message that is not needed.
    Other,
    /// Not what the protocol says.
    Rubbish,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The session has run for as long as it may.
    Expired,
    /// The session cannot be as we want it, or not any more.
    Refused(Refusal),
    /// The commit of this ticket had too little audio.
    Empty(u64),
    /// The commit of this ticket.
    Commit(u64),
    /// Something else.
    Other,
}

/// The first message of a session.
pub(super) fn setup(options: &RealtimeOptions, terms: &[String]) -> Value {
    let mut transcription = json!({ "model": options.model });
    if let Some(language) = &options.language {
        transcription["language"] = language.as_str().into();
    }
    if let Some((field, terms)) = hint(&options.model, terms) {
        transcription[field] = terms;
    }
    let format = json!({ "type": "audio/pcm", "rate": RATE_HZ });
    let input = json!({ "format": format, "transcription": transcription, "turn_detection": null });
    json!({ "event_id": SETUP, "type": "session.update",
        "session": { "type": "transcription", "audio": { "input": input } } })
}

/// Models that take a list of terms.
const WITH_KEYWORDS: [&str; 2] = ["gpt-live-transcribe", "gpt-transcribe"];
/// Models that refuse to be told anything.
const WITHOUT_HINT: [&str; 2] = ["gpt-realtime-whisper", "gpt-4o-transcribe-diarize"];

/// How the terms are told to this model: `session.audio.input.transcription` has `keywords` or `prompt`, by the model.
fn hint(model: &str, terms: &[String]) -> Option<(&'static str, Value)> {
    let mut left = TERMS_MAX_BYTES;
    let terms: Vec<&str> = terms
        .iter()
        .map(String::as_str)
        .take_while(|term| {
            let fits = term.len() <= left;
            left = left.saturating_sub(term.len());
            fits
        })
        .collect();
    let is_one_of = |models: &[&str]| models.iter().any(|known| model.starts_with(known));
    if terms.is_empty() || is_one_of(&WITHOUT_HINT) {
        return None;
    }
    Some(if is_one_of(&WITH_KEYWORDS) {
        ("keywords", terms.into())
    } else {
        ("prompt", format!("{}.", terms.join(", ")).into())
    })
}

pub(super) fn append(samples: &[i16]) -> Value {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    json!({ "type": "input_audio_buffer.append", "audio": STANDARD.encode(bytes) })
}

pub(super) fn commit(ticket: u64) -> Value {
    json!({ "event_id": format!("commit-{ticket}"), "type": "input_audio_buffer.commit" })
}

pub(super) fn clear() -> Value {
    json!({ "type": "input_audio_buffer.clear" })
}

#[derive(Deserialize)]
struct Message {
    #[serde(rename = "type")]
    kind: String,
    item_id: Option<String>,
    delta: Option<String>,
    transcript: Option<String>,
    error: Option<Details>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    code: Option<String>,
    event_id: Option<String>,
}

/// Reads a message.
pub(super) fn read(text: &str) -> Heard {
    let Ok(message) = serde_json::from_str::<Message>(text) else {
        return Heard::Rubbish;
    };
    let item = message.item_id.filter(|item| item.len() <= ID_MAX_BYTES);
    match (message.kind.as_str(), item) {
        ("session.updated" | "transcription_session.updated", _) => Heard::Ready,
        ("input_audio_buffer.committed", Some(item)) => Heard::Committed { item },
        ("conversation.item.input_audio_transcription.delta", Some(item)) => Heard::Delta {
            item,
            text: message.delta.unwrap_or_default(),
        },
        ("conversation.item.input_audio_transcription.completed", Some(item)) => match message.transcript {
            Some(text) => Heard::Completed { item, text },
            None => Heard::Failed { item },
        },
        ("conversation.item.input_audio_transcription.failed", Some(item)) => Heard::Failed { item },
        ("error", _) => Heard::Error(fault(&message.error.unwrap_or_default())),
        (kind, None) if kind.contains("transcription") || kind.ends_with("committed") => Heard::Rubbish,
        _ => Heard::Other,
    }
}

fn fault(details: &Details) -> Fault {
    let about = details.event_id.as_deref().unwrap_or_default();
    let ticket = about
        .strip_prefix("commit-")
        .and_then(|ticket| ticket.parse().ok());
    // The description may repeat what was sent: only the code is for the log.
    let code = details.code.as_deref().unwrap_or_default();
    tracing::warn!(code, about, "the realtime service reports an error");
    match (code, ticket) {
        ("session_expired", _) => Fault::Expired,
        ("invalid_api_key", _) => Fault::Refused(Refusal::Unauthorised),
        ("insufficient_quota", _) => Fault::Refused(Refusal::PaymentRequired),
        ("rate_limit_exceeded", _) => Fault::Refused(Refusal::RateLimited),
        ("input_audio_buffer_commit_empty", Some(ticket)) => Fault::Empty(ticket),
        (_, Some(ticket)) => Fault::Commit(ticket),
        _ if about == SETUP => Fault::Refused(Refusal::Misconfigured),
        _ => Fault::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApiKey;

    #[test]
    fn terms_are_told_as_the_model_takes_them() {
        let told = |model: &str, terms: &[&str]| {
            let mut options = RealtimeOptions::new(ApiKey::new("k"));
            options.model = model.to_owned();
            let terms: Vec<String> = terms.iter().map(|&term| term.to_owned()).collect();
            let input = setup(&options, &terms)["session"]["audio"]["input"].take();
            input["transcription"].clone()
        };
        let terms = ["Robin", "Ben Ito"];
        assert_eq!(
            told("gpt-live-transcribe", &terms),
            json!({ "model": "gpt-live-transcribe", "keywords": ["Robin", "Ben Ito"] })
        );
        for model in ["whisper-1", "gpt-4o-mini-transcribe", "my-own"] {
            assert_eq!(
                told(model, &terms),
                json!({ "model": model, "prompt": "Robin, Ben Ito." })
            );
        }
        for (model, terms) in [("gpt-realtime-whisper", &terms[..]), ("whisper-1", &[])] {
            assert_eq!(told(model, terms), json!({ "model": model }));
        }
        let long = "x".repeat(400);
        assert_eq!(
            told("gpt-transcribe", &[&long, &long])["keywords"],
            json!([long]),
            "what is too much is left out"
        );
    }

    #[test]
    fn messages_are_reduced_to_what_is_used() {
        let item = || "item_1".to_owned();
        let cases = [
            (r#"{"type":"session.updated","session":{}}"#, Heard::Ready),
            (
                r#"{"type":"input_audio_buffer.committed","item_id":"item_1","previous_item_id":null}"#,
                Heard::Committed { item: item() },
            ),
            (
                r#"{"type":"conversation.item.input_audio_transcription.delta","item_id":"item_1","content_index":0,"delta":"a "}"#,
                Heard::Delta {
                    item: item(),
                    text: "a ".to_owned(),
                },
            ),
            (
                r#"{"type":"conversation.item.input_audio_transcription.failed","item_id":"item_1","error":{"code":"x"}}"#,
                Heard::Failed { item: item() },
            ),
            (
                r#"{"type":"error","error":{"code":"input_audio_buffer_commit_empty","event_id":"commit-7"}}"#,
                Heard::Error(Fault::Empty(7)),
            ),
            (
                r#"{"type":"error","error":{"code":"invalid_value","event_id":"setup"}}"#,
                Heard::Error(Fault::Refused(Refusal::Misconfigured)),
            ),
            (
                r#"{"type":"error","error":{"code":null}}"#,
                Heard::Error(Fault::Other),
            ),
            (r#"{"type":"conversation.item.added","item":{}}"#, Heard::Other),
            (r#"{"type":"input_audio_buffer.committed"}"#, Heard::Rubbish),
            (r#"{"kind":1}"#, Heard::Rubbish),
            ("[", Heard::Rubbish),
        ];
        for (text, heard) in cases {
            assert_eq!(read(text), heard, "{text}");
        }
        let long = "x".repeat(ID_MAX_BYTES + 1);
        let text = format!(r#"{{"type":"input_audio_buffer.committed","item_id":"{long}"}}"#);
        assert_eq!(read(&text), Heard::Rubbish);
    }
}
