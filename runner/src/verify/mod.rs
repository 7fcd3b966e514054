//! `cargo verify`: everything that has to hold before a change lands, with real servers for the tests that need them.

mod official;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::cache::Cache;
use crate::parts::{self, Parts};
use crate::servers::{Durability, Postgres};
use crate::toolchain::{self, Need};
use crate::{commands, process};

/// Runs every check; later ones run even when an earlier one fails. With `only`, nothing but the tests that these
/// arguments of `cargo test` choose.
///
/// # Errors
/// The set-up fails, or any check does.
pub async fn run(workspace: &Path, only: &[String]) -> Result<()> {
    let begun = Instant::now();
    eprintln!("toolchain");
    toolchain::ensure(Need::Tests)?;
    process::end_leftovers()?;
    eprintln!("parts");
    let cache = Cache::open()?;
    let parts = parts::ensure(&cache, workspace)?;
    let folder = cache.run_folder("verify")?;
    let mut postgres = Postgres::start(&parts, &folder.path, Durability::Memory).await?;
    if !only.is_empty() {
        let arguments: Vec<&str> = ["test", "--workspace"]
            .into_iter()
            .chain(only.iter().map(String::as_str))
            .collect();
        let outcome = commands::run_visibly(&mut cargo(workspace, &parts, &postgres.url, &arguments));
        postgres.stop().await;
        return outcome;
    }
    let mut results: Vec<(&str, Duration, bool)> = Vec::new();
    let mut note = |name, begun: Instant, outcome: Result<()>| {
        if let Err(error) = &outcome {
            eprintln!("{error:#}");
        }
        results.push((name, begun.elapsed(), outcome.is_ok()));
    };
    for (name, arguments) in CHECKS {
        eprintln!("\n{name}: cargo {}", arguments.join(" "));
        let begun = Instant::now();
        let outcome = commands::run_visibly(&mut cargo(workspace, &parts, &postgres.url, arguments));
        note(name, begun, outcome);
    }
    eprintln!("\nno C++ WebRTC: cargo tree --invert webrtc-sys finds nothing");
    note("no C++ WebRTC", Instant::now(), without_webrtc_sys(workspace));
    eprintln!("\nofficial libwebrtc: cargo check without the patch");
    note("official libwebrtc", Instant::now(), official::check(workspace));
    postgres.stop().await;
    eprintln!();
    for (name, took, passed) in &results {
        eprintln!(
            "  {:<18} {:>7.1} s  {}",
            name,
            took.as_secs_f64(),
            if *passed { "passed" } else { "FAILED" }
        );
    }
    eprintln!("  {:<18} {:>7.1} s", "all", begun.elapsed().as_secs_f64());
    if results.iter().any(|(_, _, passed)| !passed) {
        bail!("not everything passed");
    }
    Ok(())
}

const CHECKS: [(&str, &[&str]); 4] = [
    ("formatting", &["fmt", "--all", "--check"]),
    // The tests come before clippy: they build the programs that most of the time goes into.
    ("tests", &["test", "--workspace", "--no-fail-fast"]),
    (
        "clippy",
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ],
    ),
    (
        "documentation",
        &["doc", "--workspace", "--no-deps", "--document-private-items"],
    ),
];

/// Succeeds when cargo says that there is no such package; any other failure is one.
fn without_webrtc_sys(workspace: &Path) -> Result<()> {
    let found = commands::run(
        commands::cargo()
            .args(["tree", "--invert", "webrtc-sys"])
            .current_dir(workspace),
    );
    match found {
        Ok(_) => bail!("the C++ library is a dependency"),
        Err(error) if format!("{error:#}").contains("did not match any packages") => Ok(()),
        Err(error) => Err(error),
    }
}

fn cargo(workspace: &Path, parts: &Parts, database_url: &str, arguments: &[&str]) -> Command {
    let mut command = commands::cargo();
    command
        .args(arguments)
        .current_dir(workspace)
        .env("DATABASE_URL", database_url)
        .env("RAPPORTEUR_WHISPER_MODEL", &parts.whisper_model)
        .env("RAPPORTEUR_VOICE_MODEL", &parts.voice_model)
        .env("RAPPORTEUR_SPEAKER_MODEL", &parts.speaker_model)
        .env("RAPPORTEUR_CONVERSATION", &parts.conversation)
        .env("RAPPORTEUR_EMBEDDING_MODEL", &parts.embedding_model)
        .env("RAPPORTEUR_RECORDINGS", &parts.recordings)
        .env("RAPPORTEUR_LIVEKIT_CLIENT_JS", &parts.livekit_client_js)
        .env("RUSTDOCFLAGS", "--deny warnings");
    if let Some(livekit) = &parts.livekit_server {
        command.env("RAPPORTEUR_LIVEKIT_SERVER", livekit);
    }
    if let Some(postgres) = &parts.postgres {
        command.env("RAPPORTEUR_POSTGRES", postgres);
    }
    command
}
