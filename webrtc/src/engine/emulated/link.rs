//! One direction of a network in virtual time: what is sent comes out later, elsewhere, twice, or
//! never. Seeded: the same seed and the same packets give the same fate.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

/// What a network does to packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    /// Shares of packets, 0 to 1.
    pub(crate) loss: f64,
    pub(crate) duplication: f64,
    /// Held back by `reordering_delay_ms`, so that those behind overtake them.
    pub(crate) reordering: f64,
    pub(crate) reordering_delay_ms: u64,
    pub(crate) delay_ms: u64,
    /// Up to this much on top of the delay, evenly spread, each packet for itself.
    pub(crate) jitter_ms: u64,
    /// Longer ones are dropped: what UDP payload fits through, without IP and UDP headers.
    pub(crate) max_payload_bytes: usize,
}

impl Default for Conditions {
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplication: 0.0,
            reordering: 0.0,
            reordering_delay_ms: 0,
            delay_ms: 20,
            jitter_ms: 0,
            max_payload_bytes: 1_472,
        }
    }
}

/// What became of packets.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) sent: u64,
    pub(crate) lost: u64,
    pub(crate) too_long: u64,
    pub(crate) longest_bytes: usize,
}

pub(crate) struct Link<T> {
    pub(crate) conditions: Conditions,
    /// Nothing gets through.
    pub(crate) down: bool,
    pub(crate) fate: Fate,
    random: StdRng,
    under_way: BTreeMap<(Instant, u64), T>,
    count: u64,
}

impl<T: Clone> Link<T> {
    pub(crate) fn new(conditions: Conditions, seed: u64) -> Self {
        Self {
            conditions,
            down: false,
            fate: Fate::default(),
            random: StdRng::seed_from_u64(seed),
            under_way: BTreeMap::new(),
            count: 0,
        }
    }

    pub(crate) fn send(&mut self, now: Instant, payload_bytes: usize, packet: &T) {
        let Conditions {
            loss,
            duplication,
            max_payload_bytes,
            ..
        } = self.conditions;
        self.fate.sent += 1;
        self.fate.longest_bytes = self.fate.longest_bytes.max(payload_bytes);
        if payload_bytes > max_payload_bytes {
            self.fate.too_long += 1;
            return;
        }
        if self.down || self.random.random_bool(loss) {
            self.fate.lost += 1;
            return;
        }
        self.carry(now, packet);
        if self.random.random_bool(duplication) {
            self.carry(now, packet);
        }
    }

    fn carry(&mut self, now: Instant, packet: &T) {
        let Conditions {
            delay_ms,
            jitter_ms,
            reordering,
            reordering_delay_ms,
            ..
        } = self.conditions;
        let jitter = self.random.random_range(0..=jitter_ms * 1_000);
        let held = if self.random.random_bool(reordering) {
            reordering_delay_ms
        } else {
            0
        };
        self.count += 1;
        let at = now + Duration::from_millis(delay_ms + held) + Duration::from_micros(jitter);
        self.under_way.insert((at, self.count), packet.clone());
    }

    /// When the next packet comes out.
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.under_way.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next packet that has come out by `now`.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<T> {
        let first = self.under_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
