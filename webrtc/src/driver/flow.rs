//! Whether sound flows into a socket. While it does, the socket is looked at once a beat ([`crate::beat`]); else each datagram
//! wakes its connection at once, as do the first ones of a sound that begins.

use std::time::{Duration, Instant};

/// So long sound is watched before it is believed to flow, or to have ended.
const WINDOW: Duration = Duration::from_millis(200);
/// Sound flows from so many packets in a window on: half of what one talker sends,
const BEGINS_AT: u32 = 5;
/// and as long as there are so many: more than one pause of an encoder leaves.
const ENDS_BELOW: u32 = 3;
/// More datagrams in a window, of whatever kind, are a flood, under which the socket would overflow from beat to beat. Forty
/// talkers send so many.
const FLOOD_ABOVE: u32 = 400;

#[derive(Debug)]
pub(super) struct Flow {
    flows: bool,
    since: Instant,
    sounds: u32,
    datagrams: u32,
}

impl Flow {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            flows: false,
            since: now,
            sounds: 0,
            datagrams: 0,
        }
    }

    pub(super) fn flows(&self) -> bool {
        self.flows
    }

    /// Takes note of datagrams and how many of them are sound; true when sound has begun to flow, or has ended.
    pub(super) fn count(&mut self, now: Instant, sounds: u32, datagrams: u32) -> bool {
        self.sounds += sounds;
        self.datagrams += datagrams;
        let passed = now.saturating_duration_since(self.since);
        if passed < WINDOW {
            return false;
        }
        let windows = passed.as_secs_f64() / WINDOW.as_secs_f64();
        let needed = if self.flows { ENDS_BELOW } else { BEGINS_AT };
        let flows = f64::from(self.sounds) >= f64::from(needed) * windows
            && f64::from(self.datagrams) <= f64::from(FLOOD_ABOVE) * windows;
        let changed = flows != self.flows;
        *self = Self {
            flows,
            ..Self::new(now)
        };
        changed
    }
}

/// Whether a datagram is a packet of sound, not of a protocol beside it (RFC 7983) and not a report (RFC 5761, section 4). One of
/// pictures looks the same, and is as little to be hurried for: nobody takes it.
pub(super) fn is_sound(datagram: &[u8]) -> bool {
    matches!(datagram, [128..=191, kind, ..] if !(64..96).contains(&(kind & 0x7f)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where sound begins or ends to flow, by millisecond, of packets that come at these moments.
    fn changes(flow: &mut Flow, start: Instant, at_ms: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let changed = |ms: &u64| flow.count(start + Duration::from_millis(*ms), 1, 1);
        at_ms.into_iter().filter(changed).collect()
    }

    #[test]
    fn a_talker_flows_and_a_pause_does_not() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        assert_eq!(changes(&mut flow, start, (0..2_000).step_by(20)), [200]);
        assert!(flow.flows());
        assert_eq!(changes(&mut flow, start, (2_000..6_000).step_by(400)), [2_400]);
        assert!(!flow.flows());
        assert_eq!(changes(&mut flow, start, (6_000..7_000).step_by(20)), [6_200]);
    }

    #[test]
    fn silence_ends_the_flow_without_a_packet() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        changes(&mut flow, start, (0..400).step_by(20));
        let beats = (400..1_000).step_by(20);
        let ends = beats.filter(|ms| flow.count(start + Duration::from_millis(*ms), 0, 0));
        assert_eq!(ends.collect::<Vec<_>>(), [600]);
    }

    #[test]
    fn a_flood_is_no_flow() {
        let start = Instant::now();
        let mut flow = Flow::new(start);
        changes(&mut flow, start, (0..400).step_by(20));
        assert!(flow.count(start + Duration::from_millis(500), 300, 1_000) && !flow.flows());
    }

    #[test]
    fn only_sound_is_sound() {
        assert!(is_sound(&[0x80, 111, 0]) && is_sound(&[0x90, 0x80 | 111, 0]));
        let others: [&[u8]; 6] = [&[0, 1], &[22, 254], &[0x80, 200], &[0x81, 201], &[0x80], &[]];
        assert!(others.iter().all(|other| !is_sound(other)));
    }
}
