//! What is written of what was heard.

use super::*;

#[test]
fn a_correction_and_a_merge_are_written() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    room.say_as(1, &[None, Some(1)]);
    room.say_as(1, &[Some(2)]);
    let request = room.say(1, UTTERANCE_MS).unwrap();
    let mut news = heard(request.utterance, &[Some(1)]);
    let earlier = TurnId {
        utterance: 0,
        turn: 0,
    };
    news.events.push(VoiceEvent::Corrected {
        turn: earlier,
        from: None,
        to: Some(1),
    });
    news.events.insert(0, VoiceEvent::Merged { from: 2, into: 1 });
    let person = Uuid::from_u128(7);
    news.recognised = vec![(1, KnownAs::Person(person))];
    room.answer("p-1", Some(news));
    let rows = room.rows().pop().unwrap();
    // The second utterance is relabelled by the merge itself.
    assert_eq!(labels_of(&rows), [(0, 0, Some(1)), (2, 0, Some(1))]);
    assert_eq!((rows.turns[0].start_ms, rows.turns[0].end_ms), (0, 900));
    assert_eq!(rows.merges, [("p-1".to_owned(), 2, 1)]);
    assert_eq!(rows.voices.len(), 1);
    assert_eq!((rows.voices[0].label, rows.voices[0].person), (1, Some(person)));
}

#[test]
fn a_voice_that_turns_out_to_be_two_is_an_event() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    room.say_as(1, &[Some(1), Some(1), Some(2)]);
    let request = room.say(1, UTTERANCE_MS).unwrap();
    let mut news = heard(request.utterance, &[Some(3)]);
    for (turn, from, to) in [(0, Some(1), Some(3)), (1, Some(1), Some(2)), (2, None, Some(3))] {
        let turn = TurnId { utterance: 0, turn };
        news.events.push(VoiceEvent::Corrected { turn, from, to });
    }
    room.answer("p-1", Some(news));
    let splits: Vec<_> = room
        .written
        .iter()
        .filter_map(|write| match write {
            Write::Event(event) if event.kind == "voices_split" => Some(event.data.clone()),
            _ => None,
        })
        .collect();
    // A turn that goes to a voice that was there before is a correction and no split.
    assert_eq!(splits, [json!({ "identity": "p-1", "from": 1, "to": 3 })]);
}

#[test]
fn who_was_named_at_another_microphone_has_the_name_here_too() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    let request = room.say(1, UTTERANCE_MS).unwrap();
    let mut news = heard(request.utterance, &[Some(1)]);
    news.recognised = vec![(1, KnownAs::Named("Ann".to_owned()))];
    room.answer("p-1", Some(news));
    let named: Vec<&Write> = room
        .written
        .iter()
        .filter(|write| matches!(write, Write::Voices(_) | Write::VoiceName(_)))
        .collect();
    let [Write::Voices(_), Write::VoiceName(name)] = named.as_slice() else {
        panic!("{named:?}")
    };
    assert_eq!(
        (name.identity.as_str(), name.label, name.name.as_str()),
        ("p-1", 1, "Ann")
    );
}

/// While the database is away, what is known grows together: it is written once, as it is then.
#[test]
fn an_outage_makes_writes_larger_and_not_more() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    room.database_is_away = true;
    for _ in 0..30 {
        room.say_as(1, &[None]);
    }
    let request = room.say(1, UTTERANCE_MS).unwrap();
    let mut news = heard(request.utterance, &[Some(1)]);
    for utterance in 0..30 {
        let turn = TurnId { utterance, turn: 0 };
        news.events.push(VoiceEvent::Corrected {
            turn,
            from: None,
            to: Some(1),
        });
    }
    room.answer("p-1", Some(news));
    assert!(room.rows().is_empty());
    room.database_comes_back();
    let rows = room.rows();
    assert!(rows.len() <= 2, "{rows:?}");
    let mut table = BTreeMap::new();
    for row in rows {
        table.extend(row.turns.iter().map(|turn| (turn.id, turn.label)));
    }
    assert_eq!(table.len(), 31);
    assert!(table.values().all(|label| *label == Some(1)), "{table:?}");
}
