//! A service that is played, in virtual time. The track is a ramp: every sample says its millisecond, and every 400 ms of it
//! are a word with the number of that word.

use std::collections::{HashMap, HashSet, VecDeque};

use super::super::*;
use crate::deepgram::heard::Results;
use crate::{RecogniseError, RequestKind, StreamId};

pub(super) const WORD_MS: usize = 400;
const MS: usize = SAMPLES_PER_MS;

/// The service's side of one connection; places are milliseconds of its tape, which holds the track's milliseconds.
#[derive(Default)]
pub(super) struct Service {
    pub(super) tape: Vec<usize>,
    pub(super) settled: usize,
    pub(super) finalizes: VecDeque<usize>,
    pub(super) said_goodbye: bool,
}

impl Service {
    /// The words on the tape between two places, with their places.
    pub(super) fn words(&self, from: usize, to: usize) -> Vec<HeardWord> {
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
                speaker: None,
            });
            at += len;
        }
        words
    }

    /// Results up to the last whole word (final) or to all that was heard.
    pub(super) fn results(&mut self, is_final: bool) -> Results {
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

    pub(super) fn up_to(&mut self, end: usize, is_final: bool, from_finalize: bool) -> Results {
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

pub(super) struct World {
    pub(super) stream: Stream,
    pub(super) service: Option<Service>,
    pub(super) is_connecting: bool,
    pub(super) now_ms: u64,
    pub(super) tickets: u64,
    pub(super) asked: HashMap<u64, (RequestKind, usize, usize)>,
    pub(super) answers: HashMap<u64, Recognised>,
    pub(super) said: Vec<&'static str>,
}

impl World {
    pub(super) fn new(limits: DeepgramLimits) -> Self {
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

    pub(super) fn feed(&mut self, input: Input) {
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

    pub(super) fn wire(&mut self, output: Output) {
        let service = self.service.as_mut().expect("no connection");
        assert!(!service.said_goodbye, "{output:?} after CloseStream");
        match output {
            Output::Send { audio, from, to } => {
                assert!(from < to && from % MS == 0 && to % MS == 0);
                service.tape.extend(
                    audio
                        .range(from..to)
                        .into_iter()
                        .step_by(MS)
                        .map(|ms| ms as usize),
                );
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
    pub(super) fn ask(&mut self, kind: RequestKind, utterance: u64, from_ms: usize, to_ms: usize) -> u64 {
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

    pub(super) fn partial(&mut self, utterance: u64, from_ms: usize, to_ms: usize) -> u64 {
        self.ask(RequestKind::Partial, utterance, from_ms, to_ms)
    }

    pub(super) fn whole(&mut self, utterance: u64, from_ms: usize, to_ms: usize) -> u64 {
        self.ask(RequestKind::Final, utterance, from_ms, to_ms)
    }

    pub(super) fn connect(&mut self) {
        if std::mem::take(&mut self.is_connecting) {
            self.service = Some(Service::default());
            self.feed(Input::Connected);
        }
    }

    pub(super) fn results(&mut self, is_final: bool) {
        if let Some(service) = &mut self.service {
            let results = service.results(is_final);
            self.feed(Input::Heard(Heard::Results(results)));
        }
    }

    pub(super) fn confirm(&mut self) {
        if let Some(service) = &mut self.service
            && let Some(position) = service.finalizes.pop_front()
        {
            let results = service.up_to(position.max(service.settled), true, true);
            self.feed(Input::Heard(Heard::Results(results)));
        }
    }

    pub(super) fn lose(&mut self) {
        if self.service.take().is_some() {
            self.feed(Input::Lost);
        }
    }

    /// Time goes on.
    pub(super) fn wait(&mut self, ms: u64) {
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

    pub(super) fn error(&self, ticket: u64) -> RecogniseError {
        self.answers[&ticket].clone().unwrap_err()
    }

    pub(super) fn sent_ms(&self) -> &[usize] {
        self.service.as_ref().map_or(&[], |service| &service.tape)
    }

    pub(super) fn check_words(&self, ticket: u64) {
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
