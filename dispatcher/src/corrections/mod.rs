//! A person's correction of what was recognised: checked, timed, stored. The API and the page for reviewers both come here.

mod retime;

use store::NewCorrection;
use uuid::Uuid;

use crate::App;
use crate::http::extract::characters;
use crate::http::{Problem, ProblemKind};

/// Of a corrected text, in characters.
pub const TEXT_MAX: usize = 4_000;

/// What recognisers learn from one correction.
const TERMS_MAX: usize = 10;

/// Corrects a segment; its new revision. Without a text it reads as it was recognised again; with an empty one it says
/// that nothing was said.
///
/// # Errors
/// The text is too long, there is no such segment, somebody was quicker, or the database is away.
pub async fn correct(
    app: &App,
    organisation: Uuid,
    room: Uuid,
    segment: Uuid,
    text: Option<&str>,
    author: &str,
    seen: Option<i64>,
) -> Result<i64, Problem> {
    let text = text.map(one_line);
    if let Some(text) = &text {
        characters("text", text, 0..=TEXT_MAX)?;
    }
    let (words, terms) = match &text {
        Some(text) => {
            let now = app.store.segment(organisation, room, segment).await?;
            if now.text == *text {
                let detail = "the segment reads like this already";
                return Err(Problem::new(ProblemKind::Conflict, detail));
            }
            let words = retime::retime(&now.words.0, (now.start_ms, now.end_ms), text);
            let mut terms = knowledge::terms(text, app.embedder.counter(), TERMS_MAX);
            let before = now.text.to_lowercase();
            terms.retain(|term| !before.contains(&term.to_lowercase()));
            (words, terms)
        }
        None => (Vec::new(), Vec::new()),
    };
    let correction = NewCorrection {
        text,
        words,
        terms,
        author: author.to_owned(),
        seen,
    };
    Ok(app
        .store
        .correct_segment(organisation, room, segment, &correction)
        .await?)
}

/// A caption is one line; what cannot be seen does not count.
fn one_line(text: &str) -> String {
    let visible = text.replace(char::is_control, " ");
    visible.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_becomes_one_line() {
        assert_eq!(one_line("  Good\tmorning,\n\u{0} Ben. "), "Good morning, Ben.");
        assert_eq!(one_line(" \n "), "");
    }
}
