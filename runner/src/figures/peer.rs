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
        let port = free_port()?;
        let mut command = Command::new(interpreter);
        command
            .arg(python::programs(workspace).join("livekit_agents_worker.py"))
            .arg("start")
            .env("LIVEKIT_URL", &livekit.url)
            .env("LIVEKIT_API_KEY", &livekit.api_key)
            .env("LIVEKIT_API_SECRET", &livekit.api_secret)
            .env("WORKER_AGENT_NAME", AGENT_NAME)
            .env("WORKER_PORT", port.to_string());
        let mut process = Process::start("livekit-agents", &mut command, folder)?;
        let log = folder.join("livekit-agents.log");
        process
            .wait_until_ready(READY_LIMIT, async || {
                std::fs::read_to_string(&log).is_ok_and(|text| text.contains("registered worker"))
            })
            .await
            .context("the worker of livekit-agents did not register")?;
        Ok(Self { process })
    }

    /// Asks it to end and waits.
    pub(super) async fn stop(mut self) {
        self.process.stop(STOP_LIMIT).await;
    }
}
