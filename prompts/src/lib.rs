//! The words we say to language models: versioned templates as files under `templates/`, rendered by plain functions.
//!
//! A template that has been in use is never edited: a change is a new version beside it. What a template renders to is
//! under snapshot tests, so a change to a prompt is seen as a change to text.

mod answer;
mod template;

pub use answer::{ANSWER_VERSION, AnswerPrompt, PassageText, REFUSAL, Said, answer};

/// A prompt ready to be sent: what the model is told to be, and what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    /// Name and version of the template, for logs, records and comparisons.
    pub version: &'static str,
    /// The system message.
    pub system: String,
    /// The user message.
    pub user: String,
}
