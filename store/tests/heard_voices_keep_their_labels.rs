//! What the next agent of a room reads of its voices, and the names that a voice has because it sounds like another one.

use store::{RoomChange, StoreError, VoiceNews};
use tokio::time::timeout;

use crate::support::{Database, PATIENCE};
use crate::voices_lie_over_the_record::{MICROPHONE, merge, turn, voice};

#[tokio::test]
async fn a_label_that_was_merged_was_given() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let given = async || store.voice_labels_given(organisation, room.id).await.unwrap();
    assert!(given().await.is_empty());
    let news = VoiceNews {
        turns: vec![turn(0, 0, (0, 900), Some(2)), turn(0, 1, (900, 950), None)],
        voices: vec![voice(1, 900), voice(2, 900), voice(3, 900)],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    database.hear(&room, &merge(3, 1)).await;
    assert_eq!(given().await, [(MICROPHONE.to_owned(), 3)]);
    // A recogniser's own numbers have no voice.
    let mut numbered = turn(1, 0, (1_000, 2_000), Some(5));
    numbered.identity = "p-ben".to_owned();
    let news = VoiceNews {
        turns: vec![numbered],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    assert_eq!(
        given().await,
        [(MICROPHONE.to_owned(), 3), ("p-ben".to_owned(), 5)]
    );
    let elsewhere = database.held_room().await;
    let found = store
        .voice_labels_given(elsewhere.organisation_id, elsewhere.id)
        .await;
    assert!(found.unwrap().is_empty());
}

#[tokio::test]
async fn a_voice_is_named_as_it_sounds_unless_somebody_said_otherwise() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let news = VoiceNews {
        voices: vec![voice(1, 900), voice(2, 900), voice(3, 900)],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    for name in [Some("Eve"), None] {
        store
            .name_voice(organisation, room.id, MICROPHONE, 2, name, "Ann")
            .await
            .unwrap();
    }
    store
        .name_voice(organisation, room.id, MICROPHONE, 3, Some("Cleo"), "Ann")
        .await
        .unwrap();
    let mut changes = store.room_changes().await.unwrap();
    for label in [2, 3, 1, 1] {
        store
            .name_heard_voice(organisation, room.id, 1, MICROPHONE, label, "Ben")
            .await
            .unwrap();
    }
    let known = store.voices(organisation, room.id).await.unwrap();
    let names: Vec<_> = known.iter().map(|voice| voice.name.as_deref()).collect();
    assert_eq!(names, [Some("Ben"), None, Some("Cleo")]);
    // Whom it concerns is told once.
    let change = timeout(PATIENCE, changes.next()).await.unwrap().unwrap();
    assert_eq!(change, RoomChange::Voices { room: room.id });
    let events = store.events(organisation, room.id, 0, 100).await.unwrap();
    let by_agent = events
        .iter()
        .filter(|event| event.kind == "voice_named" && event.epoch == Some(1));
    assert_eq!(by_agent.count(), 1);

    let fenced = store
        .name_heard_voice(organisation, room.id, 0, MICROPHONE, 1, "Ben")
        .await;
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    let unknown = store
        .name_heard_voice(organisation, room.id, 1, MICROPHONE, 9, "Ben")
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound { what: "voice" })));
}
