//! What a system has heard, and what of it is missing.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Frames of 10 ms that a track may seem to lack because its sound comes in pieces of two and the moments of counting fall
/// between them;
pub(super) const EDGE_FRAMES: u64 = 4;
/// and where it may be silent, which comes in pieces of ten.
pub(super) const SILENT_EDGE_FRAMES: u64 = 14;
const FRAME_MS: f64 = 10.0;

/// How much a system has heard of each track since it began.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(super) struct Heard {
    /// On the system's own clock.
    pub at_ms: f64,
    /// By room and participant: frames of 10 ms, and how many utterances its voice detector has found.
    pub tracks: BTreeMap<String, [u64; 2]>,
}

/// Between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Gained {
    pub tracks: usize,
    /// Frames that should have come.
    pub expected_frames: u64,
    /// Those that did not.
    pub missed_frames: u64,
    pub utterances: u64,
}

impl Heard {
    /// What came since an earlier moment, on the tracks that were there then; one that is gone has lost everything. What a track
    /// lacks up to `edge_frames` is no loss.
    pub(super) fn since(&self, before: &Self, edge_frames: u64) -> Gained {
        let expected = ((self.at_ms - before.at_ms) / FRAME_MS).max(0.0) as u64;
        let mut gained = Gained::default();
        for (track, [frames_before, utterances_before]) in &before.tracks {
            let [frames, utterances] = self.tracks.get(track).copied().unwrap_or_default();
            let missed = expected.saturating_sub(frames.saturating_sub(*frames_before));
            gained.tracks += 1;
            gained.expected_frames += expected;
            gained.missed_frames += if missed > edge_frames { missed } else { 0 };
            gained.utterances += utterances.saturating_sub(*utterances_before);
        }
        gained
    }

    /// Whether so many tracks are heard.
    pub(super) fn is_complete(&self, tracks: usize) -> bool {
        self.tracks.len() == tracks && self.tracks.values().all(|[frames, _]| *frames > 0)
    }
}

impl std::ops::AddAssign for Gained {
    fn add_assign(&mut self, other: Self) {
        self.tracks += other.tracks;
        self.expected_frames += other.expected_frames;
        self.missed_frames += other.missed_frames;
        self.utterances += other.utterances;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(at_ms: f64, tracks: &[(&str, u64)]) -> Heard {
        let tracks = tracks
            .iter()
            .map(|&(name, frames)| (name.to_owned(), [frames, frames / 100]));
        Heard {
            at_ms,
            tracks: tracks.collect(),
        }
    }

    #[test]
    fn what_did_not_come_is_missed() {
        let before = heard(1_000.0, &[("a", 100), ("b", 100), ("c", 50)]);
        let after = heard(11_000.0, &[("a", 1_100), ("b", 1_000), ("d", 9)]);
        let gained = after.since(&before, EDGE_FRAMES);
        assert_eq!((gained.tracks, gained.expected_frames), (3, 3_000));
        assert_eq!(gained.missed_frames, 100 + 1_000, "a tenth of b, all of c");
        assert_eq!(gained.utterances, 10 + 9);
    }

    #[test]
    fn the_edges_of_counting_are_no_loss_and_too_much_is_none() {
        let before = heard(0.0, &[("a", 0), ("b", 0)]);
        let gained = heard(10_000.0, &[("a", 997), ("b", 1_009)]).since(&before, EDGE_FRAMES);
        assert_eq!(gained.missed_frames, 0);
        assert_eq!(
            heard(10_000.0, &[("a", 995), ("b", 1_000)])
                .since(&before, EDGE_FRAMES)
                .missed_frames,
            5
        );
    }

    #[test]
    fn silence_may_lag_further() {
        let before = heard(0.0, &[("a", 0)]);
        let after = heard(10_000.0, &[("a", 988)]);
        assert_eq!(after.since(&before, SILENT_EDGE_FRAMES).missed_frames, 0);
        assert_eq!(after.since(&before, EDGE_FRAMES).missed_frames, 12);
    }

    #[test]
    fn tracks_are_there_when_something_was_heard_of_each() {
        assert!(!heard(0.0, &[("a", 5)]).is_complete(2));
        assert!(!heard(0.0, &[("a", 5), ("b", 0)]).is_complete(2));
        assert!(heard(0.0, &[("a", 5), ("b", 1)]).is_complete(2));
    }
}
