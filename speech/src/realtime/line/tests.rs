//! A service in virtual time that holds the line to the protocol: what it is sent has to be one utterance from its
//! beginning to its end, and the text of that utterance is what it says.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::rate;
use super::super::wire::Fault;
use super::*;
use crate::StreamId;

const LIMITS: RealtimeLimits = RealtimeLimits {
    connect_ms: 2_000,
    partial_ms: 500,
    final_ms: 6_000,
    stall_ms: 3_000,
    idle_ms: 60_000,
    reconnect_ms: (100, 1_000),
    refusal_ms: 10_000,
};

/// An utterance whose samples say which it is.
fn request(utterance: u64, kind: RequestKind, ms: usize) -> Request {
    Request {
        stream: StreamId(1),
        utterance,
        kind,
        audio: vec![utterance as i16; ms * SAMPLES_PER_MS].into(),
        start_ms: utterance * 100_000,
        prompt: String::new(),
        settled: Vec::new(),
    }
}

#[derive(Default)]
struct World {
    line: Option<Line>,
    now_ms: u64,
    is_connected: bool,
    is_deaf: bool,
    /// What is in the buffer: whose, and up to where.
    buffer: Option<(i16, usize)>,
    items: u64,
    /// Committed and not answered: name, utterance, length at the service.
    committed: VecDeque<(String, i16, usize)>,
    answers: HashMap<u64, Recognised>,
    connects: usize,
    met: Vec<Result<(), Refusal>>,
}

impl World {
    fn new() -> Self {
        Self {
            line: Some(Line::new("realtime:test".to_owned(), LIMITS, 0)),
            ..Self::default()
        }
    }

    fn line(&self) -> &Line {
        self.line.as_ref().unwrap()
    }

    /// Hands an input in; what the line says about it is done at once, but connecting, which the test does.
    fn feed(&mut self, input: Input) {
        let outputs = self.line.as_mut().unwrap().handle(input, self.now_ms);
        for output in outputs {
            match output {
                Output::Connect => {
                    assert!(!self.is_connected, "connected twice");
                    self.connects += 1;
                }
                Output::Disconnect => self.disconnect(),
                Output::Append { audio, from, to } => {
                    assert!(self.is_connected, "sent into nothing");
                    let (whose, len) = self.buffer.unwrap_or((audio.iter().next().unwrap(), 0));
                    assert_eq!(
                        (whose, len),
                        (audio.iter().next().unwrap(), from),
                        "another utterance, or a hole in it"
                    );
                    self.buffer = Some((whose, to));
                }
                Output::Commit(_) => {
                    let (whose, len) = self.buffer.take().expect("a commit of nothing");
                    self.items += 1;
                    self.committed
                        .push_back((format!("item_{}", self.items), whose, len));
                }
                Output::Clear => {
                    assert!(self.buffer.take().is_some(), "nothing to clear");
                }
                Output::Met(answer) => self.met.push(answer),
                Output::Answer(ticket, result) => {
                    let before = self.answers.insert(ticket, result);
                    assert!(before.is_none(), "{ticket} is answered twice");
                }
            }
        }
    }

    fn disconnect(&mut self) {
        self.is_connected = false;
        self.buffer = None;
        self.committed.clear();
    }

    fn open(&mut self) {
        self.is_connected = true;
        self.feed(Input::Connected);
        self.feed(Input::Heard(Heard::Ready));
    }

    fn is_opening(&self) -> bool {
        matches!(self.line().link, Link::Opening { .. }) && !self.is_connected
    }

    /// Lets time pass, tick by tick.
    fn pass(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        loop {
            let next_ms = self.line().next_tick_ms();
            if next_ms > until_ms || self.line().is_over(self.now_ms) {
                break;
            }
            self.now_ms = next_ms.max(self.now_ms + 1);
            self.feed(Input::Tick);
        }
        self.now_ms = until_ms;
    }

    /// The service names the oldest commit and says its text.
    fn transcribe(&mut self) {
        let Some((item, whose, len)) = self.committed.pop_front() else {
            return;
        };
        self.feed(Input::Heard(Heard::Committed { item: item.clone() }));
        let text = format!("u{whose} {len}");
        self.feed(Input::Heard(Heard::Completed { item, text }));
    }

    fn text(&self, ticket: u64) -> String {
        self.answers[&ticket].as_ref().unwrap().text()
    }
}

/// More text of an item.
fn delta(item: &str, text: &str) -> Input {
    Input::Heard(Heard::Delta {
        item: item.to_owned(),
        text: text.to_owned(),
    })
}

#[test]
fn an_utterance_is_sent_while_it_grows_and_committed_once() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(3, RequestKind::Partial, 1_000)));
    world.open();
    world.feed(delta("item_1", "good "));
    assert_eq!(world.text(1), "good");
    assert!(!world.answers[&1].as_ref().unwrap().is_whole);
    // Nothing new comes: what is known is said again when it is time.
    world.feed(Input::Request(2, request(3, RequestKind::Partial, 1_600)));
    world.pass(499);
    assert!(!world.answers.contains_key(&2));
    world.pass(1);
    assert_eq!(world.text(2), "good");
    // Text that came meanwhile is said at once.
    world.feed(delta("item_1", "morning"));
    world.feed(Input::Request(3, request(3, RequestKind::Partial, 2_000)));
    assert_eq!(world.text(3), "good morning");
    world.feed(Input::Request(4, request(3, RequestKind::Final, 2_200)));
    world.transcribe();
    assert_eq!(world.text(4), "u3 52800", "2.2 s at 24 kHz");
    let last = world.answers[&4].as_ref().unwrap();
    assert!(last.is_whole && last.words[0].start_ms >= 300_000);
}

#[test]
fn words_before_a_commit_has_its_name_are_the_next_utterances_own() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.open();
    world.feed(Input::Request(2, request(2, RequestKind::Partial, 1_000)));
    world.feed(delta("item_1", "first"));
    world.feed(delta("item_2", "second"));
    assert_eq!(world.text(2), "second");
    world.transcribe();
    world.feed(Input::Request(3, request(2, RequestKind::Partial, 1_500)));
    world.feed(delta("item_2", " more"));
    assert_eq!(world.text(3), "second more");
}

#[test]
fn a_cut_utterance_is_sent_anew() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Partial, 3_000)));
    world.open();
    // Cut before what was already sent; the rest of it is the next utterance.
    world.feed(Input::Request(2, request(1, RequestKind::Final, 2_000)));
    world.feed(Input::Request(3, request(2, RequestKind::Partial, 1_200)));
    world.transcribe();
    assert_eq!(world.text(2), "u1 48000");
    assert_eq!(world.answers[&1], Err(RecogniseError::Overtaken));
}

#[test]
fn what_a_lost_session_had_not_said_is_sent_again_and_not_for_ever() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.open();
    assert_eq!(world.committed.len(), 1);
    world.disconnect();
    world.feed(Input::Lost);
    world.pass(100);
    assert!(world.is_opening());
    world.open();
    assert_eq!(world.committed.len(), 1, "sent again");
    world.disconnect();
    world.feed(Input::Lost);
    assert_eq!(world.answers[&1], Err(RecogniseError::Failed));
}

#[test]
fn an_expired_session_is_replaced_at_once() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.open();
    world.feed(Input::Heard(Heard::Error(Fault::Expired)));
    assert!(world.is_opening(), "no wait");
    world.open();
    world.transcribe();
    assert_eq!(world.text(1), "u1 24000");
}

#[test]
fn a_refusal_is_for_everybody_who_waits() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.feed(Input::Request(2, request(2, RequestKind::Partial, 1_000)));
    world.feed(Input::NotConnected(Some(Refusal::Unauthorised)));
    for ticket in [1, 2] {
        assert_eq!(world.answers[&ticket], Err(RecogniseError::Unauthorised));
    }
    assert!(world.met.is_empty(), "whoever connects has said so");
    for (ticket, refusal, error) in [
        (3, Refusal::Misconfigured, RecogniseError::Misconfigured),
        (4, Refusal::Unauthorised, RecogniseError::Unauthorised),
        (5, Refusal::PaymentRequired, RecogniseError::PaymentRequired),
        (6, Refusal::RateLimited, RecogniseError::RateLimited),
    ] {
        world.feed(Input::Request(ticket, request(ticket, RequestKind::Final, 1_000)));
        world.open();
        world.feed(Input::Heard(Heard::Error(Fault::Refused(refusal))));
        assert_eq!(world.answers[&ticket], Err(error));
        assert!(!world.is_connected, "hung up after {refusal:?}");
        // And whoever else would connect.
        assert_eq!(std::mem::take(&mut world.met), [Ok(()), Err(refusal)]);
    }
}

#[test]
fn what_is_kept_is_bounded() {
    let mut world = World::new();
    for ticket in 0..FINALS_MAX as u64 {
        world.feed(Input::Request(ticket, request(ticket, RequestKind::Final, 1_000)));
    }
    world.feed(Input::Request(99, request(99, RequestKind::Final, 1_000)));
    assert_eq!(world.answers[&99], Err(RecogniseError::Overloaded));

    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Partial, 1_000)));
    world.open();
    for item in 0..2 * ITEMS_MAX {
        world.feed(delta(&format!("item_{item}"), "word "));
    }
    assert_eq!(world.line().items.len(), ITEMS_MAX);
    for _ in 0..TEXT_MAX_BYTES {
        world.feed(delta("item_0", "word "));
    }
    let bytes = world.line().items.iter().map(|(_, text)| text.len());
    assert!(bytes.max().unwrap() <= TEXT_MAX_BYTES);
}

#[test]
fn words_of_what_was_taken_back_are_nobodys() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Partial, 1_000)));
    world.open();
    world.feed(delta("item_1", "one"));
    // Another utterance: what was sent of the first one is cleared, and its last words come late.
    world.feed(Input::Request(2, request(2, RequestKind::Partial, 1_000)));
    world.feed(delta("item_1", " more"));
    assert!(!world.answers.contains_key(&2));
    world.feed(delta("item_2", "two"));
    assert_eq!(world.text(2), "two");
}

#[test]
fn a_service_that_says_something_is_not_stalled() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.open();
    for _ in 0..3 {
        world.pass(2_000);
        world.feed(delta("item_1", "word "));
        assert!(world.is_connected);
    }
    assert_eq!(world.connects, 1);
}

#[test]
fn a_track_that_is_over_lingers_for_its_last_words() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.open();
    world.transcribe();
    world.feed(Input::Forget);
    world.pass(LINGER_MS - 1);
    assert!(world.is_connected);
    world.pass(1);
    assert!(!world.is_connected && world.line().is_over(world.now_ms));
}

#[test]
fn silence_ends_a_session_and_a_quiet_track_closes_it() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 1_000)));
    world.open();
    world.pass(2_999);
    assert!(world.is_connected);
    world.pass(1);
    assert!(!world.is_connected, "stalled");
    world.pass(100);
    world.open();
    world.transcribe();
    // Counted from the last request, which came first of all.
    world.pass(59_999 - world.now_ms);
    assert!(!world.line().is_over(world.now_ms));
    world.pass(1);
    assert!(!world.is_connected && world.line().is_over(world.now_ms));
}

#[test]
fn too_little_audio_is_no_words() {
    let mut world = World::new();
    world.feed(Input::Request(1, request(1, RequestKind::Final, 90)));
    assert_eq!(world.text(1), "");
    world.feed(Input::Request(2, request(2, RequestKind::Final, 110)));
    world.open();
    world.committed.clear();
    world.feed(Input::Heard(Heard::Error(Fault::Empty(2))));
    assert_eq!(world.text(2), "");
}

#[derive(Clone, Debug)]
enum Step {
    Partial(usize),
    Final(usize),
    Pass(u64),
    Open,
    Transcribe,
    Refuse,
    Cut,
    Expire,
    Hear(Heard),
    Deaf(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let item = (0..6u64).prop_map(|number| format!("item_{number}"));
    let heard = prop_oneof![
        (item.clone(), "[a-c ]{0,5}").prop_map(|(item, text)| Heard::Delta { item, text }),
        Just(Heard::Rubbish),
        Just(Heard::Other),
        Just(Heard::Error(Fault::Other)),
    ];
    prop_oneof![
        4 => (100..3_000usize).prop_map(Step::Partial),
        4 => (50..3_000usize).prop_map(Step::Final),
        4 => (1..2_500u64).prop_map(Step::Pass),
        6 => Just(Step::Open),
        4 => Just(Step::Transcribe),
        1 => Just(Step::Refuse),
        1 => Just(Step::Cut),
        1 => Just(Step::Expire),
        2 => heard.prop_map(Step::Hear),
        1 => any::<bool>().prop_map(Step::Deaf),
    ]
}

proptest! {
    /// Whatever the service does: every request is answered once and in time, a final's words are those of its own
    /// utterance from beginning to end, and the session is never sent a hole or a mixture (see [`World::feed`]).
    #[test]
    fn every_request_is_answered_once_with_its_own_words(steps in prop::collection::vec(steps(), 1..80)) {
        let mut world = World::new();
        let (mut ticket, mut utterance) = (0, 1);
        let mut finals = Vec::new();
        for step in steps {
            match step {
                Step::Partial(ms) => {
                    ticket += 1;
                    world.feed(Input::Request(ticket, request(utterance, RequestKind::Partial, ms)));
                }
                Step::Final(ms) => {
                    ticket += 1;
                    finals.push((ticket, utterance, ms));
                    world.feed(Input::Request(ticket, request(utterance, RequestKind::Final, ms)));
                    utterance += 1;
                }
                Step::Pass(ms) => world.pass(ms),
                Step::Open if world.is_opening() => world.open(),
                Step::Transcribe if world.is_connected && !world.is_deaf => world.transcribe(),
                Step::Refuse if world.is_opening() => world.feed(Input::NotConnected(Some(Refusal::RateLimited))),
                Step::Cut if world.is_connected => {
                    world.disconnect();
                    world.feed(Input::Lost);
                }
                Step::Expire if world.is_connected => world.feed(Input::Heard(Heard::Error(Fault::Expired))),
                Step::Hear(heard) if world.is_connected => world.feed(Input::Heard(heard)),
                Step::Deaf(is_deaf) => world.is_deaf = is_deaf,
                _ => {}
            }
        }
        world.pass(20_000);
        prop_assert_eq!(world.answers.len() as u64, ticket, "somebody still waits");
        for (ticket, utterance, ms) in finals {
            if let Ok(hypothesis) = &world.answers[&ticket] {
                let text = if ms < 100 { String::new() } else { format!("u{utterance} {}", rate::len(ms * SAMPLES_PER_MS)) };
                prop_assert_eq!(hypothesis.text(), text);
                prop_assert!(hypothesis.is_whole);
            }
        }
    }
}
