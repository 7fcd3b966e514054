//! What the jitter buffer did, in the terms of the W3C statistics. Samples are counted at 48 kHz,
//! whatever the stream's own rate.

use std::ops::AddAssign;

use super::format::{RTP_CLOCK_HZ, TICK_MS, TICK_RTP};

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PlayoutStats {
    /// Late, doubled, or no Opus.
    pub packets_discarded: u64,
    /// Handed to the decoder; the others were known to be silent.
    pub packets_decoded: u64,
    /// Lost ones recovered from the copy in a later one, a coarse one of Opus or a whole one (RED).
    pub packets_recovered: u64,
    pub total_samples: u64,
    pub concealed_samples: u64,
    pub silent_concealed_samples: u64,
    pub concealment_events: u64,
    pub inserted_samples: u64,
    pub removed_samples: u64,
    /// Time spent in the buffer, summed over samples.
    pub delay_s: f64,
    /// Delay aimed at, summed over samples.
    pub target_delay_s: f64,
    /// Samples that both sums are over.
    pub emitted_samples: u64,
    /// Sum of squared linear levels times their duration.
    pub total_energy: f64,
    /// The last 10 ms, linear, 1 for full scale.
    pub level: f64,
}

impl PlayoutStats {
    pub(super) fn tick(&mut self, mean_square: f64) {
        let square = mean_square / (32_768.0 * 32_768.0);
        self.total_samples += TICK_RTP.unsigned_abs();
        self.level = square.sqrt();
        self.total_energy += square * f64::from(TICK_MS) / 1_000.0;
    }

    pub(super) fn packet_played(&mut self, delay: i64, target: i64, duration: i64) {
        let samples = duration as f64;
        self.delay_s += delay.max(0) as f64 / f64::from(RTP_CLOCK_HZ) * samples;
        self.target_delay_s += target as f64 / f64::from(RTP_CLOCK_HZ) * samples;
        self.emitted_samples += duration.unsigned_abs();
    }

    /// `before` is what was concealed just before without sound in between.
    pub(super) fn concealed(&mut self, duration: i64, before: i64, silent: bool) {
        self.concealed_samples += duration.unsigned_abs();
        if silent {
            self.silent_concealed_samples += duration.unsigned_abs();
        }
        if before == 0 {
            self.concealment_events += 1;
        }
    }
}

impl AddAssign for PlayoutStats {
    fn add_assign(&mut self, more: Self) {
        self.packets_discarded += more.packets_discarded;
        self.packets_decoded += more.packets_decoded;
        self.packets_recovered += more.packets_recovered;
        self.total_samples += more.total_samples;
        self.concealed_samples += more.concealed_samples;
        self.silent_concealed_samples += more.silent_concealed_samples;
        self.concealment_events += more.concealment_events;
        self.inserted_samples += more.inserted_samples;
        self.removed_samples += more.removed_samples;
        self.delay_s += more.delay_s;
        self.target_delay_s += more.target_delay_s;
        self.emitted_samples += more.emitted_samples;
        self.total_energy += more.total_energy;
        self.level = more.level;
    }
}
