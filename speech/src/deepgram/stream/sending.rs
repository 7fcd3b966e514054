//! What goes out: audio that was not sent, and that an utterance is over.

use super::super::utterance::{Finalized, Utterance};
use super::{Output, Stream};

impl Stream {
    /// Sends what was not sent: complete utterances first, then the one that grows.
    pub(super) fn send(&mut self, now_ms: u64) {
        let complete = self.utterances.iter().filter(|u| u.whole.is_some());
        let growing = self
            .utterances
            .iter()
            .filter(|u| u.whole.is_none() && u.partial.is_some());
        let keys: Vec<u64> = complete.chain(growing).map(|u| u.key).collect();
        for key in keys {
            let Some(index) = self.utterances.iter().position(|u| u.key == key) else {
                continue;
            };
            let utterance = &self.utterances[index];
            let (from, to) = (utterance.sent, utterance.audio.len());
            if from < to {
                if let Some(other) = self.tape.last_key()
                    && other != key
                {
                    self.finalize(other, now_ms);
                }
                let utterance = &mut self.utterances[index];
                self.out.push(Output::Send {
                    audio: utterance.audio.clone(),
                    from,
                    to,
                });
                utterance.sent = to;
                utterance.finalized = None;
                self.tape.sent(key, from, to - from);
                self.sent_ms = now_ms;
            }
            let utterance = &self.utterances[index];
            if utterance.finalized.is_none()
                && !self.is_complete(utterance, now_ms)
                && self.finalize_ms(utterance).is_some_and(|ms| now_ms >= ms)
            {
                self.finalize(key, now_ms);
            }
        }
    }

    /// When the service is told that an utterance is over. If it was cut and speech goes on behind the cut, a `Finalize`
    /// would tear the word that is being sent: the service is given time to settle that far by itself.
    pub(super) fn finalize_ms(&self, utterance: &Utterance) -> Option<u64> {
        let asked = utterance.whole?;
        let is_last = self.tape.last_key() == Some(utterance.key);
        let patience_ms = if is_last { 0 } else { self.limits.cut_ms };
        Some(asked.since_ms + patience_ms)
    }

    /// Tells the service that an utterance is over, unless it knows.
    pub(super) fn finalize(&mut self, key: u64, now_ms: u64) {
        let position = self.tape.end();
        if self.finalized < position && self.tape.settled < position {
            self.out.push(Output::Finalize);
            self.finalizes.push_back(position);
            self.finalized = position;
            self.sent_ms = now_ms;
        }
        if let Some(utterance) = self.utterances.iter_mut().find(|u| u.key == key) {
            utterance.finalized = Some(Finalized {
                position,
                at_ms: now_ms,
            });
        }
    }
}
