//! What `cargo demo --once` shows, happens.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context as _, Result};
use runner::cache::Cache;
use runner::setup::{self, Ready};
use runner::{demo, parts};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_happens() -> Result<()> {
    let cache = Cache::open()?;
    // The same turn as all other meetings take.
    let turn = std::fs::File::create(cache.path("meeting.running"))?;
    turn.lock()?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("a workspace")?;
    let mut parts = parts::ensure(&cache, workspace)?;
    if let Some(postgres) = std::env::var_os("RAPPORTEUR_POSTGRES") {
        parts.postgres = Some(postgres.into());
    }
    let ready = Ready {
        cache,
        parts,
        binaries: setup::binaries()?,
    };
    let summary = demo::held(&ready, "demo-test", Instant::now(), false)
        .await?
        .context("the demo was interrupted")?;
    assert!(summary.failures.is_empty(), "{:#?}", summary.failures);
    Ok(())
}
