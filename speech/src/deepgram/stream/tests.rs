//! The stream against a service that is played here, in virtual time. The track is a ramp: every sample says its
//! millisecond, and every 400 ms of it are a word with the number of that word.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::deepgram::heard::Results;
use crate::{RecogniseError, RequestKind, StreamId};

const WORD_MS: usize = 400;
const MS: usize = SAMPLES_PER_MS;

/// The service's side of one connection; places are milliseconds of its tape, which holds the track's milliseconds.
#[derive(Default)]
struct Service {
    tape: Vec<usize>,
    settled: usize,
    finalizes: VecDeque<usize>,
    said_goodbye: bool,
    speaker: Option<u32>,
}

impl Service {
    /// The words on the tape between two places, with their places.
    fn words(&self, from: usize, to: usize) -> Vec<HeardWord> {
        let mut words: Vec<HeardWord> = Vec::new();
        let mut at = from;
        while at < to {
            let number = self.tape[at] / WORD_MS;
            let len = self.tape[at..to]
                .iter()
                .take_while(|ms| **ms / WORD_MS == number)
                .count();
            words.push(HeardWord {
                text: format!("w{number}"),
                start: at * MS,
                end: (at + len) * MS,
                confidence: 0.9,
                speaker: self.speaker,
            });
            at += len;
        }
        words
    }

    /// Results up to the last whole word (final) or to all that was heard.
    fn results(&mut self, is_final: bool) -> Results {
        let whole = |at: &usize| *at == 0 || self.tape.get(*at).is_some_and(|ms| ms % WORD_MS == 0);
        let end = if is_final {
            (self.settled..self.tape.len())
                .rev()
                .find(whole)
                .unwrap_or(self.settled)
        } else {
            self.tape.len()
        };
        self.up_to(end, is_final, false)
    }

    fn up_to(&mut self, end: usize, is_final: bool, from_finalize: bool) -> Results {
        let words = self.words(self.settled, end);
        if is_final {
            self.settled = end;
        }
        Results {
            end: end * MS,
            words,
            is_final,
            from_finalize,
        }
    }
}

struct World {
    stream: Stream,
    service: Option<Service>,
    is_connecting: bool,
    now_ms: u64,
    tickets: u64,
    asked: HashMap<u64, (RequestKind, usize, usize)>,
    answers: HashMap<u64, Recognised>,
    said: Vec<&'static str>,
}

impl World {
    fn new(limits: DeepgramLimits) -> Self {
        Self {
            stream: Stream::new("deepgram:test".into(), limits, 7, 0),
            service: None,
            is_connecting: false,
            now_ms: 0,
            tickets: 0,
            asked: HashMap::new(),
            answers: HashMap::new(),
            said: Vec::new(),
        }
    }

    fn feed(&mut self, input: Input) {
        for output in self.stream.handle(input, self.now_ms) {
            match output {
                Output::Answer(ticket, result) => {
                    assert!(self.asked.contains_key(&ticket));
                    assert!(self.answers.insert(ticket, result).is_none(), "answered twice");
                }
                Output::Connect => {
                    assert!(!self.is_connecting && self.service.is_none());
                    self.is_connecting = true;
                    self.said.push("connect");
                }
                Output::Disconnect => {
                    assert!(self.service.take().is_some());
                    self.said.push("disconnect");
                }
                wire => self.wire(wire),
            }
        }
    }

    fn wire(&mut self, output: Output) {
        let service = self.service.as_mut().expect("no connection");
        assert!(!service.said_goodbye, "{output:?} after CloseStream");
        match output {
            Output::Send { audio, from, to } => {
                assert!(from < to && from % MS == 0 && to % MS == 0);
                service
                    .tape
                    .extend(audio[from..to].iter().step_by(MS).map(|ms| *ms as usize));
                let unique: HashSet<_> = service.tape.iter().collect();
                assert_eq!(unique.len(), service.tape.len(), "sent twice");
                self.said.push("audio");
            }
            Output::Finalize => {
                service.finalizes.push_back(service.tape.len());
                self.said.push("finalize");
            }
            Output::KeepAlive => self.said.push("keep alive"),
            Output::CloseStream => {
                service.said_goodbye = true;
                self.said.push("close");
            }
            other => panic!("{other:?}"),
        }
    }

    /// Asks for the track's audio between two milliseconds.
    fn ask(&mut self, kind: RequestKind, utterance: u64, from_ms: usize, to_ms: usize) -> u64 {
        let audio: Vec<i16> = (from_ms * MS..to_ms * MS)
            .map(|sample| (sample / MS) as i16)
            .collect();
        self.tickets += 1;
        self.asked.insert(self.tickets, (kind, from_ms, to_ms));
        let request = Request {
            stream: StreamId(1),
            utterance,
            kind,
            audio: audio.into(),
            start_ms: from_ms as u64,
            prompt: String::new(),
            settled: Vec::new(),
        };
        self.feed(Input::Request(self.tickets, request));
        self.tickets
    }

    fn partial(&mut self, utterance: u64, from_ms: usize, to_ms: usize) -> u64 {
        self.ask(RequestKind::Partial, utterance, from_ms, to_ms)
    }

    fn whole(&mut self, utterance: u64, from_ms: usize, to_ms: usize) -> u64 {
        self.ask(RequestKind::Final, utterance, from_ms, to_ms)
    }

    fn connect(&mut self) {
        if std::mem::take(&mut self.is_connecting) {
            self.service = Some(Service::default());
            self.feed(Input::Connected);
        }
    }

    fn results(&mut self, is_final: bool) {
        if let Some(service) = &mut self.service {
            let results = service.results(is_final);
            self.feed(Input::Heard(Heard::Results(results)));
        }
    }

    fn confirm(&mut self) {
        if let Some(service) = &mut self.service
            && let Some(position) = service.finalizes.pop_front()
        {
            let results = service.up_to(position.max(service.settled), true, true);
            self.feed(Input::Heard(Heard::Results(results)));
        }
    }

    fn lose(&mut self) {
        if self.service.take().is_some() {
            self.feed(Input::Lost);
        }
    }

    /// Time goes on.
    fn wait(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        let mut ticks = 0;
        while self.stream.next_tick_ms() <= until_ms && !self.stream.is_over(self.now_ms) {
            self.now_ms = self.now_ms.max(self.stream.next_tick_ms());
            self.feed(Input::Tick);
            ticks += 1;
            assert!(ticks < 10_000, "the clock stands still");
        }
        self.now_ms = until_ms;
    }

    fn error(&self, ticket: u64) -> RecogniseError {
        self.answers[&ticket].clone().unwrap_err()
    }

    fn sent_ms(&self) -> &[usize] {
        self.service.as_ref().map_or(&[], |service| &service.tape)
    }

    fn check_words(&self, ticket: u64) {
        let (_, from_ms, to_ms) = self.asked[&ticket];
        let hypothesis = self.answers[&ticket].as_ref().unwrap();
        let mut heard: Vec<(String, usize, usize)> = Vec::new();
        for word in &hypothesis.words {
            let (start_ms, end_ms) = (word.start_ms as usize, word.end_ms as usize);
            // A word through which a `Finalize` went comes in two parts.
            match heard.last_mut() {
                Some((text, _, end)) if *text == word.text && *end == start_ms => *end = end_ms,
                _ => heard.push((word.text.clone(), start_ms, end_ms)),
            }
        }
        let said: Vec<_> = (from_ms / WORD_MS..to_ms / WORD_MS)
            .map(|number| (format!("w{number}"), number * WORD_MS, (number + 1) * WORD_MS))
            .collect();
        assert_eq!(heard, said);
        assert!(hypothesis.is_whole);
    }
}

#[test]
fn a_growing_utterance_goes_out_once_and_its_words_come_back_with_the_tracks_times() {
    let mut world = World::new(DeepgramLimits::default());
    let first = world.partial(0, 4_000, 4_600);
    world.connect();
    world.results(false);
    let heard = world.answers[&first].clone().unwrap();
    assert_eq!((heard.text().as_str(), heard.is_whole), ("w10 w11", false));
    assert_eq!((heard.words[1].start_ms, heard.words[1].end_ms), (4_400, 4_600));
    let second = world.partial(0, 4_000, 5_200);
    world.results(true);
    assert!(
        !world.answers.contains_key(&second),
        "the last words are still to come"
    );
    world.results(false);
    assert_eq!(world.answers[&second].as_ref().unwrap().text(), "w10 w11 w12");
    let last = world.whole(0, 4_000, 6_000);
    assert!(!world.answers.contains_key(&last));
    world.confirm();
    world.check_words(last);
    // The pause between utterances is not sent: the tape's time is not the track's.
    let next = world.whole(1, 8_000, 9_200);
    world.confirm();
    world.check_words(next);
    assert_eq!(
        world.sent_ms(),
        (4_000..6_000).chain(8_000..9_200).collect::<Vec<_>>()
    );
}

#[test]
fn a_newer_request_overtakes_an_older_one() {
    let mut world = World::new(DeepgramLimits::default());
    let first = world.partial(0, 0, 600);
    let second = world.partial(0, 0, 1_200);
    assert_eq!(world.error(first), RecogniseError::Overtaken);
    let last = world.whole(0, 0, 1_200);
    assert_eq!(world.error(second), RecogniseError::Overtaken);
    world.connect();
    world.confirm();
    world.check_words(last);
    let late = world.partial(0, 0, 1_200);
    assert_eq!(world.error(late), RecogniseError::Overtaken);
}

#[test]
fn a_long_utterance_that_is_cut_earlier_than_was_sent_gives_its_tail_to_the_next_one() {
    let mut world = World::new(DeepgramLimits::default());
    world.partial(0, 0, 4_000);
    world.connect();
    world.results(true);
    let head = world.whole(0, 0, 2_800);
    world.check_words(head);
    assert!(
        !world.said.contains(&"finalize"),
        "it would go through the next utterance"
    );
    world.partial(1, 2_800, 4_600);
    let tail = world.whole(1, 2_800, 5_200);
    world.confirm();
    world.confirm();
    world.check_words(tail);
    assert_eq!(world.sent_ms(), (0..5_200).collect::<Vec<_>>());
}

#[test]
fn what_a_lost_connection_had_not_settled_is_sent_again_and_voices_are_not_mixed_up() {
    let mut world = World::new(DeepgramLimits::default());
    world.partial(0, 0, 2_000);
    world.connect();
    world.service.as_mut().unwrap().speaker = Some(1);
    world.results(true);
    world.lose();
    let last = world.whole(0, 0, 3_200);
    world.wait(300);
    world.connect();
    assert_eq!(world.sent_ms(), (1_600..3_200).collect::<Vec<_>>());
    world.service.as_mut().unwrap().speaker = Some(0);
    world.confirm();
    world.check_words(last);
    let words = &world.answers[&last].as_ref().unwrap().words;
    let speakers: Vec<_> = words.iter().map(|word| word.speaker.unwrap()).collect();
    assert_eq!(speakers, [1, 1, 1, 1, 2, 2, 2, 2]);
}

#[test]
fn a_service_that_falls_silent_is_left_once_and_then_the_final_has_failed() {
    let mut world = World::new(DeepgramLimits::default());
    let last = world.whole(0, 0, 2_000);
    world.connect();
    world.wait(5_000);
    assert!(world.service.is_none());
    world.wait(300);
    world.connect();
    assert_eq!(world.sent_ms().len(), 2_000);
    world.wait(12_000 + 2_000 - 5_301);
    assert!(!world.answers.contains_key(&last));
    world.wait(1);
    assert_eq!(world.error(last), RecogniseError::Failed);
    // It is asked for again and the service is well: the words come.
    let again = world.whole(0, 0, 2_000);
    world.wait(5_000);
    world.connect();
    world.confirm();
    world.check_words(again);
}

#[test]
fn an_end_that_is_not_confirmed_is_not_waited_for_when_nothing_is_left() {
    let mut world = World::new(DeepgramLimits::default());
    world.partial(0, 0, 1_800);
    world.connect();
    world.results(true);
    let last = world.whole(0, 0, 1_800);
    world.wait(1_999);
    assert!(!world.answers.contains_key(&last));
    world.wait(1);
    assert_eq!(world.answers[&last].as_ref().unwrap().text(), "w0 w1 w2 w3");
}

#[test]
fn a_quiet_connection_is_kept_and_in_the_end_closed_in_order() {
    let mut world = World::new(DeepgramLimits::default());
    world.whole(0, 0, 400);
    world.connect();
    world.confirm();
    world.said.clear();
    world.wait(119_999);
    assert_eq!(world.said, ["keep alive"; 29]);
    world.wait(1);
    assert_eq!(world.said.last(), Some(&"close"));
    world.lose();
    // Somebody speaks again: a new connection.
    let next = world.whole(1, 800, 1_200);
    world.connect();
    world.confirm();
    world.check_words(next);
    world.feed(Input::Forget);
    world.wait(4_999);
    assert!(world.service.is_some());
    world.wait(1);
    assert!(world.service.as_ref().unwrap().said_goodbye);
    world.lose();
    assert!(world.stream.is_over(world.now_ms));
}

#[test]
fn a_refusal_answers_everything_that_waits_with_its_reason() {
    let mut world = World::new(DeepgramLimits::default());
    let tickets = [world.whole(0, 0, 400), world.partial(1, 800, 1_200)];
    world.is_connecting = false;
    world.feed(Input::NotConnected(Some(Refusal::PaymentRequired)));
    for ticket in tickets {
        assert_eq!(world.error(ticket), RecogniseError::PaymentRequired);
    }
    world.wait(60_000);
    assert_eq!(world.said, ["connect"], "nobody asks, nobody connects");
}

#[test]
fn a_connection_that_talks_rubbish_is_left() {
    let mut world = World::new(DeepgramLimits::default());
    let last = world.whole(0, 0, 400);
    world.connect();
    for _ in 0..RUBBISH_MAX {
        world.feed(Input::Heard(Heard::Rubbish));
    }
    assert!(world.service.is_none());
    world.wait(300);
    world.connect();
    world.confirm();
    world.check_words(last);
}

#[derive(Clone, Debug)]
enum Step {
    Grow,
    Partial,
    /// The utterance ends here, or was cut some words before. The final may be asked for late, or never.
    End {
        cut: usize,
        late: bool,
        ask: bool,
    },
    Wait(u64),
    Connect,
    Fail,
    Refuse,
    Results(bool),
    Confirm,
    /// The service swallows a confirmation.
    Swallow,
    Lose,
    Rubbish,
    Forget,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Grow),
        6 => Just(Step::Partial),
        3 => (0..3usize, any::<bool>(), prop::bool::weighted(0.8))
            .prop_map(|(cut, late, ask)| Step::End { cut, late, ask }),
        4 => (0..3_000u64).prop_map(Step::Wait),
        1 => (10_000..200_000u64).prop_map(Step::Wait),
        4 => Just(Step::Connect),
        1 => Just(Step::Fail),
        1 => Just(Step::Refuse),
        5 => any::<bool>().prop_map(Step::Results),
        5 => Just(Step::Confirm),
        1 => Just(Step::Swallow),
        1 => Just(Step::Lose),
        1 => Just(Step::Rubbish),
        1 => Just(Step::Forget),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// `World` checks that nothing is sent twice on a connection and nothing after a goodbye.
    #[test]
    fn every_request_is_answered_once_and_finals_have_exactly_their_words(
        steps in prop::collection::vec(step(), 0..120),
    ) {
        // This service may take long to confirm an end of which it has something to say.
        let mut world = World::new(DeepgramLimits {
            confirm_ms: 1_000_000,
            ..DeepgramLimits::default()
        });
        let (mut number, mut from_ms, mut to_ms, mut asked_ms) = (0, 0, WORD_MS, 0);
        for step in steps {
            match step {
                // Only so far that a sample can still say its millisecond.
                Step::Grow => to_ms = (to_ms + 600).min(30_000),
                Step::Partial => {
                    world.partial(number, from_ms, to_ms);
                    asked_ms = to_ms;
                }
                Step::End { cut, late: is_late, ask } => {
                    let end_ms = (to_ms / WORD_MS).saturating_sub(cut) * WORD_MS;
                    let end_ms = end_ms.max(from_ms + WORD_MS);
                    let is_all_sent = asked_ms == end_ms;
                    if end_ms > to_ms || end_ms > 29_000 {
                        continue;
                    }
                    // The next one may be asked for first: requests are passed on side by side.
                    let is_sent = world.sent_ms().contains(&(end_ms - 1));
                    if ask && is_late && is_all_sent && is_sent && end_ms < 29_000 {
                        world.partial(number + 1, end_ms, end_ms + WORD_MS);
                    }
                    if ask {
                        world.whole(number, from_ms, end_ms);
                    }
                    // What follows an utterance that nobody asked for again begins behind all that was sent.
                    from_ms = if ask { end_ms } else { to_ms.div_ceil(WORD_MS) * WORD_MS };
                    to_ms = to_ms.max(from_ms + WORD_MS);
                    asked_ms = from_ms;
                    number += 1;
                }
                Step::Wait(ms) => world.wait(ms),
                Step::Connect => world.connect(),
                Step::Fail | Step::Refuse => {
                    if std::mem::take(&mut world.is_connecting) {
                        let refusal = matches!(step, Step::Refuse).then_some(Refusal::RateLimited);
                        world.feed(Input::NotConnected(refusal));
                    }
                }
                Step::Results(is_final) => world.results(is_final),
                Step::Confirm => world.confirm(),
                Step::Swallow => {
                    if let Some(service) = &mut world.service {
                        service.finalizes.pop_front();
                    }
                }
                Step::Lose => world.lose(),
                Step::Rubbish => {
                    if world.service.is_some() {
                        world.feed(Input::Heard(Heard::Rubbish));
                    }
                }
                Step::Forget => world.feed(Input::Forget),
            }
        }
        // However it stands: in bounded time everything is answered.
        world.wait(60_000);
        prop_assert_eq!(world.answers.len(), world.asked.len());
        for (ticket, (kind, ..)) in &world.asked {
            if *kind == RequestKind::Final && world.answers[ticket].is_ok() {
                world.check_words(*ticket);
            }
        }
    }
}
