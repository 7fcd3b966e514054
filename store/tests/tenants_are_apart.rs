//! With another organisation's id nothing is found and nothing is changed.

use serde_json::json;
use store::{AskedVia, NewAnswer, NewUsage, StoreError};
use uuid::Uuid;

use crate::support::{Database, HOUR, axis, client, new_document, new_segment, passage};

fn not_found<T: std::fmt::Debug>(what: &str, result: Result<T, StoreError>) {
    assert!(
        matches!(result, Err(StoreError::NotFound { .. })),
        "{what}: {result:?}"
    );
}

fn answer() -> NewAnswer {
    NewAnswer {
        id: Uuid::new_v4(),
        asked_by: "p-ada".into(),
        via: AskedVia::Chat,
        question: "?".into(),
        text: "!".into(),
        grounded: false,
        sources: vec![],
        engine: "test".into(),
        latency_ms: 1,
    }
}

fn usage() -> NewUsage {
    NewUsage {
        id: Uuid::new_v4(),
        kind: "answer".into(),
        unit: "count".into(),
        quantity: 1.0,
        engine: String::new(),
    }
}

#[tokio::test]
async fn every_read_and_write_with_the_wrong_organisation() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, owner) = (&database.store, room.organisation_id);
    let participant = store
        .add_participant(owner, room.id, &client("Ada"))
        .await
        .unwrap();
    store
        .append_segment(owner, room.id, 1, &new_segment("Secret."))
        .await
        .unwrap();
    store.record_usage(owner, room.id, 1, &[usage()]).await.unwrap();
    store.record_answer(owner, room.id, 1, &answer()).await.unwrap();
    let document = database
        .ready_document(owner, "Secret", &[passage(0, "Secret.", axis(0))])
        .await;

    // A neighbour with a room of its own, and one that does not exist.
    for stranger in [database.held_room().await.organisation_id, Uuid::new_v4()] {
        not_found("room", store.room(stranger, room.id).await);
        assert!(
            store
                .rooms(stranger, 100)
                .await
                .unwrap()
                .iter()
                .all(|other| other.id != room.id)
        );
        assert!(store.participants(stranger, room.id).await.unwrap().is_empty());
        not_found(
            "participant",
            store.participant(stranger, room.id, participant.id).await,
        );
        let named = store
            .participant_by_identity(stranger, room.id, &participant.identity)
            .await
            .unwrap();
        assert_eq!(named, None);
        assert!(
            store
                .segments(stranger, room.id, 0, 100)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .segment_order(stranger, room.id, 100)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .segments_at(stranger, room.id, &[1])
                .await
                .unwrap()
                .is_empty()
        );
        assert!(
            store
                .speaker_names(stranger, room.id, 100)
                .await
                .unwrap()
                .is_empty()
        );
        assert!(store.usage(stranger, room.id).await.unwrap().is_empty());
        assert!(store.answers(stranger, room.id).await.unwrap().is_empty());
        assert!(store.events(stranger, room.id, 0, 100).await.unwrap().is_empty());
        assert!(store.sessions(stranger, room.id).await.unwrap().is_empty());
        assert!(store.documents(stranger, 100).await.unwrap().is_empty());
        not_found("document", store.document(stranger, document).await);
        assert!(
            store
                .search(stranger, "secret", &axis(0), 10)
                .await
                .unwrap()
                .is_empty()
        );

        not_found("cancel", store.cancel_room(stranger, room.id).await);
        store.end_room(stranger, room.id).await.unwrap();
        not_found(
            "invite",
            store.add_participant(stranger, room.id, &client("Eve")).await,
        );
        not_found(
            "append",
            store
                .append_segment(stranger, room.id, 1, &new_segment("Forged."))
                .await,
        );
        not_found(
            "usage",
            store.record_usage(stranger, room.id, 1, &[usage()]).await,
        );
        not_found(
            "answer",
            store.record_answer(stranger, room.id, 1, &answer()).await,
        );
        not_found(
            "event",
            store
                .record_event(stranger, room.id, None, "forged", json!({}))
                .await,
        );
        not_found("release", store.release(stranger, room.id, 1, "forged").await);
        not_found("delete", store.delete_document(stranger, document).await);
    }
    not_found("organisation", store.organisation(Uuid::new_v4()).await);
    not_found(
        "upload",
        store
            .enqueue_document(Uuid::new_v4(), &new_document("Forged"))
            .await,
    );

    // Nothing has changed.
    store.renew_lease(room.id, 1, HOUR).await.unwrap();
    assert_eq!(store.segments(owner, room.id, 0, 100).await.unwrap().len(), 1);
    assert_eq!(store.participants(owner, room.id).await.unwrap().len(), 1);
    assert_eq!(store.usage(owner, room.id).await.unwrap()[0].quantity, 1.0);
    assert_eq!(store.answers(owner, room.id).await.unwrap().len(), 1);
    assert_eq!(store.document(owner, document).await.unwrap().passages, 1);
}

#[tokio::test]
async fn the_schema_itself_refuses_a_row_in_a_foreign_room() {
    let database = Database::new().await;
    let (room, stranger) = (database.room().await, database.organisation().await);
    let tables = database
        .number("SELECT count(*) FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
             WHERE column_name = 'room_id' AND table_schema = 'public' AND table_type = 'BASE TABLE'")
        .await;
    let keys = database
        .number(
            "SELECT count(*) FROM pg_constraint WHERE contype = 'f'
             AND pg_get_constraintdef(oid) LIKE 'FOREIGN KEY (organisation_id, room_id) REFERENCES rooms(organisation_id, id)%'",
        )
        .await;
    assert_eq!(tables, keys);
    let mut connection = database.connection().await;
    let forged = sqlx::query(
        "INSERT INTO participants (id, organisation_id, room_id, identity, name, kind)
         VALUES (gen_random_uuid(), $1, $2, 'p-eve', 'Eve', 'client')",
    )
    .bind(stranger)
    .bind(room.id)
    .execute(&mut connection)
    .await;
    assert!(
        forged
            .unwrap_err()
            .as_database_error()
            .unwrap()
            .is_foreign_key_violation()
    );
}
