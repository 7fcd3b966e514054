//! NULs and numbers that are none come from recognisers, browsers and uploads. They are cleaned, not refused: a final
//! that the database refuses would be lost.

use serde_json::json;
use store::{AskedVia, NewAnswer, NewOrganisation, NewPassage, NewUsage, Source, Word};
use uuid::Uuid;

use crate::support::{Database, HOUR, axis, client, new_document, new_room, new_segment};

const NUL: &str = "a\0b";

#[tokio::test]
async fn a_nul_anywhere_is_left_out() {
    let database = Database::new().await;
    let store = &database.store;
    let new = NewOrganisation {
        name: NUL.into(),
        assistant_name: NUL.into(),
        instructions: NUL.into(),
        recognisers: vec!["whisper".into()],
    };
    let organisation = store.create_organisation(&new).await.unwrap();
    assert_eq!(
        (organisation.name.as_str(), organisation.assistant_name.as_str()),
        ("ab", "ab")
    );
    let mut new = new_room();
    (new.title, new.instructions) = (NUL.into(), NUL.into());
    let room = store.create_room(organisation.id, &new).await.unwrap();
    assert_eq!((room.title.as_str(), room.instructions.as_str()), ("ab", "ab"));
    let participant = store
        .add_participant(organisation.id, room.id, &client(NUL))
        .await
        .unwrap();
    assert_eq!(participant.name, "ab");
    assert_eq!(
        store
            .participant_by_identity(organisation.id, room.id, NUL)
            .await
            .unwrap(),
        None
    );
    store.begin_dispatch(room.id, 0, HOUR).await.unwrap();
    store.take_lease(room.id, 1, NUL, HOUR).await.unwrap();
    // The same worker again, by the same name.
    store.take_lease(room.id, 1, NUL, HOUR).await.unwrap();

    let mut segment = new_segment(NUL);
    (segment.identity, segment.speaker_name, segment.track_id) = (NUL.into(), NUL.into(), NUL.into());
    segment.engine = NUL.into();
    store
        .append_segment(organisation.id, room.id, 1, &segment)
        .await
        .unwrap();
    let stored = &store.segments(organisation.id, room.id, 0, 10).await.unwrap()[0];
    assert_eq!(
        (stored.text.as_str(), stored.words[0].text.as_str()),
        ("ab", "ab")
    );

    store
        .record_event(organisation.id, room.id, Some(1), NUL, json!({NUL: [NUL]}))
        .await
        .unwrap();
    let events = store.events(organisation.id, room.id, 0, 10).await.unwrap();
    let event = events.last().unwrap();
    assert_eq!((event.kind.as_str(), &event.data), ("ab", &json!({"ab": ["ab"]})));

    let usage = NewUsage {
        id: Uuid::new_v4(),
        kind: NUL.into(),
        unit: NUL.into(),
        quantity: 1.0,
        engine: NUL.into(),
    };
    store
        .record_usage(organisation.id, room.id, 1, &[usage])
        .await
        .unwrap();
    let source = Source {
        passage_id: Uuid::new_v4(),
        document_title: NUL.into(),
        heading: NUL.into(),
        page: None,
        quote: NUL.into(),
    };
    let answer = NewAnswer {
        id: Uuid::new_v4(),
        asked_by: NUL.into(),
        via: AskedVia::Chat,
        question: NUL.into(),
        text: NUL.into(),
        grounded: false,
        sources: vec![source],
        engine: NUL.into(),
        latency_ms: 0,
    };
    store
        .record_answer(organisation.id, room.id, 1, &answer)
        .await
        .unwrap();
    assert_eq!(
        store.answers(organisation.id, room.id).await.unwrap()[0].sources[0].quote,
        "ab"
    );
    store.release(organisation.id, room.id, 1, NUL).await.unwrap();

    let mut document = new_document(NUL);
    document.file_name = NUL.into();
    let id = store
        .enqueue_document(organisation.id, &document)
        .await
        .unwrap()
        .id;
    let claimed = store.claim_document(HOUR).await.unwrap().unwrap();
    assert_eq!(
        (claimed.title.as_str(), claimed.content.as_slice()),
        ("ab", NUL.as_bytes())
    );
    store.fail_document(&claimed, NUL, true).await.unwrap();
    assert_eq!(
        store
            .document(organisation.id, id)
            .await
            .unwrap()
            .error
            .as_deref(),
        Some("ab")
    );
    database.run("UPDATE documents SET claimed_until = NULL").await;
    let claimed = store.claim_document(HOUR).await.unwrap().unwrap();
    let passage = NewPassage {
        ordinal: 0,
        heading: NUL.into(),
        page: None,
        text: NUL.into(),
        embedding: axis(0),
    };
    store.finish_document(&claimed, &[passage], &[]).await.unwrap();
}

#[tokio::test]
async fn a_confidence_that_is_no_number_does_not_spoil_the_transcript() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let mut segment = new_segment("Hello.");
    let word = |confidence| Word {
        text: "x".into(),
        start_ms: 0,
        end_ms: 0,
        confidence,
    };
    segment.words = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.25]
        .map(word)
        .to_vec();
    database
        .store
        .append_segment(room.organisation_id, room.id, 1, &segment)
        .await
        .unwrap();
    let stored = &database
        .store
        .segments(room.organisation_id, room.id, 0, 10)
        .await
        .unwrap()[0];
    let confidences: Vec<_> = stored.words.iter().map(|word| word.confidence).collect();
    assert_eq!(confidences, [0.0, 0.0, 0.0, 0.25]);
}
