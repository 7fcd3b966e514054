//! A room's events: a reader that goes on after the last one it saw misses none, and an old session writes none.

use serde_json::json;
use store::StoreError;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::support::{Database, HOUR};

#[tokio::test]
async fn a_meetings_events_tell_its_story() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    store
        .record_event(
            organisation,
            room.id,
            None,
            "participant_joined",
            json!({"identity": "p-ada"}),
        )
        .await
        .unwrap();
    store.release(organisation, room.id, 1, "empty").await.unwrap();
    store.end_room(organisation, room.id).await.unwrap();
    let events = store.events(organisation, room.id, 0, 100).await.unwrap();
    let story: Vec<_> = events
        .iter()
        .map(|event| (event.kind.as_str(), event.epoch))
        .collect();
    let told = [
        ("room_scheduled", None),
        ("agent_dispatched", Some(1)),
        ("agent_joined", Some(1)),
        ("participant_joined", None),
        ("agent_left", Some(1)),
        ("room_ended", None),
    ];
    assert_eq!(story, told);
    assert_eq!(events[2].data, json!({"epoch": 1, "worker": "worker-1"}));
    assert_eq!(
        store
            .events(organisation, room.id, events[3].id, 1)
            .await
            .unwrap(),
        events[4..5]
    );
}

#[tokio::test]
async fn a_reader_misses_none_while_eight_write() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (organisation, id) = (room.organisation_id, room.id);
    let mut writers = JoinSet::new();
    for writer in 0..8_u8 {
        let store = database.store.clone();
        writers.spawn(async move {
            for number in 0..20 {
                let epoch = (writer % 2 == 0).then_some(1);
                store
                    .record_event(organisation, id, epoch, "counted", json!([writer, number]))
                    .await
                    .unwrap();
            }
        });
    }
    let mut seen = Vec::new();
    let mut after = 0;
    while seen.len() < 160 {
        let finished = writers.is_empty();
        for event in database.store.events(organisation, id, after, 7).await.unwrap() {
            after = event.id;
            if event.kind == "counted" {
                seen.push(event.data);
            }
        }
        assert!(!finished || seen.len() == 160 || after > 0, "events are missing");
        while writers.try_join_next().is_some() {}
        if finished
            && database
                .store
                .events(organisation, id, after, 1)
                .await
                .unwrap()
                .is_empty()
        {
            break;
        }
    }
    assert_eq!(seen.len(), 160);
}

#[tokio::test]
async fn an_old_session_writes_none_and_neither_does_anybody_about_no_room() {
    let database = Database::new().await;
    let room = database.held_room().await;
    database.age_leases(room.id, 61).await;
    database.store.begin_dispatch(room.id, 1, HOUR).await.unwrap();
    let old = database
        .store
        .record_event(room.organisation_id, room.id, Some(1), "late", json!({}))
        .await;
    assert!(
        matches!(
            old,
            Err(StoreError::Fenced {
                epoch: 1,
                current: 2,
                ..
            })
        ),
        "{old:?}"
    );
    let nowhere = database
        .store
        .record_event(room.organisation_id, Uuid::new_v4(), None, "lost", json!({}))
        .await;
    assert!(
        matches!(nowhere, Err(StoreError::NotFound { what: "room" })),
        "{nowhere:?}"
    );
}
