//! The prompt for an answer with checked citations.

use crate::Prompt;
use crate::template::{fence, fill};

/// Name and version of the template that [`answer`] renders.
pub const ANSWER_VERSION: &str = "answer.v1";

/// What the assistant says when the documents hold no answer. The model is told to say it, and the checker knows it.
pub const REFUSAL: &str = "The documents do not say.";

const SYSTEM: &str = include_str!("../templates/answer.v1.system.md");
const USER: &str = include_str!("../templates/answer.v1.user.md");
const SENTENCE_LIMIT: &str = "four";
const TAGS: &[&str] = &["passage", "conversation", "question"];

/// One passage as the model sees it; the first in the list is number 1.
#[derive(Debug, Clone, Copy)]
pub struct PassageText<'a> {
    /// Title of the document.
    pub document_title: &'a str,
    /// Headings above the passage; may be empty.
    pub heading: &'a str,
    /// Page, where the document has pages.
    pub page: Option<u32>,
    /// The passage itself.
    pub text: &'a str,
}

/// One thing said in the meeting shortly before the question.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Who said it.
    pub speaker: &'a str,
    /// What was said.
    pub text: &'a str,
}

/// All that goes into the prompt.
#[derive(Debug, Clone, Copy)]
pub struct AnswerPrompt<'a> {
    /// The assistant's name in this organisation.
    pub assistant_name: &'a str,
    /// Standing instructions of the organisation; may be empty.
    pub organisation_instructions: &'a str,
    /// Standing instructions of the room; may be empty.
    pub room_instructions: &'a str,
    /// The numbered passages.
    pub passages: &'a [PassageText<'a>],
    /// The last lines of the conversation, oldest first: only there to understand the question.
    pub conversation: &'a [Said<'a>],
    /// The question.
    pub question: &'a str,
}

/// Renders the prompt. Lengths are the caller's to bound; nothing in the values can leave its place.
pub fn answer(prompt: &AnswerPrompt<'_>) -> Prompt {
    let instructions = instructions(prompt);
    Prompt {
        version: ANSWER_VERSION,
        system: fill(
            SYSTEM,
            &[
                ("assistant_name", prompt.assistant_name),
                ("refusal", REFUSAL),
                ("sentence_limit", SENTENCE_LIMIT),
                ("instructions", &instructions),
            ],
        )
        .trim_end()
        .to_owned(),
        user: fill(
            USER,
            &[
                ("passages", &passages(prompt.passages)),
                ("conversation", &conversation(prompt.conversation)),
                ("question", &fence(prompt.question.trim(), TAGS)),
            ],
        )
        .trim_end()
        .to_owned(),
    }
}

/// Standing instructions may shape tone and subject; the rules above them stay in force.
fn instructions(prompt: &AnswerPrompt<'_>) -> String {
    let mut out = String::new();
    for (whose, text) in [
        ("organisation", prompt.organisation_instructions),
        ("meeting", prompt.room_instructions),
    ] {
        let text = text.trim();
        if !text.is_empty() {
            out.push_str(&format!(
                "\nStanding instructions of the {whose}, to follow as far as the rules allow:\n{text}\n"
            ));
        }
    }
    out
}

fn passages(passages: &[PassageText<'_>]) -> String {
    let rendered: Vec<String> = passages
        .iter()
        .enumerate()
        .map(|(index, passage)| {
            let mut source = fence(passage.document_title.trim(), TAGS);
            if !passage.heading.trim().is_empty() {
                source.push_str(" > ");
                source.push_str(&fence(passage.heading.trim(), TAGS));
            }
            if let Some(page) = passage.page {
                source.push_str(&format!(", page {page}"));
            }
            format!("[{}] ({source})\n{}", index + 1, fence(passage.text.trim(), TAGS))
        })
        .collect();
    rendered.join("\n\n")
}

fn conversation(lines: &[Said<'_>]) -> String {
    let rendered: Vec<String> = lines
        .iter()
        .map(|said| {
            format!(
                "{}: {}",
                fence(said.speaker.trim(), TAGS),
                fence(said.text.trim(), TAGS)
            )
        })
        .collect();
    rendered.join("\n")
}
