//! What comes back: words find their utterances, and how far they are settled.

use super::super::heard::Results;
use super::Stream;
use super::{Link, SAME};

impl Stream {
    pub(super) fn results(&mut self, results: Results, now_ms: u64) {
        if self.link != Link::Up {
            return;
        }
        self.heard_ms = now_ms;
        self.failures = 0;
        self.rubbish = 0;
        let before = self.tape.settled;
        let end = results.end.min(self.tape.end());
        let mut words = results.words;
        // What is settled is not said again.
        words.retain(|word| word.start + (word.end - word.start) / 2 >= before && !word.text.is_empty());
        if results.is_final {
            self.settle(end);
            for word in words {
                let place = self.tape.place(word.start, word.end);
                let owner = place.and_then(|place| self.utterances.iter_mut().find(|u| u.key == place.key));
                if let (Some(place), Some(owner)) = (place, owner) {
                    owner.settle(word, place);
                }
            }
        } else {
            self.unsettled = words;
        }
        for utterance in &mut self.utterances {
            let reach = self.tape.reach(utterance.key, end);
            utterance.heard = utterance.heard.max(reach.unwrap_or(0));
        }
        if results.from_finalize {
            self.confirm(end);
        }
    }

    /// Words up to here do not change any more.
    pub(super) fn settle(&mut self, position: usize) {
        let settled = self.tape.settled.max(position);
        self.tape.settled = settled;
        self.unsettled
            .retain(|word| word.start + (word.end - word.start) / 2 >= settled);
        for utterance in &mut self.utterances {
            let reach = self.tape.reach(utterance.key, settled).unwrap_or(0);
            utterance.settled = utterance.settled.max(reach);
            utterance.heard = utterance.heard.max(reach);
        }
    }

    /// A `Finalize` was answered, with words up to `end`. Not every one is, and one may be answered after later results
    /// have gone past it: only the place says which it was.
    pub(super) fn confirm(&mut self, end: usize) {
        while let Some(position) = self.finalizes.front().copied()
            && position <= end + SAME
        {
            self.finalizes.pop_front();
            self.confirmed = position;
            self.settle(position);
        }
    }
}
