//! Somebody speaks on while the microphone is changed for another one, or while their connection breaks and is made anew: every
//! word that the room could hear is written under the same name.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use livekit::SimulateScenario;
use system_tests::meeting::{Guest, Meeting};
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(60);
const SPEECH: Duration = Duration::from_millis(24_300);
/// In the pause after "it was the age of wisdom".
const CHANGE: Duration = Duration::from_millis(7_000);

#[tokio::test(flavor = "multi_thread")]
async fn another_microphone_in_the_middle_of_speech() -> Result<()> {
    let meeting = Meeting::begin("A headset that is plugged in").await?;
    let ben = meeting.guest("Ben").await?;
    speak_while(&meeting, &ben, async {
        sleep(CHANGE).await;
        ben.participant.change_microphone().await
    })
    .await?;
    meeting.end().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_made_anew_in_the_middle_of_speech() -> Result<()> {
    let meeting = Meeting::begin("A train in a tunnel").await?;
    let ben = meeting.guest("Ben").await?;
    speak_while(&meeting, &ben, async {
        sleep(CHANGE).await;
        let room = ben.participant.room();
        Ok(room.simulate_scenario(SimulateScenario::FullReconnect).await?)
    })
    .await?;
    meeting.end().await
}

/// He reads a page aloud while something is done to his sound that makes it come on another track.
async fn speak_while(meeting: &Meeting, ben: &Guest, what: impl Future<Output = Result<()>>) -> Result<()> {
    let page = meeting.speech("two_cities.wav", Duration::ZERO, SPEECH)?;
    let (played, done) = tokio::join!(ben.participant.play("a page", &page), what);
    played?;
    done?;
    meeting
        .wait_until_stored(&ben.identity, "season of light", LIMIT)
        .await?;

    let said = meeting.said(&ben.identity).await?;
    for heard in [
        "best of times",
        "worst of times",
        "epoch of belief",
        "season of light",
    ] {
        assert_eq!(said.matches(heard).count(), 1, "{heard:?} in {said:?}");
    }
    let segments = meeting.segments().await?;
    let tracks: BTreeSet<&str> = segments
        .iter()
        .filter_map(|one| one["track_id"].as_str())
        .collect();
    assert_eq!(tracks.len(), 2, "{segments:?}");
    for segment in &segments {
        assert_eq!(segment["speaker"]["name"], "Ben", "{segment}");
    }
    Ok(())
}
