//! Cues of people who talk at the same time, in one order: WebVTT wants no cue to begin before the one above it.

use std::collections::BTreeMap;

use store::Segment;

use super::cues::{Cue, cues};
use super::said::said;

/// A cue can be read if it stays this long; a shorter one stays until the next begins.
const READABLE_MS: i64 = 1_000;

/// A cue and who speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    pub(super) speaker: String,
    /// Whether somebody else at the microphone speaks at the same time.
    pub(super) overlapped: bool,
    pub(super) cue: Cue,
}

/// Holds cues back until no later segment can begin before them.
#[derive(Debug, Default)]
pub(super) struct CueOrder {
    /// By start, then as they came.
    waiting: BTreeMap<(i64, u64), Spoken>,
    count: u64,
}

impl CueOrder {
    /// Takes the next segment by start; the cues whose turn it is.
    pub(super) fn push(&mut self, segment: &Segment) -> Vec<Spoken> {
        for said in said(segment) {
            for cue in cues(&said) {
                let over = |&(from_ms, to_ms): &(i64, i64)| from_ms < cue.end_ms && cue.start_ms < to_ms;
                let spoken = Spoken {
                    speaker: said.speaker.clone(),
                    overlapped: said.overlaps_ms.iter().any(over),
                    cue,
                };
                self.waiting.insert((spoken.cue.start_ms, self.count), spoken);
                self.count += 1;
            }
        }
        self.before(segment.start_ms)
    }

    /// The rest.
    pub(super) fn finish(&mut self) -> Vec<Spoken> {
        self.before(i64::MAX)
    }

    /// Cues that begin before `limit_ms`, in order.
    fn before(&mut self, limit_ms: i64) -> Vec<Spoken> {
        let mut ready = Vec::new();
        while let Some(entry) = self.waiting.first_entry() {
            if entry.key().0 >= limit_ms {
                break;
            }
            let mut spoken = entry.remove();
            let next_ms = self
                .waiting
                .first_key_value()
                .map_or(limit_ms, |((start_ms, _), _)| *start_ms);
            let readable_ms = next_ms.min(limit_ms).min(spoken.cue.start_ms + READABLE_MS);
            spoken.cue.end_ms = spoken.cue.end_ms.max(readable_ms);
            ready.push(spoken);
        }
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::super::cues::CUE_MAX_MS;
    use super::super::testing::{by, segment, voiced};
    use super::*;
    use proptest::prelude::*;

    fn all(segments: &[Segment]) -> Vec<Spoken> {
        let mut order = CueOrder::default();
        let mut all: Vec<Spoken> = segments.iter().flat_map(|segment| order.push(segment)).collect();
        all.extend(order.finish());
        all
    }

    #[test]
    fn what_is_said_meanwhile_comes_in_between() {
        let long = segment(2, 0, 16_000, "one two three four five six seven eight");
        let short = by("Ben", segment(1, 5_000, 5_200, "yes"));
        let all = all(&[long, short]);
        let shown: Vec<_> = all
            .iter()
            .map(|spoken| {
                (
                    spoken.speaker.as_str(),
                    spoken.cue.start_ms,
                    spoken.cue.lines[0].as_str(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("Ann", 0, "one two three"),
                ("Ben", 5_000, "yes"),
                ("Ann", 6_000, "four five six"),
                ("Ann", 12_000, "seven eight"),
            ]
        );
        // "yes" stays until it can be read, or until the next begins.
        assert_eq!(all[1].cue.end_ms, 6_000);
    }

    #[test]
    fn a_short_word_stays_until_the_next_cue() {
        let all = all(&[segment(1, 0, 100, "Yes."), segment(2, 400, 500, "No.")]);
        assert_eq!((all[0].cue.end_ms, all[1].cue.end_ms), (400, 1_400));
    }

    proptest! {
        #[test]
        fn no_cue_begins_before_the_one_above_and_none_is_lost(segments in voiced()) {
            let all = all(&segments);
            prop_assert!(all.is_sorted_by_key(|spoken| spoken.cue.start_ms));
            prop_assert_eq!(all.len(), segments.iter().flat_map(said).map(|said| cues(&said).len()).sum::<usize>());
            for Spoken { cue, .. } in &all {
                prop_assert!(cue.end_ms > cue.start_ms && cue.end_ms - cue.start_ms <= CUE_MAX_MS);
            }
        }
    }
}
