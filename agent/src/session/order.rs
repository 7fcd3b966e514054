//! Puts finals into the order in which they were said to be over. Recognisers answer out of order; a final
//! that is ready waits a little for an earlier one of another speaker, and always for an earlier one of its own.

use std::collections::VecDeque;

/// How long a final that is ready waits for the earlier final of another track. Who takes turns has longer pauses than that;
/// of several who speak at once nobody waits long for the others, and records are read by when their words began.
pub const WAIT_MS: u64 = 250;

/// Finals that are asked for, in the order in which their utterances ended.
#[derive(Debug)]
pub struct Order<T> {
    waiting: VecDeque<Entry<T>>,
}

#[derive(Debug)]
struct Entry<T> {
    ticket: u64,
    track: u64,
    /// The result and when it came. `None` inside: there is nothing to keep.
    ready: Option<(u64, Option<T>)>,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }
}

impl<T> Order<T> {
    /// An utterance of `track` is over; its final will come under `ticket`.
    pub fn expect(&mut self, ticket: u64, track: u64) {
        self.waiting.push_back(Entry {
            ticket,
            track,
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
        let mut missing_tracks: Vec<u64> = Vec::new();
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for entry in self.waiting.drain(..) {
            let goes = match &entry.ready {
                None => false,
                Some((came_ms, _)) => {
                    missing_tracks.is_empty()
                        || (now_ms >= came_ms + WAIT_MS && !missing_tracks.contains(&entry.track))
                }
            };
            match entry.ready {
                Some((_, value)) if goes => released.extend(value),
                ready => {
                    missing_tracks.push(entry.track);
                    kept.push_back(Entry { ready, ..entry });
                }
            }
        }
        self.waiting = kept;
        released
    }

    /// When [`Order::release`] may have more without anything else happening.
    pub fn next_tick_ms(&self) -> Option<u64> {
        let mut blocked_tracks: Vec<u64> = Vec::new();
        let mut due_ms: Option<u64> = None;
        for entry in &self.waiting {
            if let Some((came_ms, _)) = &entry.ready
                && !blocked_tracks.contains(&entry.track)
            {
                let at_ms = came_ms + WAIT_MS;
                due_ms = Some(due_ms.map_or(at_ms, |earliest_ms| earliest_ms.min(at_ms)));
            }
            blocked_tracks.push(entry.track);
        }
        due_ms
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
        order.expect(1, 10);
        order.expect(2, 20);
        order.ready(2, Some("second"), 100);
        assert!(order.release(100).is_empty());
        order.ready(1, Some("first"), 300);
        assert_eq!(order.release(300), ["first", "second"]);
    }

    #[test]
    fn but_not_for_ever_unless_it_is_the_same_speaker() {
        let mut order = Order::default();
        order.expect(1, 10);
        order.expect(2, 20);
        order.expect(3, 10);
        order.ready(2, Some("other"), 100);
        order.ready(3, Some("same"), 100);
        assert_eq!(order.next_tick_ms(), Some(100 + WAIT_MS));
        assert_eq!(order.release(100 + WAIT_MS), ["other"]);
        order.ready(1, None, 5_000);
        assert_eq!(order.release(5_000), ["same"]);
        assert!(order.is_empty());
    }

    proptest! {
        #[test]
        fn every_final_comes_out_once_and_each_track_in_order(
            tracks in prop::collection::vec(0_u64..4, 1..40),
            arrivals in prop::collection::vec((0_usize..40, 0_u64..900), 0..120),
        ) {
            let mut order = Order::default();
            for (ticket, track) in tracks.iter().enumerate() {
                order.expect(ticket as u64, *track);
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
