//! Whoever comes hears who plays already; whoever leaves is missed.

use anyhow::Result;
use system_tests::peers::{Ground, Kind, SILENCE};

use crate::LIMIT;
use crate::meeting::Meeting;

pub(crate) async fn who_is_late_hears_and_who_leaves_is_missed(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    meeting.theirs.leave().await?;
    meeting.ours.wait_until_told("left theirs", LIMIT).await?;
    meeting.ours.wait_for_the_end(LIMIT).await?;
    meeting.come_back().await?;
    meeting.both_hear("after they came back").await?;
    let Meeting { ours, mut theirs, .. } = meeting;
    ours.leave().await?;
    theirs.wait_until_told("left ours", LIMIT).await?;
    theirs
        .wait_for_sound("silence", LIMIT, |sound| sound.now < SILENCE)
        .await?;
    theirs.quit().await
}
