//! What is said without a break by one voice: a segment, or its parts where several people share a microphone.

use store::{Segment, Word};

use super::text::{one_line, participant};
use crate::voices::{self, Part};

/// Somebody's words.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Said {
    /// Under which name they are shown; on one line.
    pub(super) speaker: String,
    /// Whose they are, the same for two voices only if they are one: two people can have one name.
    pub(super) voice: String,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) text: String,
    pub(super) words: Vec<Word>,
    /// Where somebody else at the microphone speaks too: from and to.
    pub(super) overlaps_ms: Vec<(i64, i64)>,
}

fn shown(participant: &str, label: Option<i32>, name: Option<&str>) -> String {
    // A name can be all characters that no format can hold.
    let name = name.map(one_line).filter(|name| !name.is_empty());
    voices::speaker(participant, label, name.as_deref())
}

/// A segment by voices, in order.
pub(super) fn said(segment: &Segment) -> Vec<Said> {
    let participant = participant(segment);
    let Some(parts) = voices::parts(segment) else {
        return vec![Said {
            speaker: participant,
            voice: segment.identity.clone(),
            start_ms: segment.start_ms,
            end_ms: segment.end_ms,
            text: segment.text.clone(),
            words: segment.words.0.clone(),
            overlaps_ms: Vec::new(),
        }];
    };
    let mut all: Vec<Said> = Vec::new();
    for part in parts {
        let voice = match part.label {
            Some(label) => format!("{}:{label}", segment.identity),
            None => segment.identity.clone(),
        };
        let Part {
            label,
            name,
            text,
            words,
            start_ms,
            end_ms,
            overlapped,
        } = part;
        let overlap_ms = overlapped.then_some((start_ms, end_ms));
        match all.last_mut() {
            Some(last) if last.voice == voice => {
                last.text = [last.text.as_str(), &text].join(" ");
                last.words.extend(words);
                last.end_ms = last.end_ms.max(end_ms);
                last.overlaps_ms.extend(overlap_ms);
            }
            _ => all.push(Said {
                speaker: shown(&participant, label, name.as_deref()),
                voice,
                start_ms,
                end_ms,
                text,
                words,
                overlaps_ms: overlap_ms.into_iter().collect(),
            }),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shared, turn};
    use super::*;

    #[test]
    fn voices_that_share_a_microphone_are_apart_and_one_voice_is_not_cut_by_an_overlap() {
        let over = |from_ms, to_ms, label| store::Turn {
            overlapped: true,
            ..turn(from_ms, to_ms, label, None)
        };
        let segment = shared(
            0,
            4_000,
            "one two three four",
            vec![
                turn(0, 1_000, 1, Some("Ben")),
                over(1_000, 2_000, 1),
                over(1_000, 2_000, 2),
                turn(2_000, 4_000, 2, None),
            ],
        );
        let told: Vec<_> = said(&segment)
            .into_iter()
            .map(|said| (said.speaker, said.voice, said.text, said.overlaps_ms))
            .collect();
        assert_eq!(
            told,
            [
                (
                    "Ben".into(),
                    "p-1:1".into(),
                    "one two".into(),
                    vec![(1_000, 2_000)]
                ),
                (
                    "Ann · speaker 2".to_owned(),
                    "p-1:2".to_owned(),
                    "three four".to_owned(),
                    vec![]
                ),
            ]
        );
    }
}
