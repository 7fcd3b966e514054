//! `cargo figures NAME`: speed and accuracy, measured in one place - ours and, side by side in the same run, others'. A run
//! prints its figures with the machine they were taken on, and rewrites its own section of `docs/figures.md`.

mod accuracy;
mod captions;
mod conformance;
mod density;
mod figure;
mod join;
mod ledger;
mod load;
mod machine;
mod meeting;
mod observer;
mod page;
mod peer;
mod programme;
mod soak;
mod speakers;
mod streaming;
mod voice;
mod words;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context as _, Result};
use chrono::Utc;
use clap::ValueEnum;

pub use figure::{Figure, Report};
use machine::Machine;

use crate::interrupt::Interrupt;
use crate::parts::python;
use crate::setup::{self, Profile};
use crate::toolchain::Need;

/// Where the figures are kept, in the workspace.
const PAGE: &str = "docs/figures.md";

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Name {
    /// How long after it is due an agent hears a room.
    Join,
    /// How right captions are and how late they come.
    Captions,
    /// How late words come when several people speak at once, beside others.
    CaptionsLoad,
    /// How much speech voice detectors miss, and what else they take for it.
    Voice,
    /// What a meeting with failures leaves unaccounted for.
    Ledger,
    /// Who speaks, where several voices share one track.
    Speakers,
    /// What a room costs that is only heard, beside others.
    Density,
    /// LiveKit's own end-to-end tests on our WebRTC.
    Conformance,
    /// What is held after participants came and went for half an hour.
    Soak,
}

/// The command's options.
#[derive(Clone, Debug)]
pub struct Options {
    /// What to measure.
    pub name: Name,
    /// Where others' tests are, for those that need them.
    pub path: Option<PathBuf>,
    /// How long the meeting is, where that can be chosen.
    pub minutes: Option<u64>,
    /// Where to write the figures as JSON.
    pub json: Option<PathBuf>,
}

/// Whatever has been started is ended when the measurement is dropped.
async fn unless_interrupted<T>(measurement: impl Future<Output = Result<T>>) -> Result<Option<T>> {
    let mut interrupt = Interrupt::new()?;
    tokio::select! {
        biased;
        () = interrupt.wait() => Ok(None),
        report = measurement => Ok(Some(report?)),
    }
}

/// Measures, prints, and rewrites the section of the page.
///
/// # Errors
/// The machine cannot be made ready, a part does not start, or a measurement cannot be taken.
pub async fn run(workspace: &Path, options: &Options) -> Result<()> {
    let begun = Instant::now();
    let ready = |profile, programs: &[&str]| setup::prepare(workspace, Need::Demo, profile, programs);
    let name = options
        .name
        .to_possible_value()
        .map(|value| value.get_name().to_owned())
        .unwrap_or_default();
    let machine = Machine::read()?;
    let report = match options.name {
        Name::Captions => captions::measure(&ready(Profile::Release, &meeting::PROGRAMS)?, begun).await?,
        // Errors are the same in both profiles, and the networks are optimised in both.
        Name::Speakers => Some(speakers::measure(
            &ready(Profile::Debug, &["diarise"])?,
            workspace,
        )?),
        Name::Ledger => {
            let minutes = options.minutes.unwrap_or(ledger::MINUTES);
            // Nothing in it is a speed.
            unless_interrupted(ledger::measure(
                &ready(Profile::Debug, &ledger::PROGRAMS)?,
                minutes,
            ))
            .await?
        }
        Name::Soak => {
            let minutes = options.minutes.unwrap_or(soak::MINUTES);
            // Memory is the same in both profiles, and nothing in it is a speed.
            unless_interrupted(soak::measure(&ready(Profile::Debug, &soak::PROGRAMS)?, minutes)).await?
        }
        Name::Voice => Some(voice::measure(
            &ready(Profile::Release, &["detectors"])?,
            workspace,
        )?),
        Name::CaptionsLoad => {
            unless_interrupted(load::measure(
                &ready(Profile::Release, &meeting::PROGRAMS)?,
                workspace,
            ))
            .await?
        }
        Name::Join => {
            let ready = ready(Profile::Release, &join::PROGRAMS)?;
            unless_interrupted(join::measure(&ready, workspace)).await?
        }
        Name::Density => {
            let ready = ready(Profile::Release, &density::PROGRAMS)?;
            unless_interrupted(density::measure(&ready, workspace)).await?
        }
        Name::Conformance => {
            let path = options.path.as_deref();
            unless_interrupted(conformance::measure(workspace, path)).await?
        }
    };
    let Some(report) = report else {
        eprintln!("interrupted: nothing was written");
        return Ok(());
    };
    let section = page::section(&name, &machine, &report, Utc::now());
    println!("\n{section}");
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_vec_pretty(&report.figures)?)
            .with_context(|| format!("writing {}", file.display()))?;
    }
    let file = workspace.join(PAGE);
    let before = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("reading {}", file.display())),
    };
    let after = page::with_section(before.as_deref(), &name, &section)?;
    fs::write(&file, after).with_context(|| format!("writing {}", file.display()))?;
    eprintln!("{PAGE} has them now");
    Ok(())
}
