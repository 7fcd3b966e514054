//! The files that are played. Synthesised speech: flite writes a 16 kHz WAV file for each line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::script::{CAST, Sound, Turn};
use crate::commands;

/// The file to play for a turn; synthesised into `folder` if need be.
///
/// # Errors
/// flite fails, or a recording is not there.
pub(super) fn file_of(turn: &Turn, name: &str, folder: &Path, recordings: &Path) -> Result<PathBuf> {
    match turn.sound {
        Sound::Voice(text) => {
            let file = folder.join(format!("{name}.wav"));
            let mut flite = Command::new("flite");
            flite.args(["-voice", CAST[turn.who].voice, "-t", text, "-o"]);
            commands::run(flite.arg(&file))?;
            ensure!(file.exists(), "flite wrote no {}", file.display());
            Ok(file)
        }
        Sound::Recording { file, .. } => {
            let file = recordings.join(file);
            ensure!(
                file.exists(),
                "{} is not there; see RAPPORTEUR_RECORDINGS",
                file.display()
            );
            Ok(file)
        }
    }
}

/// The level (root mean square, of 32768) from which sound is taken for a voice, and how long it has to last: a click is
/// none.
const VOICE_LEVEL: f64 = 150.0;
const VOICE_MS: usize = 200;
const WINDOW_MS: usize = 20;

/// Where the voice begins in a file, in milliseconds.
///
/// # Errors
/// The file cannot be read, or no voice is in it.
pub(super) fn begins_ms(file: &Path) -> Result<i64> {
    let mut reader = hound::WavReader::open(file).with_context(|| format!("reading {}", file.display()))?;
    let spec = reader.spec();
    let samples = reader
        .samples::<i16>()
        .step_by(usize::from(spec.channels))
        .collect::<Result<Vec<_>, _>>()?;
    let window = spec.sample_rate as usize * WINDOW_MS / 1000;
    let begins = voice_begins(&samples, window).with_context(|| format!("no voice in {}", file.display()))?;
    Ok((begins * WINDOW_MS) as i64)
}

/// The first window of a voice.
fn voice_begins(samples: &[i16], window: usize) -> Option<usize> {
    let is_loud = |window: &[i16]| {
        let square: f64 = window.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        (square / window.len() as f64).sqrt() >= VOICE_LEVEL
    };
    let loud: Vec<bool> = samples.chunks_exact(window).map(is_loud).collect();
    let lasts = |windows: &[bool]| windows.iter().all(|&loud| loud);
    loud.windows(VOICE_MS / WINDOW_MS).position(lasts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_click_is_no_voice() {
        let mut samples = vec![0_i16; 16_000];
        samples[4_000..4_800].fill(2_000);
        assert_eq!(voice_begins(&samples, 320), None);
        samples[8_000..12_000].fill(2_000);
        assert_eq!(voice_begins(&samples, 320), Some(25));
    }
}
