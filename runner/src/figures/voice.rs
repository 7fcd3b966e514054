//! `cargo figures voice`: voice detectors on the same speech with the same noise. The measuring is done by the program
//! `detectors` of the package `system-tests`, which has the detectors; here is what they hear, and the table.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::figure::{Figure, Report};
use super::python;
use crate::commands;
use crate::setup::Ready;

/// Human voices, in the folder of recordings.
const HUMAN: [&str; 4] = [
    "two_cities.wav",
    "beckett.wav",
    "endgame_nagg_nell.wav",
    "clone-test.wav",
];
/// flite's voices.
const SYNTHESISED: [&str; 4] = ["slt", "rms", "awb", "kal16"];
const SAID: &str = "Good morning. The rooms on the second floor are ready, and the first visitors arrive on Monday. \
    Who has the keys? I think that we should ask the people downstairs. They know. \
    Then let us talk about the plan for next week, before anybody has to leave.";

const MEANING: &str = "How much speech a detector misses and how much else it takes for speech. Every detector hears every \
recording as a stream of its own, from a fresh start: four recordings of human voices (five people) and four synthesised ones, \
each brought to -26 dB of full scale where somebody speaks, with three seconds of silence before and behind. What is speech is told \
from the clean recording alone, in frames of 20 ms: whatever is at most 25 dB quieter than its loudest twentieth, holes up to \
150 ms included; the 100 ms around speech count neither way. Missed is the share of speech that was not taken for voice, a false alarm \
the share of pause that was. Noise is made by the program from a fixed seed: white, pink, mains hum, key clicks, a tune; its \
mean power is so many decibels under that of the speech. Babble is the other recordings twice each, one over the other: people \
who speak, whom only loudness tells from the speaker. Noise alone is that of 10 dB without the speech. Scores count as voice from 0.5 on; the two \
stages are as the product runs them (WebRTC's detector with a floor as a gate, then the network, with its own thresholds).";

const CAVEATS: [&str; 4] = [
    "The truth is a level, not an ear: breath and the reverberation after a word count as pause or as speech by their loudness. \
     It is the same truth for all.",
    "A detector that lets go slowly bridges short pauses, which counts as false alarms here and is wanted in captions.",
    "Both rows of Silero are the same weights, those of its ONNX file. The safetensors file in its package has others, which are \
     not used.",
    "Cost is processor time of one thread for a second of audio, over everything heard; that of ONNX Runtime is with Python around it.",
];

#[derive(Debug, Deserialize)]
struct Outcome {
    recordings: usize,
    speech_seconds: f64,
    pause_seconds: f64,
    tallies: Vec<Tally>,
    costs: Vec<Cost>,
}

#[derive(Clone, Debug, Deserialize)]
struct Tally {
    detector: String,
    noise: String,
    ratio_db: Option<u32>,
    speech_frames: usize,
    missed_frames: usize,
    pause_frames: usize,
    false_frames: usize,
}

#[derive(Debug, Deserialize)]
struct Cost {
    detector: String,
    core_us_per_second: f64,
}

/// Measures.
///
/// # Errors
/// A voice cannot be synthesised, or the program fails.
pub(super) fn measure(ready: &Ready, workspace: &Path) -> Result<Report> {
    let interpreter = python::environment(&ready.cache, workspace, "silero")?;
    let run = ready.cache.run_folder("figures-voice")?;
    let mut files: Vec<PathBuf> = HUMAN
        .iter()
        .map(|file| ready.parts.recordings.join(file))
        .collect();
    for voice in SYNTHESISED {
        let file = run.path.join(format!("{voice}.wav"));
        let mut flite = Command::new("flite");
        flite.args(["-voice", voice, "-t", SAID, "-o"]);
        commands::run(flite.arg(&file))?;
        files.push(file);
    }
    eprintln!("detectors ({} recordings)", files.len());
    let mut detectors = Command::new(ready.binaries.join("detectors"));
    detectors
        .arg("--voice-model")
        .arg(&ready.parts.voice_model)
        .arg("--python")
        .arg(interpreter)
        .arg("--original")
        .arg(python::programs(workspace).join("silero_original.py"))
        .args(files);
    let said = commands::run(&mut detectors)?;
    let printed = said.lines().find(|line| line.starts_with('{'));
    let outcome = serde_json::from_str(printed.context("`detectors` printed nothing")?)?;
    report(&outcome)
}

fn report(outcome: &Outcome) -> Result<Report> {
    let made = |tally: &Tally| tally.noise != "none" && tally.noise != "babble";
    type Chosen<'a> = Box<dyn Fn(&Tally) -> bool + 'a>;
    let at = |db: u32| -> Chosen<'_> { Box::new(move |tally| made(tally) && tally.ratio_db == Some(db)) };
    let settings: Vec<(String, Chosen<'_>)> = vec![
        ("clean".into(), Box::new(|tally| tally.noise == "none")),
        ("five noises at 20 dB".into(), at(20)),
        ("five noises at 10 dB".into(), at(10)),
        ("five noises at 5 dB".into(), at(5)),
        ("five noises at 0 dB".into(), at(0)),
        (
            "babble at 10 dB".into(),
            Box::new(|tally| tally.noise == "babble" && tally.ratio_db == Some(10)),
        ),
        (
            "five noises alone".into(),
            Box::new(move |tally| made(tally) && tally.ratio_db.is_none()),
        ),
    ];
    let mut figures = Vec::new();
    for (setting, chosen) in &settings {
        for (figure, of) in [
            ("voice_missed", missed as fn(&[&Tally]) -> Option<f64>),
            ("voice_false_alarm", false_alarm),
        ] {
            for cost in &outcome.costs {
                let tallies: Vec<&Tally> = outcome
                    .tallies
                    .iter()
                    .filter(|tally| tally.detector == cost.detector && chosen(tally))
                    .collect();
                if tallies.is_empty() {
                    bail!("`detectors` said nothing about {} ({setting})", cost.detector);
                }
                let value = of(&tallies);
                figures.extend(value.map(|value| row(figure, &cost.detector, setting, value, "share")));
            }
        }
    }
    for cost in &outcome.costs {
        let value = cost.core_us_per_second;
        let setting = "one stream, everything above";
        figures.push(row(
            "voice_core_us_per_second",
            &cost.detector,
            setting,
            value.round(),
            "us/s",
        ));
    }
    let mut notes: Vec<String> = CAVEATS.iter().map(|&caveat| caveat.to_owned()).collect();
    notes.push(format!(
        "{} recordings with {:.0} s of speech and {:.0} s of pause, once for each noise and ratio.",
        outcome.recordings, outcome.speech_seconds, outcome.pause_seconds
    ));
    notes.extend(outcome.costs.iter().map(|cost| by_noise(outcome, &cost.detector)));
    Ok(Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    })
}

fn row(figure: &'static str, detector: &str, setting: &str, value: f64, unit: &'static str) -> Figure {
    Figure {
        figure,
        system: detector.to_owned(),
        setting: setting.to_owned(),
        value,
        unit,
        aim: None,
    }
}

/// The share of speech that was missed; none where there is none.
fn missed(tallies: &[&Tally]) -> Option<f64> {
    share(tallies, |tally| (tally.missed_frames, tally.speech_frames))
}

/// The share of pause that was taken for voice; none where there is none.
fn false_alarm(tallies: &[&Tally]) -> Option<f64> {
    share(tallies, |tally| (tally.false_frames, tally.pause_frames))
}

fn share(tallies: &[&Tally], of: impl Fn(&Tally) -> (usize, usize)) -> Option<f64> {
    let (part, whole) = tallies
        .iter()
        .map(|tally| of(tally))
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// One line with each noise at 10 dB: missed/false.
fn by_noise(outcome: &Outcome, detector: &str) -> String {
    let at_ten = outcome
        .tallies
        .iter()
        .filter(|tally| tally.detector == detector && tally.ratio_db == Some(10));
    let cells: Vec<String> = at_ten
        .map(|tally| {
            let cell = |share: Option<f64>| share.map_or("-".to_owned(), |share| format!("{share:.3}"));
            format!(
                "{} {}/{}",
                tally.noise,
                cell(missed(&[tally])),
                cell(false_alarm(&[tally]))
            )
        })
        .collect();
    format!("{detector} at 10 dB, missed/false alarm: {}.", cells.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(noise: &str, ratio_db: Option<u32>, missed: usize, false_alarms: usize) -> Tally {
        Tally {
            detector: "d".into(),
            noise: noise.into(),
            ratio_db,
            speech_frames: if ratio_db.is_none() && noise != "none" {
                0
            } else {
                100
            },
            missed_frames: missed,
            pause_frames: 50,
            false_frames: false_alarms,
        }
    }

    fn outcome() -> Outcome {
        let mut tallies = vec![tally("none", None, 1, 0), tally("hum", None, 0, 20)];
        for db in [20, 10, 5, 0] {
            tallies.push(tally("hum", Some(db), 10, 5));
            tallies.push(tally("white", Some(db), 30, 0));
            tallies.push(tally("babble", Some(db), 2, 50));
        }
        Outcome {
            recordings: 2,
            speech_seconds: 2.0,
            pause_seconds: 1.0,
            tallies,
            costs: vec![Cost {
                detector: "d".into(),
                core_us_per_second: 123.4,
            }],
        }
    }

    #[test]
    fn noises_are_pooled_and_babble_stands_alone() {
        let report = report(&outcome()).unwrap();
        let value = |figure: &str, setting: &str| {
            let found = report
                .figures
                .iter()
                .find(|row| row.figure == figure && row.setting == setting);
            found.map(|row| row.value)
        };
        assert_eq!(value("voice_missed", "clean"), Some(0.01));
        assert_eq!(value("voice_missed", "five noises at 10 dB"), Some(0.2));
        assert_eq!(value("voice_false_alarm", "five noises at 10 dB"), Some(0.05));
        assert_eq!(value("voice_false_alarm", "babble at 10 dB"), Some(1.0));
        assert_eq!(value("voice_missed", "five noises alone"), None);
        assert_eq!(value("voice_false_alarm", "five noises alone"), Some(0.4));
        assert_eq!(
            value("voice_core_us_per_second", "one stream, everything above"),
            Some(123.0)
        );
        let line = report.notes.last().unwrap();
        assert!(
            line.contains("hum 0.100/0.100, white 0.300/0.000, babble 0.020/1.000"),
            "{line}"
        );
    }

    #[test]
    fn a_detector_that_was_not_measured_is_an_error() {
        let mut outcome = outcome();
        outcome.tallies.clear();
        assert!(report(&outcome).is_err());
    }
}
