//! What was said just before. In noise Whisper hears an utterance better with the ones before it, as it does off line, and the
//! encoder's large window has room for them: they are heard again, and of the words only the new ones are taken.

use std::collections::{HashMap, VecDeque};

use parking_lot::Mutex;

use crate::word::line;
use crate::{Audio, Request, SAMPLES_PER_MS, StreamId, Word};

/// As much of a track is kept at most.
const KEPT_MS: u64 = 8_000;
/// Tracks that are over may come back with a last answer; the oldest ones go.
const STREAMS_MAX: usize = 256;
/// After a longer pause somebody else may have taken the microphone, or another matter begins.
const LONGEST_PAUSE_MS: u64 = 5_000;
/// An utterance begins again with a little of the pause behind the one before.
const OVERLAP_MS: u64 = 100;
/// Each letter of a word whose middle is further on the wrong side of the seam
const SEAM_MS: u64 = 100;
/// is so much of an error.
const MISPLACED: f32 = 0.6;
/// With more wrong letters, or a greater share of those known, the words before were not heard again: where the new ones begin
/// nobody knows.
const ERRORS_MAX: (f32, f32) = (8.0, 0.34);

/// What was recognised of one utterance, with care.
#[derive(Debug)]
struct Said {
    utterance: u64,
    audio: Audio,
    start_ms: u64,
    words: Vec<Word>,
}

impl Said {
    fn end_ms(&self) -> u64 {
        self.start_ms + self.length_ms()
    }

    fn length_ms(&self) -> u64 {
        (self.audio.len() / SAMPLES_PER_MS) as u64
    }
}

/// The last utterances of each track. Of quiet tracks nothing is kept.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashMap<StreamId, VecDeque<Said>>>);

impl Memory {
    /// Takes note of what was recognised; a longer hearing of the same utterance takes the place of the one before.
    pub(super) fn keep(&self, request: &Request, words: &[Word]) {
        let mut streams = self.0.lock();
        if streams.len() >= STREAMS_MAX
            && !streams.contains_key(&request.stream)
            && let Some(oldest) = streams.keys().min().copied()
        {
            streams.remove(&oldest);
        }
        let track = streams.entry(request.stream).or_default();
        track.retain(|said| said.utterance < request.utterance);
        track.push_back(Said {
            utterance: request.utterance,
            audio: request.audio.clone(),
            start_ms: request.start_ms,
            words: words.to_vec(),
        });
        while track.iter().map(Said::length_ms).sum::<u64>() > KEPT_MS {
            track.pop_front();
        }
    }

    /// The whole utterances right before this one that fit in so many milliseconds; none where there was a long pause.
    pub(super) fn before(&self, request: &Request, room_ms: u64) -> Before {
        let streams = self.0.lock();
        let mut before = Before::default();
        let (mut room_ms, mut next_ms) = (room_ms, request.start_ms);
        let track = streams.get(&request.stream).into_iter().flatten();
        for said in track.rev().filter(|said| said.utterance < request.utterance) {
            let is_adjacent = said.end_ms() <= next_ms + OVERLAP_MS
                && next_ms.saturating_sub(said.end_ms()) <= LONGEST_PAUSE_MS;
            if !is_adjacent || said.length_ms() > room_ms {
                break;
            }
            room_ms -= said.length_ms();
            next_ms = said.start_ms;
            before.audio.insert(0, said.audio.clone());
            before.words.splice(0..0, said.words.iter().cloned());
        }
        before
    }

    /// The track is over.
    pub(super) fn forget(&self, stream: StreamId) {
        self.0.lock().remove(&stream);
    }
}

/// Utterances that are heard again.
#[derive(Debug, Default)]
pub(super) struct Before {
    audio: Vec<Audio>,
    words: Vec<Word>,
}

impl Before {
    pub(super) fn is_empty(&self) -> bool {
        self.audio.is_empty()
    }

    pub(super) fn samples(&self) -> impl Iterator<Item = i16> {
        self.audio.iter().flat_map(Audio::iter)
    }

    pub(super) fn length_ms(&self) -> u64 {
        self.audio
            .iter()
            .map(|audio| (audio.len() / SAMPLES_PER_MS) as u64)
            .sum()
    }

    /// A prompt without the words that are heard again at its end.
    pub(super) fn shortened<'a>(&self, prompt: &'a str) -> &'a str {
        let said = line(&self.words);
        let same = prompt
            .chars()
            .rev()
            .zip(said.chars().rev())
            .take_while(|(prompt, said)| prompt == said)
            .map(|(letter, _)| letter.len_utf8())
            .sum::<usize>();
        &prompt[..prompt.len() - same]
    }

    /// The words from where the new ones begin, by what is known of those before and by the times; `None` if the words
    /// before are not to be found, or nothing is behind them: Whisper may stop after a sentence, and hears the next one
    /// when it is alone. The new audio begins at `seam_ms`.
    pub(super) fn new_words(&self, heard: Vec<Word>, seam_ms: u64) -> Option<Vec<Word>> {
        let known = letters(&self.words);
        let again: Vec<Vec<char>> = heard.iter().map(|word| word.normal().chars().collect()).collect();
        let middle_ms = |word: &Word| (word.start_ms + word.end_ms) / 2;
        let is_early = |word: &Word| middle_ms(word) + SEAM_MS < seam_ms;
        let is_late = |word: &Word| middle_ms(word) > seam_ms + SEAM_MS;
        // Letters on the wrong side of the seam, if so many words are those before: at first all are new.
        let mut misplaced: usize = heard
            .iter()
            .zip(&again)
            .filter(|(word, _)| is_early(word))
            .map(|(_, letters)| letters.len())
            .sum();
        let mut edits = Edits::of(&known);
        let mut best = (edits.cost(misplaced), 0);
        for (count, (word, letters)) in heard.iter().zip(&again).enumerate() {
            edits.hear(letters);
            if is_early(word) {
                misplaced -= letters.len();
            } else if is_late(word) {
                misplaced += letters.len();
            }
            let cost = edits.cost(misplaced);
            if cost <= best.0 {
                best = (cost, count + 1);
            }
        }
        let (cost, count) = best;
        let is_found = cost <= ERRORS_MAX.0.max(known.len() as f32 * ERRORS_MAX.1);
        let reaches_new = |word: &Word| word.end_ms > seam_ms + SEAM_MS;
        let is_new = heard.iter().skip(count).next_back().is_some_and(reaches_new);
        (is_found && is_new).then(|| heard.into_iter().skip(count).collect())
    }
}

fn letters(words: &[Word]) -> Vec<char> {
    let text: String = words.iter().map(Word::normal).collect();
    text.chars().collect()
}

/// How unlike the known letters those are that were heard so far. By letters a word is known that is heard as two
/// ("telemarketers", "to a marketer").
struct Edits<'a> {
    known: &'a [char],
    /// Between so many of the known letters and all that were heard.
    counts: Vec<u32>,
}

impl<'a> Edits<'a> {
    fn of(known: &'a [char]) -> Self {
        let counts = (0..=known.len() as u32).collect();
        Self { known, counts }
    }

    fn hear(&mut self, letters: &[char]) {
        for letter in letters {
            let mut before = self.counts[0];
            self.counts[0] += 1;
            for (index, known) in self.known.iter().enumerate() {
                let without = self.counts[index + 1];
                self.counts[index + 1] =
                    (before + u32::from(known != letter)).min(without.min(self.counts[index]) + 1);
                before = without;
            }
        }
    }

    /// In letters.
    fn cost(&self, misplaced: usize) -> f32 {
        let edits = self.counts.last().copied().unwrap_or_default();
        edits as f32 + misplaced as f32 * MISPLACED
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::RequestKind;

    const MS: usize = SAMPLES_PER_MS;

    fn request(stream: u64, utterance: u64, start_ms: u64, length_ms: usize) -> Request {
        Request {
            stream: StreamId(stream),
            utterance,
            kind: RequestKind::Final,
            audio: Audio::from(vec![utterance as i16; length_ms * MS]),
            start_ms,
            prompt: String::new(),
            settled: Vec::new(),
        }
    }

    /// One word each 300 ms.
    fn words(text: &str, start_ms: u64) -> Vec<Word> {
        let word = |(index, text): (usize, &str)| Word {
            text: text.into(),
            start_ms: start_ms + index as u64 * 300,
            end_ms: start_ms + index as u64 * 300 + 300,
            confidence: 0.9,
            speaker: None,
        };
        text.split_whitespace().enumerate().map(word).collect()
    }

    fn before(text: &str) -> Before {
        Before {
            audio: vec![Audio::from(vec![0; 1_000 * MS])],
            words: words(text, 0),
        }
    }

    fn new(known: &str, heard: &str, seam_ms: u64) -> Option<String> {
        let new = before(known).new_words(words(heard, 0), seam_ms)?;
        Some(line(&new))
    }

    #[test]
    fn the_utterances_right_before_are_heard_again_as_far_as_they_fit() {
        let memory = Memory::default();
        memory.keep(&request(1, 0, 0, 3_000), &words("one", 0));
        memory.keep(&request(1, 1, 3_400, 1_500), &words("two", 3_400));
        memory.keep(&request(1, 1, 3_400, 2_000), &words("two three", 3_400));
        memory.keep(&request(2, 0, 5_000, 400), &words("elsewhere", 5_000));
        let of = |utterance, start_ms, room_ms| {
            let before = memory.before(&request(1, utterance, start_ms, 1_000), room_ms);
            (before.length_ms(), line(&before.words))
        };
        assert_eq!(of(2, 5_350, 9_000), (5_000, "one two three".into()));
        assert_eq!(of(2, 5_350, 4_999), (2_000, "two three".into()));
        assert_eq!(of(2, 10_401, 9_000), (0, String::new()), "after a long pause");
        assert_eq!(of(2, 5_200, 9_000), (0, String::new()), "it heard what comes now");
        assert_eq!(of(1, 3_400, 9_000), (3_000, "one".into()), "itself is not before");
        memory.keep(&request(1, 2, 5_400, 7_000), &words("four", 5_400));
        assert_eq!(
            of(3, 12_600, 20_000),
            (7_000, "four".into()),
            "eight seconds are kept"
        );
        memory.forget(StreamId(1));
        assert_eq!(of(3, 12_600, 20_000), (0, String::new()));
    }

    #[test]
    fn tracks_that_come_back_when_they_are_over_are_few() {
        let memory = Memory::default();
        for stream in 0..1_000 {
            memory.keep(&request(stream, 0, 0, 10), &[]);
        }
        assert_eq!(memory.0.lock().len(), STREAMS_MAX);
    }

    #[test]
    fn new_words_begin_behind_the_known_ones() {
        let new = |heard, seam_ms| new("please press two", heard, seam_ms);
        assert_eq!(
            new("please press two for accounts", 900).as_deref(),
            Some("for accounts")
        );
        assert_eq!(
            new("Please, press to for accounts.", 900).as_deref(),
            Some("for accounts.")
        );
        assert_eq!(
            new("press two for accounts", 600).as_deref(),
            Some("for accounts")
        );
        assert_eq!(
            new("please press two press two", 900).as_deref(),
            Some("press two")
        );
        assert_eq!(new("please press two", 900), None, "nothing new");
        assert_eq!(
            new("please press two now", 1_150),
            None,
            "what was missing before"
        );
        assert_eq!(new("so what did he say to you", 900), None, "not what was known");
    }

    #[test]
    fn where_the_text_does_not_tell_the_time_does() {
        // One known word was not heard again: is the third one it, or new?
        assert_eq!(
            new("going home", "going we went", 300).as_deref(),
            Some("we went")
        );
        assert_eq!(new("going home", "going hum went", 600).as_deref(), Some("went"));
    }

    #[test]
    fn what_is_heard_otherwise_the_second_time_is_not_said_twice() {
        assert_eq!(
            new(
                "agents are assisting other telemarketers.",
                "agents are assisting others to a marketer. Please hold.",
                1_700
            )
            .as_deref(),
            Some("Please hold.")
        );
        assert_eq!(
            new(
                "please visit www.asterisk.",
                "please visit www.asterisk.org at the tone",
                750
            )
            .as_deref(),
            Some("at the tone")
        );
        assert_eq!(
            new(
                "for a directory press 4.",
                "for a directory press 4. For an operator",
                1_000
            )
            .as_deref(),
            Some("For an operator"),
            "although it came late"
        );
    }

    #[test]
    fn a_prompt_does_not_say_what_is_heard_again() {
        let before = before("please press two");
        assert_eq!(
            before.shortened("Waldo, Digium. Good day. please press two"),
            "Waldo, Digium. Good day. "
        );
        assert_eq!(before.shortened("press two"), "");
        assert_eq!(before.shortened("Grüße"), "Grüße");
    }

    proptest! {
        #[test]
        fn what_is_new_is_the_end_of_what_was_heard(known in "[abc ]{0,20}", heard in "[abc ]{0,30}", seam_ms in 0_u64..6_000) {
            let heard = words(&heard, 0);
            if let Some(new) = before(&known).new_words(heard.clone(), seam_ms) {
                prop_assert!(heard.ends_with(&new));
            }
        }

        #[test]
        fn what_is_said_behind_known_words_is_found(known in "[a-f]{1,4}( [a-f]{1,4}){0,9}", new in "[u-z]{1,4}( [u-z]{1,4}){0,9}") {
            let all = words(&format!("{known} {new}"), 0);
            let seam_ms = known.split_whitespace().count() as u64 * 300;
            let found = before(&known).new_words(all, seam_ms).map(|words| line(&words));
            prop_assert_eq!(found, Some(new));
        }
    }
}
