//! The network between us and the server carries nothing for a while: afterwards both hear one another again, in the same session.

use anyhow::{Result, ensure};
use system_tests::peers::{Ground, How, Kind, SILENCE};

use crate::LIMIT;
use crate::meeting::Meeting;

/// Three seconds, as our own sound counts them: nobody gives a connection up so soon.
const OUTAGE_FRAMES: usize = 300;

pub(crate) async fn who_is_cut_off_for_3_s_hears_and_is_heard_again(
    ground: &Ground,
    kind: Kind,
) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    let ports = meeting.ours.ports().await?;
    ensure!(!ports.is_empty(), "we do not know our own ports");
    let session = meeting.ours.room.local_participant().sid();

    let begun_at = meeting.ours.frames();
    ground.network()?.cut(ports);
    meeting.ours.wait_for_silence(LIMIT).await?;
    let silence = |sound: &system_tests::peers::Sound| sound.now < SILENCE;
    meeting.theirs.wait_for_sound("silence", LIMIT, silence).await?;
    // What is said meanwhile arrives afterwards.
    meeting.ours.say(How::Reliable, "from here").await?;
    meeting.theirs.say(How::Reliable, "from there").await?;
    meeting
        .ours
        .wait_for_frames(begun_at + OUTAGE_FRAMES, LIMIT)
        .await?;
    ensure!(meeting.ours.texts().is_empty(), "the way was not cut");
    ground.network()?.cut([]);

    meeting.both_hear("after the outage").await?;
    meeting.ours.wait_for_text("from there", LIMIT).await?;
    meeting.theirs.wait_for_text("from here", LIMIT).await?;
    let told = meeting.theirs.told().await?;
    ensure!(
        !told.iter().any(|what| what == "left ours"),
        "they were told {told:?}"
    );
    ensure!(
        meeting.ours.room.local_participant().sid() == session,
        "a new join"
    );
    ensure!(meeting.ours.reconnections() == 0, "the connection was given up");
    meeting.end().await
}
