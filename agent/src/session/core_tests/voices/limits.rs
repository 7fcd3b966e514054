//! What waits, and what is given up.

use super::*;

/// One at a time of each participant, a minute of it waits, and what does not fit is not told apart.
#[test]
fn what_waits_is_bounded_and_each_participant_waits_for_itself() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    room.join(2);
    let first = room.say(1, UTTERANCE_MS).unwrap();
    let fit = WAITING_MAX_MS / UTTERANCE_MS;
    for _ in 0..fit {
        assert_eq!(room.say(1, UTTERANCE_MS), None);
    }
    assert!(room.counted().is_empty());
    assert_eq!(room.say(1, UTTERANCE_MS), None);
    assert_eq!(room.say(2, UTTERANCE_MS), None);
    let counted = room.counted();
    assert_eq!(
        counted.into_iter().collect::<Vec<_>>(),
        [(Some(NotHeard::QueueFull), 2 * UTTERANCE_MS)]
    );
    // In their order, however long it takes.
    let mut asked = first;
    for number in 0..fit {
        let answer = heard(asked.utterance, &[Some(1)]);
        room.answer("p-1", Some(answer));
        asked = room.asked.last().unwrap().clone();
        assert_eq!((asked.identity.as_str(), asked.utterance), ("p-1", number + 1));
    }
    assert_eq!(room.say(2, UTTERANCE_MS).unwrap().identity, "p-2");
    assert_eq!(room.counted()[&None], fit * UTTERANCE_MS);
}

/// Captions are more urgent: under load a sample is left out, and what is to be heard waits.
#[test]
fn under_load_voices_wait() {
    for policy in [VoicePolicy::Detect, VoicePolicy::Several] {
        let mut room = Room::new(policy, &[]);
        let pending: Vec<Recognise<Sound>> = (2..20)
            .map(|track| {
                room.join(track);
                room.speak(track, 300)
            })
            .collect();
        assert_eq!(room.meeting.session.pressure(), Pressure::NoPartials);
        assert_eq!(room.say(1, UTTERANCE_MS), None);
        for request in &pending {
            room.recognised(request, "");
        }
        assert_eq!(room.meeting.session.pressure(), Pressure::None);
        let asked: Vec<&str> = room
            .asked
            .iter()
            .map(|request| request.identity.as_str())
            .collect();
        match policy {
            VoicePolicy::Detect => {
                assert!(asked.is_empty(), "{asked:?}");
                assert_eq!(room.counted()[&Some(NotHeard::Load)], UTTERANCE_MS);
            }
            _ => assert_eq!(asked, ["p-1"]),
        }
    }
}

#[test]
fn a_participant_on_whom_the_networks_break_off_is_not_heard_again_and_others_are() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    room.join(2);
    room.say(1, UTTERANCE_MS).unwrap();
    room.say(1, UTTERANCE_MS);
    room.answer("p-1", None);
    assert_eq!(room.say(1, UTTERANCE_MS), None);
    assert_eq!(room.counted()[&Some(NotHeard::Failed)], 3 * UTTERANCE_MS);
    assert!(room.say(2, UTTERANCE_MS).is_some());
}

#[test]
fn more_participants_than_fit_are_not_told_apart() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    for track in 2..=PARTICIPANTS_MAX as u64 + 1 {
        room.join(track);
        let heard = room.say(track, 1_000);
        assert!(heard.is_some());
        room.answer(&format!("p-{track}"), None);
    }
    assert_eq!(room.say(1, 1_000), None);
    assert_eq!(room.counted()[&Some(NotHeard::TooMany)], 1_000);
}

/// The end waits a little for the voices of the last words, and not for a sample.
#[test]
fn a_drain_waits_for_voices_that_are_written_and_not_for_long() {
    let drained = |policy: VoicePolicy, answers: bool| {
        let mut room = Room::new(policy, &[]);
        let request = room.say(1, UTTERANCE_MS).unwrap();
        room.say(1, UTTERANCE_MS);
        let since_ms = room.meeting.now_ms;
        let outputs = room.meeting.feed(Input::Drain(EndReason::RoomClosed));
        room.take(outputs);
        if answers {
            room.answer("p-1", Some(heard(request.utterance, &[Some(1)])));
            let request = room.asked.last().unwrap().clone();
            room.answer("p-1", Some(heard(request.utterance, &[Some(1)])));
        }
        let is_release = |output: &Output<Sound>| matches!(output, Output::Release(_));
        while !room.meeting.log.iter().any(is_release) {
            let tick_ms = room.meeting.session.next_tick_ms();
            assert!(tick_ms > room.meeting.now_ms, "it would spin");
            room.meeting.now_ms = tick_ms;
            let outputs = room.meeting.feed(Input::Tick);
            room.take(outputs);
        }
        (room.meeting.now_ms - since_ms, room.rows().len(), room.counted())
    };
    let (took_ms, rows, counted) = drained(VoicePolicy::Several, true);
    assert_eq!((took_ms, rows), (0, 2));
    assert_eq!(counted[&None], 2 * UTTERANCE_MS);
    let (took_ms, rows, counted) = drained(VoicePolicy::Several, false);
    assert!((1..10_000).contains(&took_ms), "{took_ms}");
    assert_eq!((rows, counted[&Some(NotHeard::Ending)]), (0, 2 * UTTERANCE_MS));
    let (took_ms, rows, _) = drained(VoicePolicy::Detect, false);
    assert_eq!((took_ms, rows), (0, 0));
}

#[test]
fn a_fenced_session_tells_nobody_apart() {
    let mut room = Room::new(VoicePolicy::Several, &[]);
    let request = room.say(1, UTTERANCE_MS).unwrap();
    let outputs = room.meeting.feed(Input::Renewed(Err(StoreFailure::Fenced)));
    room.take(outputs);
    room.answer("p-1", Some(heard(request.utterance, &[Some(1)])));
    assert!(room.rows().is_empty());
}
