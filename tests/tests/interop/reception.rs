//! Each side's statistics of what it receives.

use std::time::Duration;

use anyhow::{Result, ensure};
use system_tests::peers::{Ground, Kind, Reception};
use tokio::time::Instant;

use crate::LIMIT;
use crate::meeting::Meeting;

const RATE_HZ: f64 = 48_000.0;
/// Of sound: so much is judged at once.
const STRETCH_SAMPLES: u64 = 3 * 48_000;
const POLL: Duration = Duration::from_millis(100);

/// What is wrong with our sound shows in every stretch of it; that the machine had something else to do only in some.
pub(crate) async fn sound_arrives_in_time_and_whole(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    let begun = Instant::now();
    let mut seen = Vec::new();
    let mut good = false;
    while !good {
        ensure!(begun.elapsed() < LIMIT, "no good stretch of sound: {seen:#?}");
        let (ours, theirs) = (meeting.ours.reception().await?, meeting.theirs.reception().await?);
        let (now_ours, now_theirs) = stretch(&mut meeting, ours, theirs).await?;
        let (here, there) = (judge(ours, now_ours), judge(theirs, now_theirs));
        good = here.is_good() && there.is_good();
        seen.push((here, there));
    }
    // Redundant, both ways: it is what these clients and `livekit` do by themselves.
    let (heard, published) = meeting.ours.mime_types().await?;
    ensure!(
        heard == "audio/red" && published == "audio/red",
        "{heard} is heard, {published} sent"
    );
    meeting.both_hear("after it was measured").await?;
    meeting.end().await
}

/// Waits until both have heard a stretch more than this.
async fn stretch(
    meeting: &mut Meeting<'_>,
    ours: Reception,
    theirs: Reception,
) -> Result<(Reception, Reception)> {
    let begun = Instant::now();
    loop {
        let now = (meeting.ours.reception().await?, meeting.theirs.reception().await?);
        if now.0.samples >= ours.samples + STRETCH_SAMPLES
            && now.1.samples >= theirs.samples + STRETCH_SAMPLES
        {
            return Ok(now);
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "no sound: {ours:?} and {theirs:?}, then {now:?}"
        );
        tokio::time::sleep(POLL).await;
    }
}

/// A stretch of sound.
#[derive(Debug)]
struct Judgement {
    packets_per_s: f64,
    lost: i64,
    /// Of all samples.
    made_up: f64,
    /// By the jitter buffer.
    held_back_s: f64,
}

impl Judgement {
    fn is_good(&self) -> bool {
        self.lost == 0
            && (48.0..52.0).contains(&self.packets_per_s)
            && self.made_up < 0.01
            && (0.001..0.2).contains(&self.held_back_s)
    }
}

fn judge(before: Reception, after: Reception) -> Judgement {
    let samples = (after.samples - before.samples) as f64;
    Judgement {
        packets_per_s: (after.packets - before.packets) as f64 * RATE_HZ / samples,
        lost: after.lost - before.lost,
        made_up: (after.concealed - before.concealed) as f64 / samples,
        held_back_s: (after.delay_s - before.delay_s) / (after.emitted - before.emitted) as f64,
    }
}
