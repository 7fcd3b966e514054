//! Quantities are summed by kind, unit and engine, over all sessions of the room.

use store::NewUsage;
use uuid::Uuid;

use crate::support::{Database, HOUR};

fn used(kind: &str, unit: &str, engine: &str, quantity: f64) -> NewUsage {
    NewUsage {
        id: Uuid::new_v4(),
        kind: kind.into(),
        unit: unit.into(),
        quantity,
        engine: engine.into(),
    }
}

#[tokio::test]
async fn over_two_sessions() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let first = [
        used("audio_received", "seconds", "", 10.5),
        used("speech_recognised", "seconds", "whisper-tiny.en", 4.0),
        used("speech_recognised", "seconds", "deepgram", 1.0),
    ];
    store
        .record_usage(organisation, room.id, 1, &first)
        .await
        .unwrap();
    store.record_usage(organisation, room.id, 1, &[]).await.unwrap();
    store.release(organisation, room.id, 1, "draining").await.unwrap();
    store.begin_dispatch(room.id, 1, HOUR).await.unwrap();
    let second = [
        used("audio_received", "seconds", "", 0.25),
        used("answer", "count", "", 1.0),
    ];
    store
        .record_usage(organisation, room.id, 2, &second)
        .await
        .unwrap();

    let usage = store.usage(organisation, room.id).await.unwrap();
    let sums: Vec<_> = usage
        .iter()
        .map(|usage| {
            (
                usage.kind.as_str(),
                usage.unit.as_str(),
                usage.engine.as_str(),
                usage.quantity,
            )
        })
        .collect();
    let expected = [
        ("answer", "count", "", 1.0),
        ("audio_received", "seconds", "", 10.75),
        ("speech_recognised", "seconds", "deepgram", 1.0),
        ("speech_recognised", "seconds", "whisper-tiny.en", 4.0),
    ];
    assert_eq!(sums, expected);
}
