//! The tracks that captions are measured with, made by the program `programme` of the package `system-tests`, which also says
//! what the model hears in them off line.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::words::Said;
use crate::parts::debs::{self, Spoken};
use crate::score::{WordErrors, word_errors};
use crate::setup::Ready;

/// Prompts with fewer words are no speech to measure with.
const LEAST_WORDS: usize = 14;
const TALE: &str = "two_cities.wav";
const TALE_TEXT: &str = include_str!("../../texts/two_cities.txt");

/// A track to make: recordings one after the other.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Of its file.
    pub name: String,
    /// What is played.
    pub spoken: Vec<Spoken>,
    /// Pink noise, so many decibels under the speech.
    pub noise_db: Option<f64>,
    /// Of the noise.
    pub seed: u64,
    /// Whether the model hears it off line behind Opus too.
    pub behind_opus: bool,
}

/// A made track.
#[derive(Clone, Debug)]
pub(super) struct Track {
    /// WAV.
    pub file: PathBuf,
    /// What is said.
    pub text: String,
    /// The recordings' length without the pauses between them.
    pub spoken_seconds: f64,
    /// Where each stretch of speech ends: a pause of a second and more follows.
    pub speech_ends_ms: Vec<i64>,
    /// What the model hears off line.
    pub offline: Vec<Said>,
    /// And behind Opus, if that was asked for.
    pub offline_behind_opus: Vec<Said>,
}

impl Track {
    /// The errors of an off-line pass.
    pub(super) fn errors_of(&self, pass: &[Said]) -> WordErrors {
        let heard: Vec<&str> = pass.iter().map(|word| word.text.as_str()).collect();
        word_errors(&self.text, &heard.join(" "))
    }
}

/// Every recording of a human voice whose text is known.
///
/// # Errors
/// They cannot be fetched.
pub(super) fn recordings(ready: &Ready) -> Result<Vec<Spoken>> {
    let mut all = vec![Spoken {
        name: "a-tale-of-two-cities".to_owned(),
        file: ready.parts.recordings.join(TALE),
        text: TALE_TEXT.to_owned(),
    }];
    all.extend(debs::spoken(&ready.cache, LEAST_WORDS)?);
    Ok(all)
}

/// Spreads recordings over tracks so that all are about equally long, by the length of their texts.
pub(super) fn spread(recordings: &[Spoken], tracks: usize) -> Vec<Vec<Spoken>> {
    let words = |spoken: &Spoken| spoken.text.split_whitespace().count();
    let mut sorted: Vec<&Spoken> = recordings.iter().collect();
    sorted.sort_by_key(|spoken| std::cmp::Reverse(words(spoken)));
    let mut spread = vec![Vec::new(); tracks];
    for spoken in sorted {
        let shortest = spread
            .iter_mut()
            .min_by_key(|track: &&mut Vec<Spoken>| track.iter().map(words).sum::<usize>());
        if let Some(track) = shortest {
            track.push(spoken.clone());
        }
    }
    spread
}

#[derive(Serialize)]
struct Order<'a> {
    model: &'a Path,
    folder: &'a Path,
    tracks: Vec<OrderedTrack<'a>>,
}

#[derive(Serialize)]
struct OrderedTrack<'a> {
    name: &'a str,
    recordings: Vec<&'a Path>,
    noise_db: Option<f64>,
    seed: u64,
    behind_opus: bool,
}

#[derive(Deserialize)]
struct Made {
    file: PathBuf,
    spoken_seconds: f64,
    speech_ends_ms: Vec<i64>,
    words: Vec<Said>,
    words_behind_opus: Vec<Said>,
}

/// Makes tracks in a folder.
///
/// # Errors
/// The program fails; what it says is on the terminal.
pub(super) fn make(ready: &Ready, folder: &Path, plans: &[Plan]) -> Result<Vec<Track>> {
    let order = Order {
        model: &ready.parts.whisper_model,
        folder,
        tracks: plans
            .iter()
            .map(|plan| OrderedTrack {
                name: &plan.name,
                recordings: plan.spoken.iter().map(|spoken| spoken.file.as_path()).collect(),
                noise_db: plan.noise_db,
                seed: plan.seed,
                behind_opus: plan.behind_opus,
            })
            .collect(),
    };
    let mut program = Command::new(ready.binaries.join("programme"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting `programme`")?;
    let mut input = program.stdin.take().context("a program without pipes")?;
    input.write_all(&serde_json::to_vec(&order)?)?;
    drop(input);
    let output = program.wait_with_output()?;
    if !output.status.success() {
        bail!("`programme` ended with {}", output.status);
    }
    let made: Vec<Made> = serde_json::from_slice(&output.stdout).context("what `programme` printed")?;
    let track = |(made, plan): (Made, &Plan)| {
        let texts: Vec<&str> = plan.spoken.iter().map(|spoken| spoken.text.as_str()).collect();
        Track {
            file: made.file,
            text: texts.join(" "),
            spoken_seconds: made.spoken_seconds,
            speech_ends_ms: made.speech_ends_ms,
            offline: made.words,
            offline_behind_opus: made.words_behind_opus,
        }
    };
    Ok(made.into_iter().zip(plans).map(track).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recording_is_in_one_track_and_tracks_are_alike() {
        let recordings: Vec<Spoken> = [40, 7, 30, 20, 10, 9, 5]
            .into_iter()
            .map(|words| Spoken {
                name: words.to_string(),
                file: PathBuf::new(),
                text: "word ".repeat(words),
            })
            .collect();
        let spread = spread(&recordings, 2);
        let names: Vec<Vec<&str>> = spread
            .iter()
            .map(|track| track.iter().map(|spoken| spoken.name.as_str()).collect())
            .collect();
        assert_eq!(names, [vec!["40", "10", "9"], vec!["30", "20", "7", "5"]]);
    }
}
