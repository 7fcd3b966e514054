//! How an answer reads in chat and how it is handed to a private caller.

use serde::Serialize;
use uuid::Uuid;

use super::types::{Answer, Source};

/// What is said when the session has too many questions.
pub const TOO_MANY: &str = "I am still busy with earlier questions. Please ask again in a moment.";
/// What is said when a lookup failed or took too long.
pub const FAILED: &str = "I could not look that up just now. Please ask again in a moment.";
/// What is said to a private caller while the meeting ends.
pub const ENDING: &str = "The assistant is leaving the meeting.";

/// The reply of the RPC `ask`, as JSON.
#[derive(Debug, Serialize)]
struct Private<'a> {
    id: Uuid,
    text: &'a str,
    grounded: bool,
    sources: &'a [Source],
}

/// An answer as a chat message: its text, then one line with the sources that its markers point at.
pub fn chat_text(answer: &Answer) -> String {
    if answer.sources.is_empty() {
        return answer.text.clone();
    }
    let sources: Vec<String> = answer
        .sources
        .iter()
        .enumerate()
        .map(|(index, source)| format!("[{}] {}", index + 1, place(source)))
        .collect();
    format!("{}\n\nSources: {}", answer.text, sources.join("; "))
}

/// An answer as the RPC's payload, cut to `max_bytes` by shortening its quotes.
pub fn private_json(id: Uuid, answer: &Answer, max_bytes: usize) -> String {
    let json = |sources: &[Source]| {
        let private = Private {
            id,
            text: &answer.text,
            grounded: answer.grounded,
            sources,
        };
        serde_json::to_string(&private).unwrap_or_default()
    };
    let whole = json(&answer.sources);
    if whole.len() <= max_bytes {
        return whole;
    }
    let short: Vec<Source> = answer
        .sources
        .iter()
        .map(|source| Source {
            quote: String::new(),
            ..source.clone()
        })
        .collect();
    json(&short)
}

fn place(source: &Source) -> String {
    let mut place = source.document_title.clone();
    if !source.heading.is_empty() {
        place.push_str(", ");
        place.push_str(&source.heading);
    }
    if let Some(page) = source.page {
        place.push_str(&format!(", p. {page}"));
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> Answer {
        let source = |title: &str, heading: &str, page| Source {
            passage_id: Uuid::nil(),
            document_title: title.to_owned(),
            heading: heading.to_owned(),
            page,
            quote: "q".repeat(500),
        };
        Answer {
            text: "Thirty days [1]. In writing [2].".to_owned(),
            grounded: true,
            sources: vec![
                source("Handbook", "Notice", Some(4)),
                source("Contract", "", None),
            ],
            engine: "extractive".to_owned(),
            prompt_tokens: 0,
            completion_tokens: 0,
        }
    }

    #[test]
    fn markers_find_their_sources_below_the_text() {
        let expected =
            "Thirty days [1]. In writing [2].\n\nSources: [1] Handbook, Notice, p. 4; [2] Contract";
        assert_eq!(chat_text(&answer()), expected);
        let bare = Answer {
            sources: Vec::new(),
            text: "The documents do not say.".to_owned(),
            ..answer()
        };
        assert_eq!(chat_text(&bare), "The documents do not say.");
    }

    #[test]
    fn a_private_reply_fits_its_packet() {
        let whole = private_json(Uuid::nil(), &answer(), 10_000);
        assert!(whole.contains("qqq"));
        let cut = private_json(Uuid::nil(), &answer(), 1_000);
        assert!(cut.len() <= 1_000 && cut.contains("Handbook"));
    }
}
