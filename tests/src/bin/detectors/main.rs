//! `detectors`: how much speech voice detectors miss, how much else they take for it, and what they cost. Each hears the
//! same recordings, clean and with noise, as a stream. Prints one JSON object; `cargo figures voice` reads it.

mod candidates;
mod original;
mod tally;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::Parser;
use serde::Serialize;
use speech::VoiceModel;
use system_tests::sound::{self, Noise};
use system_tests::speech_file;

use candidates::Candidate;
use original::Original;
use tally::Tally;

/// Every recording is brought to this level, in decibels of full scale, where somebody speaks.
const LEVEL_DB: f64 = -26.0;
const RATIOS_DB: [u32; 4] = [20, 10, 5, 0];
/// Nobody speaks before and after a recording.
const SILENCE_SAMPLES: usize = 3 * speech_file::SAMPLE_RATE_HZ as usize;
const SEED: u64 = 4;

/// Measures voice detectors on recordings.
#[derive(Parser)]
struct Options {
    /// The weights of Silero's 16 kHz network, safetensors.
    #[arg(long)]
    voice_model: PathBuf,
    /// A Python with onnxruntime and silero-vad, for the original.
    #[arg(long)]
    python: PathBuf,
    /// The program that it runs.
    #[arg(long)]
    original: PathBuf,
    /// Clean speech, WAV; several.
    recordings: Vec<PathBuf>,
}

/// What came of it.
#[derive(Serialize)]
struct Outcome {
    recordings: usize,
    speech_seconds: f64,
    pause_seconds: f64,
    level_db: f64,
    seed: u64,
    tallies: Vec<Tally>,
    costs: Vec<Cost>,
}

#[derive(Serialize)]
struct Cost {
    detector: &'static str,
    core_us_per_second: f64,
}

/// One recording with what there is to hear in it.
struct Recording {
    samples: Vec<i16>,
    heard: Vec<sound::Heard>,
}

fn main() -> Result<()> {
    let options = Options::parse();
    ensure!(options.recordings.len() > 1, "babble needs several recordings");
    let model = VoiceModel::load(&options.voice_model)?;
    let recordings = options
        .recordings
        .iter()
        .map(|file| read(file))
        .collect::<Result<Vec<_>>>()?;
    let scenes = scenes(&recordings);
    let frames = |wanted: sound::Heard| {
        let all = recordings.iter().flat_map(|recording| &recording.heard);
        all.filter(|&&heard| heard == wanted).count() as f64 * sound::level::FRAME_MS as f64 / 1000.0
    };
    let mut outcome = Outcome {
        recordings: recordings.len(),
        speech_seconds: frames(sound::Heard::Speech),
        pause_seconds: frames(sound::Heard::Pause),
        level_db: LEVEL_DB,
        seed: SEED,
        tallies: Vec::new(),
        costs: Vec::new(),
    };
    let original = Original::start(&options.python, &options.original)?;
    for mut candidate in Candidate::all(&model, original) {
        let (mut core_us, mut seconds) = (0.0, 0.0);
        for scene in &scenes {
            let mut tally = Tally::new(candidate.name(), scene.noise, scene.ratio_db);
            for (samples, heard) in &scene.sounds {
                let verdict = candidate.verdict(samples)?;
                tally.count(heard, &verdict.is_voice, verdict.chunk_samples);
                core_us += verdict.core_us;
                seconds += samples.len() as f64 / f64::from(speech_file::SAMPLE_RATE_HZ);
            }
            outcome.tallies.push(tally);
        }
        outcome.costs.push(Cost {
            detector: candidate.name(),
            core_us_per_second: core_us / seconds,
        });
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(&outcome)?)?;
    Ok(())
}

fn read(file: &Path) -> Result<Recording> {
    let clean = sound::with_level(&speech_file::read(file)?, LEVEL_DB);
    ensure!(
        sound::active_power(&clean) > 0.0,
        "{} has no sound in it",
        file.display()
    );
    let mut samples = vec![0; SILENCE_SAMPLES];
    samples.extend(clean);
    samples.extend([0; SILENCE_SAMPLES]);
    let heard = sound::heard(&samples);
    Ok(Recording { samples, heard })
}

/// All recordings with one noise at one ratio.
struct Scene {
    noise: &'static str,
    /// None for no noise, and for noise alone.
    ratio_db: Option<u32>,
    sounds: Vec<(Vec<i16>, Vec<sound::Heard>)>,
}

fn scenes(recordings: &[Recording]) -> Vec<Scene> {
    let with = |noise: &'static str, ratio_db, change: &dyn Fn(usize, &Recording) -> Vec<i16>| Scene {
        noise,
        ratio_db,
        sounds: recordings
            .iter()
            .enumerate()
            .map(|(number, recording)| (change(number, recording), recording.heard.clone()))
            .collect(),
    };
    let mut scenes = vec![with("none", None, &|_, recording| recording.samples.clone())];
    for noise in Noise::ALL {
        for ratio_db in RATIOS_DB {
            scenes.push(with(noise.name(), Some(ratio_db), &|number, recording| {
                let noise = noise.samples(SEED + number as u64, recording.samples.len());
                sound::mixed(&recording.samples, &noise, f64::from(ratio_db))
            }));
        }
    }
    for ratio_db in RATIOS_DB {
        scenes.push(with("babble", Some(ratio_db), &|number, recording| {
            let others: Vec<&[i16]> = recordings
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != number)
                .map(|(_, other)| other.samples.as_slice())
                .collect();
            let noise = sound::babble(&others, SEED + number as u64, recording.samples.len());
            sound::mixed(&recording.samples, &noise, f64::from(ratio_db))
        }));
    }
    // As loud as at 10 dB, and nobody speaks.
    for noise in Noise::ALL {
        let mut alone = with(noise.name(), None, &|number, recording| {
            let noise = noise.samples(SEED + number as u64, recording.samples.len());
            let noisy = sound::mixed(&recording.samples, &noise, 10.0);
            let added = noisy.iter().zip(&recording.samples);
            added.map(|(noisy, clean)| noisy.saturating_sub(*clean)).collect()
        });
        for (_, heard) in &mut alone.sounds {
            heard.fill(sound::Heard::Pause);
        }
        scenes.push(alone);
    }
    scenes
}
