//! When the media server restarts, people and agent find each other again in the same meeting, and captions go on.

use std::time::Duration;

use anyhow::Result;
use system_tests::meeting::Meeting;

const LIMIT: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn media_servers_restart() -> Result<()> {
    let mut meeting = Meeting::begin("A media server that restarts").await?;
    let mut alice = meeting.guest("Alice").await?;
    let first = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_millis(8_500))?;
    alice.participant.play("before", &first).await?;
    alice
        .ears
        .final_caption(&alice.identity, "worst of times", LIMIT)
        .await?;
    let before = meeting.segments().await?;

    meeting.house.livekit.kill();
    meeting.house.livekit.launch().await?;
    // Somebody new comes: whether the old connections have healed shows in what they hear.
    let mut ben = meeting.guest("Ben").await?;
    let second = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    ben.participant.play("after", &second).await?;
    ben.ears.final_caption(&ben.identity, "better", LIMIT).await?;
    alice.ears.final_caption(&ben.identity, "better", LIMIT).await?;
    let after = meeting.segments().await?;
    assert_eq!(after[..before.len()], before[..], "what was stored has changed");
    meeting.end().await
}
