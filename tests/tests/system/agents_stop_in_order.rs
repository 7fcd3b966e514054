//! An agent that is asked to end while somebody speaks first stores everything that was said until then, and the next one
//! goes on.

use std::time::Duration;

use anyhow::{Context as _, Result};
use system_tests::meeting::{Meeting, items};
use system_tests::participant::Heard;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn agents_stop_in_order() -> Result<()> {
    let mut meeting = Meeting::begin("An agent that is stopped").await?;
    let mut alice = meeting.guest("Alice").await?;
    let speech = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_secs(60))?;
    let identity = alice.identity.clone();
    let playing = {
        let participant = alice.participant;
        tokio::spawn(async move {
            let outcome = participant.play("on and on", &speech).await;
            (participant, outcome)
        })
    };
    // In the middle of the second sentence, which is not final yet.
    alice
        .ears
        .wait_for(
            "a caption of wisdom",
            LIMIT,
            |heard| matches!(heard, Heard::Caption { text, r#final: false, .. } if text.contains("wisdom")),
        )
        .await?;
    let status = meeting.house.agent.stop().await.context("the agent ran")?;
    assert!(status.success(), "{status}");
    let kept = meeting.said(&identity).await?;
    assert!(kept.contains("the age of wisdom"), "kept is only {kept:?}");
    let sessions = meeting.api.get(&meeting.path("sessions")).await?;
    let first = items(&sessions).find(|one| one["epoch"] == 1);
    let first = first.context("the first session is gone")?;
    assert!(
        !first["ended_at"].is_null() && first["end_reason"] == "worker_drained",
        "{first}"
    );

    meeting.house.agent.launch().await?;
    meeting.wait_for_agent(2).await?;
    let (_participant, outcome) = playing.await?;
    outcome?;
    meeting
        .wait_until_stored(&identity, "degree of comparison only", LIMIT)
        .await?;
    let said = meeting.said(&identity).await?;
    assert_eq!(said.matches("worst of times").count(), 1, "said twice: {said}");
    meeting.end().await
}
