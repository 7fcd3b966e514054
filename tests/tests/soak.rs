//! Participants come, talk and go, in order or without a word, in random order from a fixed seed. When everybody has left,
//! nothing of them is left either. `cargo figures soak` is the same for half an hour, with agents in the rooms.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use peak_alloc::PeakAlloc;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{Livekit, choose_tls};
use system_tests::soak::{self, Pace, Plan, Tally};
use system_tests::speech_file;
use system_tests::token::token;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Counts what is allocated and not yet freed.
#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

const SEED: u64 = 5;
const ROUNDS: u64 = 3;
const PEOPLE: usize = 6;
const ROUND_MS: u64 = 8_000;
/// What is left of who has gone is gone by then.
const REST_LIMIT: Duration = Duration::from_secs(40);
/// A participant who is kept costs some hundred kilobytes, and about ten come in a round.
const HEAP_GROWTH_LIMIT_BYTES: usize = 300_000;

/// What the process holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Held {
    tasks: usize,
    threads: usize,
    descriptors: usize,
}

impl Held {
    fn within(self, allowed: Self) -> bool {
        self.tasks <= allowed.tasks
            && self.threads <= allowed.threads
            && self.descriptors <= allowed.descriptors
    }
}

fn held() -> Result<Held> {
    Ok(Held {
        tasks: Handle::current().metrics().num_alive_tasks(),
        threads: fs::read_dir("/proc/self/task")?.count(),
        // Without the one of this very look.
        descriptors: fs::read_dir("/proc/self/fd")?.count() - 1,
    })
}

/// Waits until no more is held than that.
async fn rest(allowed: Held) -> Result<Held> {
    let begun = Instant::now();
    loop {
        let now = held()?;
        if now.within(allowed) || begun.elapsed() > REST_LIMIT {
            return Ok(now);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn tokens(server: &Livekit, round: u64) -> Result<Vec<String>> {
    let of = |person: usize| {
        token(
            server,
            &format!("soak-{round}-{}", person % 2),
            &format!("person-{person}"),
        )
    };
    (0..PEOPLE).map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_who_has_left() -> Result<()> {
    choose_tls();
    soak::silence::be_able();
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-soak")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("a workspace")?;
    let parts = parts::ensure(&cache, workspace)?;
    let mut server = Livekit::start(&parts, &run.path).await?;
    let voice: Arc<[i16]> = speech_file::read(&parts.recordings.join("two_cities.wav"))?.into();
    let start = held()?;
    let allowed = Held {
        // The clock of all audio, which stays.
        threads: start.threads + 1,
        ..start
    };
    // The first round makes what stays for the process: tables, the provider of TLS.
    let mut heap_before = None;
    let mut vanished = 0;
    for round in 0..=ROUNDS {
        let plan = Plan::new(SEED + round, PEOPLE, ROUND_MS, 1, &Pace::HURRIED);
        let tally: Tally = soak::run(&server.url, &plan, &tokens(&server, round)?, voice.clone()).await;
        assert_eq!(tally.failures, 0, "{tally:?}");
        assert!(tally.joins > 8 && tally.tracks > 8, "{tally:?}");
        vanished += tally.vanished;
        let now = rest(allowed).await?;
        assert!(
            now.within(allowed),
            "round {round}: {now:?}, allowed: {allowed:?}"
        );
        let heap = HEAP.current_usage();
        let grown = heap.saturating_sub(*heap_before.get_or_insert(heap));
        println!("round {round}: {tally:?} {now:?} heap +{grown}");
        assert!(
            grown < HEAP_GROWTH_LIMIT_BYTES,
            "round {round}: {grown} bytes more"
        );
    }
    assert!(vanished > 2, "{vanished}");
    server.stop().await;
    Ok(())
}
