//! What the network did to a stream: counts, loss and jitter as RFC 3550 defines them (sections 6.4.1
//! and A.8), whether or not anybody listens.

use std::time::Instant;

use super::{
    RtpAudio,
    format::RTP_CLOCK_HZ,
    unwrap::{sequence_near, timestamp_near},
};

#[derive(Debug, Default)]
pub(crate) struct ReceiveStats {
    pub packets: u64,
    pub payload_bytes: u64,
    first_sequence: i64,
    highest_sequence: Option<i64>,
    timestamp: Option<i64>,
    arrival: Option<Instant>,
    /// In units of 1/48000 s.
    jitter: f64,
}

impl ReceiveStats {
    pub(crate) fn observe(&mut self, packet: &RtpAudio, arrival: Instant) {
        self.packets += 1;
        self.payload_bytes += packet.payload.len() as u64;
        let sequence = sequence_near(self.highest_sequence, packet.sequence);
        match self.highest_sequence {
            None => (self.first_sequence, self.highest_sequence) = (sequence, Some(sequence)),
            Some(highest) => {
                self.first_sequence = self.first_sequence.min(sequence);
                self.highest_sequence = Some(highest.max(sequence));
            }
        }
        let timestamp = timestamp_near(self.timestamp, packet.timestamp);
        if let (Some(before), Some(last)) = (self.arrival, self.timestamp) {
            let between = arrival.saturating_duration_since(before).as_secs_f64() * f64::from(RTP_CLOCK_HZ);
            let change = (between - (timestamp - last) as f64).abs();
            // Silence of a second or a new start of the timestamps is no jitter.
            if change < f64::from(RTP_CLOCK_HZ) {
                self.jitter += (change - self.jitter) / 16.0;
            }
        }
        self.timestamp = Some(timestamp);
        self.arrival = Some(arrival);
    }

    /// Expected less received; duplicates can make it negative.
    pub(crate) fn lost(&self) -> i64 {
        let expected = self
            .highest_sequence
            .map_or(0, |highest| highest - self.first_sequence + 1);
        expected - i64::try_from(self.packets).unwrap_or(i64::MAX)
    }

    pub(crate) fn jitter_s(&self) -> f64 {
        self.jitter / f64::from(RTP_CLOCK_HZ)
    }

    pub(crate) fn last_arrival(&self) -> Option<Instant> {
        self.arrival
    }
}
