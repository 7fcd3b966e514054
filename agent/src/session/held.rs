//! Utterances that no recogniser gave words for, often as it was asked. They are gaps in the ledger; their audio is held,
//! bounded, and recognised when a recogniser works again: late, but not lost.

use std::collections::VecDeque;

use speech::Hypothesis;

use super::core::Session;
use super::coverage::{Cover, Stretch};
use super::finals::{FINAL_ANSWER_LIMIT_MS, FinalRequest};
use super::hearing::RecogniseError;
use super::io::Output;
use super::outbox::Write;
use super::track::Ear;
use super::usage::{Kind, Usage};
use super::words::words_of;

/// Audio that is held at most, all tracks together; beyond it the oldest is given up and stays a gap.
pub(super) const HELD_MAX_MS: u64 = 300_000;
/// Between two attempts while none succeeds.
pub(super) const HELD_RETRY_MS: u64 = 15_000;

/// What is held.
#[derive(Debug)]
pub(super) struct Held<A> {
    waiting: VecDeque<FinalRequest<A>>,
    /// The one that is being recognised.
    asked: Option<(u64, FinalRequest<A>)>,
    /// When to ask for the next one, or to stop waiting for the answer.
    next_ms: u64,
}

impl<A> Default for Held<A> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            asked: None,
            next_ms: 0,
        }
    }
}

impl<A> Held<A> {
    fn keep(&mut self, request: FinalRequest<A>, now_ms: u64) {
        if self.waiting.is_empty() && self.asked.is_none() {
            self.next_ms = now_ms + HELD_RETRY_MS;
        }
        self.waiting.push_back(request);
        self.trim();
    }

    fn trim(&mut self) {
        let length_ms = |request: &FinalRequest<A>| request.end_ms - request.start_ms;
        while self.waiting.iter().map(length_ms).sum::<u64>() > HELD_MAX_MS {
            self.waiting.pop_front();
        }
    }

    pub(super) fn next_tick_ms(&self) -> Option<u64> {
        (self.asked.is_some() || !self.waiting.is_empty()).then_some(self.next_ms)
    }

    fn failed(&mut self, now_ms: u64) {
        if let Some((_, request)) = self.asked.take() {
            self.waiting.push_front(request);
            self.trim();
            self.next_ms = now_ms + HELD_RETRY_MS;
        }
    }
}

impl<E: Ear> Session<E> {
    /// Keeps an utterance for later; its stretch is a gap by now.
    pub(super) fn hold(&mut self, request: FinalRequest<E::Audio>, now_ms: u64) {
        self.held.keep(request, now_ms);
    }

    /// Whether an answer of the recogniser is for something that was held.
    pub(super) fn is_held(&self, ticket: u64) -> bool {
        self.held
            .asked
            .as_ref()
            .is_some_and(|(asked, _)| *asked == ticket)
    }

    pub(super) fn held_recognised(&mut self, result: Result<Hypothesis, RecogniseError>, now_ms: u64) {
        let Ok(hypothesis) = result else {
            return self.held.failed(now_ms);
        };
        let Some((_, request)) = self.held.asked.take() else {
            return;
        };
        self.held.next_ms = now_ms;
        let words = words_of(&hypothesis.words);
        let stretch = Stretch {
            id: request.segment_id,
            speaker: request.speaker.clone(),
            start_ms: request.heard_ms.0,
            end_ms: request.heard_ms.1,
            cover: Cover::Empty,
        };
        let said_ms = request.end_ms - request.start_ms;
        let spoken = request.spoken();
        // When it became a gap, it was counted as speech: only that it is recognised is new.
        let engine = hypothesis.engine.clone();
        match request.segment(words, hypothesis.engine) {
            Some(mut segment) => {
                segment.late = true;
                segment.usage.push(Usage::line_ms(
                    Kind::SpeechRecognised,
                    &engine,
                    said_ms,
                    &mut self.ids,
                ));
                self.hear_voices(spoken, &segment.words);
                self.outbox.push(Write::Segment(segment));
            }
            None => {
                self.usage.add_ms(Kind::SpeechRecognised, &engine, said_ms);
                self.coverage.restate(stretch);
            }
        }
    }

    pub(super) fn go_on_with_held(&mut self, now_ms: u64) {
        if now_ms < self.held.next_ms {
            return;
        }
        // An attempt without an answer for so long has failed.
        self.held.failed(now_ms);
        if now_ms < self.held.next_ms {
            return;
        }
        let Some(request) = self.held.waiting.pop_front() else {
            return;
        };
        let ticket = self.ticket();
        self.out.push(Output::Recognise(request.ask(ticket)));
        self.held.asked = Some((ticket, request));
        self.held.next_ms = now_ms + FINAL_ANSWER_LIMIT_MS;
    }
}
