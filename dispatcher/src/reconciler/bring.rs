//! Brings one agent into one room: the LiveKit room, the next epoch, the dispatch.

use std::time::Duration;

use store::{DueRoom, StoreError};
use tokio::time::Instant;

use crate::App;
use crate::livekit::{DispatchMetadata, LiveKitError};

/// An agent that has not come within this is not coming: the next epoch is due.
pub(super) const DISPATCH_GRACE: Duration = Duration::from_secs(5);
/// The pause between two calls for the same epoch.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Why no agent was brought this time.
#[derive(Debug, thiserror::Error)]
pub(super) enum BringError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// LiveKit.
    #[error(transparent)]
    LiveKit(#[from] LiveKitError),
}

/// Asks for an agent. `side_by_side` saves a round trip; without it the epoch is raised only after LiveKit has answered,
/// so that an outage does not use up epochs.
///
/// Killed between any two steps: an unused LiveKit room is closed by its time-out; an epoch without a dispatch runs out
/// after [`DISPATCH_GRACE`] and the next one is handed out.
pub(super) async fn bring(
    app: &App,
    room: &DueRoom,
    open_for: Duration,
    side_by_side: bool,
) -> Result<(), BringError> {
    let begun = Instant::now();
    let capacity = u32::try_from(room.capacity).unwrap_or_default();
    let ensure = || app.livekit.ensure_room(&room.livekit_room, capacity, open_for);
    let begin = app.store.begin_dispatch(room.room, room.epoch, DISPATCH_GRACE);
    let (ensured, epoch) = if side_by_side {
        let (ensured, epoch) = tokio::join!(ensure(), begin);
        (ensured, epoch?)
    } else {
        ensure().await?;
        (Ok(()), begin.await?)
    };
    let Some(epoch) = epoch else {
        // Another dispatcher was first, or the room was cancelled meanwhile.
        return Ok(());
    };
    let metadata = DispatchMetadata {
        room_id: room.room,
        organisation_id: room.organisation,
        epoch,
    };
    let first = match ensured {
        Ok(()) => app.livekit.dispatch(&room.livekit_room, metadata).await,
        Err(error) => Err(error),
    };
    if let Err(mut error) = first {
        // The epoch is ours for its grace: trying on is cheaper than the next epoch.
        loop {
            app.metrics.failure("livekit");
            app.health.trouble("dispatch", error.to_string());
            tokio::time::sleep(RETRY_PAUSE).await;
            if begun.elapsed() >= DISPATCH_GRACE {
                return Err(error.into());
            }
            match again(app, room, metadata, ensure()).await {
                Ok(()) => break,
                Err(next) => error = next,
            }
        }
    }
    app.metrics.dispatches.inc();
    app.metrics.dispatch_delay.observe(begun.elapsed().as_secs_f64());
    let (room, elapsed_ms) = (room.room, begun.elapsed().as_secs_f64() * 1000.0);
    tracing::info!(%room, epoch, elapsed_ms, "agent dispatched");
    Ok(())
}

/// Another try for the same epoch. A call whose answer was lost may have worked: LiveKit is asked first, since two
/// dispatches would be two agents.
async fn again(
    app: &App,
    room: &DueRoom,
    metadata: DispatchMetadata,
    ensure: impl Future<Output = Result<(), LiveKitError>>,
) -> Result<(), LiveKitError> {
    ensure.await?;
    if app.livekit.is_dispatched(&room.livekit_room, metadata).await? {
        return Ok(());
    }
    app.livekit.dispatch(&room.livekit_room, metadata).await
}
