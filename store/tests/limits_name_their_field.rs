//! A value outside its limit comes back as the field's name and the limit, whatever the constraint is called in Postgres.

use chrono::Utc;
use sqlx::Row as _;
use store::{NewOrganisation, NewUsage, RoomStatus, StoreError};
use uuid::Uuid;

use crate::support::{Database, HOUR, client, new_document, new_room, new_segment};

/// The field that was refused.
fn field<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Err(StoreError::Invalid { field, limit }) => {
            assert!(!limit.is_empty());
            field
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn of_organisations_and_rooms() {
    let database = Database::new().await;
    let store = &database.store;
    let good = NewOrganisation {
        name: "n".into(),
        assistant_name: "a".into(),
        instructions: String::new(),
        recognisers: vec!["whisper".into()],
    };
    let with = |change: fn(&mut NewOrganisation)| {
        let mut new = good.clone();
        change(&mut new);
        new
    };
    for (expected, new) in [
        ("name", with(|new| new.name = String::new())),
        ("name", with(|new| new.name = "é".repeat(201))),
        ("assistant_name", with(|new| new.assistant_name = "x".repeat(41))),
        ("instructions", with(|new| new.instructions = "x".repeat(8_001))),
        ("recognisers", with(|new| new.recognisers.clear())),
        ("recognisers", with(|new| new.recognisers = vec!["siri".into()])),
        (
            "recognisers",
            with(|new| new.recognisers = vec!["whisper".into(); 5]),
        ),
    ] {
        assert_eq!(field(store.create_organisation(&new).await), expected);
    }
    store
        .create_organisation(&with(|new| new.name = "é".repeat(200)))
        .await
        .unwrap();

    let organisation = database.organisation().await;
    for (expected, change) in [
        (
            "title",
            (|new| new.title = String::new()) as fn(&mut store::NewRoom),
        ),
        ("capacity", |new| new.capacity = 1),
        ("capacity", |new| new.capacity = 501),
        ("instructions", |new| new.instructions = "x".repeat(8_001)),
        ("ends_at", |new| new.ends_at = new.starts_at),
        ("recognisers", |new| new.recognisers = Some(Vec::new())),
    ] {
        let mut new = new_room();
        change(&mut new);
        assert_eq!(field(store.create_room(organisation, &new).await), expected);
    }
    let nobody = store.create_room(Uuid::new_v4(), &new_room()).await;
    assert!(
        matches!(nobody, Err(StoreError::NotFound { what: "organisation" })),
        "{nobody:?}"
    );
}

#[tokio::test]
async fn of_everything_within_a_room() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    assert_eq!(
        field(store.add_participant(organisation, room.id, &client("")).await),
        "name"
    );
    let mut segment = new_segment("Backwards.");
    segment.end_ms = segment.start_ms - 1;
    assert_eq!(
        field(store.append_segment(organisation, room.id, 1, &segment).await),
        "end_ms"
    );
    (segment.start_ms, segment.end_ms) = (-1, 5);
    assert_eq!(
        field(store.append_segment(organisation, room.id, 1, &segment).await),
        "start_ms"
    );
    // A refused segment has used no number.
    assert_eq!(
        store
            .append_segment(organisation, room.id, 1, &new_segment("Good."))
            .await
            .unwrap(),
        1
    );
    for quantity in [-0.1, f64::NAN, f64::INFINITY] {
        let usage = NewUsage {
            id: Uuid::new_v4(),
            kind: "answer".into(),
            unit: "count".into(),
            quantity,
            engine: String::new(),
        };
        assert_eq!(
            field(store.record_usage(organisation, room.id, 1, &[usage]).await),
            "quantity"
        );
    }
    let mut document = new_document("");
    assert_eq!(
        field(store.enqueue_document(organisation, &document).await),
        "title"
    );
    document = new_document("Large");
    document.content = vec![0; 64 * 1024 * 1024 + 1];
    assert_eq!(
        field(store.enqueue_document(organisation, &document).await),
        "file"
    );
}

#[tokio::test]
async fn every_limit_of_the_schema_has_a_name() {
    let database = Database::new().await;
    let mut connection = database.connection().await;
    let checks = sqlx::query(
        "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE contype = 'c' AND connamespace = 'public'::regnamespace",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(checks.len() > 15);
    let source = include_str!("../src/error.rs");
    for check in checks {
        let (name, definition): (String, String) = (check.get(0), check.get(1));
        // Lists of words that only the store writes, and the number that it counts itself.
        let own = definition.contains("ANY (ARRAY[") || name == "segments_sequence_check";
        assert!(
            own || source.contains(&format!("\"{name}\"")),
            "{name}: {definition}"
        );
    }
}

#[tokio::test]
async fn a_room_goes_from_state_to_state_by_the_rules() {
    let database = Database::new().await;
    let room = database.room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    for _ in 0..2 {
        assert_eq!(
            store.cancel_room(organisation, room.id).await.unwrap().status,
            RoomStatus::Cancelled
        );
    }
    store.end_room(organisation, room.id).await.unwrap();
    assert_eq!(
        store.room(organisation, room.id).await.unwrap().status.as_str(),
        "cancelled"
    );
    let kinds: Vec<_> = store
        .events(organisation, room.id, 0, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|event| event.kind)
        .collect();
    assert_eq!(kinds, ["room_scheduled", "room_cancelled"]);

    let mut later = new_room();
    later.starts_at = Utc::now() + HOUR;
    later.ends_at = later.starts_at + HOUR;
    let other = store.create_room(organisation, &later).await.unwrap();
    for _ in 0..2 {
        store.end_room(organisation, other.id).await.unwrap();
    }
    let refused = store.cancel_room(organisation, other.id).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    let order: Vec<_> = store
        .rooms(organisation, 10)
        .await
        .unwrap()
        .iter()
        .map(|room| room.id)
        .collect();
    assert_eq!(order, [other.id, room.id]);
    assert_eq!(store.rooms(organisation, 1).await.unwrap().len(), 1);
    let named = store.room_by_livekit_name(&room.livekit_room).await.unwrap();
    assert_eq!(named, Some((organisation, room.id)));
    assert_eq!(store.room_by_livekit_name("somebody else's").await.unwrap(), None);
}
