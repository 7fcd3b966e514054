//! Caption delays. The first caption of a turn is the first one, partial or final, that shows one of its first words; its
//! delay counts from the voice's beginning in the played file, so the first words' own length is in it. A segment's final
//! delay counts from the end of its voice, which is the voice detector's and good to 0.25 s (compared with the level of the
//! played files), to the arrival of the final.

use super::stage::Played;
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

/// A caption of a turn comes within this time of its end, or it is not of this turn.
const TURN_AFTER_MS: i64 = 5_000;
/// So many words of a turn are its first ones: a small model may miss one.
const FIRST_WORDS: usize = 3;

/// The delay of each turn's first caption, of turns whose text is known. `identities` are the participants', in the order
/// of the cast.
pub(super) fn first_captions(
    played: &[Played],
    segments: &[Segment],
    seen: &[Seen],
    identities: &[String],
) -> Vec<i64> {
    let first_caption = |turn: &Played| {
        let mut wanted = normal_words(turn.text.as_deref()?);
        wanted.truncate(FIRST_WORDS);
        let voice_unix_ms = turn.from_unix_ms + turn.voice_from_ms;
        let speaker = identities.get(turn.who)?;
        let is_of_turn = |caption: &&Seen| {
            let segment = segments.iter().find(|segment| segment.id == caption.segment);
            let in_time = voice_unix_ms..turn.to_unix_ms.saturating_add(TURN_AFTER_MS);
            segment.is_some_and(|segment| segment.speaker.identity == *speaker)
                && in_time.contains(&caption.at_unix_ms)
                && normal_words(&caption.text)
                    .iter()
                    .any(|word| wanted.contains(word))
        };
        let first = seen
            .iter()
            .filter(is_of_turn)
            .map(|caption| caption.at_unix_ms)
            .min();
        first.map(|at_unix_ms| at_unix_ms - voice_unix_ms)
    };
    played.iter().filter_map(first_caption).collect()
}

/// The delay of each segment's final; `origin_unix_ms` is the zero of the meeting clock.
pub(super) fn finals(segments: &[Segment], seen: &[Seen], origin_unix_ms: i64) -> Vec<i64> {
    let settled = |segment: &Segment| {
        let finals = seen
            .iter()
            .filter(|caption| caption.r#final && caption.segment == segment.id);
        let first = finals.map(|caption| caption.at_unix_ms).min();
        first.map(|at_unix_ms| at_unix_ms - (origin_unix_ms + segment.end_ms))
    };
    segments.iter().filter_map(settled).collect()
}

/// The value below which a share of all values lies (nearest rank); none of none.
pub(crate) fn percentile(values: &[i64], share: f64) -> Option<i64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    nearest_rank(&sorted, share)
}

/// The same of values that are in order.
pub(crate) fn nearest_rank<T: Copy>(sorted: &[T], share: f64) -> Option<T> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Speaker;

    fn segment(id: &str, identity: &str, end_ms: i64) -> Segment {
        Segment {
            sequence: 1,
            id: id.into(),
            speaker: Speaker {
                identity: identity.into(),
                name: "P".into(),
            },
            end_ms,
            text: String::new(),
            words: Vec::new(),
        }
    }

    fn seen(segment: &str, text: &str, r#final: bool, at_unix_ms: i64) -> Seen {
        Seen {
            segment: segment.into(),
            text: text.into(),
            r#final,
            at_unix_ms,
        }
    }

    #[test]
    fn a_turn_begins_with_its_own_words_and_speaker() {
        let played = [Played {
            who: 1,
            text: Some("Good morning, Alice.".into()),
            name: String::new(),
            from_unix_ms: 10_000,
            voice_from_ms: 200,
            to_unix_ms: 12_000,
        }];
        let segments = [
            segment("other", "a", 0),
            segment("click", "b", 0),
            segment("turn", "b", 0),
        ];
        let captions = [
            seen("turn", "Good", false, 10_100), // before the voice
            seen("other", "Good morning", false, 10_300),
            seen("click", "Hey.", true, 10_400),
            seen("turn", "Good", false, 10_900),
            seen("turn", "Good morning, Alice.", true, 12_500),
        ];
        let identities = ["a".to_owned(), "b".to_owned()];
        assert_eq!(first_captions(&played, &segments, &captions, &identities), [700]);
        assert!(first_captions(&played, &segments, &captions[..3], &identities).is_empty());
    }

    #[test]
    fn a_final_counts_from_the_end_of_the_voice() {
        let segments = [segment("s", "p", 650), segment("never shown", "p", 900)];
        let captions = [
            seen("s", "it was", false, 10_700),
            seen("s", "It was.", true, 11_200),
        ];
        assert_eq!(finals(&segments, &captions, 10_000), [550]);
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        assert_eq!(percentile(&[], 0.5), None);
        assert_eq!(percentile(&[7], 0.9), Some(7));
        assert_eq!(percentile(&[4, 1, 3, 2], 0.5), Some(2));
        assert_eq!(percentile(&[4, 1, 3, 2], 0.9), Some(4));
    }
}
