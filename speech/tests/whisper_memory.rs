//! What a Whisper worker needs it has from the start: an agent's memory does not grow when somebody speaks for long.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

mod support;

use std::fs;

use speech::{Audio, Recogniser as _, Request, RequestKind, StreamId, WhisperOptions, WhisperPool};
use support::from_environment;

/// What the allocator moves about. Without being claimed 180 MiB come with these utterances (tiny.en).
const GROWTH_LIMIT_MIB: f64 = 24.0;

/// Memory of this process that no file backs.
fn resident_mib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.unwrap().trim().strip_suffix("kB").unwrap();
    kib.trim().parse::<f64>().unwrap() / 1024.0
}

async fn words(pool: &WhisperPool, audio: &[i16], prompt: &str) -> usize {
    let request = Request {
        stream: StreamId(1),
        utterance: 1,
        kind: RequestKind::Final,
        audio: Audio::from(audio),
        start_ms: 0,
        prompt: prompt.to_owned(),
        settled: Vec::new(),
    };
    pool.submit(request).await.unwrap().unwrap().words.len()
}

#[tokio::test]
async fn long_utterances_and_prompts_need_no_more_memory_than_short_ones() {
    let recording = from_environment("RAPPORTEUR_RECORDINGS").join("two_cities.wav");
    let samples = speech::wav::read_mono_16khz(&recording).unwrap();
    let model = from_environment("RAPPORTEUR_WHISPER_MODEL");
    let pool = WhisperPool::load(&model, WhisperOptions { workers: 1 }).unwrap();
    assert!(words(&pool, &samples[..3 * 16_000], "").await > 3);
    let before_mib = resident_mib();
    let prompt = "the quick brown fox jumps over the lazy dog while ".repeat(30);
    assert!(words(&pool, &samples[..20 * 16_000], &prompt).await > 30);
    assert!(words(&pool, &samples[..28 * 16_000], "").await > 50);
    let grown_mib = resident_mib() - before_mib;
    println!("{before_mib:.0} MiB, {grown_mib:.0} MiB more");
    assert!(
        grown_mib < GROWTH_LIMIT_MIB,
        "{grown_mib:.0} MiB more than {before_mib:.0}"
    );
}
