//! A livekit-server, rooms on it, and the parts that the clients come from.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use runner::cache::{Cache, RunFolder};
use runner::parts::{self, Parts};
use runner::servers::{self, BadNetwork, Livekit};
use tokio::sync::{Mutex, MutexGuard};

use crate::token::token;

/// One test at a time: the machine is small, and a starved client is a silent one.
static TURN: Mutex<()> = Mutex::const_new(());

/// Where clients meet.
pub struct Ground {
    pub(super) cache: Cache,
    pub(super) parts: Parts,
    pub(super) run: RunFolder,
    livekit: Livekit,
    network: Option<BadNetwork>,
    name: &'static str,
    _turn: MutexGuard<'static, ()>,
}

/// The folder of the workspace.
pub(super) fn workspace() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")
}

/// The folder of this module, where the clients' own programs are.
pub(super) fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/peers")
}

impl Ground {
    /// Waits until no other test of this program has one, and starts the server.
    ///
    /// # Errors
    /// A part is not there, or the server does not start.
    pub async fn prepare(name: &'static str) -> Result<Self> {
        Self::prepare_at(name, Ipv4Addr::LOCALHOST).await
    }

    /// The same with a network before the server that can be made a bad one.
    ///
    /// # Errors
    /// As [`Ground::prepare`].
    pub async fn prepare_on_a_bad_network(name: &'static str) -> Result<Self> {
        let mut ground = Self::prepare_at(name, BadNetwork::ADDRESS).await?;
        let port = ground.livekit.udp_port().context("a server of our own")?;
        ground.network = Some(BadNetwork::start(port).await?);
        Ok(ground)
    }

    async fn prepare_at(name: &'static str, media_address: Ipv4Addr) -> Result<Self> {
        let turn = TURN.lock().await;
        servers::choose_tls();
        let cache = Cache::open()?;
        let parts = parts::ensure(&cache, workspace()?)?;
        let run = cache.run_folder(name)?;
        let livekit = Livekit::start_behind(&parts, &run.path, media_address).await?;
        Ok(Self {
            cache,
            parts,
            run,
            livekit,
            network: None,
            name,
            _turn: turn,
        })
    }

    /// The network before the server.
    ///
    /// # Errors
    /// It was prepared without.
    pub fn network(&self) -> Result<&BadNetwork> {
        self.network.as_ref().context("no network that can be made bad")
    }

    /// The server's address.
    pub fn url(&self) -> &str {
        &self.livekit.url
    }

    /// The name of a room in which nobody is.
    pub fn room(&self) -> String {
        format!("{}-{}", self.name, uuid::Uuid::new_v4())
    }

    /// Lets `identity` join `room`.
    ///
    /// # Errors
    /// It cannot be signed.
    pub fn token(&self, room: &str, identity: &str) -> Result<String> {
        token(&self.livekit, room, identity)
    }

    /// Stops the server.
    pub async fn end(mut self) {
        self.livekit.stop().await;
    }
}
