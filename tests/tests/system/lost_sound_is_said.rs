//! A network that carries nothing of somebody's microphone for a while: nobody's connection breaks, and nothing is heard.
//! The ledger says from when to when.

use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use system_tests::meeting::{Meeting, stretches};
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(60);
/// What of the speech is lost.
const LOST_MS: (u64, u64) = (9_000, 14_000);
/// The way to the agent, and the fading of what is put in the place of lost sound.
const TOLERANCE_MS: f64 = 700.0;

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

    let gap = |ledger: &Value| {
        let is_gap = |stretch: &&Value| stretch["reason"] == "connection_lost";
        stretches(ledger).find(is_gap).cloned()
    };
    let ledger = meeting
        .api
        .wait_for(&meeting.path("coverage?limit=1000"), LIMIT, |ledger| {
            gap(ledger).is_some()
        })
        .await?;
    assert_eq!(
        stretches(&ledger).filter(|one| one["state"] == "gap").count(),
        1,
        "{ledger}"
    );
    let gap = gap(&ledger).context("a gap")?;
    assert_eq!(gap["identity"], alice.identity);
    let length_ms = gap["end_ms"].as_f64().zip(gap["start_ms"].as_f64());
    let length_ms = length_ms.map(|(end, start)| end - start).context("a place")?;
    let lost_ms = (LOST_MS.1 - LOST_MS.0) as f64;
    assert!((length_ms - lost_ms).abs() < TOLERANCE_MS, "{gap}");

    // What was said before and after is there, in the words of its own.
    let said = meeting.said(&alice.identity).await?;
    for heard in ["best of times", "worst of times", "light"] {
        assert!(said.contains(heard), "{heard:?} is not in {said:?}");
    }
    meeting.end().await
}
