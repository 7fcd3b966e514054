//! The moments at which this process wakes for sound, the same for all its connections and tracks: to put a thread to sleep
//! and to wake it costs more than to receive a packet or to hand a frame over, so everybody does it together.
//!
//! Each beat, connections take what has arrived for them; a quarter of a beat later the ticker plays it, 20 ms at once, and
//! wakes the readers. Sound that programs send goes out in each of the ticker's two slots.

use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};

/// From one beat to the next: a packet of the usual length.
pub(crate) const BEAT: Duration = Duration::from_millis(20);
/// From one slot of the ticker to the next: each beat has two.
pub(crate) const SLOT: Duration = Duration::from_millis(10);
/// The ticker's slots are so much later than the beats.
const SLOT_AFTER_BEAT: Duration = Duration::from_millis(5);

/// The first beat of the process.
fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

/// The first beat after `now`.
pub(crate) fn after(now: Instant) -> Instant {
    next(origin(), BEAT, now)
}

/// The first slot of the ticker after `now`.
pub(crate) fn slot_after(now: Instant) -> Instant {
    next(origin() + SLOT_AFTER_BEAT, SLOT, now)
}

/// Whether a slot of the ticker is the one in which sound is played: the first of its beat.
pub(crate) fn plays(slot: Instant) -> bool {
    let since = slot.saturating_duration_since(origin() + SLOT_AFTER_BEAT);
    (since.as_millis() / SLOT.as_millis()).is_multiple_of(2)
}

fn next(origin: Instant, period: Duration, now: Instant) -> Instant {
    let since = now.saturating_duration_since(origin);
    let into = u64::try_from(since.as_nanos() % period.as_nanos()).unwrap_or_default();
    now.max(origin) + period - Duration::from_nanos(into)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beats_are_the_same_for_everybody_and_each_has_two_slots() {
        let first = after(Instant::now());
        for ms in 0..20 {
            assert_eq!(after(first + Duration::from_millis(ms)), first + BEAT);
        }
        let [a, b] = [slot_after(first), slot_after(first + SLOT)];
        assert_eq!([a, b], [first + SLOT_AFTER_BEAT, first + SLOT_AFTER_BEAT + SLOT]);
        assert!(plays(a) && !plays(b) && plays(b + SLOT));
    }
}
