//! `cargo figures captions`: the demo's meeting, held for what it measures.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::figure::{Figure, OURS, Report};
use super::{accuracy, machine, unless_interrupted};
use crate::demo::{self, Summary};
use crate::setup::Ready;

/// Others' work on the machine may take this long; then the meeting is held anyway, and the report says so.
const QUIET_LIMIT: Duration = Duration::from_secs(300);
/// What the demo calls the recording of a human voice whose text is known.
const RECORDING: &str = "a-tale-of-two-cities";

const MEANING: &str = "The meeting of `cargo demo`, as its two participants see it: synthesised voices one after the other, \
then recordings of two human voices that overlap, through LiveKit, Opus and Whisper tiny.en on the processor. The word error \
rate compares the transcript with what was said (Levenshtein on words, without case and punctuation). The first caption of \
a turn counts from the beginning of the voice in the played file to the arrival of the first caption that shows one of its \
first words, so the words' own length is in it. A final \
caption's delay counts from the end of a segment's voice, as the agent's voice detector heard it, to its arrival at the \
participant who did not speak. Core seconds are the agent's processor time from the first word until \
the last caption is settled, answers included, by the seconds of speech played.";

/// What the numbers cannot bear.
const CAVEATS: [&str; 3] = [
    "The texts are few and easy: clear synthesised voices, and the opening of a novel that the model has read. This shows that \
     nothing is lost on the way, not how well strangers in a noisy room are understood.",
    "The voice's end is good to a quarter of a second (compared with the level of the played files) and on the agent's clock, so the way from \
     the speaker to the agent is not in the delay.",
    "First captions are counted by turn and not by word.",
];

/// Measures; none when it was interrupted.
///
/// # Errors
/// A part does not start, or the meeting cannot be held.
pub(super) async fn measure(ready: &Ready, begun: Instant) -> Result<Option<Report>> {
    let quiet = machine::quiet(QUIET_LIMIT).await?;
    let Some(summary) = demo::held(ready, "figures-captions", begun, false).await? else {
        return Ok(None);
    };
    let Some(accuracy) = unless_interrupted(accuracy::measure(ready)).await? else {
        return Ok(None);
    };
    let mut report = report(&summary, quiet);
    report.meaning = format!("{}\n\n{}", report.meaning, accuracy::MEANING);
    report.figures.extend(accuracy.figures);
    report.notes.extend(accuracy.notes);
    Ok(Some(report))
}

fn report(summary: &Summary, quiet: bool) -> Report {
    let all = format!("the demo's meeting, {} words of known text", summary.words_said);
    let human = "the human recording of known text alone".to_owned();
    let ms = |value: Option<i64>| value.map(|ms| ms as f64);
    let rows = [
        (
            "word_error_rate",
            Some(summary.word_error_rate),
            "share",
            &all,
            Some(0.15),
        ),
        (
            "word_error_rate",
            summary.word_error_rate_by_part.get(RECORDING).copied(),
            "share",
            &human,
            None,
        ),
        (
            "first_caption_ms_p50",
            ms(summary.first_caption_ms_p50),
            "ms",
            &all,
            Some(1500.0),
        ),
        (
            "first_caption_ms_p90",
            ms(summary.first_caption_ms_p90),
            "ms",
            &all,
            None,
        ),
        (
            "final_caption_ms_p50",
            ms(summary.final_caption_ms_p50),
            "ms",
            &all,
            Some(2500.0),
        ),
        (
            "final_caption_ms_p90",
            ms(summary.final_caption_ms_p90),
            "ms",
            &all,
            None,
        ),
        (
            "core_seconds_per_speech_second",
            summary.agent_core_seconds_per_speech_second,
            "s/s",
            &all,
            None,
        ),
    ];
    let figures = rows
        .into_iter()
        .filter_map(|(figure, value, unit, setting, aim)| {
            Some(Figure {
                figure,
                system: OURS.to_owned(),
                setting: setting.clone(),
                value: value?,
                unit,
                aim,
            })
        })
        .collect();
    let failures = summary.failures.iter();
    let mut notes: Vec<String> = CAVEATS.iter().map(|&caveat| caveat.to_owned()).collect();
    notes.extend(failures.map(|failure| format!("Did not happen in this meeting: {failure}.")));
    if !quiet {
        notes.push("The machine was not quiet when the meeting began.".to_owned());
    }
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}
