//! What the coverage ledger says of what was heard, and of what was not.

use super::*;
use crate::session::coverage::{GROWN_MS, Microphone};
use crate::session::finals::FINAL_ATTEMPTS;
use crate::session::held::{HELD_MAX_MS, HELD_RETRY_MS};
use crate::session::types::UsageRow;

/// A database that takes everything, and remembers the ledger.
#[derive(Default)]
struct Book {
    rows: BTreeMap<Uuid, Stretch>,
    microphones: BTreeMap<String, Microphone>,
    segments: Vec<Segment>,
    /// Sums by kind.
    usage: BTreeMap<&'static str, f64>,
}

impl Book {
    fn take(&mut self, meeting: &mut Meeting, outputs: &Outputs) -> Outputs {
        let mut all = Vec::new();
        let mut open = writes(outputs);
        while let Some((ticket, write)) = open.pop() {
            match write {
                Write::Coverage(rows) => {
                    for stretch in rows.stretches {
                        self.rows.insert(stretch.id, stretch);
                    }
                    for (speaker, microphone) in rows.microphones {
                        self.microphones.insert(speaker.track_id, microphone);
                    }
                }
                Write::Segment(segment) => {
                    self.count(&segment.usage);
                    self.segments.push(segment);
                }
                Write::Usage(rows) => self.count(&rows),
                _ => {}
            }
            let outputs = meeting.feed(Input::Stored {
                ticket,
                result: Ok(Some(self.segments.len() as i64)),
            });
            open.extend(writes(&outputs));
            all.extend(outputs);
        }
        all
    }

    fn count(&mut self, rows: &[UsageRow]) {
        for row in rows {
            *self.usage.entry(row.kind).or_default() += row.quantity;
        }
    }

    fn step(&mut self, meeting: &mut Meeting, outputs: Outputs) -> Outputs {
        let more = self.take(meeting, &outputs);
        outputs.into_iter().chain(more).collect()
    }

    fn gaps(&self) -> Vec<(u64, u64, GapReason)> {
        let gap = |row: &Stretch| match row.cover {
            Cover::Gap(reason) => Some((row.start_ms, row.end_ms, reason)),
            _ => None,
        };
        let mut gaps: Vec<_> = self.rows.values().filter_map(gap).collect();
        gaps.sort_unstable();
        gaps
    }

    fn open_microphones(&self) -> Vec<&str> {
        let is_open = |(_, microphone): &(_, &Microphone)| **microphone != Microphone::Closed;
        let open = self.microphones.iter().filter(is_open);
        open.map(|(track_id, _)| track_id.as_str()).collect()
    }
}

fn meeting() -> (Meeting, Book) {
    let mut meeting = Meeting {
        shows_ledger: true,
        ..Meeting::new()
    };
    meeting.join(1);
    let mut book = Book::default();
    let log = meeting.log.clone();
    book.take(&mut meeting, &log);
    (meeting, book)
}

fn fail(meeting: &mut Meeting, ticket: u64) -> Outputs {
    meeting.feed(Input::Recognised {
        sent: Vec::new(),
        ticket,
        result: Err(RecogniseError::Failed),
    })
}

/// An utterance for which no recogniser gives words.
fn fail_for_good(meeting: &mut Meeting, book: &mut Book) {
    let mut request = meeting.speak(1);
    for attempt in 1..=FINAL_ATTEMPTS {
        let outputs = fail(meeting, request.ticket);
        book.step(meeting, outputs);
        if attempt < FINAL_ATTEMPTS {
            let mut asked = Vec::new();
            while asked.is_empty() {
                let outputs = meeting.wait(500);
                asked = requests(&book.step(meeting, outputs), Purpose::Final);
            }
            request = asked.remove(0);
        }
    }
    let outputs = meeting.wait(1_000);
    book.step(meeting, outputs);
}

#[test]
fn what_is_being_said_is_in_the_ledger_before_it_is_over() {
    let (mut meeting, mut book) = meeting();
    for _ in 0..50 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
    }
    let [row] = &book.rows.values().cloned().collect::<Vec<_>>()[..] else {
        panic!("{:?}", book.rows);
    };
    assert_eq!((row.cover, row.start_ms), (Cover::Open, 0));
    assert!(row.end_ms > 5_000 - GROWN_MS, "{row:?}");
    assert_eq!(book.microphones["TR_1"], Microphone::Heard);
}

#[test]
fn noise_is_empty_and_no_gap() {
    let (mut meeting, mut book) = meeting();
    let request = meeting.speak(1);
    let outputs = meeting.recognise(&request, "");
    book.step(&mut meeting, outputs);
    let outputs = meeting.wait(1_000);
    book.step(&mut meeting, outputs);
    let covers: Vec<_> = book.rows.values().map(|row| row.cover).collect();
    assert_eq!(covers, [Cover::Empty]);
}

#[test]
fn what_no_recogniser_understands_is_a_gap_until_one_does() {
    let (mut meeting, mut book) = meeting();
    fail_for_good(&mut meeting, &mut book);
    assert_eq!(book.gaps(), [(0, 400, GapReason::RecogniserFailed)]);

    let outputs = meeting.wait(HELD_RETRY_MS);
    let request = one_request(&book.step(&mut meeting, outputs), Purpose::Final);
    let outputs = fail(&mut meeting, request.ticket);
    book.step(&mut meeting, outputs);
    assert!(book.segments.is_empty());
    let outputs = meeting.wait(HELD_RETRY_MS);
    let request = one_request(&book.step(&mut meeting, outputs), Purpose::Final);
    let outputs = meeting.recognise(&request, "late words");
    let outputs = book.step(&mut meeting, outputs);
    let [segment] = &book.segments[..] else {
        panic!("{:?}", book.segments);
    };
    assert_eq!((segment.text.as_str(), segment.late), ("late words", true));
    assert_eq!(segment.heard_ms, (0, 400));
    assert_eq!(finals(&outputs).len(), 1);
    let outputs = meeting.wait(10 * HELD_RETRY_MS);
    assert!(
        requests(&outputs, Purpose::Final).is_empty(),
        "it is asked for once"
    );
    book.step(&mut meeting, outputs);
    let used = |kind| book.usage.get(kind).copied().unwrap_or_default();
    assert!(used("speech_detected") > 0.0, "{:?}", book.usage);
    assert_eq!(
        used("speech_recognised"),
        used("speech_detected"),
        "what is recognised late is recognised too"
    );
}

#[test]
fn audio_is_held_up_to_a_limit_and_the_oldest_goes_first() {
    let (mut meeting, mut book) = meeting();
    fail_for_good(&mut meeting, &mut book);
    for _ in 0..HELD_MAX_MS / 100 - 2 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
    }
    let outputs = meeting.hear(1, false);
    let outputs = book.step(&mut meeting, outputs);
    // The retry of the first is under way; it fails while the second becomes a gap of the whole limit.
    let mut long = requests(&outputs, Purpose::Final);
    while book.gaps().len() < 2 {
        for request in std::mem::take(&mut long) {
            let outputs = fail(&mut meeting, request.ticket);
            book.step(&mut meeting, outputs);
        }
        let outputs = meeting.wait(500);
        long = requests(&book.step(&mut meeting, outputs), Purpose::Final);
    }
    let outputs = meeting.wait(HELD_RETRY_MS);
    let mut asked: Vec<u64> = long.iter().map(|request| request.start_ms).collect();
    asked.extend(
        requests(&book.step(&mut meeting, outputs), Purpose::Final)
            .iter()
            .map(|request| request.start_ms),
    );
    assert!(!asked.is_empty() && !asked.contains(&0), "{asked:?}");
}

#[test]
fn a_lost_connection_is_a_gap_from_the_last_sound_to_the_first() {
    let (mut meeting, mut book) = meeting();
    let request = meeting.speak(1);
    let outputs = meeting.recognise(&request, "before");
    book.step(&mut meeting, outputs);
    // The connection is lost at 300 ms; it is noticed five seconds later and back after ten.
    for index in 0..100 {
        let outputs = meeting.hear(1, false);
        book.step(&mut meeting, outputs);
        if index == 49 {
            meeting.feed(Input::ConnectionLost);
        }
    }
    meeting.feed(Input::ConnectionBack);
    for _ in 0..10 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
    }
    assert_eq!(book.gaps(), [(400, 10_400, GapReason::ConnectionLost)]);
}

#[test]
fn sound_that_was_lost_on_its_way_is_a_gap_where_the_microphone_was_open() {
    let lost = |meeting: &mut Meeting, from_ms: u64, until_ms: u64| {
        meeting.feed(Input::AudioMissing {
            track: 1,
            ago_ms: (meeting.now_ms - from_ms, meeting.now_ms - until_ms),
            reason: GapReason::ConnectionLost,
        })
    };
    let (mut meeting, mut book) = meeting();
    let request = meeting.speak(1);
    let outputs = meeting.recognise(&request, "before");
    book.step(&mut meeting, outputs);
    let begun_ms = meeting.now_ms;
    for _ in 0..40 {
        let outputs = meeting.hear(1, false);
        book.step(&mut meeting, outputs);
    }
    let outputs = lost(&mut meeting, begun_ms + 500, begun_ms + 3_900);
    book.step(&mut meeting, outputs);
    let expected = (begun_ms + 500, begun_ms + 3_900, GapReason::ConnectionLost);
    // Nothing of a muted microphone is missing, and nothing of before it was unmuted.
    for muted in [true, false] {
        let outputs = meeting.feed(Input::TrackMuted { track: 1, muted });
        book.step(&mut meeting, outputs);
        let outputs = meeting.wait(2_000);
        book.step(&mut meeting, outputs);
        let now_ms = meeting.now_ms;
        let outputs = lost(&mut meeting, now_ms - 3_000, now_ms);
        book.step(&mut meeting, outputs);
    }
    let outputs = meeting.wait(1_000);
    book.step(&mut meeting, outputs);
    let unmuted_ms = begun_ms + 6_000;
    assert_eq!(
        book.gaps(),
        [
            expected,
            (unmuted_ms, unmuted_ms + 2_000, GapReason::ConnectionLost)
        ]
    );
}

/// One speaker is heard; then the room is lost, and with it, as when the media server restarts, everybody who was in it.
fn lost_with_everybody() -> (Meeting, Book) {
    let (mut meeting, mut book) = meeting();
    for _ in 0..3 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
    }
    for input in [
        Input::ConnectionLost,
        Input::TrackEnded { track: 1 },
        Input::ParticipantLeft {
            identity: "p-1".into(),
        },
    ] {
        let outputs = meeting.feed(input);
        book.step(&mut meeting, outputs);
    }
    (meeting, book)
}

#[test]
fn who_comes_back_after_the_agent_was_not_heard_until_then() {
    let (mut meeting, mut book) = lost_with_everybody();
    meeting.now_ms += 10_000;
    let outputs = meeting.feed(Input::ConnectionBack);
    book.step(&mut meeting, outputs);
    meeting.now_ms += 5_000;
    let outputs = meeting.join_on(2, "TR_anew", 1);
    book.step(&mut meeting, outputs);
    for _ in 0..10 {
        let outputs = meeting.hear(2, true);
        book.step(&mut meeting, outputs);
    }
    assert_eq!(book.gaps(), [(300, 15_300, GapReason::ConnectionLost)]);
    assert_eq!(book.open_microphones(), ["TR_anew"]);
}

#[test]
fn who_does_not_come_back_was_gone_when_the_agent_was_back() {
    let (mut meeting, mut book) = lost_with_everybody();
    meeting.now_ms += 10_000;
    let outputs = meeting.feed(Input::ConnectionBack);
    book.step(&mut meeting, outputs);
    meeting.now_ms = meeting.session.next_tick_ms().max(meeting.now_ms + 30_000);
    let outputs = meeting.feed(Input::Tick);
    book.step(&mut meeting, outputs);
    assert_eq!(book.gaps(), [(300, 10_300, GapReason::ConnectionLost)]);
    assert!(book.open_microphones().is_empty());
}

#[test]
fn a_connection_that_carried_sound_all_the_time_was_not_lost() {
    let (mut meeting, mut book) = meeting();
    for index in 0..60 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
        if index == 20 {
            meeting.feed(Input::ConnectionLost);
        }
        if index == 40 {
            meeting.feed(Input::ConnectionBack);
        }
    }
    assert_eq!(book.gaps(), []);
}

#[test]
fn what_nobody_heard_between_two_agents_ends_with_the_first_sound() {
    let row = |track: u64| Stretch {
        id: Uuid::from_u128(u128::from(track)),
        speaker: Speaker {
            identity: format!("p-{track}"),
            name: format!("Speaker {track}"),
            track_id: format!("TR_{track}"),
        },
        start_ms: 4_000,
        end_ms: 10_000,
        cover: Cover::Gap(GapReason::NoAgent),
    };
    let mut meeting = Meeting {
        shows_ledger: true,
        ..Meeting::new()
    };
    meeting.session = Session::new("Rapporteur", 1, 10_000, vec![row(1), row(2)], no_voices());
    meeting.now_ms = 10_700;
    let mut book = Book::default();
    meeting.join(1);
    let log = meeting.log.clone();
    book.take(&mut meeting, &log);
    for _ in 0..10 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
    }
    // The other one has left in the meantime; its row stays as it was written with the lease.
    assert_eq!(book.gaps(), [(4_000, 10_700, GapReason::NoAgent)]);
    let spoken = book.rows.values().find(|row| row.cover == Cover::Open).unwrap();
    assert_eq!(spoken.start_ms, 10_700);
}

#[test]
fn a_session_that_ends_before_the_meeting_leaves_its_microphones_open() {
    for (reason, left) in [
        (EndReason::WorkerDrained, Microphone::HeardUntil(100)),
        (EndReason::RoomClosed, Microphone::Closed),
    ] {
        let (mut meeting, mut book) = meeting();
        let outputs = meeting.hear(1, false);
        book.step(&mut meeting, outputs);
        let outputs = meeting.feed(Input::Drain(reason));
        book.step(&mut meeting, outputs);
        assert_eq!(book.microphones["TR_1"], left);
    }
}

#[test]
fn a_full_outbox_is_a_gap_with_its_reason() {
    let (mut meeting, mut book) = meeting();
    for number in 0..600 {
        let segment = Segment {
            id: Uuid::from_u128(900 + number),
            identity: "p".into(),
            speaker_name: "P".into(),
            track_id: "TR_9".into(),
            start_ms: 0,
            end_ms: 1,
            text: "x".into(),
            words: Vec::new(),
            engine: "test".into(),
            heard_ms: (0, 1),
            late: false,
            usage: Vec::new(),
        };
        meeting.session.outbox.push(Write::Segment(segment));
    }
    let mut outputs = Vec::new();
    for _ in 0..20 {
        outputs.extend(meeting.hear(1, true));
    }
    book.take(&mut meeting, &outputs);
    assert_eq!(book.segments.len(), 600);
    for _ in 0..10 {
        let outputs = meeting.hear(1, true);
        book.step(&mut meeting, outputs);
    }
    assert_eq!(book.gaps(), [(100, 2_000, GapReason::OutboxFull)]);
}

#[test]
fn viewers_are_told_of_load_at_once_and_of_calm_after_a_while() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let told = |outputs: &Outputs| -> Vec<Pressure> {
        writes(outputs)
            .into_iter()
            .filter_map(|(_, write)| {
                if let Write::Pressure(pressure) = write {
                    Some(pressure)
                } else {
                    None
                }
            })
            .collect()
    };
    let mut book = Book::default();
    let mut asked = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..17 {
        for _ in 0..2 {
            let outputs = meeting.hear(1, true);
            let outputs = book.step(&mut meeting, outputs);
            seen.extend(told(&outputs));
        }
        let outputs = meeting.hear(1, false);
        let outputs = book.step(&mut meeting, outputs);
        asked.extend(requests(&outputs, Purpose::Final));
        seen.extend(told(&outputs));
    }
    assert_eq!(seen, [Pressure::NoPartials]);
    for request in asked {
        let outputs = meeting.recognise(&request, "words");
        let outputs = book.step(&mut meeting, outputs);
        seen.extend(told(&outputs));
    }
    assert_eq!(seen, [Pressure::NoPartials]);
    let outputs = meeting.wait(CALM_MS);
    seen.extend(told(&book.step(&mut meeting, outputs)));
    assert_eq!(seen, [Pressure::NoPartials, Pressure::None]);
}
