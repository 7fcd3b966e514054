//! Where a track's samples lie on the meeting's clock. The track counts its audio; the meeting counts
//! its own. Frames may come late (jitter, a busy machine) and never early, so the smallest lag seen is
//! the true one; it is only taken over while nobody speaks, so that no utterance is torn.

/// Lag beyond this, kept up for a window, means that audio is missing and not merely late.
const GAP_MS: i64 = 250;
/// Audio over which the smallest lag is taken.
const WINDOW_MS: u64 = 1_000;

/// Maps a track's own time (milliseconds of audio heard) to the meeting's.
#[derive(Clone, Debug, Default)]
pub struct TrackClock {
    heard_ms: u64,
    offset_ms: Option<i64>,
    window_started_ms: u64,
    window_opened_ms: u64,
    window_lag_ms: Option<i64>,
}

impl TrackClock {
    /// The track has been heard up to `heard_ms`, just now. `speaking`: an utterance is open, its place must not move.
    pub fn heard(&mut self, heard_ms: u64, now_ms: u64, speaking: bool) {
        self.heard_ms = heard_ms;
        let observed_ms = signed(now_ms) - signed(heard_ms);
        let offset_ms = match self.offset_ms {
            Some(offset_ms) => offset_ms,
            None => {
                self.restart_window(now_ms);
                *self.offset_ms.insert(observed_ms)
            }
        };
        let lag_ms = observed_ms - offset_ms;
        let smallest_ms = self
            .window_lag_ms
            .map_or(lag_ms, |smallest_ms| smallest_ms.min(lag_ms));
        self.window_lag_ms = Some(smallest_ms);
        if speaking {
            return;
        }
        if smallest_ms < 0 {
            self.offset_ms = Some(offset_ms + smallest_ms);
            self.restart_window(now_ms);
        } else if heard_ms.saturating_sub(self.window_started_ms) >= WINDOW_MS
            // A burst after a stall fills a window in no time; only a window of real time is evidence.
            && now_ms.saturating_sub(self.window_opened_ms) >= WINDOW_MS
        {
            if smallest_ms > GAP_MS {
                self.offset_ms = Some(offset_ms + smallest_ms);
            }
            self.restart_window(now_ms);
        }
    }

    /// The track was silent on the wire (muted, reconnecting): take the next frame's arrival as it is.
    pub fn resynchronise(&mut self) {
        self.offset_ms = None;
    }

    /// A place in the track's audio as meeting time.
    pub fn meeting_ms(&self, track_ms: u64) -> u64 {
        u64::try_from(signed(track_ms) + self.offset_ms.unwrap_or(0)).unwrap_or(0)
    }

    fn restart_window(&mut self, now_ms: u64) {
        self.window_started_ms = self.heard_ms;
        self.window_opened_ms = now_ms;
        self.window_lag_ms = None;
    }
}

fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAME_MS: u64 = 20;

    fn play(clock: &mut TrackClock, from_ms: u64, to_ms: u64, speaking: bool) {
        for now_ms in (from_ms + FRAME_MS..=to_ms).step_by(20) {
            clock.heard(clock.heard_ms + FRAME_MS, now_ms, speaking);
        }
    }

    #[test]
    fn a_track_that_starts_late_is_placed_where_it_starts() {
        let mut clock = TrackClock::default();
        play(&mut clock, 60_000, 62_000, false);
        assert_eq!(clock.meeting_ms(0), 60_000);
        assert_eq!(clock.meeting_ms(clock.heard_ms), 62_000);
    }

    #[test]
    fn a_stall_with_a_burst_after_it_moves_nothing() {
        let mut clock = TrackClock::default();
        play(&mut clock, 0, 2_000, false);
        // The machine stood still for 1.5 s, then all frames of that time come at once.
        for _ in 0..75 {
            clock.heard(clock.heard_ms + FRAME_MS, 3_500, false);
        }
        play(&mut clock, 3_500, 6_000, false);
        assert_eq!(clock.meeting_ms(clock.heard_ms), 6_000);
        assert_eq!(clock.meeting_ms(1_000), 1_000);
    }

    #[test]
    fn missing_audio_is_noticed_between_utterances_and_never_within_one() {
        let mut clock = TrackClock::default();
        play(&mut clock, 0, 2_000, false);
        play(&mut clock, 5_000, 7_000, true);
        assert_eq!(clock.meeting_ms(2_500), 2_500);
        play(&mut clock, 7_000, 8_100, false);
        assert_eq!(clock.meeting_ms(clock.heard_ms), 8_100);
    }

    #[test]
    fn after_a_mute_the_next_frame_counts() {
        let mut clock = TrackClock::default();
        play(&mut clock, 0, 2_000, false);
        clock.resynchronise();
        clock.heard(clock.heard_ms + FRAME_MS, 30_020, false);
        assert_eq!(clock.meeting_ms(clock.heard_ms), 30_020);
    }

    proptest! {
        /// Whatever the jitter, a steady track is never placed in the future and never more than it behind.
        #[test]
        fn jitter_moves_a_track_by_no_more_than_itself(delays_ms in prop::collection::vec(0_u64..200, 200..600)) {
            let mut clock = TrackClock::default();
            let mut arrived_ms = 0;
            for (index, delay_ms) in delays_ms.iter().enumerate() {
                let captured_ms = (index as u64 + 1) * 20;
                arrived_ms = (captured_ms + delay_ms).max(arrived_ms);
                clock.heard(clock.heard_ms + FRAME_MS, arrived_ms, false);
                prop_assert!(clock.meeting_ms(clock.heard_ms) <= arrived_ms);
                prop_assert!(clock.meeting_ms(clock.heard_ms) >= captured_ms);
            }
            prop_assert!(clock.meeting_ms(clock.heard_ms) <= delays_ms.len() as u64 * 20 + 200);
        }
    }
}
