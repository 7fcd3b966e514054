//! A worker of livekit-agents, as it ships: `runner/python/livekit_agents_worker.py start`.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::python;
use crate::process::Process;
use crate::servers::{Livekit, free_port};

/// As figures name it.
pub(super) const LIVEKIT_AGENTS: &str = "livekit-agents 1.8.9";
/// What it is called at LiveKit.
pub(super) const AGENT_NAME: &str = "peer";

const READY_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The running worker.
#[derive(Debug)]
pub(super) struct Worker {
    process: Process,
}

impl Worker {
    /// Starts it and waits until it has registered.
    ///
    /// # Errors
    /// It does not start; the error shows the end of its log.
    pub(super) async fn start(
        interpreter: &Path,
        workspace: &Path,
        livekit: &Livekit,
        folder: &Path,
    ) -> Result<Self> {
        let program = python::programs(workspace).join("livekit_agents_worker.py");
        let mut command = Command::new(interpreter);
        command.arg(program);
        Self::start_program(command, livekit, folder).await
    }

    /// As [`Worker::start`], one that also hears (`livekit_agents_ears.py`), and writes into a folder what it has heard.
    ///
    /// # Errors
    /// As [`Worker::start`].
    pub(super) async fn start_hearing(
        interpreter: &Path,
        workspace: &Path,
        livekit: &Livekit,
        folder: &Path,
        heard: &Path,
    ) -> Result<Self> {
        let program = python::programs(workspace).join("livekit_agents_ears.py");
        let mut command = Command::new(interpreter);
        command.arg(program).env("WORKER_FOLDER", heard);
        Self::start_program(command, livekit, folder).await
    }

    async fn start_program(mut command: Command, livekit: &Livekit, folder: &Path) -> Result<Self> {
        let port = free_port()?;
        command
            .arg("start")
            .env("LIVEKIT_URL", &livekit.url)
            .env("LIVEKIT_API_KEY", &livekit.api_key)
            .env("LIVEKIT_API_SECRET", &livekit.api_secret)
            .env("WORKER_AGENT_NAME", AGENT_NAME)
            .env("WORKER_PORT", port.to_string());
        let log = folder.join("livekit-agents.log");
        // Another one may have written there before.
        let registered = || {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            text.matches("registered worker").count()
        };
        let before = registered();
        let mut process = Process::start("livekit-agents", &mut command, folder)?;
        process
            .wait_until_ready(READY_LIMIT, async || registered() > before)
            .await
            .context("the worker of livekit-agents did not register")?;
        Ok(Self { process })
    }

    /// The process's id.
    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Asks it to end and waits.
    pub(super) async fn stop(mut self) {
        self.process.stop(STOP_LIMIT).await;
    }
}
