//! The recognition service of a room dies in the middle of a meeting: the next recogniser writes on, and everything that
//! is said is in the transcript once. When the service is back, it gets new utterances again.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use system_tests::meeting::{Meeting, items};

const LIMIT: Duration = Duration::from_secs(60);
const SERVICE: &str = "openai:whisper-1";
const OWN: &str = "whisper:ggml-tiny.en";

fn engines(segments: &[Value]) -> Vec<&str> {
    segments
        .iter()
        .filter_map(|segment| segment["engine"].as_str())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn recognisers_take_over() -> Result<()> {
    let mut meeting = Meeting::begin("A recognition service that dies").await?;
    let mut service = meeting.transcriber().await?;
    meeting
        .move_to_room_with("recognisers", json!(["openai", "whisper"]))
        .await?;
    // Her recordings are of two readers, who would be told apart.
    meeting
        .api
        .patch(&meeting.path(""), &json!({"voices": "one"}))
        .await?;
    let alice = meeting.guest("Alice").await?;
    // From one of the reader's pauses to another: half a word may be heard as any.
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
    assert_eq!(engines(&before), vec![SERVICE; before.len()]);

    // Killed while she speaks: what is asked of it then has no answer.
    let rest = speech(8_500, 24_300)?;
    let (played, killed) = tokio::join!(alice.participant.play("while it dies", &rest), async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        service.kill();
    });
    played?;
    let () = killed;
    meeting.wait_for_event("recogniser_rested", SERVICE).await?;
    meeting.wait_until_stored(&alice.identity, "light", LIMIT).await?;
    let during = meeting.segments().await?;
    assert!(
        during[before.len()..]
            .iter()
            .any(|segment| segment["engine"] == OWN),
        "{:?}",
        engines(&during)
    );

    service.launch().await?;
    // Long enough for the rest to be over before its end.
    let again = meeting
        .speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?
        .repeat(3);
    alice.participant.play("when it is back", &again).await?;
    meeting.wait_for_event("recogniser_back", SERVICE).await?;
    meeting
        .wait_until_stored(&alice.identity, "fail better", LIMIT)
        .await?;
    let after = meeting.segments().await?;
    assert!(
        after[during.len()..]
            .iter()
            .any(|segment| segment["engine"] == SERVICE),
        "{:?}",
        engines(&after)
    );
    assert_eq!(after[..during.len()], during[..], "what was stored has changed");

    // Nothing is missing and nothing is there twice. By single words: what stands between them Whisper may hear otherwise, and
    // whether it is right is not the question here.
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
    // The ledger knows both.
    let usage = meeting.path("usage");
    for engine in [SERVICE, OWN] {
        let is_paid = |usage: &Value| {
            items(usage).any(|line| line["kind"] == "speech_recognised" && line["engine"] == engine)
        };
        meeting.api.wait_for(&usage, LIMIT, is_paid).await?;
    }
    service.stop().await;
    meeting.end().await
}
