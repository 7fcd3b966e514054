//! Waiting for an event of a room of the official `livekit` crate, with a bound.

use std::time::Duration;

use anyhow::{Context as _, Result};
use livekit::prelude::*;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;

/// Waits for the first event of which `wanted` makes something; the others are passed over.
///
/// # Errors
/// `limit` passes first, or the room is gone; the error names `what`.
pub async fn event<T>(
    events: &mut UnboundedReceiver<RoomEvent>,
    what: &str,
    limit: Duration,
    mut wanted: impl FnMut(RoomEvent) -> Option<T>,
) -> Result<T> {
    let found = async {
        loop {
            let event = events.recv().await.context("the room is gone")?;
            if let Some(found) = wanted(event) {
                return anyhow::Ok(found);
            }
        }
    };
    let found = timeout(limit, found).await.map_err(anyhow::Error::from);
    found
        .and_then(|found| found)
        .with_context(|| format!("waiting for {what}"))
}

/// Waits until somebody's sound is subscribed to.
///
/// # Errors
/// As [`event`].
pub async fn first_sound(
    events: &mut UnboundedReceiver<RoomEvent>,
    limit: Duration,
) -> Result<RemoteAudioTrack> {
    event(events, "somebody's sound", limit, |event| match event {
        RoomEvent::TrackSubscribed {
            track: RemoteTrack::Audio(track),
            ..
        } => Some(track),
        _ => None,
    })
    .await
}
