//! A final is never shown before it is stored: while the database is away there are none, and when it is back nothing of
//! what was said is missing.

use std::time::Duration;

use anyhow::Result;
use system_tests::meeting::{Meeting, plain};
use system_tests::participant::Heard;

const LIMIT: Duration = Duration::from_secs(40);
/// A final comes well within a second of the end of speech; during so long a silence it would have come.
const NOTHING_COMES: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn databases_go_and_come_back() -> Result<()> {
    let mut meeting = Meeting::begin("A database that goes away").await?;
    let mut alice = meeting.guest("Alice").await?;
    let speech = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    let identity = alice.identity.clone();
    let playing = {
        let participant = alice.participant;
        tokio::spawn(async move {
            let outcome = participant.play("through it all", &speech).await;
            (participant, outcome)
        })
    };
    alice
        .ears
        .wait_for("the first words", LIMIT, |heard| {
            matches!(heard, Heard::Caption { r#final: false, .. })
        })
        .await?;
    meeting.house.postgres.kill();
    let (_participant, outcome) = playing.await?;
    outcome?;
    // The agent goes on hearing: the last words appear, but unsettled.
    alice
        .ears
        .wait_for(
            "the last words, unsettled",
            LIMIT,
            |heard| matches!(heard, Heard::Caption { text, .. } if plain(text).contains("better")),
        )
        .await?;
    let early = alice
        .ears
        .wait_for("a final that is stored nowhere", NOTHING_COMES, |heard| {
            matches!(heard, Heard::Caption { r#final: true, .. })
        })
        .await;
    assert!(early.is_err(), "shown as settled before it was stored: {early:?}");

    meeting.house.postgres.launch().await?;
    alice.ears.final_caption(&identity, "better", LIMIT).await?;
    let stored = meeting.said(&identity).await?;
    for text in alice.ears.finals() {
        assert!(
            stored.contains(&plain(&text)),
            "{text:?} was shown and is not in {stored:?}"
        );
    }
    // From the beginning, the middle and the end; single words, since Whisper does not hear each of them alike every time.
    for word in ["tried", "matter", "better"] {
        assert!(stored.contains(word), "no {word:?} in {stored:?}");
    }
    let ever = stored.matches("ever ").count();
    assert!(ever >= 2, "ever tried, ever failed: {stored:?}");
    meeting.end().await
}
