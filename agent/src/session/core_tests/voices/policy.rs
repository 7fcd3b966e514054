//! How much is heard, as the room says.

use super::*;

#[test]
fn a_sample_is_heard_and_nothing_written_until_there_is_a_second_voice() {
    let mut room = Room::new(VoicePolicy::Detect, &[]);
    for _ in 0..4 {
        room.say_as(1, &[Some(1)]);
    }
    // The burst is over; from here on it is one in eight.
    let sampled: Vec<bool> = (0..7)
        .map(|_| {
            let request = room.say(1, UTTERANCE_MS);
            if let Some(request) = &request {
                let one = heard(request.utterance, &[Some(1)]);
                room.answer(&request.identity, Some(one));
            }
            request.is_some()
        })
        .collect();
    assert_eq!(
        sampled.iter().filter(|sampled| **sampled).count(),
        1,
        "{sampled:?}"
    );
    assert_eq!((room.rows(), room.events("several_voices")), (vec![], 0));
    let counted = room.counted();
    assert_eq!(counted[&None], 5 * UTTERANCE_MS);
    assert_eq!(counted[&Some(NotHeard::Sampled)], 6 * UTTERANCE_MS);

    // Somebody else speaks; it is found out as soon as they are in the sample.
    let request = (0..8)
        .find_map(|_| room.say(1, UTTERANCE_MS))
        .expect("it is heard again");
    room.answer("p-1", Some(heard(request.utterance, &[Some(1), Some(2)])));
    assert_eq!(room.events("several_voices"), 1);
    let rows = room.rows();
    assert_eq!(rows.len(), 1);
    let turns = labels_of(&rows[0]);
    assert_eq!(turns.len(), 7, "all that was heard so far: {turns:?}");
    assert_eq!(turns[0], (0, 0, Some(1)));
    assert_eq!(turns[6], (request.utterance, 1, Some(2)));
    let voices: Vec<_> = rows[0]
        .voices
        .iter()
        .map(|voice| (voice.label, voice.heard_ms))
        .collect();
    assert_eq!(voices, [(1, 3_000), (2, 3_000)]);
    // From now on everything is heard and written.
    for _ in 0..10 {
        room.say_as(1, &[Some(2)]);
    }
    assert_eq!((room.rows().len(), room.events("several_voices")), (11, 1));
}

#[test]
fn where_several_are_expected_everything_is_heard_from_the_first_word() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    for _ in 0..20 {
        room.say_as(1, &[None]);
    }
    let rows = room.rows();
    assert_eq!(rows.len(), 20);
    // Where it was said on the meeting's clock.
    let turn = &rows[1].turns[0];
    assert_eq!((turn.start_ms, turn.end_ms), (UTTERANCE_MS, UTTERANCE_MS + 900));
    assert_eq!((turn.identity.as_str(), turn.label), ("p-1", None));
    // What it costs is in the usage.
    let outputs = room.meeting.feed(Input::Drain(EndReason::RoomClosed));
    room.take(outputs);
    let mut usage = 0.0;
    for write in &room.written {
        if let Write::Usage(rows) = write {
            let voices = rows
                .iter()
                .filter(|row| row.kind == "voices_compute" && row.engine == "cam++");
            usage += voices.map(|row| row.quantity).sum::<f64>();
        }
    }
    assert!((usage - 10.0).abs() < 1e-6, "{usage}");
}

#[test]
fn where_one_is_expected_nothing_is_heard() {
    let mut room = Room::new(VoicePolicy::One, &[("p-1", 1), ("p-1", 2)]);
    assert_eq!(room.say(1, UTTERANCE_MS), None);
    let mut deaf = Room::with(Voices::new(VoicePolicy::Several, false, [], []));
    assert_eq!(deaf.say(1, UTTERANCE_MS), None);
    assert!(deaf.counted().is_empty() && room.counted().is_empty());
}

/// What a room says of its voices takes effect at once; labels of an earlier session are known whatever it said then.
#[test]
fn a_room_may_say_something_else_while_the_meeting_runs() {
    let mut room = Room::new(VoicePolicy::One, &[("p-1", 1), ("p-1", 2)]);
    room.join(2);
    let say = |room: &mut Room, policy| {
        let outputs = room.meeting.feed(Input::VoicePolicy(policy));
        room.take(outputs);
    };
    assert_eq!(room.say(1, UTTERANCE_MS), None);
    say(&mut room, VoicePolicy::Several);
    room.say_as(1, &[Some(2)]);
    room.say_as(2, &[Some(1)]);
    assert_eq!(room.rows().len(), 2);
    assert_eq!(room.events("several_voices"), 0, "it was said");
    // One voice alone is sampled from now on, and nothing of it is written.
    say(&mut room, VoicePolicy::Detect);
    room.say_as(1, &[Some(2)]);
    room.say_as(2, &[Some(1)]);
    let rows = room.rows();
    let who: Vec<&str> = rows[2..]
        .iter()
        .map(|rows| rows.turns[0].identity.as_str())
        .collect();
    assert_eq!(who, ["p-1"]);
    // What was heard meanwhile is written once it is asked for.
    say(&mut room, VoicePolicy::Several);
    let rows = room.rows();
    assert_eq!((rows.len(), rows[3].turns[0].identity.as_str()), (4, "p-2"));
    say(&mut room, VoicePolicy::One);
    assert_eq!(room.say(1, UTTERANCE_MS), None);
    assert_eq!(room.say(2, UTTERANCE_MS), None);
}

#[test]
fn what_turns_out_to_be_nothing_is_not_heard() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    let request = room.speak(1, UTTERANCE_MS);
    room.recognised(&request, "");
    assert!(room.asked.is_empty());
}

#[test]
fn two_voices_that_an_earlier_agent_knew_are_told_apart_at_once() {
    let mut room = Room::new(VoicePolicy::Detect, &[("p-1", 1), ("p-1", 2), ("p-2", 1)]);
    room.join(2);
    for _ in 0..10 {
        room.say_as(1, &[Some(2)]);
    }
    assert_eq!((room.rows().len(), room.events("several_voices")), (10, 0));
    // One known voice is no reason.
    let heard = (0..10).filter(|_| room.say(2, UTTERANCE_MS).is_some()).count();
    assert_eq!(heard, 1, "nobody answers, and none beyond the burst waits");
}
