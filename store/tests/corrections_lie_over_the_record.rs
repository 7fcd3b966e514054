//! A correction is what everybody reads from then on; what was recognised stays, and every correction with it.

use store::{CORRECTIONS_MAX, NewCorrection, Room, StoreError, Word};
use uuid::Uuid;

use crate::support::{Database, new_segment};

fn by(author: &str, text: Option<&str>) -> NewCorrection {
    let word = |text: &str| Word {
        text: text.into(),
        start_ms: 1_000,
        end_ms: 2_000,
        confidence: 1.0,
    };
    NewCorrection {
        text: text.map(str::to_owned),
        words: text.into_iter().map(word).collect(),
        terms: Vec::new(),
        author: author.into(),
        seen: None,
    }
}

async fn spoken(database: &Database, room: &Room, text: &str) -> Uuid {
    let segment = new_segment(text);
    let store = &database.store;
    store
        .append_segment(room.organisation_id, room.id, 1, &segment)
        .await
        .unwrap();
    segment.id
}

#[tokio::test]
async fn the_newest_one_is_read_and_none_is_lost() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let id = spoken(&database, &room, "God mourning.").await;
    spoken(&database, &room, "Hello.").await;
    let first = store
        .correct_segment(organisation, room.id, id, &by("Ann", Some("Good mourning.")))
        .await
        .unwrap();
    let second = store
        .correct_segment(organisation, room.id, id, &by("Ben", Some("Good morning.")))
        .await
        .unwrap();
    assert!(0 < first && first < second);

    let read = store.segments(organisation, room.id, 0, 10).await.unwrap();
    assert_eq!(
        (
            read[0].text.as_str(),
            read[0].corrected_by.as_deref(),
            read[0].recognised_text.as_deref()
        ),
        ("Good morning.", Some("Ben"), Some("God mourning."))
    );
    assert_eq!(
        (read[0].words[0].text.as_str(), read[0].revision),
        ("Good morning.", second)
    );
    assert_eq!((read[1].text.as_str(), read[1].revision), ("Hello.", 0));
    assert_eq!((&read[1].corrected_by, &read[1].recognised_text), (&None, &None));
    assert_eq!(
        store.segments_at(organisation, room.id, &[1]).await.unwrap()[0],
        read[0]
    );
    assert_eq!(store.segment(organisation, room.id, id).await.unwrap(), read[0]);

    store
        .correct_segment(organisation, room.id, id, &by("Ann", None))
        .await
        .unwrap();
    let read = store.segment(organisation, room.id, id).await.unwrap();
    assert_eq!(
        (read.text.as_str(), read.corrected_by, read.recognised_text),
        ("God mourning.", None, None)
    );
    assert_eq!(read.words[0].text, "God mourning.");
    let history = store.corrections(organisation, room.id, id).await.unwrap();
    let told: Vec<_> = history
        .iter()
        .map(|correction| (correction.author.as_str(), correction.text.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            ("Ann", Some("Good mourning.")),
            ("Ben", Some("Good morning.")),
            ("Ann", None)
        ]
    );
    let kinds: Vec<_> = store
        .events(organisation, room.id, 0, 100)
        .await
        .unwrap()
        .into_iter()
        .filter(|event| event.kind == "segment_corrected")
        .map(|event| event.data["segment"].clone())
        .collect();
    assert_eq!(kinds, vec![serde_json::json!(id); 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_saw_the_same_one_wins() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let id = spoken(&database, &room, "God mourning.").await;
    let mut tries = tokio::task::JoinSet::new();
    for number in 0..8 {
        let (store, organisation, room) = (database.store.clone(), room.organisation_id, room.id);
        tries.spawn(async move {
            let text = format!("Good morning {number}.");
            let correction = NewCorrection {
                seen: Some(0),
                ..by("Ann", Some(&text))
            };
            store.correct_segment(organisation, room, id, &correction).await
        });
    }
    let (made, refused): (Vec<_>, Vec<_>) = tries.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!((made.len(), refused.len()), (1, 7));
    assert!(
        refused
            .iter()
            .all(|refusal| matches!(refusal, Err(StoreError::Conflict { .. })))
    );
}

#[tokio::test]
async fn a_reader_who_comes_back_is_told_what_changed() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let mut ids = Vec::new();
    for text in ["one", "two", "three"] {
        ids.push(spoken(&database, &room, text).await);
    }
    let correct = async |at: usize, text: &str| {
        let correction = by("Ann", Some(text));
        store
            .correct_segment(organisation, room.id, ids[at], &correction)
            .await
            .unwrap()
    };
    correct(2, "Three").await;
    let seen = correct(0, "On").await;
    correct(0, "One").await;
    let changed = async |through, after| -> Vec<String> {
        let read = store
            .corrected_segments(organisation, room.id, through, after, 10)
            .await
            .unwrap();
        read.into_iter().map(|segment| segment.text).collect()
    };
    assert_eq!(changed(3, 0).await, ["Three", "One"]);
    assert_eq!(changed(2, 0).await, ["One"]);
    assert_eq!(changed(3, seen).await, ["One"]);
    assert_eq!(changed(3, seen + 1).await, [""; 0]);
}

#[tokio::test]
async fn limits_and_tenants_hold() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let other = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let id = spoken(&database, &room, "one").await;
    let invalid = |result: Result<i64, StoreError>| match result {
        Err(StoreError::Invalid { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let long = "é".repeat(4_001);
    let correct = async |new: &NewCorrection| store.correct_segment(organisation, room.id, id, new).await;
    assert_eq!(invalid(correct(&by("Ann", Some(&long))).await), "text");
    assert_eq!(invalid(correct(&by("", Some("one"))).await), "author");
    assert_eq!(
        invalid(correct(&by(&"n".repeat(101), Some("one"))).await),
        "author"
    );
    for (organisation, room) in [
        (other.organisation_id, other.id),
        (organisation, other.id),
        (other.organisation_id, room.id),
    ] {
        let refused = store
            .correct_segment(organisation, room, id, &by("Eve", Some("mine")))
            .await;
        assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
        assert!(
            store
                .corrections(organisation, room, id)
                .await
                .unwrap()
                .is_empty()
        );
    }
    for number in 0..CORRECTIONS_MAX {
        correct(&by("Ann", Some(&number.to_string()))).await.unwrap();
    }
    assert!(matches!(
        correct(&by("Ann", None)).await,
        Err(StoreError::Conflict { .. })
    ));
}
