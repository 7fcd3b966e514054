//! The dispatcher and the agent.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::{Livekit, free_port, secret};
use crate::parts::Parts;
use crate::process::Process;

const READY_LIMIT: Duration = Duration::from_secs(60);
/// An agent drains for thirty seconds at most.
const STOP_LIMIT: Duration = Duration::from_secs(40);

/// One of our programs, which can be started again as it was.
#[derive(Debug)]
struct Program {
    name: &'static str,
    binary: PathBuf,
    environment: Vec<(&'static str, String)>,
    url: String,
    logs: PathBuf,
    process: Option<Process>,
}

impl Program {
    async fn launch(&mut self) -> Result<()> {
        let mut command = Command::new(&self.binary);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let ready = format!("{}/readyz", self.url);
        let mut process = Process::start(self.name, &mut command, &self.logs)?;
        process
            .wait_until_ready(READY_LIMIT, async || answers(&ready).await)
            .await
            .with_context(|| {
                format!(
                    "{} did not start. What it needs is in its environment and said above; RUST_LOG=debug says more",
                    self.name
                )
            })?;
        self.process = Some(process);
        Ok(())
    }

    async fn stop(&mut self) -> Option<ExitStatus> {
        Some(self.process.take()?.stop(STOP_LIMIT).await)
    }

    fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }
}

/// Whether a URL answers with success.
pub(super) async fn answers(url: &str) -> bool {
    let request = reqwest::Client::new()
        .get(url)
        .timeout(Duration::from_secs(2))
        .send();
    request.await.is_ok_and(|response| response.status().is_success())
}

macro_rules! program {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $kind:ty),* }) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name {
            /// Where it answers HTTP.
            pub url: String,
            $($(#[$field_doc])* pub $field: $kind,)*
            program: Program,
        }

        impl $name {
            /// Asks it to end and waits; `None` when it does not run.
            pub async fn stop(&mut self) -> Option<ExitStatus> {
                self.program.stop().await
            }

            /// Kills it at once.
            pub fn kill(&mut self) {
                self.program.kill();
            }

            /// Starts it again as it was.
            ///
            /// # Errors
            /// It does not start; the error shows the end of its log.
            pub async fn launch(&mut self) -> Result<()> {
                self.program.launch().await
            }

            /// The running process.
            pub fn process(&self) -> Option<&Process> {
                self.program.process.as_ref()
            }
        }
    };
}

program! {
    /// The dispatcher.
    Dispatcher {
        /// The API key.
        api_key: String
    }
}

program! {
    /// An agent worker.
    Agent {}
}

program! {
    /// Whisper behind an OpenAI-compatible endpoint.
    Transcriber {
        /// The API key.
        api_key: String
    }
}

fn common(database_url: &str, livekit: &Livekit, parts: &Parts) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", database_url.to_owned()),
        ("LIVEKIT_URL", livekit.url.clone()),
        ("LIVEKIT_API_KEY", livekit.api_key.clone()),
        ("LIVEKIT_API_SECRET", livekit.api_secret.clone()),
        (
            "RAPPORTEUR_EMBEDDING_MODEL",
            parts.embedding_model.display().to_string(),
        ),
    ]
}

fn binary(binaries: &Path, name: &str) -> Result<PathBuf> {
    let path = binaries.join(name);
    path.canonicalize()
        .with_context(|| format!("{} is not built: cargo build --workspace --bins", path.display()))
}

impl Dispatcher {
    /// Starts a dispatcher; it brings the database's schema up to date.
    ///
    /// # Errors
    /// It is not built or does not start.
    pub async fn start(
        parts: &Parts,
        binaries: &Path,
        folder: &Path,
        database_url: &str,
        livekit: &Livekit,
    ) -> Result<Self> {
        let (port, api_key) = (free_port()?, secret());
        let url = format!("http://127.0.0.1:{port}");
        let mut environment = common(database_url, livekit, parts);
        environment.extend([
            ("RAPPORTEUR_LISTEN", format!("127.0.0.1:{port}")),
            ("RAPPORTEUR_API_KEY", api_key.clone()),
            ("RAPPORTEUR_PUBLIC_URL", url.clone()),
            (
                "RAPPORTEUR_LIVEKIT_CLIENT_JS",
                parts.livekit_client_js.display().to_string(),
            ),
        ]);
        let program = Program {
            name: "dispatcher",
            binary: binary(binaries, "dispatcher")?,
            environment,
            url: url.clone(),
            logs: folder.to_owned(),
            process: None,
        };
        let mut dispatcher = Self {
            url,
            api_key,
            program,
        };
        dispatcher.launch().await?;
        Ok(dispatcher)
    }
}

impl Agent {
    /// Starts an agent worker. A chat endpoint of the environment (`OPENAI_BASE_URL`, ...) is passed on.
    ///
    /// # Errors
    /// It is not built or does not start.
    pub async fn start(
        parts: &Parts,
        binaries: &Path,
        folder: &Path,
        database_url: &str,
        livekit: &Livekit,
    ) -> Result<Self> {
        let port = free_port()?;
        let url = format!("http://127.0.0.1:{port}");
        let mut environment = common(database_url, livekit, parts);
        environment.extend([
            ("RAPPORTEUR_HEALTH_LISTEN", format!("127.0.0.1:{port}")),
            (
                "RAPPORTEUR_WHISPER_MODEL",
                parts.whisper_model.display().to_string(),
            ),
            ("RAPPORTEUR_VOICE_MODEL", parts.voice_model.display().to_string()),
            (
                "RAPPORTEUR_SPEAKER_MODEL",
                parts.speaker_model.display().to_string(),
            ),
        ]);
        let program = Program {
            name: "agent",
            binary: binary(binaries, "agent")?,
            environment,
            url: url.clone(),
            logs: folder.to_owned(),
            process: None,
        };
        let mut agent = Self { url, program };
        agent.launch().await?;
        Ok(agent)
    }

    /// Sets a variable of its environment, from its next launch on.
    pub fn set(&mut self, name: &'static str, value: impl Into<String>) {
        let environment = &mut self.program.environment;
        environment.retain(|(known, _)| *known != name);
        environment.push((name, value.into()));
    }
}

impl Transcriber {
    /// Starts a transcriber.
    ///
    /// # Errors
    /// It is not built or does not start.
    pub async fn start(parts: &Parts, binaries: &Path, folder: &Path) -> Result<Self> {
        let (port, api_key) = (free_port()?, secret());
        let url = format!("http://127.0.0.1:{port}");
        let program = Program {
            name: "transcriber",
            binary: binary(binaries, "transcriber")?,
            environment: vec![
                ("RAPPORTEUR_TRANSCRIBER_LISTEN", format!("127.0.0.1:{port}")),
                ("RAPPORTEUR_TRANSCRIBER_KEY", api_key.clone()),
                (
                    "RAPPORTEUR_WHISPER_MODEL",
                    parts.whisper_model.display().to_string(),
                ),
            ],
            url: url.clone(),
            logs: folder.to_owned(),
            process: None,
        };
        let mut transcriber = Self {
            url,
            api_key,
            program,
        };
        transcriber.launch().await?;
        Ok(transcriber)
    }
}
