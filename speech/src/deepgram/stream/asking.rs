//! What is asked: which utterance a request is about, and what it makes of the one that is known.

use super::super::utterance::{Asked, Utterance};
use super::{FINALS_MAX, Stream};
use crate::{RecogniseError, Request, RequestKind, SAMPLES_PER_MS};

impl Stream {
    pub(super) fn asked(&mut self, ticket: u64, request: Request, now_ms: u64) {
        self.asked_ms = now_ms;
        let is_final = request.kind == RequestKind::Final;
        let asked = Asked {
            ticket,
            start_ms: request.start_ms,
            since_ms: now_ms,
            len: request.audio.len(),
            deadline_ms: now_ms + self.limits.stall_ms,
        };
        let newest = self.utterances.last().map(|utterance| utterance.number);
        let is_done = self.done.contains(&request.utterance);
        let finals = self.utterances.iter().filter(|u| u.whole.is_some()).count();
        if is_final && finals >= FINALS_MAX {
            return self.answer(asked, Err(RecogniseError::Overloaded));
        }
        if !is_final && (is_done || newest.is_some_and(|newest| request.utterance < newest)) {
            return self.answer(asked, Err(RecogniseError::Overtaken));
        }
        let index = self.place_for(&request);
        let utterance = &mut self.utterances[index];
        if !is_final && utterance.whole.is_some() {
            return self.answer(asked, Err(RecogniseError::Overtaken));
        }
        let mut overtaken = utterance.partial.take();
        if is_final {
            if utterance.sent > request.audio.len() {
                self.cut(index, request.audio.len());
            }
            let utterance = &mut self.utterances[index];
            utterance.audio = request.audio;
            let unsent_ms = ((utterance.audio.len() - utterance.sent) / SAMPLES_PER_MS) as u64;
            let deadline_ms = now_ms + self.limits.final_ms + unsent_ms;
            let older = utterance.whole.replace(Asked { deadline_ms, ..asked });
            if let Some(older) = older {
                self.answer(older, Err(RecogniseError::Overtaken));
            }
        } else {
            if request.audio.len() > utterance.audio.len() {
                utterance.audio = request.audio;
            }
            utterance.partial = Some(asked);
            let others = self
                .utterances
                .iter_mut()
                .filter(|u| u.number != request.utterance);
            overtaken = overtaken.or(others.filter_map(|other| other.partial.take()).next());
        }
        if let Some(overtaken) = overtaken {
            self.answer(overtaken, Err(RecogniseError::Overtaken));
        }
    }

    /// Where the request's utterance is; it is made if there is none, or another one of the same number.
    pub(super) fn place_for(&mut self, request: &Request) -> usize {
        let found = self
            .utterances
            .binary_search_by_key(&request.utterance, |utterance| utterance.number);
        let index = match found {
            Ok(index) if self.utterances[index].is_same(&request.audio) => return index,
            Ok(index) => {
                let stranger = self.utterances.remove(index);
                for asked in [stranger.partial, stranger.whole].into_iter().flatten() {
                    self.answer(asked, Err(RecogniseError::Overtaken));
                }
                index
            }
            Err(index) => index,
        };
        let key = self.fresh_key();
        let utterance = Utterance::new(key, request.utterance, request.audio.clone());
        self.utterances.insert(index, utterance);
        index
    }

    pub(super) fn fresh_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    /// The utterance ends before what was sent of it: the rest is the beginning of the next one (a listener cuts long
    /// utterances at a place that it finds later).
    pub(super) fn cut(&mut self, index: usize, len: usize) {
        let key = self.fresh_key();
        let utterance = &mut self.utterances[index];
        let tail = utterance.cut(len, key);
        self.tape.give(utterance.key, len, key);
        let is_known = self.done.contains(&tail.number)
            || self.utterances.iter().any(|other| other.number == tail.number);
        if !is_known {
            self.utterances.insert(index + 1, tail);
        }
    }
}
