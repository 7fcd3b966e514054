//! `runner`: what `cargo demo`, `cargo verify` and `cargo figures` run.
#![allow(clippy::print_stderr, clippy::print_stdout)] // it speaks to whoever typed the command

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use runner::cache::Cache;
use runner::toolchain::{self, Need};
use runner::{demo, figures, parts, verify};

/// Sets up, runs and checks Rapporteur.
#[derive(Parser)]
struct Options {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Fetches the pinned parts and prints where they are.
    Setup {
        /// Only what the containers carry; copied to `models` in the cache.
        #[arg(long)]
        models: bool,
    },
    /// A meeting on real servers, from its scheduling to its record.
    Demo {
        /// End after the summary instead of leaving the room open.
        #[arg(long)]
        once: bool,
        /// Write the summary to this file.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Measures speed and accuracy; prints them and rewrites their section of docs/figures.md.
    Figures {
        /// What to measure.
        name: figures::Name,
        /// For `conformance`: a checkout of LiveKit's rust-sdks, or the unpacked `livekit` package.
        path: Option<PathBuf>,
        /// How long the meeting is, where that can be chosen.
        #[arg(long)]
        minutes: Option<u64>,
        /// Write the figures to this file.
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Formatting, tests, clippy, documentation.
    Verify {
        /// Nothing but the tests that these arguments of `cargo test` choose.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        only: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let action = Options::parse().command;
    runner::servers::choose_tls();
    match run(action).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes without a backtrace: it is meant for whoever typed the command.
            let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
            eprintln!("\nfailed: {}", causes.join("\n  because: "));
            ExitCode::FAILURE
        }
    }
}

async fn run(action: Action) -> Result<()> {
    let workspace = workspace()?;
    match action {
        Action::Setup { models } => setup(&workspace, models),
        Action::Demo { once, json } => demo::run(&workspace, &demo::Options { once, json }).await,
        Action::Figures {
            name,
            path,
            minutes,
            json,
        } => {
            let options = figures::Options {
                name,
                path,
                minutes,
                json,
            };
            figures::run(&workspace, &options).await
        }
        Action::Verify { only } => verify::run(&workspace, &only).await,
    }
}

/// The folder of the workspace's Cargo.toml, wherever below it the command was given.
fn workspace() -> Result<PathBuf> {
    let here = std::env::current_dir()?;
    let found = here
        .ancestors()
        .find(|folder| folder.join("migrations").is_dir() && folder.join("Cargo.toml").is_file());
    Ok(found.context("run this inside Rapporteur's checkout")?.to_owned())
}

fn setup(workspace: &std::path::Path, models: bool) -> Result<()> {
    eprintln!("toolchain");
    toolchain::ensure(if models { Need::Build } else { Need::Demo })?;
    eprintln!("parts");
    let cache = Cache::open()?;
    if !models {
        let parts = parts::ensure(&cache, workspace)?;
        eprintln!("{parts:#?}");
        return Ok(());
    }
    let parts = parts::ensure_models(&cache, workspace)?;
    let folder = cache.path("models");
    let embeddings = folder.join("all-MiniLM-L6-v2");
    std::fs::create_dir_all(&embeddings)?;
    for file in ["model.safetensors", "tokenizer.json", "config.json"] {
        std::fs::copy(parts.embedding_model.join(file), embeddings.join(file))?;
    }
    std::fs::copy(&parts.whisper_model, folder.join("ggml-tiny.en.bin"))?;
    std::fs::copy(&parts.voice_model, folder.join("voice.safetensors"))?;
    std::fs::copy(&parts.speaker_model, folder.join("speakers.safetensors"))?;
    std::fs::copy(&parts.livekit_client_js, folder.join("livekit-client.umd.js"))?;
    eprintln!("models are in {}", folder.display());
    Ok(())
}
