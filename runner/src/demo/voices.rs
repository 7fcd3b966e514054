//! Synthesised speech: flite writes a 16 kHz WAV file for each line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

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
