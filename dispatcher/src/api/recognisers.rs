//! Which recognisers write a meeting down, the preferred one first. Whether an agent has them is known to the agent alone:
//! what it lacks it passes over, and the room's events say so.

use serde::Deserialize;
use utoipa::ToSchema;

use crate::http::Problem;

/// A recogniser, as it is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecogniserKind {
    /// Deepgram's live recognition.
    Deepgram,
    /// An OpenAI-compatible transcription endpoint.
    Openai,
    /// OpenAI's realtime transcription.
    OpenaiRealtime,
    /// Whisper in the agent's own process: nothing leaves it.
    Whisper,
}

impl RecogniserKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Deepgram => "deepgram",
            Self::Openai => "openai",
            Self::OpenaiRealtime => "openai_realtime",
            Self::Whisper => "whisper",
        }
    }
}

/// The list as the store keeps it.
///
/// # Errors
/// It is empty, or names one twice.
pub fn check(recognisers: &[RecogniserKind]) -> Result<Vec<String>, Problem> {
    let mut names: Vec<String> = Vec::new();
    for recogniser in recognisers {
        let name = recogniser.as_str();
        if names.iter().any(|known| known == name) {
            return Err(wrong());
        }
        names.push(name.to_owned());
    }
    if names.is_empty() { Err(wrong()) } else { Ok(names) }
}

fn wrong() -> Problem {
    Problem::field(
        "recognisers",
        "1 to 4 of deepgram, openai, openai_realtime, whisper, each once",
    )
}
