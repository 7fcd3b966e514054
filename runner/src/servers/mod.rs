//! Real servers on loopback, each on ports of its own: Postgres, livekit-server, dispatcher, agent. Every one can be
//! stopped, killed and started again on the same ports, which is what fault tests need.

mod bad_network;
mod livekit;
mod ours;
mod postgres;
mod relay;

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

pub use bad_network::{BadNetwork, Count};
pub use livekit::Livekit;
pub use ours::{Agent, Dispatcher, Transcriber};
pub use postgres::{Durability, Postgres};
pub use relay::Relay;

use crate::parts::Parts;

/// Where our servers listen: below the range from which systems take the ports of outgoing connections, so that a
/// stopped server finds its port free when it is started again.
const PORTS: std::ops::Range<u16> = 18_000..32_000;
const PORT_ATTEMPTS: usize = 200;

/// A port that nobody uses now, neither for TCP nor for UDP.
///
/// # Errors
/// None was found.
pub fn free_port() -> Result<u16> {
    use rand::Rng as _;
    let mut candidates = std::iter::repeat_with(|| rand::rng().random_range(PORTS)).take(PORT_ATTEMPTS);
    let is_free = |port: &u16| {
        let address = ("127.0.0.1", *port);
        TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok()
    };
    candidates
        .find(is_free)
        .context("no free port between 18000 and 32000")
}

/// Chooses the process's TLS, which every HTTP client asks for even where it speaks in the clear.
pub fn choose_tls() {
    // Refused when it is chosen already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// A secret of 48 letters and digits.
pub fn secret() -> String {
    use rand::Rng as _;
    rand::rng()
        .sample_iter(rand::distr::Alphanumeric)
        .take(48)
        .map(char::from)
        .collect()
}

/// All servers of one deployment, in the order in which they are started.
#[derive(Debug)]
pub struct House {
    /// The folder with data and logs.
    pub folder: PathBuf,
    /// The database.
    pub postgres: Postgres,
    /// The media server.
    pub livekit: Livekit,
    /// API, pages, reconciler.
    pub dispatcher: Dispatcher,
    /// The agent worker.
    pub agent: Agent,
}

impl House {
    /// Starts everything in `folder` and waits until each is ready; `told` hears each part's name and address.
    ///
    /// # Errors
    /// A part does not start: the error names it and shows the end of its log.
    pub async fn start(
        parts: &Parts,
        binaries: &Path,
        folder: &Path,
        durability: Durability,
        told: impl FnMut(&str, &str),
    ) -> Result<Self> {
        Self::start_behind(parts, binaries, folder, durability, Ipv4Addr::LOCALHOST, told).await
    }

    /// As [`House::start`], with sound going by another address (see [`Livekit::start_behind`]).
    ///
    /// # Errors
    /// As [`House::start`].
    pub async fn start_behind(
        parts: &Parts,
        binaries: &Path,
        folder: &Path,
        durability: Durability,
        media_address: Ipv4Addr,
        mut told: impl FnMut(&str, &str),
    ) -> Result<Self> {
        choose_tls();
        let postgres = Postgres::start(parts, folder, durability).await?;
        told("Postgres", &postgres.address());
        let livekit = Livekit::start_behind(parts, folder, media_address).await?;
        told("livekit-server", &livekit.url);
        let dispatcher = Dispatcher::start(parts, binaries, folder, &postgres.url, &livekit).await?;
        told("dispatcher", &dispatcher.url);
        let agent = Agent::start(parts, binaries, folder, &postgres.url, &livekit).await?;
        told("agent", &agent.url);
        Ok(Self {
            folder: folder.to_owned(),
            postgres,
            livekit,
            dispatcher,
            agent,
        })
    }

    /// A transcriber, which is given to the agent as its OpenAI-compatible endpoint: the agent is started again for it.
    ///
    /// # Errors
    /// One of the two does not start.
    pub async fn transcriber(&mut self, parts: &Parts, binaries: &Path) -> Result<Transcriber> {
        let transcriber = Transcriber::start(parts, binaries, &self.folder).await?;
        let agent = &mut self.agent;
        agent.stop().await;
        agent.set("RAPPORTEUR_TRANSCRIPTION_URL", format!("{}/v1", transcriber.url));
        agent.set("RAPPORTEUR_TRANSCRIPTION_KEY", &transcriber.api_key);
        agent.set("RAPPORTEUR_TRANSCRIPTION_MODEL", "whisper-1");
        agent.launch().await?;
        Ok(transcriber)
    }

    /// Stops everything in order: the agent drains first, the database goes last.
    pub async fn stop(mut self) {
        self.agent.stop().await;
        self.dispatcher.stop().await;
        self.livekit.stop().await;
        self.postgres.stop().await;
    }
}
