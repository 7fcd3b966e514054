//! Times for the words of a corrected text. A word that was recognised keeps its time; the others share the time of those
//! that they replace, or the pause that they were put into.

use store::Word;

/// What a person writes is certain.
const CONFIDENCE: f32 = 1.0;
/// Pairs of words that are compared; a text beyond is spread evenly. The longest text against the longest utterance is less.
const PAIRS_MAX: usize = 4_000_000;

/// The words of `text` with times within `span` (from, to), in order. `before` are the words that it corrects.
pub(super) fn retime(before: &[Word], span: (i64, i64), text: &str) -> Vec<Word> {
    let written: Vec<&str> = text.split_whitespace().collect();
    let mut words: Vec<Word> = Vec::with_capacity(written.len());
    let (mut next_written, mut next_before) = (0, 0);
    let ends = [(written.len(), before.len())];
    for (at, was) in same(&written, before).into_iter().chain(ends) {
        let from_ms = words.last().map_or(span.0, |word| word.end_ms);
        let (replaced, kept) = (&before[next_before..was], before.get(was));
        // Put in where nothing was: there is the pause.
        let place = match (replaced.first(), replaced.last()) {
            (Some(first), Some(last)) => (first.start_ms, last.end_ms),
            _ => (from_ms, kept.map_or(span.1, |word| word.start_ms)),
        };
        let start_ms = place.0.clamp(from_ms, span.1.max(from_ms));
        let end_ms = place.1.clamp(start_ms, span.1.max(start_ms));
        spread(&written[next_written..at], start_ms, end_ms, &mut words);
        if let (Some(word), Some(text)) = (kept, written.get(at)) {
            let start_ms = word.start_ms.max(words.last().map_or(span.0, |word| word.end_ms));
            words.push(Word {
                text: (*text).to_owned(),
                start_ms,
                end_ms: word.end_ms.max(start_ms),
                confidence: CONFIDENCE,
            });
        }
        (next_written, next_before) = (at + 1, was + 1);
    }
    words
}

/// Gives each word the share of the time that its characters have of all.
fn spread(written: &[&str], start_ms: i64, end_ms: i64, words: &mut Vec<Word>) {
    let length = |word: &str| word.chars().count() as i64;
    let total: i64 = written.iter().map(|word| length(word)).sum();
    let mut before = 0;
    for word in written {
        let at = |characters: i64| start_ms + (end_ms - start_ms) * characters / total;
        let next = before + length(word);
        words.push(Word {
            text: (*word).to_owned(),
            start_ms: at(before),
            end_ms: at(next),
            confidence: CONFIDENCE,
        });
        before = next;
    }
}

/// The longest common subsequence of the two, as pairs of places: what was written and was recognised like this too.
fn same(written: &[&str], before: &[Word]) -> Vec<(usize, usize)> {
    let (rows, columns) = (written.len(), before.len());
    if rows * columns > PAIRS_MAX {
        return Vec::new();
    }
    let written: Vec<String> = written.iter().map(|word| plain(word)).collect();
    let before: Vec<String> = before.iter().map(|word| plain(&word.text)).collect();
    // How many words the rests from here have in common.
    let width = columns + 1;
    let mut common = vec![0u32; (rows + 1) * width];
    for row in (0..rows).rev() {
        for column in (0..columns).rev() {
            common[row * width + column] = if written[row] == before[column] {
                common[(row + 1) * width + column + 1] + 1
            } else {
                common[(row + 1) * width + column].max(common[row * width + column + 1])
            };
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    while row < rows && column < columns {
        if written[row] == before[column] {
            pairs.push((row, column));
            (row, column) = (row + 1, column + 1);
        } else if common[(row + 1) * width + column] >= common[row * width + column + 1] {
            row += 1;
        } else {
            column += 1;
        }
    }
    pairs
}

/// A word as it sounds: case and punctuation do not matter.
fn plain(word: &str) -> String {
    let sound: String = word
        .chars()
        .filter(|character| character.is_alphanumeric())
        .collect();
    if sound.is_empty() {
        word.to_owned()
    } else {
        sound.to_lowercase()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn word(text: &str, start_ms: i64, end_ms: i64) -> Word {
        Word {
            text: text.into(),
            start_ms,
            end_ms,
            confidence: 0.4,
        }
    }

    fn heard() -> Vec<Word> {
        vec![
            word("good", 100, 300),
            word("mourning", 300, 700),
            word("Ben.", 900, 1_100),
        ]
    }

    fn times(text: &str) -> Vec<(String, i64, i64)> {
        let words = retime(&heard(), (0, 1_500), text);
        words
            .into_iter()
            .map(|word| (word.text, word.start_ms, word.end_ms))
            .collect()
    }

    #[test]
    fn what_stays_keeps_its_time_and_what_replaces_takes_it_over() {
        assert_eq!(
            times("Good morning, Ben."),
            [
                ("Good".into(), 100, 300),
                ("morning,".into(), 300, 700),
                ("Ben.".into(), 900, 1_100)
            ]
        );
    }

    #[test]
    fn two_words_for_one_share_its_time() {
        assert_eq!(
            times("Good more ning, Ben."),
            [
                ("Good".into(), 100, 300),
                ("more".into(), 300, 477),
                ("ning,".into(), 477, 700),
                ("Ben.".into(), 900, 1_100)
            ]
        );
    }

    #[test]
    fn what_was_missed_goes_into_the_pause() {
        assert_eq!(times("good mourning dear Ben.")[2], ("dear".into(), 700, 900));
        assert_eq!(times("good mourning Ben. Sit.")[3], ("Sit.".into(), 1_100, 1_500));
        assert_eq!(times("So good mourning Ben.")[0], ("So".into(), 0, 100));
    }

    #[test]
    fn nothing_said_has_no_words_and_nothing_recognised_takes_all_the_time() {
        assert_eq!(times(""), []);
        assert_eq!(
            retime(&[], (10, 20), "One")[0],
            Word {
                confidence: 1.0,
                ..word("One", 10, 20)
            }
        );
    }

    proptest! {
        #[test]
        fn all_words_are_there_in_order_within_the_span(
            texts in prop::collection::vec("[a-c]{1,2}", 0..8),
            heard in prop::collection::vec(("[a-c]{1,2}", 0i64..2_000, -100i64..400), 0..8),
            span in (0i64..1_000, 0i64..1_500),
        ) {
            let span = (span.0, span.0 + span.1);
            let heard: Vec<Word> = heard.iter().map(|(text, at, long)| word(text, *at, at + long)).collect();
            let words = retime(&heard, span, &texts.join(" "));
            prop_assert_eq!(words.iter().map(|word| word.text.clone()).collect::<Vec<_>>(), texts);
            let mut before_ms = span.0;
            for word in &words {
                prop_assert!(before_ms <= word.start_ms && word.start_ms <= word.end_ms, "{words:?}");
                before_ms = word.end_ms;
            }
        }
    }
}
