//! Several people at one microphone: what is heard for voices, and what is written of it.

use speech::{SpeakerNumber, TurnId, VoiceEvent, VoiceLabel};

use super::*;
use crate::session::voices::{
    HearVoices, KnownAs, NotHeard, PARTICIPANTS_MAX, VoiceRows, VoiceSound, Voices, VoicesHeard,
    WAITING_MAX_MS,
};

const UTTERANCE_MS: u64 = 5_000;

/// A meeting whose writes all succeed, unless the test says otherwise.
struct Room {
    meeting: Meeting,
    next: i64,
    database_is_away: bool,
    /// What is not answered while the database is away.
    unanswered: Outputs,
    /// Requests to hear voices, all of them.
    asked: Vec<HearVoices<Sound>>,
    written: Vec<Write>,
}

impl Room {
    fn new(policy: VoicePolicy, known: &[(&str, VoiceLabel)]) -> Self {
        Self::with(Voices::new(policy, true, known.iter().copied(), []))
    }

    fn with(voices: Voices<Sound>) -> Self {
        let mut meeting = Meeting::new();
        meeting.session = Session::new("Rapporteur", 1, 0, Vec::new(), voices);
        meeting.join(1);
        meeting.settle();
        Self {
            meeting,
            next: 1,
            database_is_away: false,
            unanswered: Vec::new(),
            asked: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Lets the database answer, and keeps what is asked and written.
    fn take(&mut self, outputs: Outputs) {
        let mut left = VecDeque::from(outputs);
        while let Some(output) = left.pop_front() {
            match output {
                Output::HearVoices(request) => self.asked.push(request),
                output @ Output::Store { .. } if self.database_is_away => self.unanswered.push(output),
                Output::Store { ticket, write } => {
                    let is_segment = matches!(write, Write::Segment(_));
                    self.written.push(write);
                    let sequence = is_segment.then_some(self.next);
                    self.next += i64::from(is_segment);
                    let result = Ok(sequence);
                    left.extend(self.meeting.feed(Input::Stored { ticket, result }));
                }
                _ => {}
            }
        }
    }

    fn join(&mut self, track: u64) {
        let before = self.meeting.log.len();
        self.meeting.join(track);
        let outputs = self.meeting.log[before..].to_vec();
        self.take(outputs);
    }

    fn database_comes_back(&mut self) {
        self.database_is_away = false;
        let unanswered = std::mem::take(&mut self.unanswered);
        self.take(unanswered);
    }

    /// Somebody says something, the pause behind it included; the recogniser has not answered yet.
    fn speak(&mut self, track: u64, ms: u64) -> Recognise<Sound> {
        self.meeting.now_ms += ms - 100;
        let outputs = self.meeting.feed(Input::Audio {
            track,
            samples: vec![1; (ms as usize - 100) * 16],
        });
        self.take(outputs);
        let outputs = self.meeting.hear(track, false);
        let request = one_request(&outputs, Purpose::Final);
        self.take(outputs);
        request
    }

    fn recognised(&mut self, request: &Recognise<Sound>, text: &str) {
        let outputs = self.meeting.recognise(request, text);
        self.take(outputs);
    }

    /// Somebody says something, and it is recognised; whether it is to be heard for voices.
    fn say(&mut self, track: u64, ms: u64) -> Option<HearVoices<Sound>> {
        let before = self.asked.len();
        let request = self.speak(track, ms);
        self.recognised(&request, "some words");
        assert!(self.asked.len() <= before + 1);
        self.asked.get(before).cloned()
    }

    fn answer(&mut self, identity: &str, heard: Option<VoicesHeard>) {
        let identity = identity.to_owned();
        let outputs = self.meeting.feed(Input::VoicesHeard { identity, heard });
        self.take(outputs);
    }

    /// An utterance is over and its voices are heard at once: one turn a second each.
    fn say_as(&mut self, track: u64, labels: &[Option<VoiceLabel>]) {
        let request = self.say(track, UTTERANCE_MS).expect("it is heard");
        self.answer(&request.identity, Some(heard(request.utterance, labels)));
    }

    fn rows(&self) -> Vec<VoiceRows> {
        let rows = |write: &Write| match write {
            Write::Voices(rows) => Some(rows.clone()),
            _ => None,
        };
        self.written.iter().filter_map(rows).collect()
    }

    fn events(&self, kind: &str) -> usize {
        let is_it = |write: &&Write| matches!(write, Write::Event(event) if event.kind == kind);
        self.written.iter().filter(is_it).count()
    }

    fn counted(&mut self) -> BTreeMap<Option<NotHeard>, u64> {
        self.meeting.session.voices.take_counted()
    }
}

/// An utterance of one turn a second.
fn heard(utterance: u64, labels: &[Option<VoiceLabel>]) -> VoicesHeard {
    let mut heard = VoicesHeard {
        compute_ms: 500,
        ..VoicesHeard::default()
    };
    for (turn, label) in labels.iter().enumerate() {
        let start_ms = turn as u32 * 1_000;
        heard.turns.push(speech::Turn {
            start_ms,
            end_ms: start_ms + 900,
            sound: None,
            overlaps: false,
        });
        let turn = TurnId { utterance, turn };
        heard.events.push(VoiceEvent::Labelled { turn, label: *label });
    }
    let mut used: Vec<VoiceLabel> = labels.iter().flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    heard.sounds = used.into_iter().map(sound).collect();
    heard
}

fn sound(label: VoiceLabel) -> VoiceSound {
    VoiceSound {
        label,
        sound: vec![label as f32; 3],
        heard_ms: 3_000,
    }
}

fn labels_of(rows: &VoiceRows) -> Vec<(u64, usize, Option<VoiceLabel>)> {
    let turns = rows.turns.iter();
    turns
        .map(|turn| (turn.id.utterance, turn.id.turn, turn.label))
        .collect()
}

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

/// Words under these numbers of a connection.
fn say_numbered(room: &mut Room, connection: u64, numbers: &[Option<u32>]) {
    let request = room.speak(1, UTTERANCE_MS);
    let text = vec!["word"; numbers.len()].join(" ");
    let mut hypothesis = room.meeting.words(request.utterance, &text, request.start_ms);
    for (word, number) in hypothesis.words.iter_mut().zip(numbers) {
        word.speaker = number.map(|number| SpeakerNumber { connection, number });
    }
    let outputs = room.meeting.feed(Input::Recognised {
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
