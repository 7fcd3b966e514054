//! Turns: what one person says until another one speaks. A long one is several, so that a lecture has paragraphs and
//! times, and no more than that is kept in memory.

use store::Segment;

use super::said::said;
use super::text::one_line;

/// A segment that begins later than this after its turn did begins another.
const TURN_MS: i64 = 60_000;

/// A paragraph of one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) speaker: String,
    pub(super) start_ms: i64,
    pub(super) text: String,
}

/// Collects segments into turns.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The turn that may go on, and the voice that has it: two people can have one name.
    current: Option<(String, Turn)>,
}

impl Turns {
    /// Takes the next segment; the turns that it ends.
    pub(super) fn push(&mut self, segment: &Segment) -> Vec<Turn> {
        let mut ended = Vec::new();
        for said in said(segment) {
            let text = one_line(&said.text);
            if text.is_empty() {
                continue;
            }
            if let Some((voice, turn)) = &mut self.current
                && *voice == said.voice
                && said.start_ms.saturating_sub(turn.start_ms) <= TURN_MS
            {
                turn.text.push(' ');
                turn.text.push_str(&text);
                continue;
            }
            ended.extend(self.finish());
            let turn = Turn {
                speaker: said.speaker,
                start_ms: said.start_ms,
                text,
            };
            self.current = Some((said.voice, turn));
        }
        ended
    }

    /// The last turn.
    pub(super) fn finish(&mut self) -> Option<Turn> {
        self.current.take().map(|(_, turn)| turn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{by, dialogue, segment};
    use super::*;

    #[test]
    fn a_turn_lasts_until_another_one_speaks_or_a_minute_is_over() {
        let mut turns = Turns::default();
        let segments = [
            segment(1, 0, 1_000, "One."),
            segment(2, 2_000, 3_000, "Two."),
            segment(3, 3_000, 3_000, " "),
            by("Ben", segment(4, 4_000, 5_000, "Three.")),
            segment(5, 6_000, 7_000, "Four."),
            segment(6, 66_000, 67_000, "Five."),
            segment(7, 66_001, 67_000, "Six."),
        ];
        let mut all: Vec<Turn> = segments.iter().flat_map(|segment| turns.push(segment)).collect();
        all.extend(turns.finish());
        let told: Vec<_> = all
            .iter()
            .map(|turn| (turn.speaker.as_str(), turn.start_ms, turn.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("Ann", 0, "One. Two."),
                ("Ben", 4_000, "Three."),
                ("Ann", 6_000, "Four. Five."),
                ("Ann", 66_001, "Six."),
            ]
        );
    }

    #[test]
    fn voices_at_one_microphone_take_turns_and_go_on_in_the_next_segment() {
        let mut turns = Turns::default();
        let mut all = turns.push(&dialogue());
        let mut next = dialogue();
        next.turns.as_mut().unwrap().0[0].label = Some(2);
        all.extend(turns.push(&next));
        all.extend(turns.finish());
        let told: Vec<_> = all
            .iter()
            .map(|turn| (turn.speaker.as_str(), turn.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                ("Ben", "Shall we?"),
                ("Ann · speaker 2", "Yes, please. Shall we? Yes, please."),
            ]
        );
    }
}
