//! The systems that hear: each enters rooms when told, says how much it has heard, and is watched meanwhile.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::heard::{Gained, Heard};
use super::program::{Program, Report};
use super::usage::Usage;
use crate::figures::figure::OURS;
use crate::figures::peer::{AGENT_NAME, LIVEKIT_AGENTS, Worker};
use crate::figures::python;
use crate::servers::Livekit;

const ENTER_LIMIT: Duration = Duration::from_secs(60);
const COUNT_LIMIT: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum System {
    /// The agent's ear.
    Ours,
    /// A worker whose job runs the bundled voice detector.
    LivekitAgents,
    /// LiveKit's Python client alone, without a voice detector.
    PythonClient,
}

impl System {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => OURS,
            Self::LivekitAgents => LIVEKIT_AGENTS,
            Self::PythonClient => "livekit 1.1.21 (Python)",
        }
    }

    /// Who is called into rooms, where agents are.
    pub(super) fn agent(self) -> Option<&'static str> {
        (self == Self::LivekitAgents).then_some(AGENT_NAME)
    }
}

/// Where everything is.
pub(super) struct Places<'a> {
    pub binaries: &'a Path,
    pub voice_model: &'a Path,
    pub workspace: &'a Path,
    pub interpreter: &'a Path,
    pub folder: &'a Path,
    pub livekit: &'a Livekit,
}

impl Places<'_> {
    /// A command that knows where LiveKit is.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env("LIVEKIT_URL", &self.livekit.url)
            .env("LIVEKIT_API_KEY", &self.livekit.api_key)
            .env("LIVEKIT_API_SECRET", &self.livekit.api_secret);
        command
    }
}

/// A system, running.
pub(super) enum Running {
    Program(Box<Program>),
    Worker { worker: Worker, folder: PathBuf },
}

impl Running {
    /// Starts it.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start(system: System, places: &Places<'_>) -> Result<Self> {
        let mut command = match system {
            System::Ours => {
                let mut command = places.command(places.binaries.join("ears"));
                command.arg("--voice-model").arg(places.voice_model);
                command
            }
            System::PythonClient => {
                let mut command = places.command(places.interpreter);
                command.arg(python::programs(places.workspace).join("ears.py"));
                command
            }
            System::LivekitAgents => {
                let folder = places.folder.join("heard");
                std::fs::create_dir_all(&folder)?;
                let (interpreter, workspace) = (places.interpreter, places.workspace);
                let worker =
                    Worker::start_hearing(interpreter, workspace, places.livekit, places.folder, &folder);
                return Ok(Self::Worker {
                    worker: worker.await?,
                    folder,
                });
            }
        };
        let name = if system == System::Ours {
            "ears"
        } else {
            "ears-python"
        };
        let program = Program::start(name, &mut command, places.folder).await?;
        Ok(Self::Program(Box::new(program)))
    }

    pub(super) fn usage(&self) -> Result<Usage> {
        Usage::of(match self {
            Self::Program(program) => program.pid(),
            Self::Worker { worker, .. } => worker.pid(),
        })
    }

    /// Enters a room in which so many speak; a worker is called by LiveKit. Waits until all of them are heard.
    ///
    /// # Errors
    /// It does not.
    pub(super) async fn enter(&mut self, room: &str, token: &str, participants: usize) -> Result<()> {
        match self {
            Self::Program(program) => {
                program.order(&json!({"do": "enter", "room": room, "token": token}))?;
                program.entered(room, ENTER_LIMIT).await.map(drop)
            }
            Self::Worker { folder, .. } => {
                let file = folder.join(format!("{room}.json"));
                let deadline = Instant::now() + ENTER_LIMIT;
                while !read(&file).is_ok_and(|heard| heard.is_complete(participants)) {
                    if Instant::now() > deadline {
                        bail!("no agent heard {room} within {ENTER_LIMIT:?}");
                    }
                    sleep(LOOK_EVERY).await;
                }
                Ok(())
            }
        }
    }

    /// Leaves a room; a worker's jobs end when everybody else has left.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn leave(&mut self, room: &str) -> Result<()> {
        match self {
            Self::Program(program) => program.order(&json!({"do": "leave", "room": room})),
            Self::Worker { folder, .. } => {
                // There is none when nobody came.
                let _ = std::fs::remove_file(folder.join(format!("{room}.json")));
                Ok(())
            }
        }
    }

    /// How much was heard so far: one count for each process that counts.
    ///
    /// # Errors
    /// It does not say.
    pub(super) async fn heard(&mut self) -> Result<Vec<Heard>> {
        match self {
            Self::Program(program) => {
                program.order(&json!({"do": "count"}))?;
                let heard = program.until("counting", COUNT_LIMIT, |report| match report {
                    Report::Heard(heard) => Some(heard),
                    _ => None,
                });
                Ok(vec![heard.await?])
            }
            Self::Worker { folder, .. } => {
                let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .filter(|path| path.extension().is_some_and(|it| it == "json"))
                    .collect();
                files.sort();
                files.iter().map(|file| read(file)).collect()
            }
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Program(program) => program.stop().await,
            Self::Worker { worker, .. } => worker.stop().await,
        }
    }
}

fn read(file: &Path) -> Result<Heard> {
    let bytes = std::fs::read(file)?;
    serde_json::from_slice(&bytes).with_context(|| format!("{} is not a count", file.display()))
}

/// What came between two counts of the same processes.
pub(super) fn gained(before: &[Heard], after: &[Heard], edge_frames: u64) -> Gained {
    let mut sum = Gained::default();
    for (before, after) in before.iter().zip(after) {
        sum += after.since(before, edge_frames);
    }
    sum
}
