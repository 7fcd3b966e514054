//! `cargo demo`: the whole product on real servers. A meeting is scheduled, the agent comes, two people talk, captions run
//! under their names, questions get sourced answers, and the record lies in Postgres.

mod delays;
mod documents;
mod docx;
mod meeting;
pub(crate) mod participant;
mod pdf;
mod screen;
mod script;
mod stage;
mod summary;
mod voices;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

pub(crate) use delays::{nearest_rank, percentile};
pub use summary::Summary;

use crate::interrupt::Interrupt;
use crate::servers::{Durability, House};
use crate::setup::{self, Profile, Ready};
use crate::toolchain::Need;

/// Our programs that it needs.
const PROGRAMS: [&str; 3] = ["agent", "dispatcher", "participant"];
/// The longest that a demo's meeting may take: two minutes of speech and the waiting in between.
const MEETING_LIMIT: Duration = Duration::from_secs(420);

/// The command's options.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// End after the summary.
    pub once: bool,
    /// Where to write the summary.
    pub json: Option<PathBuf>,
}

/// Runs the demo.
///
/// # Errors
/// The machine cannot be made ready, a part does not start, or something that the demo shows did not happen.
pub async fn run(workspace: &Path, options: &Options) -> Result<()> {
    let begun = Instant::now();
    let ready = setup::prepare(workspace, Need::Demo, Profile::Debug, &PROGRAMS)?;
    let summary = held(&ready, "demo", begun, !options.once).await?;
    let Some(summary) = summary else {
        return Ok(());
    };
    if let Some(file) = &options.json {
        fs::write(file, serde_json::to_vec_pretty(&summary)?)
            .with_context(|| format!("writing {}", file.display()))?;
    }
    if !summary.failures.is_empty() {
        bail!("{} things did not happen, see above", summary.failures.len());
    }
    Ok(())
}

/// Starts everything in the cache's folder `name`, holds the meeting, and stops everything in order. `None` when it was
/// interrupted before the summary; with `stay`, the house is open until it is interrupted.
///
/// # Errors
/// A part does not start, or the meeting cannot be held.
pub async fn held(ready: &Ready, name: &str, begun: Instant, stay: bool) -> Result<Option<Summary>> {
    let run = ready.cache.run_folder(name)?;
    let folder = &run.path;
    let mut interrupt = Interrupt::new()?;
    eprintln!("servers");
    let told = |part: &str, address: &str| eprintln!("  {part:<18} ready  {address}");
    let starting = House::start(&ready.parts, &ready.binaries, folder, Durability::Disk, told);
    // Whatever has been started is ended when the future is dropped.
    let mut house = tokio::select! {
        biased;
        () = interrupt.wait() => return Ok(None),
        house = starting => house?,
    };
    let setup_seconds = begun.elapsed().as_secs_f64();
    let outcome = tokio::select! {
        biased;
        () = interrupt.wait() => Ok(None),
        summary = in_house(&mut house, ready, setup_seconds, stay) => summary,
    };
    eprintln!("\nstopping");
    tokio::select! {
        biased;
        () = interrupt.wait() => eprintln!("  interrupted again: everything is killed"),
        () = house.stop() => eprintln!("  everything has stopped; logs are in {}", folder.display()),
    }
    outcome
}

async fn in_house(
    house: &mut House,
    ready: &Ready,
    setup_seconds: f64,
    stay: bool,
) -> Result<Option<Summary>> {
    let holding = meeting::hold(house, ready, setup_seconds);
    let (summary, mut stage) = tokio::time::timeout(MEETING_LIMIT, holding)
        .await
        .with_context(|| format!("the meeting was not over after {MEETING_LIMIT:?}"))??;
    summary.print();
    if stay {
        println!(
            "\nThe room stays open: open the links, speak, ask {}. Ctrl-C ends everything.",
            script::ASSISTANT
        );
        loop {
            stage.listen(Duration::from_secs(3600)).await?;
        }
    }
    Ok(Some(summary))
}
