//! The transcriber's process: Whisper behind an OpenAI-compatible endpoint. See [`agent::transcriber`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use agent::transcriber::{Transcriber, router};
use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use speech::{WhisperOptions, WhisperPool};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Serves Whisper as an OpenAI-compatible transcription endpoint, for utterances of up to 30 seconds.
#[derive(Parser)]
#[command(version)]
struct Options {
    /// Where /v1/audio/transcriptions, /v1/models, /healthz and /readyz are served.
    #[arg(long, env = "RAPPORTEUR_TRANSCRIBER_LISTEN", default_value = "127.0.0.1:8092")]
    listen: SocketAddr,
    /// The key that clients have to give; only on a loopback address may it be empty.
    #[arg(
        long,
        env = "RAPPORTEUR_TRANSCRIBER_KEY",
        default_value = "",
        hide_env_values = true
    )]
    key: String,
    /// The Whisper model, a ggml file.
    #[arg(long, env = "RAPPORTEUR_WHISPER_MODEL")]
    whisper_model: PathBuf,
    /// Threads that recognise speech, at most 64; 0: one for each processor.
    #[arg(long, env = "RAPPORTEUR_RECOGNISERS", default_value_t = 0)]
    recognisers: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,whisper_rs=warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let options = Options::parse();
    ensure!(
        !options.key.is_empty() || options.listen.ip().is_loopback(),
        "RAPPORTEUR_TRANSCRIBER_KEY must be set where RAPPORTEUR_TRANSCRIBER_LISTEN is not a loopback address"
    );
    let workers = match options.recognisers {
        0 => WhisperOptions::default().workers,
        workers => workers,
    };
    let model = options.whisper_model.clone();
    let pool = tokio::task::spawn_blocking(move || WhisperPool::load(&model, WhisperOptions { workers }))
        .await?
        .context("RAPPORTEUR_WHISPER_MODEL, RAPPORTEUR_RECOGNISERS")?;
    let transcriber = Arc::new(Transcriber::new(Arc::new(pool), options.key));
    let listener = tokio::net::TcpListener::bind(options.listen)
        .await
        .with_context(|| format!("RAPPORTEUR_TRANSCRIBER_LISTEN: binding {}", options.listen))?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tracing::info!(listen = %options.listen, workers, "the transcriber is up");
    axum::serve(listener, router(transcriber))
        .with_graceful_shutdown(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("draining");
        })
        .await
        .context("serving")
}
