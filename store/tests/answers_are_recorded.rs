//! An answer is recorded once with its sources; a private one is in the record but not announced.

use store::{AskedVia, CaptionNotice, NewAnswer, Source, StoreError};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Database, HOUR, PATIENCE};

fn answer(via: AskedVia) -> NewAnswer {
    NewAnswer {
        id: Uuid::new_v4(),
        asked_by: "p-ada".into(),
        via,
        question: "When is the deposit due?".into(),
        text: "Within 14 days [1].".into(),
        grounded: true,
        sources: vec![Source {
            passage_id: Uuid::new_v4(),
            document_title: "Contract".into(),
            heading: "Payment > Deposit".into(),
            page: Some(3),
            quote: "within 14 days".into(),
        }],
        engine: "extractive".into(),
        latency_ms: 840,
    }
}

#[tokio::test]
async fn the_record_holds_what_was_given_once() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (chat, private) = (answer(AskedVia::Chat), answer(AskedVia::Private));
    for new in [&chat, &private, &chat] {
        database
            .store
            .record_answer(room.organisation_id, room.id, 1, new)
            .await
            .unwrap();
    }
    let recorded = database
        .store
        .answers(room.organisation_id, room.id)
        .await
        .unwrap();
    assert_eq!(recorded.len(), 2);
    let first = &recorded[0];
    assert_eq!(
        (first.id, first.via, first.latency_ms),
        (chat.id, AskedVia::Chat, 840)
    );
    assert_eq!(
        (&first.question, &first.text, first.grounded),
        (&chat.question, &chat.text, true)
    );
    assert_eq!(first.sources.0, chat.sources);
    assert_eq!(recorded[1].via.as_str(), "private");
}

#[tokio::test]
async fn everybody_is_told_of_public_answers_alone() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let mut feed = database.store.caption_feed().await.unwrap();
    let voice = answer(AskedVia::Voice);
    for new in [&answer(AskedVia::Private), &voice] {
        database
            .store
            .record_answer(room.organisation_id, room.id, 1, new)
            .await
            .unwrap();
    }
    let notice = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(
        notice,
        CaptionNotice::Answer {
            room: room.id,
            answer: voice.id
        }
    );
}

#[tokio::test]
async fn an_old_session_cannot_answer() {
    let database = Database::new().await;
    let room = database.held_room().await;
    database.age_leases(room.id, 61).await;
    database.store.begin_dispatch(room.id, 1, HOUR).await.unwrap();
    let refused = database
        .store
        .record_answer(room.organisation_id, room.id, 1, &answer(AskedVia::Chat))
        .await;
    assert!(
        matches!(
            refused,
            Err(StoreError::Fenced {
                epoch: 1,
                current: 2,
                ..
            })
        ),
        "{refused:?}"
    );
    assert!(
        database
            .store
            .answers(room.organisation_id, room.id)
            .await
            .unwrap()
            .is_empty()
    );
}
