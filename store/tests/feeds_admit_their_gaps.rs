//! A feed whose connection was cut says that notices may be missing, before anything else and without being told anything.

use store::{CaptionFeed, CaptionNotice, Topic};
use tokio::time::timeout;

use crate::support::{Database, PATIENCE, new_segment};

const CUT: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND query LIKE 'LISTEN%'";

/// The next notice; the database may be away in between.
async fn next(feed: &mut CaptionFeed) -> CaptionNotice {
    timeout(PATIENCE, async {
        loop {
            if let Ok(notice) = feed.next().await {
                return notice;
            }
        }
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn after_a_cut_connection() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let mut feed = database.store.caption_feed().await.unwrap();
    database.run(CUT).await;
    assert_eq!(next(&mut feed).await, CaptionNotice::Resynchronise);
    let segment = new_segment("after the cut");
    database
        .store
        .append_segment(room.organisation_id, room.id, 1, &segment)
        .await
        .unwrap();
    let announced = CaptionNotice::Final {
        room: room.id,
        sequence: 1,
        segment: segment.id,
    };
    assert_eq!(next(&mut feed).await, announced);
}

#[tokio::test]
async fn after_the_database_was_away() {
    let database = Database::new().await;
    let mut feed = database.store.caption_feed().await.unwrap();
    let mut calls = database.store.wake_ups(Topic::Schedule).await.unwrap();
    database
        .run_outside("ALTER DATABASE {database} ALLOW_CONNECTIONS false")
        .await;
    database
        .run_outside("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'")
        .await;
    assert!(timeout(PATIENCE, feed.next()).await.unwrap().is_err());
    assert!(timeout(PATIENCE, feed.next()).await.unwrap().is_err());
    assert!(timeout(PATIENCE, calls.wait()).await.unwrap().is_err());
    database
        .run_outside("ALTER DATABASE {database} ALLOW_CONNECTIONS true")
        .await;
    assert_eq!(next(&mut feed).await, CaptionNotice::Resynchronise);
    timeout(PATIENCE, async { while calls.wait().await.is_err() {} })
        .await
        .unwrap();
}
