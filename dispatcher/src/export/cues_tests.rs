//! Captions of a segment.

use proptest::prelude::*;

use store::Segment;

use super::super::said::said;
use super::super::testing::{segment, segments};
use super::*;

fn cues(segment: &Segment) -> Vec<Cue> {
    said(segment).iter().flat_map(super::cues).collect()
}

fn shown_texts(cues: &[Cue]) -> Vec<String> {
    cues.iter().map(|cue| cue.lines.join("|")).collect()
}

#[test]
fn a_short_segment_is_one_cue_of_its_own_times() {
    let cues = cues(&segment(1, 1_000, 2_500, "Good morning, everybody."));
    assert_eq!(cues.len(), 1);
    assert_eq!((cues[0].start_ms, cues[0].end_ms), (1_000, 2_500));
    assert_eq!(shown_texts(&cues), ["Good morning, everybody."]);
}

#[test]
fn a_long_one_is_cut_at_the_end_of_a_sentence_and_its_lines_are_even() {
    let said = "We keep the recordings for ninety days after the visit. Then they are deleted by the clinic, unless \
                the patient asks for a copy of them.";
    let cues = cues(&segment(1, 0, 12_000, said));
    assert_eq!(
        shown_texts(&cues),
        [
            "We keep the recordings for|ninety days after the visit.",
            "Then they are deleted by the clinic,",
            "unless the patient asks|for a copy of them."
        ]
    );
    // Times are those of the words: twelve seconds for 26 of them.
    assert_eq!((cues[0].start_ms, cues[0].end_ms), (0, 4_610));
}

#[test]
fn slow_words_are_cut_by_time() {
    let shown = cues(&segment(1, 0, 30_000, "one two three four five six"));
    assert_eq!(
        shown_texts(&shown),
        ["one", "two", "three", "four", "five", "six"]
    );
    let shown = cues(&segment(1, 0, 60_000, "so slow"));
    assert_eq!(shown[0].end_ms, CUE_MAX_MS);
    assert_eq!(shown[1].start_ms, 30_000);
}

#[test]
fn without_words_the_text_shares_the_time() {
    let mut said = segment(1, 10_000, 20_000, "aaaa bbbb cccc ddddd");
    said.words.0.clear();
    let cues = cues(&said);
    assert_eq!(shown_texts(&cues), ["aaaa bbbb", "cccc ddddd"]);
    assert_eq!((cues[0].start_ms, cues[0].end_ms), (10_000, 14_500));
    assert_eq!((cues[1].start_ms, cues[1].end_ms), (15_000, 20_000));
}

#[test]
fn a_segment_of_nothing_has_no_cue() {
    assert_eq!(cues(&segment(1, 0, 1_000, " \n ")), []);
}

proptest! {
    #[test]
    fn every_word_appears_once_in_order_and_nothing_is_beyond_its_limit(segments in segments()) {
        for segment in segments {
            let cues = cues(&segment);
            let shown: String = cues.iter().flat_map(|cue| &cue.lines).map(|line| line.replace(' ', "")).collect();
            // Words that are only blanks and control characters leave the text as the source.
            let words: String = segment.words.0.iter().map(|word| one_line(&word.text).replace(' ', "")).collect();
            let said = if words.is_empty() { one_line(&segment.text).replace(' ', "") } else { words };
            prop_assert_eq!(shown, said);
            let mut before_ms = segment.start_ms;
            for cue in cues {
                prop_assert!(cue.start_ms >= before_ms && cue.start_ms <= segment.end_ms, "{:?}", cue);
                prop_assert!(cue.end_ms > cue.start_ms && cue.end_ms - cue.start_ms <= CUE_MAX_MS, "{:?}", cue);
                prop_assert!(cue.end_ms <= segment.end_ms.max(cue.start_ms + 1), "{:?}", cue);
                prop_assert!((1..=2).contains(&cue.lines.len()));
                for line in &cue.lines {
                    prop_assert!((1..=LINE_CHARACTERS).contains(&line.chars().count()), "{:?}", line);
                }
                before_ms = cue.start_ms;
            }
        }
    }

    #[test]
    fn no_time_overflows(start_ms in any::<i64>(), end_ms in any::<i64>(), from in any::<i64>(), to in any::<i64>()) {
        // Room for the seven seconds that are added.
        let mut said = segment(1, 0, 0, "so many words");
        (said.start_ms, said.end_ms) = (start_ms / 2, end_ms / 2);
        for word in &mut said.words.0 {
            (word.start_ms, word.end_ms) = (from, to);
        }
        prop_assert!(!cues(&said).is_empty());
    }
}
