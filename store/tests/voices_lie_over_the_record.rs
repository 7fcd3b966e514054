//! Who of several people at one microphone speaks when: turns over segments, which may be corrected, named and merged
//! without a segment being written anew.

use serde_json::json;
use store::{
    CaptionNotice, HeardVoice, NewSegment, Room, RoomChange, StoreError, Turn, VoiceMerge, VoiceNews,
    VoiceTurn,
};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Database, HOUR, PATIENCE, new_segment};

pub(crate) const MICROPHONE: &str = "p-ada";

pub(crate) fn turn(utterance: i64, number: i32, stretch_ms: (i64, i64), label: Option<i32>) -> VoiceTurn {
    VoiceTurn {
        identity: MICROPHONE.into(),
        utterance,
        turn: number,
        start_ms: stretch_ms.0,
        end_ms: stretch_ms.1,
        label,
        overlapped: false,
    }
}

pub(crate) fn voice(label: i32, heard_ms: i64) -> HeardVoice {
    let mut sound = vec![0.0; store::SOUND_DIMENSIONS];
    sound[usize::try_from(label).unwrap()] = 1.0;
    HeardVoice {
        identity: MICROPHONE.into(),
        label,
        sound,
        heard_ms,
        person: None,
    }
}

pub(crate) fn merge(from: i32, into: i32) -> VoiceNews {
    let identity = MICROPHONE.into();
    VoiceNews {
        merges: vec![VoiceMerge { identity, from, into }],
        ..VoiceNews::default()
    }
}

fn spoken(start_ms: i64, end_ms: i64) -> NewSegment {
    NewSegment {
        start_ms,
        end_ms,
        heard_start_ms: start_ms,
        heard_end_ms: end_ms,
        ..new_segment("Good morning.")
    }
}

impl Database {
    pub(crate) async fn hear(&self, room: &Room, news: &VoiceNews) {
        self.store
            .record_voices(room.organisation_id, room.id, 1, news)
            .await
            .unwrap();
    }

    async fn say(&self, room: &Room, start_ms: i64, end_ms: i64) {
        self.store
            .append_segment(room.organisation_id, room.id, 1, &spoken(start_ms, end_ms))
            .await
            .unwrap();
    }

    /// The labels and names over each segment.
    async fn read(&self, room: &Room) -> Vec<Option<Vec<(Option<i32>, Option<String>)>>> {
        let segments = self.store.segments(room.organisation_id, room.id, 0, 100).await;
        let label = |turn: Turn| (turn.label, turn.name);
        segments
            .unwrap()
            .into_iter()
            .map(|segment| {
                segment
                    .turns
                    .map(|turns| turns.0.into_iter().map(label).collect())
            })
            .collect()
    }
}

fn told(from_ms: i64, to_ms: i64, room: Uuid) -> CaptionNotice {
    CaptionNotice::Voices {
        room,
        identity: MICROPHONE.into(),
        from_ms,
        to_ms,
    }
}

#[tokio::test]
async fn a_turn_is_read_over_its_segment_and_corrected_in_place() {
    let database = Database::new().await;
    let room = database.held_room().await;
    database.say(&room, 1_000, 2_000).await;
    database.say(&room, 2_000, 4_000).await;
    assert_eq!(database.read(&room).await, [None, None]);

    let mut feed = database.store.caption_feed().await.unwrap();
    let mut second = turn(0, 1, (2_500, 3_900), None);
    second.overlapped = true;
    let news = VoiceNews {
        // Of a turn that comes twice the last one counts.
        turns: vec![
            second.clone(),
            turn(0, 0, (1_900, 2_000), Some(7)),
            turn(0, 0, (1_500, 2_400), Some(1)),
        ],
        voices: vec![voice(1, 900)],
        ..VoiceNews::default()
    };
    for _ in 0..2 {
        database.hear(&room, &news).await;
        assert_eq!(
            timeout(PATIENCE, feed.next()).await.unwrap().unwrap(),
            told(1_500, 3_900, room.id)
        );
    }
    let segments = database
        .store
        .segments(room.organisation_id, room.id, 0, 10)
        .await
        .unwrap();
    let of = |at: usize| segments[at].turns.clone().unwrap().0;
    let first = Turn {
        start_ms: 1_500,
        end_ms: 2_400,
        label: Some(1),
        name: None,
        overlapped: false,
    };
    assert_eq!(of(0), std::slice::from_ref(&first));
    let unsure = Turn {
        start_ms: 2_500,
        end_ms: 3_900,
        label: None,
        overlapped: true,
        ..first.clone()
    };
    assert_eq!(of(1), [first, unsure]);

    second.label = Some(2);
    database
        .hear(
            &room,
            &VoiceNews {
                turns: vec![second],
                ..VoiceNews::default()
            },
        )
        .await;
    assert_eq!(
        timeout(PATIENCE, feed.next()).await.unwrap().unwrap(),
        told(2_500, 3_900, room.id)
    );
    let read = database.read(&room).await;
    assert_eq!(read[0], Some(vec![(Some(1), None)]));
    assert_eq!(read[1], Some(vec![(Some(1), None), (Some(2), None)]));

    // Only what touches a segment is its own, whoever else speaks.
    let (store, organisation) = (&database.store, room.organisation_id);
    let touched = async |identity: Option<&str>, stretch_ms, sequences| {
        let found = store
            .segments_with_voices(organisation, room.id, identity, stretch_ms, sequences, 10)
            .await
            .unwrap();
        found
            .into_iter()
            .map(|segment| segment.sequence)
            .collect::<Vec<_>>()
    };
    assert_eq!(touched(None, 0..=i64::MAX, 1..=9).await, [1, 2]);
    assert_eq!(touched(Some(MICROPHONE), 2_500..=3_900, 1..=9).await, [2]);
    assert_eq!(touched(Some(MICROPHONE), 0..=i64::MAX, 1..=1).await, [1]);
    assert_eq!(touched(Some("p-ben"), 0..=i64::MAX, 1..=9).await, [0_i64; 0]);
}

#[tokio::test]
async fn a_voice_has_a_name_until_it_is_taken_back() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    database.say(&room, 1_000, 2_000).await;
    let news = VoiceNews {
        turns: vec![turn(0, 0, (1_000, 2_000), Some(2))],
        voices: vec![voice(2, 900)],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    let (mut changes, mut feed) = (
        store.room_changes().await.unwrap(),
        store.caption_feed().await.unwrap(),
    );
    for (name, by) in [(Some("Ben"), "Ann"), (Some("Benjamin"), "Ann"), (None, "api")] {
        store
            .name_voice(organisation, room.id, MICROPHONE, 2, name, by)
            .await
            .unwrap();
        let name = name.map(str::to_owned);
        assert_eq!(database.read(&room).await, [Some(vec![(Some(2), name.clone())])]);
        assert_eq!(store.voices(organisation, room.id).await.unwrap()[0].name, name);
        let change = timeout(PATIENCE, changes.next()).await.unwrap().unwrap();
        assert_eq!(change, RoomChange::Voices { room: room.id });
        let notice = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(notice, told(0, i64::MAX, room.id));
        // What the agent hears next leaves the name alone.
        database.hear(&room, &news).await;
        timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(database.read(&room).await, [Some(vec![(Some(2), name)])]);
    }
    let events = store.events(organisation, room.id, 0, 100).await.unwrap();
    let named: Vec<_> = events
        .into_iter()
        .filter(|event| event.kind == "voice_named")
        .map(|event| event.data)
        .collect();
    assert_eq!(named, vec![json!({"identity": MICROPHONE, "label": 2}); 3]);

    let unknown = store
        .name_voice(organisation, room.id, MICROPHONE, 3, Some("Eve"), "Ann")
        .await;
    assert!(matches!(unknown, Err(StoreError::NotFound { what: "voice" })));
    for (name, by, field) in [
        ("", "Ann", "name"),
        (&*"é".repeat(101), "Ann", "name"),
        ("Ben", "", "author"),
    ] {
        let refused = store
            .name_voice(organisation, room.id, MICROPHONE, 2, Some(name), by)
            .await;
        match refused {
            Err(StoreError::Invalid { field: named, .. }) => assert_eq!(named, field),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn speakers_that_a_recogniser_numbers_can_be_named_without_a_sound() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let news = VoiceNews {
        turns: vec![
            turn(0, 0, (1_000, 2_000), Some(1)),
            turn(1, 0, (3_000, 3_500), Some(1)),
        ],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    let known = store.voices(organisation, room.id).await.unwrap();
    assert_eq!(
        (known[0].label, known[0].heard_ms, known[0].sound.is_none()),
        (1, 1_500, true)
    );
    store
        .name_voice(organisation, room.id, MICROPHONE, 1, Some("Ben"), "Ann")
        .await
        .unwrap();
    let known = store.voices(organisation, room.id).await.unwrap();
    assert_eq!(
        (known.len(), known[0].heard_ms, known[0].name.as_deref()),
        (1, 1_500, Some("Ben"))
    );
}

#[tokio::test]
async fn two_labels_become_one_and_the_name_goes_on() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    database.say(&room, 1_000, 2_000).await;
    database.say(&room, 2_000, 4_000).await;
    let news = VoiceNews {
        turns: vec![
            turn(0, 0, (1_000, 2_000), Some(1)),
            turn(1, 0, (2_100, 3_000), Some(2)),
            turn(1, 1, (3_000, 3_800), Some(3)),
        ],
        voices: vec![voice(1, 900), voice(2, 900), voice(3, 800)],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    store
        .name_voice(organisation, room.id, MICROPHONE, 3, Some("Ben"), "Ann")
        .await
        .unwrap();
    let mut feed = store.caption_feed().await.unwrap();
    database.hear(&room, &merge(3, 2)).await;
    let notice = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(notice, told(0, i64::MAX, room.id), "the name reaches every turn");
    let ben = (Some(2), Some("Ben".to_owned()));
    assert_eq!(database.read(&room).await[1], Some(vec![ben.clone(), ben]));

    // The name that is there stays, and who was merged before goes along.
    store
        .name_voice(organisation, room.id, MICROPHONE, 1, Some("Ada"), "Ann")
        .await
        .unwrap();
    timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    database.hear(&room, &merge(2, 1)).await;
    let notice = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
    assert_eq!(notice, told(2_100, 3_800, room.id));
    let known = store.voices(organisation, room.id).await.unwrap();
    assert_eq!(
        (known.len(), known[0].label, known[0].name.as_deref()),
        (1, 1, Some("Ada"))
    );
    store
        .name_voice(organisation, room.id, MICROPHONE, 3, Some("Adele"), "Ann")
        .await
        .unwrap();
    let adele = (Some(1), Some("Adele".to_owned()));
    assert_eq!(database.read(&room).await[0], Some(vec![adele]));

    database.hear(&room, &merge(2, 1)).await;
    let events = store.events(organisation, room.id, 0, 100).await.unwrap();
    let merged: Vec<_> = events
        .iter()
        .filter(|event| event.kind == "voices_merged")
        .map(|event| (event.epoch, event.data.clone()))
        .collect();
    let event = |from: i32, into: i32| {
        let data = json!({"identity": MICROPHONE, "from": from, "into": into});
        (Some(1), data)
    };
    assert_eq!(merged, [event(3, 2), event(2, 1)]);
}

#[tokio::test]
async fn an_old_session_and_another_organisation_write_and_read_nothing() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let stranger = database.held_room().await.organisation_id;
    let (store, organisation) = (&database.store, room.organisation_id);
    let news = VoiceNews {
        turns: vec![turn(0, 0, (1_000, 2_000), Some(1))],
        voices: vec![voice(1, 3_000)],
        ..VoiceNews::default()
    };
    database.hear(&room, &news).await;
    let before = store.voices(organisation, room.id).await.unwrap();
    let forged = VoiceNews {
        voices: vec![voice(2, 3_000)],
        ..merge(1, 2)
    };

    let refused = store.record_voices(stranger, room.id, 1, &forged).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    let refused = store
        .name_voice(stranger, room.id, MICROPHONE, 1, Some("Eve"), "Eve")
        .await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    assert_eq!(store.voices(stranger, room.id).await.unwrap(), []);
    let seen = store
        .segments_with_voices(stranger, room.id, None, 0..=i64::MAX, 0..=9, 10)
        .await;
    assert_eq!(seen.unwrap(), []);

    database.age_leases(room.id, 120).await;
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), Some(2));
    let refused = store.record_voices(organisation, room.id, 1, &forged).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    assert_eq!(store.voices(organisation, room.id).await.unwrap(), before);

    // The next session numbers its utterances anew and goes on with the labels.
    let next = VoiceNews {
        turns: vec![turn(0, 0, (5_000, 6_000), Some(1))],
        ..VoiceNews::default()
    };
    store
        .record_voices(organisation, room.id, 2, &next)
        .await
        .unwrap();
    assert_eq!(database.number("SELECT count(*) FROM voice_turns").await, 2);
}

#[tokio::test]
async fn what_is_outside_its_limit_has_a_name() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let refused = async |news: VoiceNews| {
        let result = database
            .store
            .record_voices(room.organisation_id, room.id, 1, &news)
            .await;
        match result {
            Err(StoreError::Invalid { field, .. }) => field,
            other => panic!("{other:?}"),
        }
    };
    let with_turn = |turn| VoiceNews {
        turns: vec![turn],
        ..VoiceNews::default()
    };
    let with_voice = |voice| VoiceNews {
        voices: vec![voice],
        ..VoiceNews::default()
    };
    assert_eq!(
        refused(with_turn(turn(0, 0, (2_000, 1_999), None))).await,
        "end_ms"
    );
    assert_eq!(refused(with_turn(turn(0, 0, (0, 60_001), None))).await, "end_ms");
    assert_eq!(refused(with_turn(turn(0, 0, (-1, 5), None))).await, "start_ms");
    let short = HeardVoice {
        sound: vec![1.0; 191],
        ..voice(1, 900)
    };
    assert_eq!(refused(with_voice(short)).await, "sound");
    let endless = HeardVoice {
        sound: vec![f32::NAN; 192],
        ..voice(1, 900)
    };
    assert_eq!(refused(with_voice(endless)).await, "sound");
    assert_eq!(
        refused(with_voice(HeardVoice {
            label: 0,
            ..voice(1, 900)
        }))
        .await,
        "label"
    );
    database
        .hear(
            &room,
            &VoiceNews {
                voices: vec![voice(1, 1), voice(2, 1)],
                ..VoiceNews::default()
            },
        )
        .await;
    assert_eq!(refused(merge(2, 2)).await, "into");
}
