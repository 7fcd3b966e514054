//! Whoever is muted is silent, and the other is told.

use anyhow::Result;
use system_tests::peers::{Ground, Kind, SILENCE};

use crate::LIMIT;
use crate::meeting::Meeting;

pub(crate) async fn who_is_muted_is_silent_until_unmuted(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    meeting.theirs.mute(true).await?;
    meeting.ours.wait_until_told("muted theirs", LIMIT).await?;
    meeting.ours.wait_for_silence(LIMIT).await?;
    meeting.theirs.mute(false).await?;
    meeting.ours.wait_until_told("unmuted theirs", LIMIT).await?;
    meeting.both_hear("after they were unmuted").await?;
    meeting.ours.mute(true);
    meeting.theirs.wait_until_told("muted ours", LIMIT).await?;
    meeting
        .theirs
        .wait_for_sound("silence", LIMIT, |sound| sound.now < SILENCE)
        .await?;
    meeting.ours.mute(false);
    meeting.theirs.wait_until_told("unmuted ours", LIMIT).await?;
    meeting.both_hear("after we were unmuted").await?;
    meeting.end().await
}
