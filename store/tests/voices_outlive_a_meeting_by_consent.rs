//! What a voice sounds like is forgotten when the meeting ends, unless the organisation keeps it, with somebody's word that
//! its owner agreed, until that person is forgotten.

use store::{HeardVoice, PEOPLE_MAX, Room, RoomChange, StoreError, VoiceNews};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Database, PATIENCE};
use crate::voices_lie_over_the_record::{MICROPHONE, merge, turn, voice};

fn heard(voices: Vec<HeardVoice>) -> VoiceNews {
    let turns = voices
        .iter()
        .map(|voice| {
            let start_ms = i64::from(voice.label) * 1_000;
            turn(
                voice.label.into(),
                0,
                (start_ms, start_ms + 900),
                Some(voice.label),
            )
        })
        .collect();
    VoiceNews {
        turns,
        voices,
        ..VoiceNews::default()
    }
}

impl Database {
    async fn another_held_room(&self, organisation: Uuid) -> Room {
        let room = self.room_of(organisation).await;
        let store = &self.store;
        store
            .begin_dispatch(room.id, 0, crate::support::HOUR)
            .await
            .unwrap();
        store
            .take_lease(room.id, 1, "worker-1", crate::support::HOUR)
            .await
            .unwrap();
        room
    }

    async fn names(&self, room: &Room) -> Vec<(Option<String>, Option<Uuid>)> {
        let voices = self.store.voices(room.organisation_id, room.id).await.unwrap();
        voices
            .into_iter()
            .map(|voice| (voice.name, voice.person))
            .collect()
    }
}

fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>) -> &'static str {
    match result {
        Err(StoreError::Conflict { what }) => what,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_kept_voice_is_recognised_until_its_owner_is_forgotten() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    database.hear(&room, &heard(vec![voice(1, 3_000)])).await;
    let mut changes = store.room_changes().await.unwrap();
    let ada = store
        .enrol_voice(organisation, room.id, MICROPHONE, 1, "Ada", "Ann")
        .await
        .unwrap();
    assert_eq!(
        (
            ada.name.as_str(),
            ada.heard_ms,
            ada.consent_by.as_str(),
            &ada.sound
        ),
        ("Ada", 3_000, "Ann", &voice(1, 3_000).sound)
    );
    assert_eq!(
        store.people(organisation).await.unwrap(),
        std::slice::from_ref(&ada)
    );
    assert_eq!(
        database.names(&room).await,
        [(Some("Ada".to_owned()), Some(ada.id))]
    );
    for expected in [
        RoomChange::Voices { room: room.id },
        RoomChange::People { organisation },
    ] {
        assert_eq!(
            timeout(PATIENCE, changes.next()).await.unwrap().unwrap(),
            expected
        );
    }
    // Somebody who is kept already is not kept twice.
    database.hear(&room, &heard(vec![voice(1, 9_000)])).await;
    let again = store
        .enrol_voice(organisation, room.id, MICROPHONE, 1, "Ada", "Ben")
        .await
        .unwrap();
    assert_eq!(
        (again.id, again.heard_ms, again.consent_by.as_str()),
        (ada.id, 9_000, "Ben")
    );

    let next = database.another_held_room(organisation).await;
    let recognised = HeardVoice {
        person: Some(ada.id),
        ..voice(4, 900)
    };
    database.hear(&next, &heard(vec![recognised.clone()])).await;
    assert_eq!(
        database.names(&next).await,
        [(Some("Ada".to_owned()), Some(ada.id))]
    );

    // Where a person says otherwise, the sound is not asked again.
    store
        .name_voice(organisation, next.id, MICROPHONE, 4, None, "Ann")
        .await
        .unwrap();
    database.hear(&next, &heard(vec![recognised.clone()])).await;
    assert_eq!(database.names(&next).await, [(None, None)]);
    store
        .name_voice(organisation, next.id, MICROPHONE, 4, Some("Eve"), "Ann")
        .await
        .unwrap();
    database.hear(&next, &heard(vec![recognised.clone()])).await;
    assert_eq!(database.names(&next).await, [(Some("Eve".to_owned()), None)]);

    let third = database.another_held_room(organisation).await;
    database.hear(&third, &heard(vec![recognised.clone()])).await;
    store.forget_person(organisation, ada.id).await.unwrap();
    assert_eq!(store.people(organisation).await.unwrap(), []);
    assert_eq!(
        database.number("SELECT count(*) FROM people").await,
        0,
        "the row is gone, with the sound"
    );
    assert_eq!(database.names(&third).await, [(None, None)]);
    assert_eq!(database.names(&room).await, [(Some("Ada".to_owned()), None)]);
    // An agent that has not heard of it yet brings nobody back.
    database.hear(&third, &heard(vec![recognised])).await;
    assert_eq!(database.names(&third).await, [(None, None)]);
    let twice = store.forget_person(organisation, ada.id).await;
    assert!(matches!(twice, Err(StoreError::NotFound { what: "person" })));
}

#[tokio::test]
async fn whose_voice_it_sounds_like_goes_on_when_labels_merge_and_a_name_beats_it() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    database
        .hear(
            &room,
            &heard(vec![voice(1, 3_000), voice(2, 3_000), voice(3, 3_000)]),
        )
        .await;
    let ada = store
        .enrol_voice(organisation, room.id, MICROPHONE, 1, "Ada", "Ann")
        .await
        .unwrap();
    let next = database.another_held_room(organisation).await;
    let recognised = HeardVoice {
        person: Some(ada.id),
        ..voice(1, 900)
    };
    database
        .hear(&next, &heard(vec![recognised, voice(2, 900), voice(3, 900)]))
        .await;
    database.hear(&next, &merge(1, 2)).await;
    assert_eq!(
        database.names(&next).await,
        [(Some("Ada".to_owned()), Some(ada.id)), (None, None)]
    );
    store
        .name_voice(organisation, next.id, MICROPHONE, 3, Some("Ben"), "Ann")
        .await
        .unwrap();
    database.hear(&next, &merge(3, 2)).await;
    assert_eq!(database.names(&next).await, [(Some("Ben".to_owned()), None)]);
}

#[tokio::test]
async fn too_little_or_forgotten_speech_is_not_kept_nor_a_65th_voice() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let mut numbered = heard(vec![voice(1, 2_499), voice(2, 2_500)]);
    numbered.turns.push(turn(9, 0, (9_000, 9_900), Some(3)));
    database.hear(&room, &numbered).await;
    let enrol = async |label: i32, name: &str| {
        store
            .enrol_voice(organisation, room.id, MICROPHONE, label, name, "Ann")
            .await
    };
    assert!(conflict(enrol(1, "Ada").await).contains("2.5 seconds"));
    assert!(conflict(enrol(3, "Ada").await).contains("not known"));
    assert!(matches!(
        enrol(4, "Ada").await,
        Err(StoreError::NotFound { what: "voice" })
    ));
    assert!(matches!(
        enrol(2, "").await,
        Err(StoreError::Invalid { field: "name", .. })
    ));
    let unsaid = store
        .enrol_voice(organisation, room.id, MICROPHONE, 2, "Ada", "")
        .await;
    assert!(matches!(
        unsaid,
        Err(StoreError::Invalid {
            field: "consent_by",
            ..
        })
    ));
    for number in 0..PEOPLE_MAX {
        enrol(2, &format!("Person {number}")).await.unwrap();
    }
    assert!(conflict(enrol(2, "One more").await).contains("64 people"));
    assert_eq!(store.people(organisation).await.unwrap().len(), 64);
}

#[tokio::test]
async fn what_voices_sound_like_is_forgotten_with_the_meeting() {
    let database = Database::new().await;
    for cancelled in [false, true] {
        let room = database.held_room().await;
        let (store, organisation) = (&database.store, room.organisation_id);
        let news = heard(vec![voice(1, 3_000)]);
        database.hear(&room, &news).await;
        let sound = async || {
            store.voices(organisation, room.id).await.unwrap()[0]
                .sound
                .clone()
        };
        assert_eq!(sound().await, Some(voice(1, 3_000).sound));
        if cancelled {
            store.cancel_room(organisation, room.id).await.unwrap();
        } else {
            store.end_room(organisation, room.id).await.unwrap();
        }
        assert_eq!(sound().await, None);
        // The agent still writes what it has.
        database.hear(&room, &news).await;
        assert_eq!(sound().await, None);
        let late = store
            .enrol_voice(organisation, room.id, MICROPHONE, 1, "Ada", "Ann")
            .await;
        assert!(conflict(late).contains("over"));
    }
}

#[tokio::test]
async fn people_of_another_organisation_are_neither_seen_nor_claimed() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let other = database.held_room().await;
    let (store, organisation, stranger) = (&database.store, room.organisation_id, other.organisation_id);
    database.hear(&room, &heard(vec![voice(1, 3_000)])).await;
    let refused = store
        .enrol_voice(stranger, room.id, MICROPHONE, 1, "Ada", "Eve")
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    let ada = store
        .enrol_voice(organisation, room.id, MICROPHONE, 1, "Ada", "Ann")
        .await
        .unwrap();
    assert_eq!(store.people(stranger).await.unwrap(), []);
    let claimed = HeardVoice {
        person: Some(ada.id),
        ..voice(1, 3_000)
    };
    database.hear(&other, &heard(vec![claimed])).await;
    assert_eq!(database.names(&other).await, [(None, None)]);
    let refused = store.forget_person(stranger, ada.id).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    assert_eq!(store.people(organisation).await.unwrap().len(), 1);
}
