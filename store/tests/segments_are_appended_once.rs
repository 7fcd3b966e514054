//! The outcome of a write whose answer was lost is unknown; the writer asks again with the same id, and it is written once.

use store::{NewUsage, StoreError};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Database, HOUR, new_segment};

#[tokio::test]
async fn what_was_appended_is_read_back() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let new = new_segment("Good morning, everybody.");
    database
        .store
        .append_segment(room.organisation_id, room.id, 1, &new)
        .await
        .unwrap();
    let stored = database
        .store
        .segments(room.organisation_id, room.id, 0, 10)
        .await
        .unwrap()
        .remove(0);
    assert_eq!((stored.id, stored.sequence, stored.epoch), (new.id, 1, 1));
    assert_eq!(
        (stored.identity, stored.speaker_name, stored.track_id),
        (new.identity, new.speaker_name, new.track_id)
    );
    assert_eq!(
        (stored.start_ms, stored.end_ms, stored.text, stored.engine),
        (1_000, 2_000, new.text, new.engine)
    );
    assert_eq!(stored.words.0, new.words);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_id_is_the_same_segment_however_often() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (organisation, id) = (room.organisation_id, room.id);
    database
        .store
        .append_segment(organisation, id, 1, &new_segment("First."))
        .await
        .unwrap();
    let segment = new_segment("Second.");
    let mut tries = JoinSet::new();
    for _ in 0..8 {
        let (store, segment) = (database.store.clone(), segment.clone());
        tries.spawn(async move { store.append_segment(organisation, id, 1, &segment).await.unwrap() });
    }
    assert_eq!(tries.join_all().await, [2; 8]);
    assert_eq!(
        database
            .store
            .append_segment(organisation, id, 1, &new_segment("Third."))
            .await
            .unwrap(),
        3
    );
    let texts: Vec<_> = database
        .store
        .segments(organisation, id, 0, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.text)
        .collect();
    assert_eq!(texts, ["First.", "Second.", "Third."]);
}

#[tokio::test]
async fn also_after_the_writer_was_replaced() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let segment = new_segment("Confirmed to nobody.");
    store
        .append_segment(organisation, room.id, 1, &segment)
        .await
        .unwrap();
    database.age_leases(room.id, 61).await;
    store.begin_dispatch(room.id, 1, HOUR).await.unwrap();
    // It is in the record, so the old session may know it.
    assert_eq!(
        store
            .append_segment(organisation, room.id, 1, &segment)
            .await
            .unwrap(),
        1
    );
    let new = store
        .append_segment(organisation, room.id, 1, &new_segment("New."))
        .await;
    assert!(matches!(new, Err(StoreError::Fenced { .. })), "{new:?}");
}

#[tokio::test]
async fn an_id_of_another_room_is_not_taken_for_ours() {
    let database = Database::new().await;
    let (one, other) = (database.held_room().await, database.held_room().await);
    let segment = new_segment("Whose?");
    database
        .store
        .append_segment(one.organisation_id, one.id, 1, &segment)
        .await
        .unwrap();
    let refused = database
        .store
        .append_segment(other.organisation_id, other.id, 1, &segment)
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    assert_eq!(
        database
            .store
            .room(other.organisation_id, other.id)
            .await
            .unwrap()
            .last_sequence,
        0
    );
}

#[tokio::test]
async fn usage_counts_once_and_all_or_nothing() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let seconds = |quantity| NewUsage {
        id: Uuid::new_v4(),
        kind: "audio_received".into(),
        unit: "seconds".into(),
        quantity,
        engine: String::new(),
    };
    let batch = [seconds(2.0), seconds(3.0)];
    for _ in 0..3 {
        store
            .record_usage(organisation, room.id, 1, &batch)
            .await
            .unwrap();
    }
    let refused = store
        .record_usage(organisation, room.id, 1, &[seconds(100.0), seconds(-1.0)])
        .await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Invalid {
                field: "quantity",
                ..
            })
        ),
        "{refused:?}"
    );
    let usage = store.usage(organisation, room.id).await.unwrap();
    assert_eq!((usage.len(), usage[0].quantity), (1, 5.0));
}
