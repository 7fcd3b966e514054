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
}

impl Pattern {
    /// Whether one of `participants`, counted from 0, speaks at a moment of the meeting.
    pub(crate) fn speaks(self, participant: usize, participants: usize, at_ms: u64) -> bool {
        if self == Self::Constant {
            return true;
        }
        let (turn, participants) = (at_ms / TURN_MS, participants.max(1) as u64);
        let first = turn * STEP % participants;
        let second = (turn * STEP + 1) % participants;
        let participant = participant as u64;
        participant == first || (turn.is_multiple_of(OVERLAP_EVERY) && participant == second)
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
