//! From a question to its answer: embed, search, write with checked sources. Everything is bounded by the
//! session's own limit on a lookup; a failure here is one question's, never the session's.

use knowledge::{AnswerRequest, Citation, EmbedError, Passage, TranscriptLine};
use store::{FoundPassage, RoomForAgent, StoreError};
use thiserror::Error;
use uuid::Uuid;

use super::types::{Answer, Line, Question, Source};
use crate::host::Parts;

/// Passages that the answerer gets.
const PASSAGES: i64 = 8;

/// What the answerer is told about the room, whatever is asked.
#[derive(Clone, Debug)]
pub struct Brief {
    assistant_name: String,
    organisation_instructions: String,
    room_instructions: String,
}

impl Brief {
    /// The standing instructions of a room and its organisation.
    pub fn of(room: &RoomForAgent) -> Self {
        Self {
            assistant_name: room.organisation.assistant_name.clone(),
            organisation_instructions: room.organisation.instructions.clone(),
            room_instructions: room.room.instructions.clone(),
        }
    }

    /// The assistant's name.
    pub fn assistant_name(&self) -> &str {
        &self.assistant_name
    }
}

/// Why a question was not looked up.
#[derive(Debug, Error)]
pub enum LookupError {
    /// The question could not be embedded.
    #[error("embedding the question")]
    Embed(#[from] EmbedError),
    /// The documents could not be searched.
    #[error("searching the documents")]
    Search(#[from] StoreError),
}

/// Looks a question up in the organisation's documents.
///
/// # Errors
/// The embedding or the search failed; the answerer itself always answers.
pub async fn look_up(
    parts: &Parts,
    organisation: Uuid,
    brief: &Brief,
    question: &Question,
    lines: &[Line],
) -> Result<Answer, LookupError> {
    let embeddings = parts.embedder.embed(&[&question.text]).await?;
    let passages = match embeddings.first() {
        Some(embedding) => {
            parts
                .store
                .search(organisation, &question.text, embedding, PASSAGES)
                .await?
        }
        None => Vec::new(),
    };
    let request = AnswerRequest {
        question: question.text.clone(),
        passages: passages.into_iter().map(passage).collect(),
        assistant_name: brief.assistant_name.clone(),
        organisation_instructions: brief.organisation_instructions.clone(),
        room_instructions: brief.room_instructions.clone(),
        conversation: lines.iter().map(line).collect(),
    };
    let answer = parts.answerer.answer(&request).await;
    if let Some(fallback) = answer.fallback {
        tracing::warn!(question = %question.id, fallback = fallback.as_str(), "the chat endpoint did not deliver");
    }
    Ok(Answer {
        text: answer.text,
        grounded: answer.grounded,
        sources: answer.citations.into_iter().map(source).collect(),
        engine: answer.engine,
        prompt_tokens: answer.prompt_tokens.map_or(0, u64::from),
        completion_tokens: answer.completion_tokens.map_or(0, u64::from),
    })
}

fn passage(found: FoundPassage) -> Passage {
    Passage {
        id: found.id,
        document_title: found.document_title,
        heading: found.heading,
        page: found.page.and_then(|page| u32::try_from(page).ok()),
        text: found.text,
        distance: found.distance as f32,
    }
}

fn line(line: &Line) -> TranscriptLine {
    TranscriptLine {
        speaker: line.speaker_name.clone(),
        text: line.text.clone(),
    }
}

fn source(citation: Citation) -> Source {
    Source {
        passage_id: citation.passage_id,
        document_title: citation.document_title,
        heading: citation.heading,
        page: citation.page.and_then(|page| i32::try_from(page).ok()),
        quote: citation.quote,
    }
}
