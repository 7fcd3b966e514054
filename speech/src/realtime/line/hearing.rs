//! What the service says, and whom it is for.

use super::super::wire::{Fault, Heard};
use super::{Final, ITEMS_MAX, Line, Link, Output, Stage, TEXT_MAX_BYTES};
use crate::RecogniseError;
use crate::openai::reading::read_text;

impl Line {
    pub(super) fn heard(&mut self, heard: Heard, now_ms: u64) {
        self.silent_since_ms = now_ms;
        match heard {
            Heard::Ready => {
                if matches!(self.link, Link::Opening { .. }) {
                    self.link = Link::Open;
                    self.failures = 0;
                    self.out.push(Output::Met(Ok(())));
                }
            }
            Heard::Committed { item } => {
                self.items.retain(|(known, _)| *known != item);
                if let Some(last) = self.finals.iter_mut().find(|last| last.stage == Stage::Committed) {
                    last.stage = Stage::Named(item);
                }
            }
            Heard::Delta { item, text } => self.delta(item, &text),
            Heard::Completed { item, text } => {
                if let Some(last) = self.take(|last| last.stage == Stage::Named(item.clone())) {
                    let words = read_text(&text, &last.request.audio.to_vec(), last.request.start_ms);
                    let result = words
                        .map(|words| self.hypothesis(&last.request, words, true))
                        .map_err(|_| RecogniseError::Failed);
                    self.answer(last.ticket, result);
                }
            }
            Heard::Failed { item } => self.fail(|last| last.stage == Stage::Named(item.clone())),
            Heard::Error(fault) => self.fault(fault),
            Heard::Other => {}
            Heard::Rubbish => tracing::warn!("the realtime service says what is not its protocol"),
        }
    }

    fn fault(&mut self, fault: Fault) {
        match fault {
            Fault::Expired => {
                self.out.push(Output::Disconnect);
                self.begin_anew();
                self.link = Link::Down;
            }
            Fault::Refused(refusal) => {
                self.out.push(Output::Met(Err(refusal)));
                self.refuse(refusal.into());
            }
            Fault::Empty(ticket) => {
                if let Some(last) = self.take(|last| last.ticket == ticket) {
                    let nothing = self.hypothesis(&last.request, Vec::new(), true);
                    self.answer(ticket, Ok(nothing));
                }
            }
            Fault::Commit(ticket) => self.fail(|last| last.ticket == ticket),
            Fault::Other => {}
        }
    }

    fn delta(&mut self, item: String, text: &str) {
        // Text of what is committed comes once more when it is complete.
        let named = Stage::Named(item.clone());
        if self.orphans.contains(&item) || self.finals.iter().any(|last| last.stage == named) {
            return;
        }
        let at = self.items.iter().position(|(known, _)| *known == item);
        let at = at.unwrap_or_else(|| {
            if self.items.len() >= ITEMS_MAX {
                self.items.pop_back();
            }
            self.items.push_back((item, String::new()));
            self.items.len() - 1
        });
        let so_far = &mut self.items[at].1;
        if so_far.len() + text.len() <= TEXT_MAX_BYTES {
            so_far.push_str(text);
        }
        self.tell();
    }

    /// Commits whose item has no name yet.
    pub(super) fn unnamed(&self) -> usize {
        let is_unnamed = |last: &&Final| last.stage == Stage::Committed;
        self.finals.iter().filter(is_unnamed).count()
    }

    fn text(&self) -> &str {
        self.items
            .get(self.unnamed())
            .map_or("", |(_, text)| text.as_str())
    }

    /// Answers a partial if there is something new to say.
    pub(super) fn tell(&mut self) {
        let bytes = self.text().len();
        if self
            .growing
            .as_ref()
            .is_some_and(|growing| growing.asked.is_some() && growing.sent > 0 && bytes > growing.told_bytes)
        {
            self.tell_anyway();
        }
    }

    pub(super) fn tell_anyway(&mut self) {
        let text = self.text().to_owned();
        let is_open = self.link == Link::Open;
        let Some(growing) = &mut self.growing else { return };
        let Some((ticket, _)) = growing.asked.take() else {
            return;
        };
        growing.told_bytes = text.len();
        let request = growing.request.clone();
        let words = read_text(&text, &request.audio.to_vec(), request.start_ms);
        let result = match words {
            Ok(words) if is_open => Ok(self.hypothesis(&request, words, false)),
            _ => Err(RecogniseError::Failed),
        };
        self.answer(ticket, result);
    }
}
