//! Closes a room whose meeting is past its end.

use store::DueRoom;

use super::bring::BringError;
use crate::App;

/// Sends everybody out and marks the room as over. Killed in between, the row is still open and it happens again.
pub(super) async fn close(app: &App, room: &DueRoom) -> Result<(), BringError> {
    app.livekit.close_room(&room.livekit_room).await?;
    app.store.end_room(room.organisation, room.room).await?;
    app.metrics.rooms_ended.inc();
    tracing::info!(room = %room.room, "room ended");
    Ok(())
}
