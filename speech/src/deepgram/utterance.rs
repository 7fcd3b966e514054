//! One utterance on its way through the service. Places are samples since its beginning.

use super::heard::HeardWord;
use super::tape::Place;
use crate::Audio;
use crate::{SAMPLES_PER_MS, Word};

/// A request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) ticket: u64,
    pub(super) start_ms: u64,
    pub(super) since_ms: u64,
    /// How much audio it is about.
    pub(super) len: usize,
    /// When it has failed.
    pub(super) deadline_ms: u64,
}

/// That the service was told that the utterance is over.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finalized {
    /// How much was on the tape.
    pub(super) position: usize,
    pub(super) at_ms: u64,
}

#[derive(Debug)]
pub(super) struct Utterance {
    /// On the tape.
    pub(super) key: u64,
    pub(super) number: u64,
    /// All of it that is known; what was sent never changes.
    pub(super) audio: Audio,
    /// Up to where it is on the tape, or need not be because it is settled.
    pub(super) sent: usize,
    /// Up to where any result has come.
    pub(super) heard: usize,
    /// Up to where the words are settled.
    pub(super) settled: usize,
    words: Vec<HeardWord>,
    pub(super) partial: Option<Asked>,
    pub(super) whole: Option<Asked>,
    pub(super) finalized: Option<Finalized>,
}

impl Utterance {
    pub(super) fn new(key: u64, number: u64, audio: Audio) -> Self {
        Self {
            key,
            number,
            audio,
            sent: 0,
            heard: 0,
            settled: 0,
            words: Vec::new(),
            partial: None,
            whole: None,
            finalized: None,
        }
    }

    /// Whether `audio` is this utterance, shorter or longer.
    pub(super) fn is_same(&self, audio: &Audio) -> bool {
        self.audio.begins_like(audio)
    }

    /// Whether somebody waits for it.
    pub(super) fn is_wanted(&self) -> bool {
        self.partial.is_some() || self.whole.is_some()
    }

    /// A settled word.
    pub(super) fn settle(&mut self, word: HeardWord, place: Place) {
        self.words.push(HeardWord {
            start: place.start,
            end: place.end,
            ..word
        });
    }

    /// The connection is gone: what was not settled has to be sent again.
    pub(super) fn rewind(&mut self) {
        self.sent = self.settled;
        self.heard = self.settled;
        self.finalized = None;
    }

    /// It ends at `len`, before what was sent of it: what is behind belongs to the utterance that begins there.
    pub(super) fn cut(&mut self, len: usize, key: u64) -> Utterance {
        let mut tail = Utterance::new(
            key,
            self.number + 1,
            Audio::from(self.audio.range(len..self.sent)),
        );
        tail.sent = self.sent - len;
        tail.heard = self.heard.saturating_sub(len);
        tail.settled = self.settled.saturating_sub(len);
        let (behind, before) = std::mem::take(&mut self.words)
            .into_iter()
            .partition(|word: &HeardWord| word.start + (word.end - word.start) / 2 >= len);
        self.words = before;
        tail.words = behind;
        for word in &mut tail.words {
            word.start = word.start.saturating_sub(len);
            word.end = word.end.saturating_sub(len);
        }
        self.sent = len;
        self.heard = self.heard.min(len);
        self.settled = self.settled.min(len);
        tail
    }

    /// Its words, settled ones and those that are not, with times on the clock of `start_ms`.
    pub(super) fn words(&self, unsettled: &[HeardWord], start_ms: u64) -> Vec<Word> {
        let mut words: Vec<&HeardWord> = self.words.iter().chain(unsettled).collect();
        words.sort_by_key(|word| word.start);
        words
            .into_iter()
            .map(|word| Word {
                text: word.text.clone(),
                start_ms: start_ms + (word.start / SAMPLES_PER_MS) as u64,
                end_ms: start_ms + (word.end / SAMPLES_PER_MS) as u64,
                confidence: word.confidence,
                speaker: word.speaker,
            })
            .collect()
    }
}
