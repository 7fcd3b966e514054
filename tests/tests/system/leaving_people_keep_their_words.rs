//! Somebody who leaves in the middle of a sentence is cut off, but what was said until then stays.

use std::time::Duration;

use anyhow::Result;
use system_tests::meeting::Meeting;

const LIMIT: Duration = Duration::from_secs(30);
/// In the middle of "times", the last word of "it was the worst of times"; no pause is before it.
const CUT: Duration = Duration::from_millis(4_100);

#[tokio::test(flavor = "multi_thread")]
async fn leaving_people_keep_their_words() -> Result<()> {
    let meeting = Meeting::begin("A guest who leaves").await?;
    let mut alice = meeting.guest("Alice").await?;
    let ben = meeting.guest("Ben").await?;
    let cut = meeting.speech("two_cities.wav", Duration::ZERO, CUT)?;
    ben.participant.play("cut", &cut).await?;
    ben.participant.leave().await?;
    alice
        .ears
        .final_caption(&ben.identity, "best of times", LIMIT)
        .await?;
    meeting
        .wait_until_stored(&ben.identity, "best of times it was the worst", LIMIT)
        .await?;
    let said = meeting.said(&ben.identity).await?;
    assert!(!said.contains("wisdom"), "words that were never said: {said}");
    meeting.end().await
}
