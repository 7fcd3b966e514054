//! Somebody who joins when the meeting has long begun sees the captions of what is said from then on, and is heard.

use std::time::Duration;

use anyhow::Result;
use system_tests::meeting::Meeting;

const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn late_people_hear_and_are_heard() -> Result<()> {
    let meeting = Meeting::begin("A late guest").await?;
    let mut alice = meeting.guest("Alice").await?;
    let early = meeting.speech("two_cities.wav", Duration::ZERO, Duration::from_millis(8_500))?;
    alice.participant.play("early", &early).await?;
    alice
        .ears
        .final_caption(&alice.identity, "worst of times", LIMIT)
        .await?;

    let mut ben = meeting.guest("Ben").await?;
    let late = meeting.speech("beckett.wav", Duration::ZERO, Duration::from_secs(60))?;
    ben.participant.play("late", &late).await?;
    for ears in [&mut alice.ears, &mut ben.ears] {
        ears.final_caption(&ben.identity, "better", LIMIT).await?;
    }
    // The past is not played back to him: captions are live, the record is on the page.
    assert!(ben.ears.finals().iter().all(|text| !text.contains("times")));
    meeting.wait_until_stored(&ben.identity, "better", LIMIT).await?;
    assert!(meeting.said(&alice.identity).await?.contains("the best of times"));
    assert!(
        !meeting.said(&alice.identity).await?.contains("fail"),
        "words under the wrong name"
    );
    meeting.end().await
}
