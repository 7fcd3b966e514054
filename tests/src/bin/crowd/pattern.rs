//! Who of a room speaks when.

use serde::Deserialize;

/// How long one turn lasts in a meeting.
const TURN_MS: u64 = 5_000;
/// In every so many turns somebody speaks at the same time.
const OVERLAP_EVERY: u64 = 3;
/// Turns go round the table in steps of this, so that everybody has one also where few turns are heard.
const STEP: u64 = 3;

/// What the participants of a room do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Pattern {
    /// Everybody speaks all the time.
    Constant,
    /// One speaks, now and then two; the others' encoders have nothing to send.
    Meeting,
    /// So many speak at once, in turns as in a meeting.
    AtOnce(usize),
}

impl Pattern {
    /// Whether one of `participants`, counted from 0, speaks at a moment of the meeting.
    pub(crate) fn speaks(self, participant: usize, participants: usize, at_ms: u64) -> bool {
        let turn = at_ms / TURN_MS;
        let at_once = match self {
            Self::Constant => return true,
            Self::Meeting if turn.is_multiple_of(OVERLAP_EVERY) => 2,
            Self::Meeting => 1,
            Self::AtOnce(talkers) => talkers as u64,
        };
        let participants = participants.max(1) as u64;
        let first = turn * STEP % participants;
        let after_first = (participant as u64 + participants - first) % participants;
        after_first < at_once
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn talkers(participants: usize, at_ms: u64) -> usize {
        let speaks = |who: &usize| Pattern::Meeting.speaks(*who, participants, at_ms);
        (0..participants).filter(speaks).count()
    }

    #[test]
    fn in_a_meeting_one_or_two_speak_however_many_there_are() {
        for participants in [2, 10, 20] {
            let counts: Vec<usize> = (0..60)
                .map(|turn| talkers(participants, turn * TURN_MS))
                .collect();
            assert!(counts.iter().all(|count| (1..=2).contains(count)), "{counts:?}");
            assert_eq!(counts.iter().sum::<usize>(), 80, "a third of the turns overlap");
        }
    }

    #[test]
    fn as_many_speak_at_once_as_are_asked_for() {
        for wanted in [1, 4, 8, 10] {
            let speaks = |who: usize, turn: u64| Pattern::AtOnce(wanted).speaks(who, 10, turn * TURN_MS);
            for turn in 0..30 {
                assert_eq!((0..10).filter(|who| speaks(*who, turn)).count(), wanted);
            }
        }
    }

    #[test]
    fn everybody_has_a_turn() {
        for participants in [10, 20] {
            let speaks = |who| {
                (0..participants as u64)
                    .any(|turn| Pattern::Meeting.speaks(who, participants, turn * TURN_MS + 20))
            };
            assert!((0..participants).all(speaks), "{participants}");
        }
    }

    #[test]
    fn constant_talkers_never_stop() {
        assert!((0..1_000).all(|second| Pattern::Constant.speaks(1, 2, second * 1_000)));
    }
}
