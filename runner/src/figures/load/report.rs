//! The page of `captions-load`: its figures, its aims, and what it means.

use super::{OUR_SPEAKERS, Outcome};
use crate::figures::figure::{Figure, OURS, Report, SPEAKERS_HELD, percentile};

/// Nine of ten finals come within this time, or a system does not hold so many speakers.
const HELD_MS: f64 = 2_000.0;
const AIM_SPEAKERS: f64 = 6.0;
const MEANING: &str = "Several people speak at once, without a pause for one another: recordings of three human voices (those of \
`captions`), about fifty seconds each. Who speaks alone does so four times, with the tracks that four have \
at once. Delays are by word. A word's true end is that of an off-line pass over the clean recording \
(whisper.cpp, full context, the attention heads that follow the sound); only words that both the off-line pass and the system \
heard are counted. Shown: from the word's end until it is first seen. Committed: until it is seen and from then \
on neither changed nor taken away, as a viewer finds out, whatever the system calls it. Final: from the end of a \
stretch of speech (its last moment within 14 dB of the loud ones, in the clean file, before a pause of a second and more) until the \
last of its words is declared settled: for Rapporteur a final caption, for \
WhisperLiveKit a word that has left the buffer, for RealtimeSTT the text after a pause. Ours goes through LiveKit and Opus to \
another participant's client; the others get the samples in their own process, in chunks of 20 ms at the pace of the sound, \
with no network or codec. All use the same tiny.en weights: ours as ggml (16 bits), the others in CTranslate2's form at 8 bits. \
Rooms are told that each microphone has one voice, so that nobody listens for a second one, as the others do not (it costs a \
tenth of the speech that is heard for it: twenty seconds in the beginning, then an eighth). Core seconds are processor time, ours of the agent's process, the others' of theirs with their children, by the seconds of \
recordings played. Real-time factor: how long a worker of our recogniser was busy with a second of recognised speech, looks for \
partials included, by the usage ledger; the others do not tell theirs. The participants and livekit-server share the two cores with our agent. A system holds so many speakers when \
nine of ten finals come within 2 s.";

const CAVEATS: [&str; 4] = [
    "WhisperLiveKit runs LocalAgreement over faster-whisper with its defaults, many streams in one process, as its server does; \
     its simul-streaming policy needs weights in another form. RealtimeSTT runs one process a stream, with live text on.",
    "WhisperLiveKit needs nearly both cores for one speaker: in one run it keeps up (words shown after 2.2 s), in another it falls \
     behind.",
    "Single runs of about a minute: medians move by a tenth from run to run.",
    "Word times of an off-line pass are good to about 100 ms, alike for all.",
];

/// What the median of a delay should be at most, ours.
fn aim(figure: &str, outcome: &Outcome) -> Option<f64> {
    let alone = match figure {
        "word_shown_ms_p50" | "final_caption_ms_p50" => 600.0,
        "word_committed_ms_p50" => 1_300.0,
        "core_seconds_per_speech_second" if outcome.speakers == 1 => return ours(outcome, 0.35),
        _ => return None,
    };
    match outcome.speakers {
        1 => ours(outcome, alone),
        4 => ours(outcome, alone * 1.5),
        _ => None,
    }
}

fn ours(outcome: &Outcome, aim: f64) -> Option<f64> {
    (outcome.system == OURS).then_some(aim)
}

/// The page.
pub(super) fn of(outcomes: &[Outcome], noisy_runs: usize) -> Report {
    let p = |values: &[f64], share| percentile(values, share);
    type Of<'a> = Box<dyn Fn(&Outcome) -> Option<f64> + 'a>;
    let kinds: Vec<(&'static str, &'static str, Of<'_>)> = vec![
        ("word_shown_ms_p50", "ms", Box::new(|one| p(&one.shown_ms, 0.5))),
        ("word_shown_ms_p90", "ms", Box::new(|one| p(&one.shown_ms, 0.9))),
        (
            "word_committed_ms_p50",
            "ms",
            Box::new(|one| p(&one.committed_ms, 0.5)),
        ),
        (
            "word_committed_ms_p90",
            "ms",
            Box::new(|one| p(&one.committed_ms, 0.9)),
        ),
        (
            "final_caption_ms_p50",
            "ms",
            Box::new(|one| p(&one.finals_ms, 0.5)),
        ),
        (
            "final_caption_ms_p90",
            "ms",
            Box::new(|one| p(&one.finals_ms, 0.9)),
        ),
        (
            "core_seconds_per_speech_second",
            "s/s",
            Box::new(|one| Some(one.core_seconds_per_second())),
        ),
        ("real_time_factor", "s/s", Box::new(|one| one.real_time_factor())),
        (
            "word_error_rate",
            "share",
            Box::new(|one| Some(one.errors.rate())),
        ),
    ];
    let mut figures = Vec::new();
    for speakers in OUR_SPEAKERS {
        for (figure, unit, of) in &kinds {
            for outcome in outcomes.iter().filter(|outcome| outcome.speakers == speakers) {
                figures.extend(of(outcome).map(|value| Figure {
                    figure,
                    system: outcome.system.to_owned(),
                    setting: setting(speakers),
                    value,
                    unit,
                    aim: aim(figure, outcome),
                }));
            }
        }
    }
    let mut systems: Vec<&'static str> = Vec::new();
    for outcome in outcomes {
        if !systems.contains(&outcome.system) {
            systems.push(outcome.system);
        }
    }
    figures.extend(systems.into_iter().map(|system| {
        let own: Vec<&Outcome> = outcomes
            .iter()
            .filter(|outcome| outcome.system == system)
            .collect();
        let held = own.iter().take_while(|outcome| holds(outcome)).last();
        let tried: Vec<String> = own.iter().map(|outcome| outcome.speakers.to_string()).collect();
        Figure {
            figure: SPEAKERS_HELD,
            system: system.to_owned(),
            setting: format!("of {} tried", tried.join(", ")),
            value: held.map_or(0.0, |outcome| outcome.speakers as f64),
            unit: "speakers",
            aim: (system == OURS).then_some(AIM_SPEAKERS),
        }
    }));
    let mut notes: Vec<String> = CAVEATS.iter().map(|&caveat| caveat.to_owned()).collect();
    notes.extend(outcomes.iter().map(|outcome| {
        format!(
            "{}, {}: {} words compared by time, {} finals.",
            outcome.system,
            setting(outcome.speakers),
            outcome.shown_ms.len(),
            outcome.finals_ms.len()
        )
    }));
    if noisy_runs > 0 {
        notes.push(format!(
            "In {noisy_runs} runs the machine was not quiet at the beginning."
        ));
    }
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}

fn setting(speakers: usize) -> String {
    match speakers {
        1 => "1 speaker".to_owned(),
        many => format!("{many} at once"),
    }
}

fn holds(outcome: &Outcome) -> bool {
    percentile(&outcome.finals_ms, 0.9).is_some_and(|ms| ms <= HELD_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::meeting::Recogniser;
    use crate::score::WordErrors;

    fn outcome(system: &'static str, speakers: usize, final_ms: f64) -> Outcome {
        Outcome {
            system,
            speakers,
            shown_ms: vec![500.0, 700.0, 900.0],
            committed_ms: vec![1_000.0],
            finals_ms: vec![final_ms],
            errors: WordErrors::default(),
            core_seconds: 15.0,
            spoken_seconds: 50.0,
            recogniser: Recogniser {
                busy_s: 8.0,
                recognised_s: if system == OURS { 40.0 } else { 0.0 },
            },
        }
    }

    fn find<'a>(report: &'a Report, figure: &str, system: &str) -> Vec<&'a Figure> {
        let rows = report.figures.iter();
        rows.filter(|row| row.figure == figure && row.system == system)
            .collect()
    }

    #[test]
    fn so_many_are_held_as_were_held_without_a_gap() {
        let outcomes = [
            outcome(OURS, 1, 500.0),
            outcome(OURS, 2, 1_900.0),
            outcome(OURS, 4, 2_100.0),
            outcome(OURS, 6, 1_000.0),
            outcome("other", 1, 9_000.0),
        ];
        let report = of(&outcomes, 0);
        let held = find(&report, SPEAKERS_HELD, OURS);
        assert_eq!((held[0].value, held[0].aim), (2.0, Some(AIM_SPEAKERS)));
        let other = find(&report, SPEAKERS_HELD, "other");
        assert_eq!((other[0].value, other[0].aim), (0.0, None));
    }

    #[test]
    fn aims_are_ours_alone_and_half_as_large_again_with_four() {
        let report = of(
            &[
                outcome(OURS, 1, 500.0),
                outcome("other", 1, 1.0),
                outcome(OURS, 4, 500.0),
            ],
            0,
        );
        let shown = find(&report, "word_shown_ms_p50", OURS);
        let aims: Vec<_> = shown.iter().map(|row| (row.value, row.aim)).collect();
        assert_eq!(aims, [(700.0, Some(600.0)), (700.0, Some(900.0))]);
        assert_eq!(find(&report, "word_shown_ms_p50", "other")[0].aim, None);
        assert_eq!(
            find(&report, "core_seconds_per_speech_second", OURS)[0].aim,
            Some(0.35)
        );
        assert_eq!(find(&report, "real_time_factor", OURS)[0].value, 0.2);
        assert_eq!(find(&report, "real_time_factor", "other").len(), 0);
    }
}
