//! Caption delays. A word's first caption is the first one, partial or final, of its segment that shows the word; its delay
//! counts from the end of the word as spoken. A segment's final delay counts from the end of its voice to the arrival of the
//! final. Both ends are the transcript's: the voice's is the voice detector's and good to 0.25 s (compared with the level of the
//! played files), a word's is the recogniser's and only as good as that.

use std::collections::HashMap;

use crate::api::Segment;
use crate::score::normal_words;

/// A caption as it reached a participant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its segment.
    pub segment: String,
    /// The whole text so far.
    pub text: String,
    /// Settled.
    pub r#final: bool,
    /// Wall clock.
    pub at_unix_ms: i64,
}

/// All delays, in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Delays {
    /// For each word that was shown.
    pub first_ms: Vec<i64>,
    /// For each segment whose final arrived.
    pub final_ms: Vec<i64>,
}

/// Measures every word and segment; `origin_unix_ms` is the zero of the meeting clock.
pub(super) fn measure(segments: &[Segment], seen: &[Seen], origin_unix_ms: i64) -> Delays {
    let mut delays = Delays::default();
    for segment in segments {
        let captions: Vec<(&Seen, HashMap<String, usize>)> = seen
            .iter()
            .filter(|caption| caption.segment == segment.id)
            .map(|caption| (caption, count(&caption.text)))
            .collect();
        let mut said: HashMap<String, usize> = HashMap::new();
        for word in &segment.words {
            for normal in normal_words(&word.text) {
                // The third "was" is shown once a caption has three of them.
                let nth = said.entry(normal.clone()).or_default();
                *nth += 1;
                let first = captions
                    .iter()
                    .filter(|(_, words)| words.get(&normal).is_some_and(|shown| shown >= nth))
                    .map(|(caption, _)| caption.at_unix_ms)
                    .min();
                let spoken = origin_unix_ms + word.end_ms;
                delays.first_ms.extend(first.map(|at| at - spoken));
            }
        }
        let settled = captions
            .iter()
            .filter(|(caption, _)| caption.r#final)
            .map(|(caption, _)| caption.at_unix_ms)
            .min();
        let end = origin_unix_ms + segment.end_ms;
        delays.final_ms.extend(settled.map(|at| at - end));
    }
    delays
}

fn count(text: &str) -> HashMap<String, usize> {
    let mut words = HashMap::new();
    for word in normal_words(text) {
        *words.entry(word).or_default() += 1;
    }
    words
}

/// The value below which a share of all values lies (nearest rank); none of none.
pub(crate) fn percentile(values: &[i64], share: f64) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Speaker, Word};

    fn segment(words: &[(&str, i64)]) -> Segment {
        let word = |&(text, end_ms): &(&str, i64)| Word {
            text: text.into(),
            start_ms: end_ms - 200,
            end_ms,
        };
        Segment {
            sequence: 1,
            id: "s".into(),
            speaker: Speaker {
                identity: "p".into(),
                name: "P".into(),
            },
            end_ms: 650,
            text: String::new(),
            words: words.iter().map(word).collect(),
        }
    }

    fn seen(text: &str, r#final: bool, at_unix_ms: i64) -> Seen {
        Seen {
            segment: "s".into(),
            text: text.into(),
            r#final,
            at_unix_ms,
        }
    }

    #[test]
    fn a_repeated_word_waits_for_its_own_caption() {
        let segments = [segment(&[("It", 100), ("was,", 300), ("it", 500), ("was.", 700)])];
        let captions = [
            seen("it was", false, 10_900),
            seen("it was it", false, 11_200),
            seen("It was, it was.", true, 12_000),
        ];
        let delays = measure(&segments, &captions, 10_000);
        assert_eq!(delays.first_ms, [800, 600, 700, 1300]);
        assert_eq!(delays.final_ms, [1350]);
    }

    #[test]
    fn what_was_never_shown_has_no_delay() {
        let segments = [segment(&[("Hello", 100)])];
        assert_eq!(
            measure(&segments, &[seen("Goodbye", false, 500)], 0),
            Delays::default()
        );
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[7], 0.9), Some(7));
        assert_eq!(percentile(&[4, 1, 3, 2], 0.5), Some(2));
        assert_eq!(percentile(&[4, 1, 3, 2], 0.9), Some(4));
    }
}
