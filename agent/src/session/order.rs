//! Puts finals into the order in which they were said to be over. Recognisers answer out of order; a final
//! that is ready waits a little for an earlier one of another speaker, and always for an earlier one of its own.

use std::collections::VecDeque;

/// How long a final that is ready waits for that of another track whose turn was before. Of several who speak at once nobody
/// waits for the others: neither was first, and records are read by when their words began.
pub const WAIT_MS: u64 = 250;
/// Who begins so much before another has ended has not waited for their turn; what is heard before the first voice counts.
const AT_ONCE_MS: u64 = 600;

/// Finals that are asked for, in the order in which their utterances ended.
#[derive(Debug)]
pub struct Order<T> {
    waiting: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    ticket: u64,
    track: u64,
    /// Where it begins and ends in the meeting.
    place: (u64, u64),
    /// The result and when it came. `None` inside: there is nothing to keep.
    ready: Option<(u64, Option<T>)>,
}

/// A final that is not released.
struct Missing {
    track: u64,
    end_ms: u64,
}

impl<T> Entry<T> {
    fn missing(&self) -> Missing {
        Missing {
            track: self.track,
            end_ms: self.place.1,
        }
    }

    /// When it goes if these earlier ones stay away; not at all before an earlier one of its own track, or when it is not there.
    fn due_ms(&self, missing: &[Missing]) -> Option<u64> {
        let (came_ms, _) = self.ready.as_ref()?;
        if missing.iter().any(|earlier| earlier.track == self.track) {
            return None;
        }
        let was_their_turn = |earlier: &Missing| earlier.end_ms <= self.place.0 + AT_ONCE_MS;
        let wait_ms = if missing.iter().any(was_their_turn) {
            WAIT_MS
        } else {
            0
        };
        Some(came_ms + wait_ms)
    }
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Order<T> {
    /// An utterance of `track` is over, which lasted from the first to the second of these times in the meeting; its final will
    /// come under `ticket`.
    pub fn expect(&mut self, ticket: u64, track: u64, place: (u64, u64)) {
        self.waiting.push_back(Entry {
            ticket,
            track,
            place,
            ready: None,
        });
    }

    /// The final came, or there is none.
    pub fn ready(&mut self, ticket: u64, value: Option<T>, now_ms: u64) {
        if let Some(entry) = self.waiting.iter_mut().find(|entry| entry.ticket == ticket) {
            entry.ready = Some((now_ms, value));
        }
    }

    /// Takes out what may go now, in order.
    pub fn release(&mut self, now_ms: u64) -> Vec<T> {
        let mut released = Vec::new();
        let mut missing: Vec<Missing> = Vec::new();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for entry in self.waiting.drain(..) {
            let goes = entry.due_ms(&missing).is_some_and(|due_ms| due_ms <= now_ms);
            if !goes {
                missing.push(entry.missing());
            }
            match entry.ready {
                Some((_, value)) if goes => released.extend(value),
                _ => kept.push_back(entry),
            }
        }
        self.waiting = kept;
        released
    }

    /// When [`Order::release`] may have more without anything else happening.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let mut missing: Vec<Missing> = Vec::new();
        let mut next_ms: Option<u64> = None;
        for entry in &self.waiting {
            next_ms = next_ms.into_iter().chain(entry.due_ms(&missing)).min();
            missing.push(entry.missing());
        }
        next_ms
    }

    /// Finals that are not released.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether all are released.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_fast_final_waits_for_the_slow_one_before_it() {
        let mut order = Order::default();
        order.expect(1, 10, (0, 2_000));
        order.expect(2, 20, (1_800, 2_500));
        order.ready(2, Some("second"), 100);
        assert!(order.release(100).is_empty());
        order.ready(1, Some("first"), 300);
        assert_eq!(order.release(300), ["first", "second"]);
    }

    #[test]
    fn but_not_for_ever_unless_it_is_the_same_speaker() {
        let mut order = Order::default();
        order.expect(1, 10, (0, 2_000));
        order.expect(2, 20, (2_000, 3_000));
        order.expect(3, 10, (2_600, 3_500));
        order.ready(2, Some("other"), 100);
        order.ready(3, Some("same"), 100);
        assert_eq!(order.next_tick_ms(), Some(100 + WAIT_MS));
        assert_eq!(order.release(100 + WAIT_MS), ["other"]);
        order.ready(1, None, 5_000);
        assert_eq!(order.release(5_000), ["same"]);
        assert!(order.is_empty());
    }

    #[test]
    fn of_two_who_speak_at_once_neither_waits_for_the_other() {
        let mut order = Order::default();
        order.expect(1, 10, (0, 9_000));
        order.expect(2, 20, (4_000, 9_100));
        order.expect(3, 20, (9_200, 9_900));
        order.ready(2, Some("while the other spoke"), 10_000);
        assert_eq!(order.release(10_000), ["while the other spoke"]);
        order.ready(3, Some("when the other had spoken"), 10_100);
        assert_eq!(order.next_tick_ms(), Some(10_100 + WAIT_MS));
        assert!(order.release(10_100).is_empty());
        order.ready(1, Some("first"), 10_200);
        assert_eq!(order.release(10_200), ["first", "when the other had spoken"]);
    }

    proptest! {
        #[test]
        fn every_final_comes_out_once_and_each_track_in_order(
            tracks in prop::collection::vec(0_u64..4, 1..40),
            arrivals in prop::collection::vec((0_usize..40, 0_u64..900), 0..120),
        ) {
            let mut order = Order::default();
            for (ticket, track) in tracks.iter().enumerate() {
                let from_ms = ticket as u64 * 300;
                order.expect(ticket as u64, *track, (from_ms, from_ms + 1_000));
            }
            let mut now_ms = 0;
            let mut out: Vec<u64> = Vec::new();
            for (ticket, wait_ms) in arrivals.into_iter().chain((0..tracks.len()).map(|ticket| (ticket, 10))) {
                now_ms += wait_ms;
                order.ready(ticket as u64, Some(ticket as u64), now_ms);
                out.extend(order.release(now_ms));
            }
            prop_assert!(order.is_empty());
            for track in 0..4 {
                let of_track: Vec<u64> =
                    out.iter().copied().filter(|ticket| tracks[*ticket as usize] == track).collect();
                prop_assert!(of_track.is_sorted());
            }
            out.sort_unstable();
            prop_assert_eq!(out, (0..tracks.len() as u64).collect::<Vec<u64>>());
        }
    }
}
