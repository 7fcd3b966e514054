//! Brings one agent into one room: the LiveKit room, the next epoch, the dispatch.

use std::time::Duration;

use store::{DueRoom, StoreError};
use tokio::time::Instant;

use crate::App;
use crate::livekit::{DispatchMetadata, LiveKitError};

/// After this it is asked whether an agent that has not come is on its way; if not, the next epoch is due. LiveKit itself
/// looks for a worker for 3 s.
pub(super) const DISPATCH_GRACE: Duration = Duration::from_secs(5);
/// A dispatch that took longer to ask for has its grace from then on.
const SLOW_DISPATCH: Duration = Duration::from_secs(1);
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

/// Whether a worker has the room's newest dispatch; then its agent is waited for once more.
///
/// # Errors
/// The database or LiveKit is away: nothing is known, and another agent could not be had either.
async fn is_on_its_way(app: &App, room: &DueRoom) -> Result<bool, BringError> {
    let metadata = metadata(room, room.epoch);
    if !app.livekit.is_taken(&room.livekit_room, metadata).await?
        || !app
            .store
            .await_agent(room.room, room.epoch, DISPATCH_GRACE)
            .await?
    {
        return Ok(false);
    }
    app.metrics.agents_awaited.inc();
    let (room, epoch, untaken_ms) = (room.room, room.epoch, room.untaken_ms);
    tracing::info!(%room, epoch, untaken_ms, "a worker has the dispatch; waiting for its agent");
    Ok(true)
}

fn metadata(room: &DueRoom, epoch: i64) -> DispatchMetadata {
    DispatchMetadata {
        room_id: room.room,
        organisation_id: room.organisation,
        epoch,
    }
}

/// The same as [`bring`], unless an agent is on its way.
pub(super) async fn bring_unless_on_its_way(
    app: &App,
    room: &DueRoom,
    open_for: Duration,
    side_by_side: bool,
) -> Result<(), BringError> {
    match is_on_its_way(app, room).await? {
        true => Ok(()),
        false => bring(app, room, open_for, side_by_side).await,
    }
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
    let metadata = metadata(room, epoch);
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
    if begun.elapsed() > SLOW_DISPATCH {
        app.store.await_agent(room.room, epoch, DISPATCH_GRACE).await?;
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
