//! Whoever waits for work is woken by the change itself.

use store::Topic;
use tokio::time::timeout;

use crate::support::{Database, HOUR, PATIENCE, new_document};

#[tokio::test]
async fn the_reconciler_by_rooms_and_sessions() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let mut calls = database.store.wake_ups(Topic::Schedule).await.unwrap();
    let room = database.room_of(organisation).await;
    timeout(PATIENCE, calls.wait())
        .await
        .expect("a new room")
        .unwrap();
    database.store.begin_dispatch(room.id, 0, HOUR).await.unwrap();
    database
        .store
        .take_lease(room.id, 1, "worker-1", HOUR)
        .await
        .unwrap();
    // The session is taken, the room is live.
    for change in ["taken", "live"] {
        timeout(PATIENCE, calls.wait()).await.expect(change).unwrap();
    }
    database
        .store
        .release(organisation, room.id, 1, "draining")
        .await
        .unwrap();
    timeout(PATIENCE, calls.wait())
        .await
        .expect("a released room")
        .unwrap();
    database.store.cancel_room(organisation, room.id).await.unwrap();
    timeout(PATIENCE, calls.wait())
        .await
        .expect("a cancelled room")
        .unwrap();
}

#[tokio::test]
async fn the_document_worker_by_uploads() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let mut calls = database.store.wake_ups(Topic::Documents).await.unwrap();
    database
        .store
        .enqueue_document(organisation, &new_document("Fresh"))
        .await
        .unwrap();
    timeout(PATIENCE, calls.wait()).await.unwrap().unwrap();
}
