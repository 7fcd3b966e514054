//! Partials travel in the notification; finals are announced only once they can be read.

use store::{CaptionNotice, PartialCaption};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Database, PATIENCE, new_segment};

fn partial(text: &str) -> PartialCaption {
    PartialCaption {
        segment: Uuid::new_v4(),
        identity: "p-ada".into(),
        name: "Ada".into(),
        text: text.into(),
        start_ms: 1_500,
    }
}

#[tokio::test]
async fn notices_come_in_order_and_a_final_is_stored_before() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let mut feed = database.store.caption_feed().await.unwrap();
    let growing = partial("good mor");
    database.store.publish_partial(room.id, &growing).await.unwrap();
    let segment = new_segment("Good morning.");
    database
        .store
        .append_segment(room.organisation_id, room.id, 1, &segment)
        .await
        .unwrap();

    let first = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(
        first,
        CaptionNotice::Partial {
            room: room.id,
            caption: growing
        }
    );
    let second = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(
        second,
        CaptionNotice::Final {
            room: room.id,
            sequence: 1,
            segment: segment.id
        }
    );
    let stored = database
        .store
        .segments(room.organisation_id, room.id, 0, 10)
        .await
        .unwrap();
    assert_eq!(stored[0].text, "Good morning.");
}

#[tokio::test]
async fn the_end_of_a_partial_of_any_length_arrives() {
    let database = Database::new().await;
    let mut feed = database.store.caption_feed().await.unwrap();
    let room = Uuid::new_v4();
    let long = format!("{} the end", "\"\\\u{1}\0🦀".repeat(3_000));
    database
        .store
        .publish_partial(room, &partial(&long))
        .await
        .unwrap();
    match timeout(PATIENCE, feed.next()).await.unwrap().unwrap() {
        CaptionNotice::Partial { caption, .. } => assert!(caption.text.ends_with("🦀 the end")),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_notice_of_a_newer_version_is_a_reason_to_read_again() {
    let database = Database::new().await;
    let mut feed = database.store.caption_feed().await.unwrap();
    for payload in [r#"{"kind":"hologram","room":"x"}"#, "", "not JSON"] {
        database
            .run(&format!("SELECT pg_notify('captions', '{payload}')"))
            .await;
        let notice = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(notice, CaptionNotice::Resynchronise);
    }
}
