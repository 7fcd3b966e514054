//! Whose word is whose.

use proptest::prelude::*;
use sqlx::types::Json;

use super::super::testing::{segment, turn};
use super::*;

type Told<'a> = (Option<i32>, &'a str, bool);

fn told(parts: &[Part]) -> Vec<Told<'_>> {
    parts
        .iter()
        .map(|part| (part.label, part.text.as_str(), part.overlapped))
        .collect()
}

/// Ten words of half a second each, from 0 on.
fn ten(turns: Vec<Turn>) -> Segment {
    segment(0, 5_000, "a b c d e f g h i j", turns)
}

fn overlapping(turn: Turn) -> Turn {
    Turn {
        overlapped: true,
        ..turn
    }
}

#[test]
fn each_word_is_of_the_turn_that_holds_its_middle() {
    let named = Turn {
        name: Some("Ben".into()),
        ..turn(1_300, 2_200, Some(2))
    };
    let parts = parts(&ten(vec![
        turn(0, 1_300, Some(1)),
        named,
        turn(2_200, 5_000, Some(1)),
    ]))
    .unwrap();
    assert_eq!(
        told(&parts),
        [
            (Some(1), "a b c", false),
            (Some(2), "d", false),
            (Some(1), "e f g h i j", false)
        ]
    );
    assert_eq!(
        (parts[1].name.as_deref(), parts[1].start_ms, parts[1].end_ms),
        (Some("Ben"), 1_500, 2_000)
    );
    assert_eq!((parts[0].words.len(), &parts[0].name), (3, &None));
}

#[test]
fn the_nearest_turn_has_a_word_beside_it_and_none_one_far_away() {
    // Middles at 250, 750, ..., 4750.
    let parts = parts(&ten(vec![
        turn(1_200, 1_800, Some(1)),
        turn(2_600, 3_000, Some(2)),
    ]))
    .unwrap();
    assert_eq!(
        told(&parts),
        [
            (None, "a", false),
            (Some(1), "b c d", false),
            (Some(2), "e f g", false),
            (None, "h i j", false)
        ]
    );
}

#[test]
fn a_stretch_where_nobody_was_heard_is_of_who_speaks_around_it() {
    let around = |after| {
        let parts = parts(&ten(vec![turn(0, 500, Some(1)), turn(4_500, 5_000, after)])).unwrap();
        told(&parts)
            .into_iter()
            .map(|(label, text, _)| (label, text.to_owned()))
            .collect::<Vec<_>>()
    };
    assert_eq!(around(Some(1)), [(Some(1), "a b c d e f g h i j".to_owned())]);
    // Between two voices it may be either's, or a third one's.
    assert_eq!(
        around(Some(2)),
        [
            (Some(1), "a b".to_owned()),
            (None, "c d e f g h".to_owned()),
            (Some(2), "i j".to_owned())
        ]
    );
}

#[test]
fn an_unsure_turn_stays_nobodys_though_one_voice_is_around_it() {
    let parts = parts(&ten(vec![
        turn(0, 2_000, Some(1)),
        turn(2_000, 2_500, None),
        turn(2_500, 5_000, Some(1)),
    ]))
    .unwrap();
    assert_eq!(
        told(&parts),
        [
            (Some(1), "a b c d", false),
            (None, "e", false),
            (Some(1), "f g h i j", false)
        ]
    );
}

#[test]
fn of_two_at_once_it_is_who_spoke_before_or_goes_on_after_and_it_is_marked() {
    let both = |from, to| {
        [
            overlapping(turn(from, to, Some(1))),
            overlapping(turn(from, to, Some(2))),
        ]
    };
    let mut turns = vec![turn(0, 2_000, Some(1))];
    turns.extend(both(2_000, 3_000));
    turns.push(turn(3_000, 5_000, Some(2)));
    let one = parts(&ten(turns)).unwrap();
    assert_eq!(
        told(&one),
        [
            (Some(1), "a b c d", false),
            (Some(1), "e f", true),
            (Some(2), "g h i j", false)
        ]
    );
    let mut turns = both(0, 1_000).to_vec();
    turns.push(turn(1_000, 5_000, Some(2)));
    let begins = parts(&ten(turns)).unwrap();
    assert_eq!(
        told(&begins),
        [(Some(2), "a b", true), (Some(2), "c d e f g h i j", false)]
    );
    // Two at once and nobody alone: it is not known whose words were recognised.
    let neither = parts(&ten(both(0, 5_000).to_vec())).unwrap();
    assert_eq!(told(&neither), [(None, "a b c d e f g h i j", true)]);
}

#[test]
fn where_nobody_is_told_apart_there_are_no_parts() {
    assert_eq!(
        parts(&Segment {
            turns: None,
            ..ten(vec![])
        }),
        None
    );
    assert_eq!(parts(&ten(vec![])), None);
    assert_eq!(parts(&ten(vec![turn(0, 5_000, None)])), None);
    assert_eq!(parts(&segment(0, 1_000, "", vec![turn(0, 1_000, Some(1))])), None);
}

#[test]
fn without_words_the_text_is_of_who_speaks_alone() {
    let text = |turns| {
        let mut said = ten(turns);
        said.words.0.clear();
        parts(&said).map(|parts| (parts[0].label, parts[0].text.clone()))
    };
    assert_eq!(
        text(vec![turn(0, 900, Some(2)), turn(1_000, 5_000, Some(2))]),
        Some((Some(2), "a b c d e f g h i j".into()))
    );
    assert_eq!(
        text(vec![turn(0, 900, Some(2)), turn(1_000, 5_000, Some(1))]),
        None
    );
    assert_eq!(text(vec![turn(0, 900, Some(2)), turn(1_000, 5_000, None)]), None);
}

#[test]
fn parts_have_the_text_as_it_is_written() {
    let mut said = ten(vec![turn(0, 1_300, Some(1)), turn(1_300, 5_000, Some(2))]);
    // No blanks between words, and one behind the last.
    said.text = "abcdefghij。 ".into();
    let written = parts(&said).unwrap();
    assert_eq!(
        told(&written),
        [(Some(1), "abc", false), (Some(2), "defghij。", false)]
    );
    // Not made of the words.
    said.text = "A, B!".into();
    assert_eq!(parts(&said).unwrap()[0].text, "a b c");
}

/// Any turns over any words.
fn spoken() -> impl Strategy<Value = Segment> {
    let word = ("[a-z]{0,4}", -1_000..12_000i64, -1_000..12_000i64);
    let one = (
        -500..11_000i64,
        0..4_000i64,
        prop::option::of(1..4),
        any::<bool>(),
    );
    (
        prop::collection::vec(word, 0..20),
        prop::collection::vec(one, 0..10),
        any::<bool>(),
    )
        .prop_map(|(words, turns, joined)| {
            let words: Vec<Word> = words
                .into_iter()
                .map(|(text, start_ms, end_ms)| Word {
                    text,
                    start_ms,
                    end_ms,
                    confidence: 1.0,
                })
                .collect();
            let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
            let text = if joined { texts.join(" ") } else { texts.concat() };
            let turns = turns
                .into_iter()
                .map(|(start_ms, length_ms, label, overlapped)| Turn {
                    overlapped,
                    ..turn(start_ms, start_ms + length_ms, label)
                })
                .collect();
            Segment {
                words: Json(words),
                ..segment(0, 10_000, &text, turns)
            }
        })
}

proptest! {
    #[test]
    fn every_word_is_in_exactly_one_part_and_the_order_is_kept(segment in spoken()) {
        let Some(parts) = parts(&segment) else { return Ok(()) };
        let words: Vec<Word> = parts.iter().flat_map(|part| part.words.clone()).collect();
        prop_assert_eq!(&words, &segment.words.0);
        let bare = |text: &str| text.split_whitespace().collect::<String>();
        let texts: String = parts.iter().map(|part| bare(&part.text)).collect();
        prop_assert_eq!(texts, bare(&segment.text));
        prop_assert!(parts.is_sorted_by_key(|part| part.start_ms));
        for part in &parts {
            prop_assert!(segment.start_ms <= part.start_ms && part.start_ms <= part.end_ms && part.end_ms <= segment.end_ms);
        }
    }

    #[test]
    fn neighbours_differ_and_a_label_is_one_that_was_heard(segment in spoken()) {
        let Some(parts) = parts(&segment) else { return Ok(()) };
        for pair in parts.windows(2) {
            prop_assert_ne!((pair[0].label, pair[0].overlapped), (pair[1].label, pair[1].overlapped));
        }
        let heard: Vec<Option<i32>> = segment.turns.unwrap().0.iter().map(|turn| turn.label).collect();
        for part in parts {
            prop_assert!(part.label.is_none() || heard.contains(&part.label));
        }
    }

    #[test]
    fn words_in_speech_of_two_at_once_are_marked_and_no_others(segment in spoken()) {
        let turns = segment.turns.clone().unwrap().0;
        let Some(parts) = parts(&segment) else { return Ok(()) };
        for part in parts {
            for word in part.words {
                let middle_ms = word.start_ms.midpoint(word.end_ms);
                let over: Vec<&Turn> = turns.iter().filter(|turn| turn.start_ms <= middle_ms && middle_ms < turn.end_ms).collect();
                let expected = over.iter().any(|turn| turn.overlapped || turn.label != over[0].label);
                prop_assert_eq!(part.overlapped, expected);
            }
        }
    }

    #[test]
    fn no_time_overflows(times in prop::collection::vec(any::<(i64, i64)>(), 3)) {
        let mut said = segment(0, 5_000, "a b", vec![turn(times[2].0, times[2].1, Some(1))]);
        for (word, (start_ms, end_ms)) in said.words.0.iter_mut().zip(&times) {
            (word.start_ms, word.end_ms) = (*start_ms, *end_ms);
        }
        parts(&said);
    }
}
