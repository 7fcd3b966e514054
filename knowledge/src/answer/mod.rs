//! From a question and the passages found for it to an answer that can be looked up, always within the time limit.
//!
//! With a chat endpoint its sentences are checked one by one and those without support are dropped. Without one, or when
//! it fails, is slow or talks rubbish, the answer is quoted from the passages. When neither holds up: the documents do
//! not say. There is no error to handle: an assistant in a meeting owes an answer.

pub(crate) mod check;
pub(crate) mod expectation;
pub(crate) mod extractive;

use std::time::Duration;

use prompts::{AnswerPrompt, PassageText, Said};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::chat::{Chat, ChatEndpoint, ChatError};
use crate::embed::{Embedder, Embedding};
use check::check;
use extractive::Thresholds;

/// What is said when the documents hold no answer.
pub const NOT_IN_DOCUMENTS: &str = prompts::REFUSAL;
/// The engine's name of an answer quoted from the documents without a language model.
pub const EXTRACTIVE_ENGINE: &str = "extractive";

/// Passages that are looked at; further ones are ignored.
const MAX_PASSAGES: usize = 8;
/// Of a question, standing instructions and one spoken line no more is read than this.
const MAX_QUESTION_CHARS: usize = 1_000;
const MAX_INSTRUCTIONS_CHARS: usize = 4_000;
const MAX_LINE_CHARS: usize = 500;
/// Lines of the conversation that go into the prompt: the last ones.
const MAX_LINES: usize = 12;
/// Time for choosing sentences by embedding; after that they are chosen by their words alone.
const EMBEDDING_LIMIT_MS: u64 = 3_000;

/// A passage as the search found it.
#[derive(Debug, Clone, PartialEq)]
pub struct Passage {
    /// The passage's id in the store.
    pub id: Uuid,
    /// Title of its document.
    pub document_title: String,
    /// Headings above it; may be empty.
    pub heading: String,
    /// Page, where the document has pages.
    pub page: Option<u32>,
    /// Its text.
    pub text: String,
    /// Cosine distance of question and passage: 0 the same direction, 1 unrelated.
    pub distance: f32,
}

/// One line of the conversation before the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TranscriptLine {
    /// Who spoke.
    pub speaker: String,
    /// What was said.
    pub text: String,
}

/// A question with all that may shape its answer.
#[derive(Debug, Clone, Default)]
pub struct AnswerRequest {
    /// The question.
    pub question: String,
    /// What the search found for it, best first.
    pub passages: Vec<Passage>,
    /// The assistant's name in this organisation.
    pub assistant_name: String,
    /// Standing instructions of the organisation; may be empty.
    pub organisation_instructions: String,
    /// Standing instructions of the room; may be empty.
    pub room_instructions: String,
    /// The last lines of the conversation, oldest first.
    pub conversation: Vec<TranscriptLine>,
}

/// A place in a document that supports an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// The passage.
    pub passage_id: Uuid,
    /// Title of its document.
    pub document_title: String,
    /// Headings above it; may be empty.
    pub heading: String,
    /// Page, where the document has pages.
    pub page: Option<u32>,
    /// The supporting sentences, byte for byte as they stand in the passage.
    pub quote: String,
}

/// An answer. `[n]` in its text points at `citations[n - 1]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What is shown: sentences, each with its pointers, or [`NOT_IN_DOCUMENTS`].
    pub text: String,
    /// Whether the documents support it; then there is at least one citation.
    pub grounded: bool,
    /// The supporting places, in the order of the pointers.
    pub citations: Vec<Citation>,
    /// The chat model's name, or [`EXTRACTIVE_ENGINE`].
    pub engine: String,
    /// Tokens of the prompt, where the endpoint counts them.
    pub prompt_tokens: Option<u32>,
    /// Tokens of the model's reply, where the endpoint counts them.
    pub completion_tokens: Option<u32>,
    /// Why a configured chat endpoint's answer was not used, or only in part.
    pub fallback: Option<Fallback>,
}

impl Answer {
    /// The text for a voice: without pointers and quotation marks.
    pub fn spoken(&self) -> String {
        check::without_pointers(&self.text).replace(['“', '”'], "")
    }

    fn not_in_documents(engine: &str) -> Self {
        Self {
            text: NOT_IN_DOCUMENTS.to_owned(),
            grounded: false,
            citations: Vec::new(),
            engine: engine.to_owned(),
            prompt_tokens: None,
            completion_tokens: None,
            fallback: None,
        }
    }
}

/// What kept a chat endpoint's answer from being used in full. A label for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// No connection, or it broke.
    Unreachable,
    /// It refused: a status other than success, or an error inside the stream.
    Refused,
    /// It asks to come back later than an answer can wait.
    RateLimited,
    /// Too slow to start, to go on or to finish.
    TooSlow,
    /// What came is not what the protocol says.
    Rubbish,
    /// More came than the limit.
    TooLong,
}

impl Fallback {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::RateLimited => "rate_limited",
            Self::TooSlow => "too_slow",
            Self::Rubbish => "rubbish",
            Self::TooLong => "too_long",
        }
    }
}

/// Answers questions. Cheap to clone.
#[derive(Clone)]
pub struct Answerer {
    embedder: Embedder,
    chat: Option<Chat>,
    thresholds: Thresholds,
}

impl Answerer {
    /// Answers are quoted from the passages.
    pub fn extractive(embedder: Embedder) -> Self {
        Self {
            embedder,
            chat: None,
            thresholds: Thresholds::default(),
        }
    }

    /// Answers come from a chat endpoint, checked; quoted from the passages when it does not deliver.
    pub fn with_endpoint(embedder: Embedder, endpoint: ChatEndpoint) -> Result<Self, ChatError> {
        Ok(Self {
            embedder,
            chat: Some(Chat::new(endpoint)?),
            thresholds: Thresholds::default(),
        })
    }

    /// Answers a question. Bounded: the endpoint's limits and then at most four seconds.
    pub async fn answer(&self, request: &AnswerRequest) -> Answer {
        let passages = &request.passages[..request.passages.len().min(MAX_PASSAGES)];
        let question = clipped(&request.question, MAX_QUESTION_CHARS);
        let Some(chat) = &self.chat else {
            return self.quote(question, passages).await;
        };
        if passages.is_empty() {
            return Answer::not_in_documents(EXTRACTIVE_ENGINE);
        }
        let reply = chat.complete(prompt(request, question, passages)).await;
        let checked = check(&reply.text, reply.cut.is_none(), passages);
        tracing::debug!(
            kept = checked.kept,
            dropped = checked.dropped.len(),
            cut = reply.cut.map(Fallback::as_str),
            "chat answer checked"
        );
        match reply.cut {
            // What was verified before the endpoint failed is as good as ever; if nothing was, the documents are quoted.
            Some(reason) if checked.citations.is_empty() => Answer {
                fallback: Some(reason),
                ..self.quote(question, passages).await
            },
            cut => Answer {
                grounded: !checked.citations.is_empty(),
                text: checked.text,
                citations: checked.citations,
                engine: chat.model().to_owned(),
                prompt_tokens: reply.prompt_tokens,
                completion_tokens: reply.completion_tokens,
                fallback: cut,
            },
        }
    }

    async fn quote(&self, question: &str, passages: &[Passage]) -> Answer {
        let candidates = extractive::candidates(passages);
        if candidates.is_empty() {
            return Answer::not_in_documents(EXTRACTIVE_ENGINE);
        }
        let texts: Vec<&str> = std::iter::once(question)
            .chain(candidates.iter().map(|candidate| candidate.embedded.as_str()))
            .collect();
        let limit = Duration::from_millis(EMBEDDING_LIMIT_MS);
        let embeddings: Option<Vec<Embedding>> =
            match tokio::time::timeout(limit, self.embedder.embed(&texts)).await {
                Ok(Ok(embeddings)) => Some(embeddings),
                Ok(Err(error)) => {
                    tracing::warn!(%error, "sentences are chosen without embeddings");
                    None
                }
                Err(_) => {
                    tracing::warn!(
                        limit_ms = EMBEDDING_LIMIT_MS,
                        "sentences are chosen without embeddings"
                    );
                    None
                }
            };
        extractive::choose(
            question,
            passages,
            &candidates,
            embeddings.as_deref(),
            &self.thresholds,
        )
        .unwrap_or_else(|| Answer::not_in_documents(EXTRACTIVE_ENGINE))
    }
}

fn prompt(request: &AnswerRequest, question: &str, passages: &[Passage]) -> prompts::Prompt {
    let texts: Vec<PassageText<'_>> = passages
        .iter()
        .map(|passage| PassageText {
            document_title: &passage.document_title,
            heading: &passage.heading,
            page: passage.page,
            text: &passage.text,
        })
        .collect();
    let first = request.conversation.len().saturating_sub(MAX_LINES);
    let said: Vec<Said<'_>> = request.conversation[first..]
        .iter()
        .map(|line| Said {
            speaker: clipped(&line.speaker, MAX_LINE_CHARS),
            text: clipped(&line.text, MAX_LINE_CHARS),
        })
        .collect();
    prompts::answer(&AnswerPrompt {
        assistant_name: clipped(&request.assistant_name, MAX_LINE_CHARS),
        organisation_instructions: clipped(&request.organisation_instructions, MAX_INSTRUCTIONS_CHARS),
        room_instructions: clipped(&request.room_instructions, MAX_INSTRUCTIONS_CHARS),
        passages: &texts,
        conversation: &said,
        question,
    })
}

fn clipped(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((at, _)) => &text[..at],
        None => text,
    }
}
