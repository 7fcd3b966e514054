//! A livekit-server, rooms on it, and the parts that the clients come from.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use runner::cache::{Cache, RunFolder};
use runner::parts::{self, Parts};
use runner::servers::{self, Livekit};
use system_tests::token::token;
use tokio::sync::{Mutex, MutexGuard};

/// A tone of another clock, after a jitter buffer.
pub(crate) const TONE_TOLERANCE_HZ: f64 = 5.0;
/// One test at a time: the machine is small, and a starved client is a silent one.
static TURN: Mutex<()> = Mutex::const_new(());

/// What somebody hears.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sound {
    /// The tone of the last moments; 0 for none.
    pub(crate) hz: f64,
    /// The loudest sample so far, of full scale.
    pub(crate) loudest: f64,
    /// The loudest sample of the last moments.
    pub(crate) now: f64,
}

pub(crate) struct Ground {
    pub(crate) cache: Cache,
    pub(crate) parts: Parts,
    pub(crate) run: RunFolder,
    livekit: Livekit,
    _turn: MutexGuard<'static, ()>,
}

/// The folder of the workspace.
pub(crate) fn workspace() -> Result<&'static Path> {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("no workspace")
}

/// The folder of these tests.
pub(crate) fn own_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/encryption")
}

impl Ground {
    pub(crate) async fn prepare() -> Result<Self> {
        let turn = TURN.lock().await;
        servers::choose_tls();
        let cache = Cache::open()?;
        let parts = parts::ensure(&cache, workspace()?)?;
        let run = cache.run_folder("encryption")?;
        let livekit = Livekit::start(&parts, &run.path).await?;
        Ok(Self {
            cache,
            parts,
            run,
            livekit,
            _turn: turn,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.livekit.url
    }

    pub(crate) fn room(&self) -> String {
        format!("encryption-{}", uuid::Uuid::new_v4())
    }

    pub(crate) fn token(&self, room: &str, identity: &str) -> Result<String> {
        token(&self.livekit, room, identity)
    }

    pub(crate) async fn end(mut self) {
        self.livekit.stop().await;
    }
}
