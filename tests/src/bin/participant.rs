//! `participant`: a simulated participant as a program. Reports one JSON object a line on stdout and takes
//! orders, one JSON object a line, on stdin. See `system_tests::participant`.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde::Deserialize;
use system_tests::participant::{Participant, unix_ms};
use system_tests::speech_file;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// Joins a LiveKit room, plays recordings, and prints the captions and chat that arrive.
#[derive(Parser)]
struct Options {
    /// LiveKit's address, ws:// or wss://.
    #[arg(long)]
    url: String,
    /// A join token.
    #[arg(long, env = "PARTICIPANT_TOKEN", hide_env_values = true)]
    token: String,
    /// A WAV file to play after joining; may be given several times.
    #[arg(long)]
    play: Vec<PathBuf>,
    /// Hear nobody: captions and chat only.
    #[arg(long)]
    deaf: bool,
    /// Wait until this wall-clock time (milliseconds since 1970) before playing.
    #[arg(long, default_value_t = 0)]
    start_at_unix_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    Say(String),
    Play(PathBuf),
    Leave,
}

#[tokio::main]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("warn")
        .init();
    let options = Options::parse();
    let (participant, mut heard) = match options.deaf {
        true => Participant::join_deaf(&options.url, &options.token).await?,
        false => Participant::join(&options.url, &options.token).await?,
    };
    let printer = tokio::spawn(async move {
        while let Some(report) = heard.recv().await {
            let line = serde_json::to_string(&report)?;
            let mut stdout = std::io::stdout().lock();
            writeln!(stdout, "{line}")?;
            stdout.flush()?;
        }
        anyhow::Ok(())
    });
    let wait_ms = options.start_at_unix_ms.saturating_sub(unix_ms());
    tokio::time::sleep(Duration::from_millis(wait_ms)).await;
    for file in &options.play {
        play(&participant, file).await?;
    }
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    // Standard input closed means that whoever started us is gone: leave too.
    while let Some(line) = orders.next_line().await.context("reading an order")? {
        match serde_json::from_str(&line).with_context(|| format!("not an order: {line}"))? {
            Order::Say(text) => participant.say(&text).await?,
            Order::Play(file) => play(&participant, &file).await?,
            Order::Leave => break,
        }
    }
    participant.leave().await?;
    printer.abort();
    Ok(())
}

async fn play(participant: &Participant, file: &std::path::Path) -> Result<()> {
    let samples = speech_file::read(file)?;
    participant.play(&file.display().to_string(), &samples).await
}
