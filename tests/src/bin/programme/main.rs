//! `programme`: makes the tracks that captions are measured with. Recordings one after the other at one level, with pauses
//! between them and noise over all of it if asked; and what the model hears off line, each recording whole and with its full
//! context, with the times of the words, and where it is asked for, what it hears behind Opus. One JSON object in, one out; `cargo figures captions` writes and reads them.

mod offline;
mod opus;

use std::collections::HashMap;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use system_tests::sound::level::stretch_ends;
use system_tests::sound::{self, Noise, SAMPLES_PER_MS};
use system_tests::speech_file::{self, SAMPLE_RATE_HZ};

use offline::{Offline, Word};
use opus::through_opus;

/// As loud as somebody near a microphone, where somebody speaks.
const LEVEL_DB: f64 = -26.0;
const PAUSE_MS: usize = 1_200;
/// The off-line pass hears so much around a recording.
const AROUND_MS: usize = 300;

#[derive(Deserialize)]
struct Plan {
    /// Whisper's weights, ggml.
    model: PathBuf,
    /// Where the tracks are written.
    folder: PathBuf,
    tracks: Vec<TrackPlan>,
}

#[derive(Deserialize)]
struct TrackPlan {
    name: String,
    recordings: Vec<PathBuf>,
    /// Pink noise, so many decibels under the speech.
    noise_db: Option<f64>,
    seed: u64,
    /// Whether the off-line pass hears it once more behind Opus.
    behind_opus: bool,
}

#[derive(Serialize)]
struct Track {
    name: String,
    file: PathBuf,
    /// The recordings' own length, without the pauses between them.
    spoken_seconds: f64,
    /// Where each stretch of speech ends.
    speech_ends_ms: Vec<usize>,
    words: Vec<Word>,
    /// Empty where it was not asked for.
    words_behind_opus: Vec<Word>,
}

fn main() -> Result<()> {
    let plan: Plan = serde_json::from_reader(std::io::stdin().lock()).context("reading the plan")?;
    let mut offline = Offline::load(&plan.model)?;
    let mut known = HashMap::new();
    let tracks = plan
        .tracks
        .iter()
        .map(|track| made(track, &plan.folder, &mut offline, &mut known))
        .collect::<Result<Vec<_>>>()?;
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&tracks)?)?;
    Ok(())
}

/// What was heard in clean recordings, times from where the off-line pass began: a recording may be on several tracks.
type Known = HashMap<PathBuf, Vec<Word>>;

fn made(plan: &TrackPlan, folder: &Path, offline: &mut Offline, known: &mut Known) -> Result<Track> {
    let mut samples = vec![0; PAUSE_MS * SAMPLES_PER_MS];
    let mut places = Vec::new();
    for file in &plan.recordings {
        let clean = sound::with_level(&speech_file::read(file)?, LEVEL_DB);
        places.push((samples.len(), samples.len() + clean.len()));
        samples.extend(clean);
        samples.extend(vec![0; PAUSE_MS * SAMPLES_PER_MS]);
    }
    let speech_ends_ms = places
        .iter()
        .flat_map(|&(from, to)| {
            let ends = stretch_ends(&samples[from..to]).into_iter();
            ends.map(move |end| (from + end) / SAMPLES_PER_MS)
        })
        .collect();
    if let Some(ratio_db) = plan.noise_db {
        let noise = Noise::Pink.samples(plan.seed, samples.len());
        samples = sound::mixed(&samples, &noise, ratio_db);
    }
    let mut words = Vec::new();
    for (&(from, to), file) in places.iter().zip(&plan.recordings) {
        let around = around((from, to), samples.len());
        let from_ms = around.start / SAMPLES_PER_MS;
        let heard = match known.get(file).filter(|_| plan.noise_db.is_none()) {
            Some(heard) => heard.clone(),
            None => offline.words(&samples[around])?,
        };
        words.extend(heard.iter().map(|word| word.later(from_ms)));
        if plan.noise_db.is_none() {
            known.insert(file.clone(), heard);
        }
    }
    let mut words_behind_opus = Vec::new();
    if plan.behind_opus {
        let coded = through_opus(&samples)?;
        for &(from, to) in &places {
            let around = around((from, to), coded.len());
            words_behind_opus.extend(offline.words(&coded[around])?);
        }
    }
    let file = folder.join(format!("{}.wav", plan.name));
    write(&file, &samples).with_context(|| format!("writing {}", file.display()))?;
    let spoken: usize = places.iter().map(|(from, to)| to - from).sum();
    Ok(Track {
        name: plan.name.clone(),
        file,
        spoken_seconds: spoken as f64 / f64::from(SAMPLE_RATE_HZ),
        speech_ends_ms,
        words,
        words_behind_opus,
    })
}

/// What the off-line pass hears of a recording.
fn around((from, to): (usize, usize), length: usize) -> Range<usize> {
    let around = AROUND_MS * SAMPLES_PER_MS;
    from.saturating_sub(around)..(to + around).min(length)
}

fn write(file: &Path, samples: &[i16]) -> Result<(), hound::Error> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(file, spec)?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()
}
