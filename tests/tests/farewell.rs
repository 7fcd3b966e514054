//! Who leaves a room before they hear anybody in it, while everybody's sound is on its way to them, keeps nothing of it: the
//! `livekit` crate, told that somebody has left while it takes on their track, would keep them and the connection for ever.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::session::room::signal;
use anyhow::{Context as _, Result};
use livekit::prelude::*;
use runner::cache::Cache;
use runner::parts;
use runner::servers::{Livekit, choose_tls};
use system_tests::participant::Participant;
use system_tests::token::token;

const ROOM: &str = "farewell";
const SPEAKERS: usize = 6;
const LEAVINGS: usize = 5;
/// Between somebody's word that they have left and the crate's that nothing comes any more.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_tracks_come_lets_them_come_first() -> Result<()> {
    choose_tls();
    livekit_net::set_ws_client(signal::client());
    let cache = Cache::open()?;
    let run = cache.run_folder("tests-farewell")?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"));
    let parts = parts::ensure(&cache, workspace.parent().context("a workspace")?)?;
    let mut server = Livekit::start(&parts, &run.path).await?;
    let mut speakers = Vec::new();
    for n in 0..SPEAKERS {
        let token = token(&server, ROOM, &format!("speaker-{n}"))?;
        speakers.push(Participant::join_deaf(&server.url, &token).await?);
    }
    for _ in 0..LEAVINGS {
        let token = token(&server, ROOM, "guest")?;
        let (room, mut events) = Room::connect(&server.url, &token, RoomOptions::default()).await?;
        let room = Arc::new(room);
        signal::joined(&room);
        let there = room.remote_participants();
        signal::leave(&room).await?;
        drop(room);
        // Everybody's track came, and then it was said that they have left.
        let (mut heard, mut left) = (0, 0);
        while let Some(event) = tokio::time::timeout(LIMIT, events.recv()).await? {
            match event {
                RoomEvent::TrackSubscribed { .. } => {
                    assert_eq!(left, 0, "a track of {heard} came after a farewell");
                    heard += 1;
                }
                RoomEvent::ParticipantDisconnected(_) => left += 1,
                _ => {}
            }
        }
        assert_eq!((there.len(), heard, left), (SPEAKERS, SPEAKERS, SPEAKERS));
        let kept = there.values().filter(|one| !one.track_publications().is_empty());
        assert_eq!(kept.count(), 0);
    }
    for (speaker, _heard) in speakers {
        speaker.leave().await?;
    }
    server.stop().await;
    Ok(())
}
