//! Quantities are summed by kind, unit and engine, over all sessions of the room.

use store::{NewSegment, NewUsage};
use uuid::Uuid;

use crate::support::{Database, HOUR, new_segment};

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

#[tokio::test]
async fn with_the_segment_that_it_is_of() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let segment = |seconds: f64| NewSegment {
        id: Uuid::new_v4(),
        usage: vec![used("speech_recognised", "seconds", "deepgram", seconds)],
        ..new_segment("Words.")
    };
    let recognised = async || {
        let usage = store.usage(organisation, room.id).await.unwrap();
        usage.iter().map(|usage| usage.quantity).sum::<f64>()
    };
    let first = segment(1.5);
    for _ in 0..2 {
        // As after an answer that was lost.
        store
            .append_segment(organisation, room.id, 1, &first)
            .await
            .unwrap();
    }
    assert_eq!(recognised().await, 1.5);
    // What is refused is nowhere: a quantity that cannot be takes its segment with it.
    for (epoch, refused) in [(2, segment(2.0)), (1, segment(-1.0))] {
        let refused = store.append_segment(organisation, room.id, epoch, &refused).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    assert_eq!(recognised().await, 1.5);
    let segments = store.segments(organisation, room.id, 0, 10).await.unwrap();
    assert_eq!(segments.len(), 1);
}
