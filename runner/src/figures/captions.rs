//! `cargo figures captions`: the demo's meeting, held for what it measures.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::figure::{Figure, OURS, Report};
use super::machine;
use crate::demo::{self, Summary};
use crate::setup::Ready;

/// Others' work on the machine may take this long; then the meeting is held anyway, and the report says so.
const QUIET_LIMIT: Duration = Duration::from_secs(300);
/// What the demo calls the recording of a human voice whose text is known.
const RECORDING: &str = "a-tale-of-two-cities";

const MEANING: &str = "The meeting of `cargo demo`, as its two participants see it: synthesised voices one after the other, \
then recordings of two human voices that overlap, through LiveKit, Opus and Whisper tiny.en on the processor. The word error \
rate compares the transcript with what was said (Levenshtein on words, without case and punctuation). A first caption's delay \
counts from the end of a word to the first caption that shows it, a final caption's from the end of its last word to its \
arrival; where a word ends is what the transcript says. Core seconds are the agent's processor time from the first word until \
the last caption is settled, answers included, by the seconds of speech played.";

/// Measures; none when it was interrupted.
///
/// # Errors
/// A part does not start, or the meeting cannot be held.
pub(super) async fn measure(ready: &Ready, begun: Instant) -> Result<Option<Report>> {
    let quiet = machine::quiet(QUIET_LIMIT).await?;
    let summary = demo::held(ready, "figures-captions", begun, false).await?;
    Ok(summary.map(|summary| report(&summary, quiet)))
}

fn report(summary: &Summary, quiet: bool) -> Report {
    let all = format!("the demo's meeting, {} words of known text", summary.words_said);
    let human = "the human recording of known text alone".to_owned();
    let ms = |value: Option<i64>| value.map(|ms| ms as f64);
    let rows = [
        ("word_error_rate", Some(summary.word_error_rate), "share", &all),
        (
            "word_error_rate",
            summary.word_error_rate_by_part.get(RECORDING).copied(),
            "share",
            &human,
        ),
        (
            "first_caption_ms_p50",
            ms(summary.first_caption_ms_p50),
            "ms",
            &all,
        ),
        (
            "first_caption_ms_p90",
            ms(summary.first_caption_ms_p90),
            "ms",
            &all,
        ),
        (
            "final_caption_ms_p50",
            ms(summary.final_caption_ms_p50),
            "ms",
            &all,
        ),
        (
            "final_caption_ms_p90",
            ms(summary.final_caption_ms_p90),
            "ms",
            &all,
        ),
        (
            "core_seconds_per_speech_second",
            summary.agent_core_seconds_per_speech_second,
            "s/s",
            &all,
        ),
    ];
    let figures = rows
        .into_iter()
        .filter_map(|(figure, value, unit, setting)| {
            Some(Figure {
                figure,
                system: OURS.to_owned(),
                setting: setting.clone(),
                value: value?,
                unit,
                aim: None,
            })
        })
        .collect();
    let failures = summary.failures.iter();
    let mut notes: Vec<String> = failures
        .map(|failure| format!("Did not happen in this meeting: {failure}."))
        .collect();
    if !quiet {
        notes.push("The machine was not quiet when the meeting began.".to_owned());
    }
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}
