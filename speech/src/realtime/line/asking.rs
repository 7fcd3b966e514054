//! Who asks for what: partials of the growing utterance, and finals.

use super::super::rate;
use super::{FINALS_MAX, Final, Growing, ITEMS_MAX, LIVES, Line, Link, Output, SHORTEST_MS, Stage};
use crate::{RecogniseError, Request, SAMPLES_PER_MS};

impl Line {
    pub(super) fn partial(&mut self, ticket: u64, request: Request, now_ms: u64) {
        let is_stale = self
            .finals
            .iter()
            .any(|last| last.request.utterance >= request.utterance);
        if is_stale {
            self.answer(ticket, Err(RecogniseError::Overtaken));
            return;
        }
        let is_same = |growing: &Growing| {
            (growing.request.utterance, growing.request.start_ms) == (request.utterance, request.start_ms)
        };
        if !self.growing.as_ref().is_some_and(is_same) {
            self.drop_growing();
        }
        let asked = Some((ticket, now_ms + self.limits.partial_ms));
        match &mut self.growing {
            Some(growing) => {
                let before = std::mem::replace(&mut growing.asked, asked);
                growing.request = request;
                if let Some((before, _)) = before {
                    self.answer(before, Err(RecogniseError::Overtaken));
                }
            }
            None => {
                self.growing = Some(Growing {
                    request,
                    sent: 0,
                    asked,
                    told_bytes: 0,
                });
            }
        }
        self.tell();
    }

    /// An utterance is complete.
    pub(super) fn complete(&mut self, ticket: u64, request: Request, now_ms: u64) {
        let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
        if self.finals.len() >= FINALS_MAX {
            self.answer(ticket, Err(RecogniseError::Overloaded));
            return;
        }
        let is_same = self.growing.as_ref().is_some_and(|growing| {
            (growing.request.utterance, growing.request.start_ms) == (request.utterance, request.start_ms)
                && growing.sent <= rate::len(request.audio.len())
        });
        let mut sent = 0;
        if is_same && let Some(growing) = self.growing.take() {
            sent = growing.sent;
            if let Some((before, _)) = growing.asked {
                self.answer(before, Err(RecogniseError::Overtaken));
            }
        } else {
            // What is in the buffer is of another utterance, or too much: it was cut in the middle.
            let is_its_own = |growing: &Growing| growing.request.utterance == request.utterance;
            if self.growing.as_ref().is_some_and(is_its_own) {
                self.drop_growing();
            } else {
                self.empty_buffer();
            }
        }
        if request.audio.len() < SHORTEST_MS * SAMPLES_PER_MS {
            if sent > 0 && self.link == Link::Open {
                self.out.push(Output::Clear);
            }
            let nothing = self.hypothesis(&request, Vec::new(), true);
            self.answer(ticket, Ok(nothing));
            return;
        }
        self.finals.push_back(Final {
            ticket,
            deadline_ms: now_ms + self.limits.final_ms + audio_ms,
            request,
            sent,
            stage: Stage::Waiting,
            lives: LIVES,
        });
    }

    /// Nobody asks for the growing utterance any more.
    fn drop_growing(&mut self) {
        self.empty_buffer();
        if let Some((ticket, _)) = self.growing.take().and_then(|growing| growing.asked) {
            self.answer(ticket, Err(RecogniseError::Overtaken));
        }
    }

    /// The growing utterance is sent anew, if it is at all.
    fn empty_buffer(&mut self) {
        let Some(growing) = &mut self.growing else { return };
        if std::mem::take(&mut growing.sent) > 0 && self.link == Link::Open {
            self.out.push(Output::Clear);
        }
        let unnamed = self.unnamed().min(self.items.len());
        for (item, _) in self.items.drain(unnamed..) {
            self.orphans.push_back(item);
        }
        let surplus = self.orphans.len().saturating_sub(ITEMS_MAX);
        self.orphans.drain(..surplus);
        if let Some(growing) = &mut self.growing {
            growing.told_bytes = 0;
        }
    }
}
