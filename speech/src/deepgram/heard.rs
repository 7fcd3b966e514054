//! What the service says, in this crate's own words: samples instead of seconds, nothing that is not used.

use deepgram::common::stream_response::StreamResponse;
use deepgram::{DeepgramError, TungsteniteError};

use crate::service::Refusal;
use crate::{SAMPLE_RATE_HZ, SpeakerNumber};

/// Words for a stretch of what was sent on a connection, in samples since its beginning.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Results {
    pub(super) end: usize,
    pub(super) words: Vec<HeardWord>,
    /// The words will not change any more.
    pub(super) is_final: bool,
    /// This answers a `Finalize`.
    pub(super) from_finalize: bool,
}

/// A word, in samples since the beginning of its connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HeardWord {
    pub(super) text: String,
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) confidence: f32,
    pub(super) speaker: Option<SpeakerNumber>,
}

/// One message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    Results(Results),
    /// The summary that follows a `CloseStream`.
    Goodbye,
    /// A message that is understood and not needed.
    Other,
    /// Not what the protocol says.
    Rubbish,
}

/// The highest number of a voice that is believed.
const SPEAKERS_MAX: u32 = 1_000;
/// The longest connection that is believed, in seconds: four weeks.
const LONGEST_S: f64 = 28.0 * 24.0 * 3600.0;

/// Reads a message of a connection, of which no other has the number.
pub(super) fn read(message: Result<StreamResponse, DeepgramError>, connection: u64) -> Heard {
    match message {
        Ok(StreamResponse::TranscriptResponse {
            start,
            duration,
            is_final,
            from_finalize,
            channel,
            ..
        }) => {
            let words = channel.alternatives.into_iter().next().map(|best| best.words);
            let words: Option<Vec<HeardWord>> = words
                .unwrap_or_default()
                .into_iter()
                .map(|one| word(one, connection))
                .collect();
            match (samples(start + duration), words) {
                (Some(end), Some(words)) => Heard::Results(Results {
                    end,
                    words,
                    is_final,
                    from_finalize,
                }),
                _ => Heard::Rubbish,
            }
        }
        Ok(StreamResponse::TerminalResponse { .. }) => Heard::Goodbye,
        Ok(StreamResponse::Unknown(value)) => {
            // The description may repeat what was sent: only the kind is for the log.
            let kind = value.get("type").and_then(|kind| kind.as_str());
            let variant = value.get("variant").and_then(|variant| variant.as_str());
            tracing::warn!(kind, variant, "the service says something unknown");
            if kind == Some("Error") {
                Heard::Rubbish
            } else {
                Heard::Other
            }
        }
        Ok(_) => Heard::Other,
        Err(_) => Heard::Rubbish,
    }
}

fn word(word: deepgram::common::stream_response::Word, connection: u64) -> Option<HeardWord> {
    let start = samples(word.start)?;
    Some(HeardWord {
        text: word.punctuated_word.unwrap_or(word.word).trim().to_owned(),
        start,
        end: samples(word.end)?.max(start),
        confidence: (word.confidence as f32).clamp(0.0, 1.0),
        speaker: word
            .speaker
            .and_then(|speaker| u32::try_from(speaker).ok())
            .filter(|&speaker| speaker < SPEAKERS_MAX)
            .map(|number| SpeakerNumber { connection, number }),
    })
}

fn samples(seconds: f64) -> Option<usize> {
    (0.0..LONGEST_S)
        .contains(&seconds)
        .then(|| (seconds * f64::from(SAMPLE_RATE_HZ)).round() as usize)
}

/// The refusal in a failed connection, if it is one.
pub(super) fn refusal(error: &DeepgramError) -> Option<Refusal> {
    let DeepgramError::WsError(error) = error else {
        return None;
    };
    let TungsteniteError::Http(response) = &**error else {
        return None;
    };
    match response.status().as_u16() {
        401 | 403 => Some(Refusal::Unauthorised),
        402 => Some(Refusal::PaymentRequired),
        429 => Some(Refusal::RateLimited),
        400..=499 => Some(Refusal::Misconfigured),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Heard {
        read(serde_json::from_str(json).map_err(DeepgramError::from), 7)
    }

    fn results(start: &str, word: &str) -> String {
        format!(
            r#"{{"type":"Results","channel_index":[0,1],"duration":1.5,"start":{start},"is_final":true,
            "speech_final":false,"from_finalize":true,"channel":{{"alternatives":[{{"transcript":"x","confidence":0.9,
            "words":[{word}]}}]}},"metadata":{{"request_id":"r","model_info":{{"name":"n","version":"v","arch":"a"}},
            "model_uuid":"u"}}}}"#
        )
    }

    #[test]
    fn seconds_become_samples_and_the_punctuated_word_is_taken() {
        let word = r#"{"word":"hello","start":2.25,"end":2.5,"confidence":0.75,"speaker":1,"punctuated_word":"Hello,"}"#;
        let Heard::Results(results) = parse(&results("2.0", word)) else {
            panic!("no results");
        };
        assert_eq!(
            (results.end, results.is_final, results.from_finalize),
            (56_000, true, true)
        );
        let word = &results.words[0];
        assert_eq!((word.start, word.end), (36_000, 40_000));
        let speaker = SpeakerNumber {
            connection: 7,
            number: 1,
        };
        assert_eq!(word.speaker, Some(speaker));
        assert_eq!(word.text, "Hello,");
    }

    #[test]
    fn what_is_not_the_protocol_is_rubbish_and_what_is_new_is_not() {
        assert_eq!(parse("{"), Heard::Rubbish);
        assert_eq!(parse(&results("-3", "")), Heard::Rubbish);
        assert_eq!(parse(&results("1e300", "")), Heard::Rubbish);
        assert_eq!(parse(r#"{"type":"Results"}"#), Heard::Rubbish);
        assert_eq!(parse(r#"{"type":"Error","variant":"x"}"#), Heard::Rubbish);
        assert_eq!(parse(r#"{"type":"Weather"}"#), Heard::Other);
    }
}
