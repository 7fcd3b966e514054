//! How long to hold packets back. Watches by how much packets are later than the fastest recent one
//! and asks for a delay that nearly all of them would have met.
//!
//! The measure is relative: what counts is not when a packet was sent but how arrival and timestamp
//! move against one another. A sender's clock that is fast or slow moves the fastest recent packet,
//! and with it the point where playing should be. A packet is sent when its last sample is there: a sender that changes to
//! longer ones is later with all of them, and is taken to have been so before.

use std::collections::VecDeque;

use super::format::{RTP_CLOCK_HZ, TICK_RTP};

const MS: i64 = (RTP_CLOCK_HZ / 1_000) as i64;

/// Packets further back than this are forgotten.
const WINDOW_RTP: i64 = 10_000 * MS;
const WINDOW_PACKETS: usize = 1_024;
/// So long after its first packet a track's network is not known.
const LEARNING_RTP: i64 = 1_000 * MS;
/// The share of packets that may come too late, one in this many.
const LATE_ONE_IN: usize = 33;
/// Packets between two recalculations.
const RECALCULATE_EVERY: u32 = 10;
/// One packet of the usual length, which is being played, and half of one more: what is needed to stretch
/// the sound.
const MIN_TARGET_RTP: i64 = 30 * MS;
/// Two of them where packets were lost lately, and in the beginning: one that is played, and one with
/// the copy of a lost one.
const MIN_TARGET_WITH_LOSS_RTP: i64 = 40 * MS;
const MAX_TARGET_RTP: i64 = 400 * MS;

/// A packet that has come lately.
#[derive(Debug)]
struct Recent {
    arrival: i64,
    /// Arrival less timestamp.
    transit: i64,
    duration: i64,
}

/// All times in units of 1/48000 s.
#[derive(Debug)]
pub(crate) struct DelayEstimator {
    recent: VecDeque<Recent>,
    fastest: i64,
    /// The longest of them lasts so long.
    longest: i64,
    target: i64,
    since_calculation: u32,
    /// Until when two packets are waited for at least; none before the first packet.
    wary_until: Option<i64>,
}

impl DelayEstimator {
    pub(crate) fn new() -> Self {
        Self {
            recent: VecDeque::new(),
            fastest: 0,
            longest: 0,
            target: MIN_TARGET_WITH_LOSS_RTP,
            since_calculation: 0,
            wary_until: None,
        }
    }

    /// A packet was lost, and others will be.
    pub(crate) fn lost(&mut self, now: i64) {
        self.wary_until = Some(now + WINDOW_RTP);
        self.target = self.target.max(MIN_TARGET_WITH_LOSS_RTP);
    }

    /// Takes note of a packet, in whatever order they come.
    pub(crate) fn observe(&mut self, arrival: i64, timestamp: i64, duration: i64) {
        let transit = arrival - timestamp;
        self.expect_duration(duration);
        self.wary_until.get_or_insert(arrival + LEARNING_RTP);
        if self.recent.is_empty() || transit < self.fastest {
            self.fastest = transit;
            self.since_calculation = RECALCULATE_EVERY;
        }
        if self.recent.len() >= WINDOW_PACKETS {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent {
            arrival,
            transit,
            duration,
        });
        self.since_calculation += 1;
        // A packet that misses the target is a reason to look at once.
        if self.since_calculation >= RECALCULATE_EVERY || transit - self.fastest > self.target {
            self.calculate(arrival);
        }
    }

    /// Longer packets than all that are remembered say nothing of the network, but would be late ones.
    fn expect_duration(&mut self, duration: i64) {
        let more = duration - self.longest;
        if more <= 0 {
            return;
        }
        self.longest = duration;
        if !self.recent.is_empty() {
            self.fastest += more;
            self.recent.iter_mut().for_each(|recent| recent.transit += more);
        }
    }

    fn calculate(&mut self, now: i64) {
        self.since_calculation = 0;
        while self.recent.len() > 1
            && self
                .recent
                .front()
                .is_some_and(|recent| now - recent.arrival > WINDOW_RTP)
        {
            self.recent.pop_front();
        }
        let durations = self.recent.iter().map(|recent| recent.duration);
        self.longest = durations.max().unwrap_or(0);
        let mut transits: Vec<i64> = self.recent.iter().map(|recent| recent.transit).collect();
        let nearly_all = (transits.len() - 1) - transits.len() / LATE_ONE_IN;
        let (fast, slow, _) = transits.select_nth_unstable(nearly_all);
        let slow = *slow;
        self.fastest = fast.iter().copied().min().unwrap_or(slow).min(slow);
        // One step on top: sound is taken in steps.
        let wanted = slow - self.fastest + TICK_RTP;
        let least = match self.wary_until {
            Some(until) if until <= now => MIN_TARGET_RTP,
            _ => MIN_TARGET_WITH_LOSS_RTP,
        };
        self.target = wanted.clamp(least, MAX_TARGET_RTP);
    }

    /// The delay to aim at, after the fastest packet.
    pub(crate) fn target(&self) -> i64 {
        self.target
    }

    /// By how much sound of this timestamp, played now, is later than the fastest packet would allow.
    pub(crate) fn delay(&self, now: i64, timestamp: i64) -> i64 {
        now - timestamp - self.fastest
    }

    /// How far a packet's transit is from the recent ones; none before the first.
    pub(crate) fn deviation(&self, arrival: i64, timestamp: i64) -> Option<i64> {
        (!self.recent.is_empty()).then_some(arrival - timestamp - self.fastest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends packets of 20 ms whose extra delay is given, and returns the estimator.
    fn after(delays_ms: impl IntoIterator<Item = i64>) -> DelayEstimator {
        let mut estimator = DelayEstimator::new();
        for (n, delay_ms) in delays_ms.into_iter().enumerate() {
            let sent = n as i64 * 20 * MS;
            estimator.observe(sent + delay_ms * MS, sent, 20 * MS);
        }
        estimator
    }

    #[test]
    fn a_steady_network_asks_for_the_least() {
        assert_eq!(after([30; 100]).target(), MIN_TARGET_RTP);
    }

    #[test]
    fn loss_asks_for_one_packet_more_and_is_forgotten() {
        assert_eq!(after([30; 10]).target(), MIN_TARGET_WITH_LOSS_RTP);
        let mut estimator = after([30; 100]);
        estimator.lost(100 * 20 * MS);
        assert_eq!(estimator.target(), MIN_TARGET_WITH_LOSS_RTP);
        let mut targets = Vec::new();
        for n in 100..700 {
            estimator.observe((n * 20 + 30) * MS, n * 20 * MS, 20 * MS);
            targets.push(estimator.target());
        }
        assert_eq!(targets[490], MIN_TARGET_WITH_LOSS_RTP);
        assert_eq!(targets[599], MIN_TARGET_RTP);
    }

    #[test]
    fn jitter_is_met_and_forgotten() {
        let jitter = (0..200).map(|n| (n * 37) % 200);
        let target = after(jitter.clone()).target() / MS;
        assert!(
            (190..=210).contains(&target),
            "{target} ms for jitter of 0 to 200 ms"
        );
        let later = after(jitter.chain([100; 600])).target();
        assert_eq!(later, MIN_TARGET_RTP, "a longer but steady way needs no more");
    }

    #[test]
    fn longer_packets_are_no_late_ones() {
        let mut estimator = after([30; 100]);
        let on_time = |estimator: &DelayEstimator, n: i64, wait_ms| {
            estimator.delay((n * 20 + 30 + wait_ms) * MS, n * 20 * MS)
        };
        assert_eq!(on_time(&estimator, 100, 0), 0);
        // From 20 to 60 ms: each is sent 40 ms later.
        for n in (100..700).step_by(3) {
            estimator.observe((n * 20 + 70) * MS, n * 20 * MS, 60 * MS);
            assert_eq!(on_time(&estimator, n, 40), 0);
            assert_eq!(estimator.target(), MIN_TARGET_RTP);
        }
        // And back: while the long ones are remembered they are waited for.
        for n in 700..1_300 {
            estimator.observe((n * 20 + 30) * MS, n * 20 * MS, 20 * MS);
            assert_eq!(on_time(&estimator, n, 0), 0);
        }
        assert_eq!(estimator.target(), MIN_TARGET_RTP);
    }

    #[test]
    fn rare_stragglers_are_not_waited_for_and_nothing_is_waited_for_without_end() {
        assert_eq!(
            after((0..500).map(|n| if n % 100 == 0 { 300 } else { 0 })).target(),
            MIN_TARGET_RTP
        );
        assert_eq!(after((0..500).map(|n| (n % 10) * 1_000)).target(), MAX_TARGET_RTP);
    }

    #[test]
    fn a_fast_sender_clock_moves_the_point_of_playing() {
        let mut estimator = DelayEstimator::new();
        for n in 0..30_000 {
            let sent = n * 20 * MS;
            estimator.observe(sent - sent / 5_000, sent, 20 * MS);
        }
        let (now, last) = (30_000 * 20 * MS, 30_000 * 20 * MS);
        let on_time = estimator.delay(now - now / 5_000, last);
        assert!(
            on_time.abs() < 4 * MS,
            "{on_time} units after ten minutes at 200 ppm"
        );
        assert!(estimator.recent.len() <= WINDOW_PACKETS);
    }
}
