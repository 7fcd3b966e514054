//! Words over time: when each word of a growing text was first seen, from when on it stayed, and when it was declared settled.
//! The same rules for every system.

use crate::score::normal_words;

/// What a system showed of one segment at one moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    /// Texts of the same segment replace one another.
    pub segment: String,
    /// All that is shown of it.
    pub text: String,
    /// The part of it, from the beginning, that the system declares settled.
    pub settled: String,
    /// Milliseconds from the beginning of the sound.
    pub at_ms: i64,
}

/// One word of what a system showed last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Timed {
    /// Normalised.
    pub word: String,
    /// When it was first seen.
    pub shown_ms: i64,
    /// From when on it was always seen.
    pub stays_ms: i64,
    /// When the system declared it settled, if it ever did.
    pub settled_ms: Option<i64>,
}

/// One word of what was said.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(super) struct Said {
    /// The word.
    pub text: String,
    /// Milliseconds from the beginning of the sound.
    pub end_ms: i64,
}

/// The words that were shown last, segments in the order in which they were first seen.
pub(super) fn timed(shown: &[Shown]) -> Vec<Timed> {
    let mut segments: Vec<&str> = Vec::new();
    for one in shown {
        if !segments.contains(&one.segment.as_str()) {
            segments.push(&one.segment);
        }
    }
    let of = |segment: &str| -> Vec<&Shown> { shown.iter().filter(|one| one.segment == segment).collect() };
    segments
        .into_iter()
        .flat_map(|segment| of_segment(&of(segment)))
        .collect()
}

fn of_segment(shown: &[&Shown]) -> Vec<Timed> {
    let Some(last) = shown.last() else {
        return Vec::new();
    };
    let mut words: Vec<Timed> = normal_words(&last.text)
        .into_iter()
        .map(|word| Timed {
            word,
            shown_ms: i64::MAX,
            stays_ms: i64::MAX,
            settled_ms: None,
        })
        .collect();
    let wanted: Vec<String> = words.iter().map(|timed| timed.word.clone()).collect();
    for one in shown {
        let mut seen = vec![false; wanted.len()];
        for (index, _) in matches(&wanted, &normal_words(&one.text)) {
            seen[index] = true;
        }
        for (timed, seen) in words.iter_mut().zip(seen) {
            if seen {
                timed.shown_ms = timed.shown_ms.min(one.at_ms);
                timed.stays_ms = timed.stays_ms.min(one.at_ms);
            } else {
                timed.stays_ms = i64::MAX;
            }
        }
        if !one.settled.is_empty() {
            for (index, _) in matches(&wanted, &normal_words(&one.settled)) {
                words[index].settled_ms.get_or_insert(one.at_ms);
            }
        }
    }
    words
}

/// The pairs of equal words in an alignment with the least substitutions, deletions and insertions; of equally good ones,
/// that with the earliest words of `whole`, because `part` is mostly its beginning.
pub(super) fn matches<A: PartialEq<B>, B>(whole: &[A], part: &[B]) -> Vec<(usize, usize)> {
    let width = part.len() + 1;
    let mut costs = vec![0_u32; (whole.len() + 1) * width];
    for row in 0..=whole.len() {
        for column in 0..=part.len() {
            costs[row * width + column] = match (row, column) {
                (0, _) => column as u32,
                (_, 0) => row as u32,
                _ => {
                    let differs = u32::from(whole[row - 1] != part[column - 1]);
                    let before = costs[(row - 1) * width + column - 1] + differs;
                    let skipped = costs[(row - 1) * width + column].min(costs[row * width + column - 1]);
                    before.min(skipped + 1)
                }
            };
        }
    }
    let (mut row, mut column) = (whole.len(), part.len());
    let mut pairs = Vec::new();
    while row > 0 && column > 0 {
        let cost = costs[row * width + column];
        let same = whole[row - 1] == part[column - 1];
        if cost == costs[(row - 1) * width + column] + 1 {
            row -= 1;
        } else if cost == costs[(row - 1) * width + column - 1] + u32::from(!same) {
            (row, column) = (row - 1, column - 1);
            if same {
                pairs.push((row, column));
            }
        } else {
            column -= 1;
        }
    }
    pairs.reverse();
    pairs
}

/// Milliseconds from a word's end to when it was seen, when it stayed and when it was settled: of the words that were said
/// and shown alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Delays {
    /// To the first appearance.
    pub shown_ms: Vec<f64>,
    /// To the last change.
    pub stays_ms: Vec<f64>,
}

/// Compares what was shown with what was said.
pub(super) fn delays(said: &[Said], timed: &[Timed]) -> Delays {
    let said_words: Vec<Vec<String>> = said.iter().map(|word| normal_words(&word.text)).collect();
    // A word with a hyphen is two: both end with it.
    let flat: Vec<(String, i64)> = said_words
        .into_iter()
        .zip(said)
        .flat_map(|(words, said)| words.into_iter().map(|word| (word, said.end_ms)))
        .collect();
    let whole: Vec<&str> = flat.iter().map(|(word, _)| word.as_str()).collect();
    let part: Vec<&str> = timed.iter().map(|timed| timed.word.as_str()).collect();
    let mut delays = Delays::default();
    for (index, found) in matches(&whole, &part) {
        let (end_ms, word) = (flat[index].1, &timed[found]);
        delays.shown_ms.push((word.shown_ms - end_ms) as f64);
        delays.stays_ms.push((word.stays_ms - end_ms) as f64);
    }
    delays
}

/// Milliseconds from the end of each stretch of speech until the last of its words that was recognised was settled.
/// `speech_ends_ms` are ascending; the words of a stretch are those said after the one before. Stretches of which no word was
/// settled are left out: the word error rate has them.
pub(super) fn finals(said: &[Said], speech_ends_ms: &[i64], timed: &[Timed]) -> Vec<f64> {
    let whole: Vec<String> = said
        .iter()
        .map(|word| normal_words(&word.text).concat())
        .collect();
    let part: Vec<&str> = timed.iter().map(|timed| timed.word.as_str()).collect();
    let pairs = matches(&whole, &part);
    let mut from_ms = i64::MIN;
    let mut found = Vec::new();
    for &to_ms in speech_ends_ms {
        let settled = pairs.iter().filter_map(|&(index, seen)| {
            // A word's end may be seen a little behind that of the loud part.
            let middle_ms = said[index].end_ms - 200;
            (from_ms..to_ms)
                .contains(&middle_ms)
                .then_some(timed[seen].settled_ms)?
        });
        found.extend(settled.max().map(|settled_ms| (settled_ms - to_ms) as f64));
        from_ms = to_ms;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(segment: &str, text: &str, settled: &str, at_ms: i64) -> Shown {
        Shown {
            segment: segment.into(),
            text: text.into(),
            settled: settled.into(),
            at_ms,
        }
    }

    fn said(words: &[(&str, i64)]) -> Vec<Said> {
        let one = |&(text, end_ms): &(&str, i64)| Said {
            text: text.into(),
            end_ms,
        };
        words.iter().map(one).collect()
    }

    #[test]
    fn a_repeated_beginning_is_the_beginning() {
        let whole: Vec<&str> = "it was the best it was the worst".split(' ').collect();
        assert_eq!(matches(&whole, &["it", "was", "the"]), [(0, 0), (1, 1), (2, 2)]);
        let pairs = matches(&whole, &["it", "was", "the", "best", "it", "was"]);
        assert_eq!(pairs.last(), Some(&(5, 5)));
        assert!(matches(&whole, &[] as &[&str]).is_empty());
    }

    #[test]
    fn a_word_that_changed_its_mind_stays_from_its_last_return_on() {
        let words = timed(&[
            shown("a", "we keep", "", 100),
            shown("a", "we kept", "", 200),
            shown("a", "we keep them", "we", 300),
            shown("a", "We keep them.", "We keep them.", 400),
        ]);
        let times: Vec<_> = words
            .iter()
            .map(|word| (word.word.as_str(), word.shown_ms, word.stays_ms, word.settled_ms))
            .collect();
        assert_eq!(
            times,
            [
                ("we", 100, 100, Some(300)),
                ("keep", 100, 300, Some(400)),
                ("them", 300, 300, Some(400))
            ]
        );
    }

    #[test]
    fn delays_count_from_the_end_of_the_same_word() {
        let spoken = said(&[
            ("Good", 500),
            ("morning,", 900),
            ("Ben.", 1_200),
            ("Well-known", 2_000),
        ]);
        let words = timed(&[
            shown("a", "good", "", 800),
            shown("a", "good morning then", "good morning then", 1_500),
            shown("b", "well known", "", 2_100),
        ]);
        let delays = delays(&spoken, &words);
        assert_eq!(delays.shown_ms, [300.0, 600.0, 100.0, 100.0]);
        assert_eq!(delays.stays_ms, delays.shown_ms);
    }

    #[test]
    fn a_final_is_there_when_the_last_word_of_its_speech_is_settled() {
        let spoken = said(&[("one", 500), ("two", 1_020), ("three", 3_000)]);
        let words = timed(&[
            shown("a", "one two", "one", 1_100),
            shown("a", "one two", "one two", 1_600),
            shown("b", "three", "", 3_300),
        ]);
        assert_eq!(finals(&spoken, &[1_000, 3_000], &words), [600.0]);
    }
}
