//! A row that somebody holds and does not let go makes calls fail in time, as something to try again.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::{Database, HOUR, new_segment};

/// Well beyond the store's own limit of three seconds.
const LIMIT: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_locked_room() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let mut other = database.connection().await;
    sqlx::query("BEGIN").execute(&mut other).await.unwrap();
    sqlx::query("SELECT FROM rooms WHERE id = $1 FOR UPDATE")
        .bind(room.id)
        .execute(&mut other)
        .await
        .unwrap();
    let segment = new_segment("Waiting.");
    let (append, dispatch) = timeout(LIMIT, async {
        tokio::join!(
            database
                .store
                .append_segment(room.organisation_id, room.id, 1, &segment),
            database.store.begin_dispatch(room.id, 1, HOUR),
        )
    })
    .await
    .unwrap();
    assert!(append.unwrap_err().is_transient());
    assert!(dispatch.unwrap_err().is_transient());
    sqlx::query("ROLLBACK").execute(&mut other).await.unwrap();
    assert_eq!(
        database
            .store
            .append_segment(room.organisation_id, room.id, 1, &segment)
            .await
            .unwrap(),
        1
    );
}
