//! A network that carries nothing of somebody's microphone for a while: nobody's connection breaks, and nothing is heard.
//! The ledger says from when to when, also where it fails while nobody speaks and comes back in the middle of a sentence.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use system_tests::meeting::{Meeting, stretches};
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(60);
/// What of the speech is lost.
const LOST_MS: (u64, u64) = (9_000, 14_000);
/// What is lost of a silence that is no longer new, and of the speech after it.
const SILENCE: Duration = Duration::from_secs(5);
const LOST_SILENCE_MS: u64 = 2_000;
const LOST_SPEECH_MS: u64 = 8_000;
/// The way to the agent, and the fading of what is put in the place of lost sound.
const TOLERANCE_MS: f64 = 700.0;
/// How often packets are looked at in a silence, and a packet of silence.
const SILENT_TOLERANCE_MS: f64 = 2_500.0;

#[tokio::test(flavor = "multi_thread")]
async fn lost_sound_is_said() -> Result<()> {
    let (meeting, network) = Meeting::begin_on_a_bad_network("A network with a hole in it").await?;
    let alice = meeting.guest("Alice").await?;
    let speech = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_millis(24_300))?;
    let (played, ()) = tokio::join!(alice.participant.play("all of it", &speech), async {
        sleep(Duration::from_millis(LOST_MS.0)).await;
        network.lose(100);
        sleep(Duration::from_millis(LOST_MS.1 - LOST_MS.0)).await;
        network.lose(0);
    });
    played?;
    meeting.wait_until_stored(&alice.identity, "light", LIMIT).await?;
    let gap = nth_gap(&meeting, 1).await?;
    assert_eq!(gap["identity"], alice.identity);
    let lost_ms = (LOST_MS.1 - LOST_MS.0) as f64;
    assert!((length_ms(&gap)? - lost_ms).abs() < TOLERANCE_MS, "{gap}");
    // What was said before and after is there, in the words of its own.
    let said = meeting.said(&alice.identity).await?;
    for heard in ["best of times", "worst of times", "light"] {
        assert!(said.contains(heard), "{heard:?} is not in {said:?}");
    }

    sleep(SILENCE).await;
    network.lose(100);
    sleep(Duration::from_millis(LOST_SILENCE_MS)).await;
    let (played, ()) = tokio::join!(alice.participant.play("again", &speech), async {
        sleep(Duration::from_millis(LOST_SPEECH_MS)).await;
        network.lose(0);
    });
    played?;
    let gap = nth_gap(&meeting, 2).await?;
    let lost_ms = (LOST_SILENCE_MS + LOST_SPEECH_MS) as f64;
    let more_ms = length_ms(&gap)? - lost_ms;
    assert!((-TOLERANCE_MS..SILENT_TOLERANCE_MS).contains(&more_ms), "{gap}");
    meeting.end().await
}

/// The gap that the ledger has last when it has so many.
async fn nth_gap(meeting: &Meeting, n: usize) -> Result<Value> {
    let gaps = |ledger: &Value| -> Vec<Value> {
        let all = stretches(ledger).filter(|one| one["state"] == "gap");
        all.cloned().collect()
    };
    let path = meeting.path("coverage?limit=1000");
    let there = |ledger: &Value| gaps(ledger).len() >= n;
    let ledger = meeting.api.wait_for(&path, LIMIT, there).await?;
    let mut gaps = gaps(&ledger);
    assert_eq!(gaps.len(), n, "{ledger}");
    gaps.sort_by_key(|gap| gap["start_ms"].as_f64().map(|ms| ms as i64));
    let last = gaps.pop().context("a gap")?;
    assert_eq!(last["reason"], "connection_lost", "{ledger}");
    Ok(last)
}

fn length_ms(gap: &Value) -> Result<f64> {
    let ends = gap["end_ms"].as_f64().zip(gap["start_ms"].as_f64());
    ends.map(|(end, start)| end - start).context("a place")
}
