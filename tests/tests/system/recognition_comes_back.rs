//! The only recogniser of a room dies and stays away: what is said meanwhile is a gap, of which the sound is held. When the
//! recogniser is back, the gap is filled, late, and nothing is missing any more.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use system_tests::meeting::{Meeting, stretches};

const LIMIT: Duration = Duration::from_secs(60);
/// Until the recogniser is given up for an utterance.
const GIVEN_UP: Duration = Duration::from_secs(100);

fn missing(ledger: &Value) -> usize {
    stretches(ledger)
        .filter(|stretch| stretch["state"] == "gap")
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn recognition_comes_back() -> Result<()> {
    let mut meeting = Meeting::begin("A recogniser that comes back").await?;
    let mut service = meeting.transcriber().await?;
    meeting
        .move_to_room_with("recognisers", json!(["openai"]))
        .await?;
    let alice = meeting.guest("Alice").await?;
    let speech = |from_ms, to_ms| {
        meeting.speech(
            "two_cities.wav",
            Duration::from_millis(from_ms),
            Duration::from_millis(to_ms),
        )
    };
    alice
        .participant
        .play("while it lives", &speech(0, 8_500)?)
        .await?;
    meeting.wait_until_stored(&alice.identity, "worst", LIMIT).await?;
    let before = meeting.segments().await?;

    service.kill();
    alice
        .participant
        .play("while it is away", &speech(8_500, 24_300)?)
        .await?;
    let ledger = meeting.path("coverage?limit=1000");
    let is_given_up = |ledger: &Value| {
        let is_held = |stretch: &Value| stretch["reason"] == "recogniser_failed";
        let is_settled = |stretch: &Value| stretch["state"] != "pending" && stretch["state"] != "open";
        stretches(ledger).any(is_held) && stretches(ledger).all(is_settled)
    };
    meeting.api.wait_for(&ledger, GIVEN_UP, is_given_up).await?;
    assert_eq!(meeting.segments().await?, before, "words without a recogniser");

    service.launch().await?;
    meeting
        .api
        .wait_for(&ledger, GIVEN_UP, |ledger| missing(ledger) == 0)
        .await?;
    let after = meeting.segments().await?;
    assert_eq!(after[..before.len()], before[..], "what was stored has changed");
    assert!(after.len() > before.len(), "nothing was said late");
    assert!(
        after[before.len()..]
            .iter()
            .all(|segment| segment["late"] == true)
    );
    // By single words, as what stands between them may be heard otherwise.
    let said = meeting.said(&alice.identity).await?;
    for word in [
        "best",
        "worst",
        "wisdom",
        "foolishness",
        "belief",
        "incredulity",
        "light",
    ] {
        let times = said.split_whitespace().filter(|said| *said == word).count();
        assert_eq!(times, 1, "{word:?} in {said:?}");
    }
    service.stop().await;
    meeting.end().await
}
