//! A dispatcher that is killed takes nothing with it: the meeting goes on, and one that is due meanwhile is served when the
//! dispatcher is back.

use std::time::Duration;

use anyhow::Result;
use system_tests::api::id;
use system_tests::meeting::{Meeting, items};

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn dispatchers_die() -> Result<()> {
    let mut meeting = Meeting::begin("A dispatcher that is killed").await?;
    let mut alice = meeting.guest("Alice").await?;
    let soon = chrono::Utc::now() + chrono::Duration::seconds(2);
    let next = meeting
        .api
        .post(
            &format!("/v1/organisations/{}/rooms", meeting.organisation),
            &serde_json::json!({"title": "The next one", "starts_at": soon}),
        )
        .await?;
    meeting.house.dispatcher.kill();
    let speech = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    alice.participant.play("meanwhile", &speech).await?;
    alice.ears.final_caption(&alice.identity, "better", LIMIT).await?;

    meeting.house.dispatcher.launch().await?;
    meeting
        .wait_until_stored(&alice.identity, "better", LIMIT)
        .await?;
    let sessions = format!(
        "/v1/organisations/{}/rooms/{}/sessions",
        meeting.organisation,
        id(&next)?
    );
    meeting
        .api
        .wait_for(&sessions, LIMIT, |sessions| {
            items(sessions).any(|one| !one["joined_at"].is_null())
        })
        .await?;
    // The agent of the first meeting was not sent a second time.
    let sessions = meeting.api.get(&meeting.path("sessions")).await?;
    assert_eq!(items(&sessions).count(), 1, "{sessions}");
    meeting.end().await
}
