//! `soak`: many participants as a program (see `system_tests::soak`), which says what it still holds when everybody has left. Orders
//! come on standard input, one JSON object a line, and each is answered on standard output.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser;
use peak_alloc::PeakAlloc;
use serde::{Deserialize, Serialize};
use system_tests::soak::{self, Pace, Plan, Tally};
use system_tests::speech_file;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Counts what is allocated and not yet freed: unlike the process's memory, it knows no fragments.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// What is left behind by who has gone is gone by then.
const REST_LIMIT: Duration = Duration::from_secs(60);
const REST_POLL: Duration = Duration::from_millis(100);

/// Has many participants come, talk and go, as often as it is told to.
#[derive(Parser)]
struct Options {
    /// LiveKit's address.
    #[arg(long)]
    url: String,
    /// What they say: a WAV file.
    #[arg(long)]
    voice: PathBuf,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Round {
    seed: u64,
    length_ms: u64,
    talkers: usize,
    /// One for each person.
    tokens: Vec<String>,
}

#[derive(Serialize)]
struct AtRest {
    tally: Tally,
    heap_bytes: usize,
    tasks: usize,
}

#[tokio::main]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("warn,rtc=error,rtc_ice=error,livekit=error,libwebrtc=error")
        .init();
    let options = Options::parse();
    soak::silence::be_able();
    let voice: Arc<[i16]> = speech_file::read(&options.voice)?.into();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    // Standard input closed means that whoever started us is gone: leave too.
    while let Some(line) = orders.next_line().await.context("reading an order")? {
        let round: Round = serde_json::from_str(&line).context("not an order")?;
        let plan = Plan::new(
            round.seed,
            round.tokens.len(),
            round.length_ms,
            round.talkers,
            &Pace::RESTLESS,
        );
        let before = tasks();
        let tally = soak::run(&options.url, &plan, &round.tokens, voice.clone()).await;
        drop((round, plan, line));
        let begun = Instant::now();
        while tasks() > before && begun.elapsed() < REST_LIMIT {
            tokio::time::sleep(REST_POLL).await;
        }
        let at_rest = AtRest {
            tally,
            heap_bytes: HEAP.current_usage(),
            tasks: tasks(),
        };
        let mut stdout = std::io::stdout().lock();
        writeln!(stdout, "{}", serde_json::to_string(&at_rest)?)?;
        stdout.flush()?;
    }
    Ok(())
}

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}
