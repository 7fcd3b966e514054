//! Who waits, how long, and what they get.

use super::super::heard::HeardWord;
use super::super::utterance::{Asked, Utterance};
use super::{DONE_MAX, INSIGNIFICANT, Link, NEARLY, Output, SAME, Stream};
use crate::{Hypothesis, RecogniseError, Recognised, SAMPLES_PER_MS};

impl Stream {
    pub(super) fn answer(&mut self, asked: Asked, result: Recognised) {
        self.out.push(Output::Answer(asked.ticket, result));
    }

    /// Fails what waited too long, and leaves a connection that says nothing.
    pub(super) fn give_up(&mut self, now_ms: u64) {
        let is_up = self.link == Link::Up;
        let mut stalled = false;
        for index in 0..self.utterances.len() {
            let utterance = &self.utterances[index];
            if let Some(asked) = utterance.whole {
                stalled |= is_up && now_ms >= self.stalled_ms(&asked);
                if now_ms >= asked.deadline_ms {
                    self.utterances[index].whole = None;
                    self.answer(asked, Err(RecogniseError::Failed));
                }
            }
            if let Some(asked) = self.utterances[index].partial
                && !is_up
                && now_ms >= asked.deadline_ms
            {
                self.utterances[index].partial = None;
                self.answer(asked, Err(RecogniseError::Failed));
            }
        }
        if stalled {
            self.out.push(Output::Disconnect);
            self.down(now_ms);
        }
    }

    pub(super) fn answer_what_is_known(&mut self, now_ms: u64) {
        let is_up = self.link == Link::Up;
        for index in (0..self.utterances.len()).rev() {
            let utterance = &self.utterances[index];
            if let Some(asked) = utterance.partial {
                let is_heard = utterance.heard + NEARLY >= asked.len && utterance.heard > 0;
                let is_late = is_up && now_ms >= self.late_ms(&asked);
                if is_heard || is_late {
                    self.utterances[index].partial = None;
                    let hypothesis = self.hypothesis(index, asked);
                    self.answer(asked, Ok(hypothesis));
                }
            }
            if let Some(asked) = self.utterances[index].whole
                && self.is_complete(&self.utterances[index], now_ms)
            {
                let mut hypothesis = self.hypothesis(index, asked);
                hypothesis.is_whole = true;
                self.answer(asked, Ok(hypothesis));
                let utterance = self.utterances.remove(index);
                self.done.push_back(utterance.number);
                if self.done.len() > DONE_MAX {
                    self.done.pop_front();
                }
            }
        }
    }

    pub(super) fn is_complete(&self, utterance: &Utterance, now_ms: u64) -> bool {
        let len = utterance.audio.len();
        let is_confirmed = utterance.finalized.is_some_and(|finalized| {
            let is_late = now_ms >= finalized.at_ms + self.limits.confirm_ms;
            finalized.position <= self.confirmed || (is_late && utterance.settled + INSIGNIFICANT >= len)
        });
        utterance.sent >= len && (is_confirmed || utterance.settled + SAME >= len)
    }

    pub(super) fn hypothesis(&self, index: usize, asked: Asked) -> Hypothesis {
        let utterance = &self.utterances[index];
        let place = |word: &HeardWord| {
            let place = self.tape.place(word.start, word.end)?;
            (place.key == utterance.key).then(|| HeardWord {
                start: place.start,
                end: place.end,
                ..word.clone()
            })
        };
        let unsettled: Vec<HeardWord> = self.unsettled.iter().filter_map(place).collect();
        Hypothesis {
            utterance: utterance.number,
            words: utterance.words(&unsettled, asked.start_ms),
            engine: self.engine.clone(),
            audio_ms: (utterance.heard.min(asked.len) / SAMPLES_PER_MS) as u64,
            is_whole: utterance.settled + SAME >= asked.len,
            compute_ms: 0,
        }
    }

    pub(super) fn refuse(&mut self, error: RecogniseError) {
        for index in 0..self.utterances.len() {
            let utterance = &mut self.utterances[index];
            let asked = [utterance.partial.take(), utterance.whole.take()];
            for asked in asked.into_iter().flatten() {
                self.answer(asked, Err(error));
            }
        }
    }

    /// When a partial is answered with what is known.
    pub(super) fn late_ms(&self, asked: &Asked) -> u64 {
        let asked_ms = asked.since_ms.max(self.connected_ms);
        (asked_ms + self.limits.partial_ms).min(asked.deadline_ms)
    }

    pub(super) fn stalled_ms(&self, asked: &Asked) -> u64 {
        self.heard_ms.max(asked.since_ms).max(self.connected_ms) + self.limits.stall_ms
    }
}
