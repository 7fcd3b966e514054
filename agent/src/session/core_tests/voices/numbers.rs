//! A recogniser that numbers speakers itself.

use super::*;

/// Words under these numbers of a connection.
fn say_numbered(room: &mut Room, connection: u64, numbers: &[Option<u32>]) {
    let request = room.speak(1, UTTERANCE_MS);
    let text = vec!["word"; numbers.len()].join(" ");
    let mut hypothesis = room.meeting.words(request.utterance, &text, request.start_ms);
    for (word, number) in hypothesis.words.iter_mut().zip(numbers) {
        word.speaker = number.map(|number| SpeakerNumber { connection, number });
    }
    let outputs = room.meeting.feed(Input::Recognised {
        sent: Vec::new(),
        ticket: request.ticket,
        result: Ok(hypothesis),
    });
    room.take(outputs);
}

/// A recogniser that numbers speakers itself is believed which words are whose; whose number it is the networks hear, from
/// the first word on and whatever the sample says.
#[test]
fn a_recognisers_numbers_are_heard_with_what_is_said_under_them() {
    let mut room = Room::new(VoicePolicy::Detect, &[]);
    for asked in 0..12 {
        say_numbered(&mut room, 3, &[Some(0), Some(0), Some(1), None]);
        assert_eq!(room.asked.len(), asked + 1);
        let request = room.asked[asked].clone();
        let runs: Vec<_> = request
            .runs
            .iter()
            .map(|run| {
                (
                    run.start_ms,
                    run.end_ms,
                    run.speaker.connection,
                    run.speaker.number,
                )
            })
            .collect();
        assert_eq!(runs, [(0, 19, 3, 0), (20, 29, 3, 1)]);
        room.answer("p-1", Some(heard(request.utterance, &[Some(1), None])));
    }
    assert!(room.rows().is_empty(), "there is one voice");
    // The chain's next recogniser numbers nobody: it is the same voices that are heard.
    room.say(1, UTTERANCE_MS);
    assert!(room.asked[12].runs.is_empty());
    let both = heard(room.asked[12].utterance, &[Some(1), Some(2)]);
    room.answer("p-1", Some(both));
    assert_eq!((room.rows().len(), room.events("several_voices")), (1, 1));
}

/// Without networks nobody knows who is who on a new connection, or in the next session: labels are given once.
#[test]
fn without_networks_each_connections_numbers_become_labels_of_their_own() {
    let known = [("p-1", 1), ("p-1", 2)];
    for (known, given) in [(&known[..0], 0), (&known[..], 4)] {
        let voices = Voices::new(
            VoicePolicy::Detect,
            false,
            known.iter().copied(),
            [("p-1", given)],
        );
        let mut room = Room::with(voices);
        say_numbered(&mut room, 0, &[Some(0), Some(0)]);
        say_numbered(&mut room, 0, &[Some(0), Some(1), Some(1)]);
        say_numbered(&mut room, 1, &[Some(0)]);
        assert!(room.asked.is_empty());
        let turns: Vec<_> = room.rows().iter().flat_map(labels_of).collect();
        let label = |number: VoiceLabel| Some(given + number);
        assert_eq!(
            turns,
            [
                (0, 0, label(1)),
                (1, 0, label(1)),
                (1, 1, label(2)),
                (2, 0, label(3))
            ]
        );
        let rows = room.rows();
        let last = rows.iter().flat_map(|rows| &rows.turns).nth(2).unwrap();
        let begin_ms = UTTERANCE_MS;
        assert_eq!((last.start_ms, last.end_ms), (begin_ms + 10, begin_ms + 29));
        // Nobody knows what they sound like.
        assert!(rows.iter().all(|rows| rows.voices.is_empty()));
        say_numbered(&mut room, 1, &[None, None]);
        assert_eq!(room.rows().len(), rows.len());
    }
}
