//! Each side's statistics of what it receives.

use std::time::Duration;

use anyhow::{Result, ensure};
use system_tests::peers::{Ground, Kind, Reception};

use crate::LIMIT;
use crate::meeting::Meeting;

/// Of sound: so much is compared.
const STRETCH_SAMPLES: u64 = 3 * 48_000;
const POLL: Duration = Duration::from_millis(100);

pub(crate) async fn sound_arrives_in_time_and_whole(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    let (ours, theirs) = (meeting.ours.reception().await?, meeting.theirs.reception().await?);
    tokio::time::timeout(LIMIT, async {
        while meeting.ours.reception().await?.samples < ours.samples + STRETCH_SAMPLES
            || meeting.theirs.reception().await?.samples < theirs.samples + STRETCH_SAMPLES
        {
            tokio::time::sleep(POLL).await;
        }
        anyhow::Ok(())
    })
    .await??;
    judge("ours", ours, meeting.ours.reception().await?)?;
    judge("theirs", theirs, meeting.theirs.reception().await?)?;
    meeting.both_hear("after it was measured").await?;
    meeting.end().await
}

fn judge(whose: &str, before: Reception, after: Reception) -> Result<()> {
    let samples = after.samples - before.samples;
    let concealed = (after.concealed - before.concealed) as f64 / samples as f64;
    let packets = (after.packets - before.packets) as f64 * 48_000.0 / samples as f64;
    let delay_s = (after.delay_s - before.delay_s) / (after.emitted - before.emitted) as f64;
    let seen = format!("{whose}: {packets} packets a second, {concealed} made up, {delay_s} s held back");
    ensure!(
        after.lost == before.lost && (45.0..55.0).contains(&packets),
        "{seen}"
    );
    // The machine has other things to do now and then.
    ensure!(concealed < 0.02, "{seen}");
    ensure!(delay_s > 0.0 && delay_s < 0.2, "{seen}");
    Ok(())
}
