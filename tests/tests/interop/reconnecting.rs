//! Whoever's connection breaks comes back by himself, by a resumption or by a connection that is new entirely, and hears and is
//! heard, reads and is read.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use livekit::SimulateScenario;
use livekit::prelude::ParticipantSid;
use system_tests::peers::{Ground, How, Kind, Ours};
use tokio::time::Instant;

use crate::LIMIT;
use crate::meeting::Meeting;

const POLL: Duration = Duration::from_millis(100);

pub(crate) async fn who_comes_back_hears_and_is_heard(ground: &Ground, kind: Kind) -> Result<()> {
    let mut meeting = Meeting::begin(ground, kind).await?;
    for entirely in [false, true] {
        let before = their_sid(&meeting.ours)?;
        meeting.theirs.reconnect(entirely).await?;
        let since = format!("they reconnected, entirely: {entirely}");
        if entirely && kind == Kind::Browser {
            until_one_is_read(&mut meeting, "is anybody there?").await?;
        }
        go_on(&mut meeting, &since).await?;
        let after = their_sid(&meeting.ours)?;
        ensure!(
            (before != after) == entirely,
            "they were {before}, are {after} and reconnected, entirely: {entirely}"
        );
    }
    for (scenario, entirely) in [
        (SimulateScenario::SignalReconnect, false),
        (SimulateScenario::FullReconnect, true),
    ] {
        let before = meeting.ours.room.local_participant().sid();
        meeting.ours.reconnect(scenario, LIMIT).await?;
        go_on(&mut meeting, &format!("we reconnected, entirely: {entirely}")).await?;
        let after = meeting.ours.room.local_participant().sid();
        ensure!(
            (before != after) == entirely,
            "we were {before}, are {after} and reconnected, entirely: {entirely}"
        );
    }
    meeting.end().await
}

/// A session has an id of its own: a connection that is new entirely is another session.
fn their_sid(ours: &Ours) -> Result<ParticipantSid> {
    let others = ours.room.remote_participants();
    let theirs = others.get(&"theirs".to_owned().into());
    Ok(theirs.context("they are not there")?.sid())
}

async fn go_on(meeting: &mut Meeting<'_>, since: &str) -> Result<()> {
    meeting.both_hear(since).await?;
    meeting.theirs.say(How::Reliable, since).await?;
    meeting.ours.wait_for_text(since, LIMIT).await?;
    meeting.ours.say(How::Reliable, since).await?;
    meeting.theirs.wait_for_text(since, LIMIT).await
}

/// What a browser says in the first two seconds of a connection that is new entirely reaches nobody, clients on libwebrtc
/// neither, although its channels are open.
async fn until_one_is_read(meeting: &mut Meeting<'_>, text: &str) -> Result<()> {
    let begun = Instant::now();
    while !meeting.ours.texts().iter().any(|read| read.text == text) {
        ensure!(begun.elapsed() < LIMIT, "nothing that they say is read");
        meeting.theirs.say(How::Reliable, text).await?;
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
