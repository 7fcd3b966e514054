//! A room's vocabulary: its people, the organisation's corrections and documents, in the order of their worth, of nobody else.

use store::{NewCorrection, Word};

use crate::support::{Database, HOUR, client, new_document, new_segment};

#[tokio::test]
async fn names_corrections_and_terms_come_in_order() {
    let database = Database::new().await;
    let store = &database.store;
    let room = database.held_room().await;
    let organisation = room.organisation_id;
    let other = database.held_room().await;
    for name in ["Siobhan Okonkwo", "Ben Ito", "Siobhan Okonkwo"] {
        store
            .add_participant(organisation, room.id, &client(name))
            .await
            .unwrap();
    }
    store
        .add_participant(other.organisation_id, other.id, &client("Eve"))
        .await
        .unwrap();
    for (organisation, title, terms) in [
        (organisation, "one", ["metoprolol", "Brightwater"]),
        (organisation, "two", ["apixaban", "metoprolol"]),
        (other.organisation_id, "three", ["secret", "words"]),
    ] {
        store
            .enqueue_document(organisation, &new_document(title))
            .await
            .unwrap();
        let claimed = store.claim_document(HOUR).await.unwrap().unwrap();
        store
            .finish_document(&claimed, &[], &terms.map(str::to_owned))
            .await
            .unwrap();
    }
    for (room, text, terms) in [
        (&room, "older", vec!["Kowalczyk", "GDPR"]),
        (&room, "plain", vec![]),
        (&room, "newer", vec!["Falkenstein", "Kowalczyk"]),
        (&other, "other", vec!["Mallory"]),
    ] {
        let segment = new_segment(text);
        store
            .append_segment(room.organisation_id, room.id, 1, &segment)
            .await
            .unwrap();
        let correction = NewCorrection {
            text: Some("corrected".into()),
            words: Vec::<Word>::new(),
            terms: terms.into_iter().map(str::to_owned).collect(),
            author: "Ann".into(),
            seen: None,
        };
        store
            .correct_segment(room.organisation_id, room.id, segment.id, &correction)
            .await
            .unwrap();
    }
    let vocabulary = store.vocabulary(organisation, room.id).await.unwrap();
    assert_eq!(vocabulary.names, ["Siobhan Okonkwo", "Ben Ito"]);
    assert_eq!(vocabulary.corrected, ["Falkenstein", "Kowalczyk", "GDPR"]);
    assert_eq!(vocabulary.terms, ["metoprolol", "apixaban", "Brightwater"]);
}
