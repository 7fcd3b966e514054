//! Statistics: `rtc`'s own report, completed with what the tracks have measured.

use std::time::Instant;

use rtc::statistics::{StatsSelector, report::RTCStatsReportEntry};
use serde_json::Value;

use super::Engine;
use crate::stats::RtcStats;

impl Engine {
    /// Everything known about the connection.
    pub(crate) fn stats(&mut self, now: Instant) -> Vec<RtcStats> {
        let report = self.rtc.get_stats(now, StatsSelector::None);
        report.iter().filter_map(read_entry).collect()
    }

    /// What is known about the stream of a sender.
    pub(crate) fn sender_stats(&mut self, now: Instant, index: usize) -> Vec<RtcStats> {
        let Some(wanted) = self.sender_ssrc(index) else {
            return Vec::new();
        };
        self.stats(now)
            .into_iter()
            .filter(|stats| concerns(stats, wanted))
            .collect()
    }

    /// What is known about the stream of a receiver.
    pub(crate) fn receiver_stats(&mut self, now: Instant, index: usize) -> Vec<RtcStats> {
        let Some(wanted) = self.receiver_ssrc(index) else {
            return Vec::new();
        };
        self.stats(now)
            .into_iter()
            .filter(|stats| concerns(stats, wanted))
            .collect()
    }
}

/// Whether statistics are of this media source, or of the connection that carries it.
fn concerns(stats: &RtcStats, ssrc: u32) -> bool {
    match stats {
        RtcStats::InboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::OutboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::RemoteInboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::RemoteOutboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::DataChannel(_) | RtcStats::PeerConnection(_) => false,
        _ => true,
    }
}

/// `rtc` names its fields as the standard does, so do we: the way goes through the common form.
fn read_entry(entry: &RTCStatsReportEntry) -> Option<RtcStats> {
    use RTCStatsReportEntry as Entry;
    let value = match entry {
        Entry::PeerConnection(stats) => serde_json::to_value(stats),
        Entry::Transport(stats) => serde_json::to_value(stats),
        Entry::IceCandidatePair(stats) => serde_json::to_value(stats),
        Entry::LocalCandidate(stats) | Entry::RemoteCandidate(stats) => serde_json::to_value(stats),
        Entry::Certificate(stats) => serde_json::to_value(stats),
        Entry::Codec(stats) => serde_json::to_value(stats),
        Entry::DataChannel(stats) => serde_json::to_value(stats),
        Entry::InboundRtp(stats) => serde_json::to_value(stats),
        Entry::OutboundRtp(stats) => serde_json::to_value(stats),
        Entry::RemoteInboundRtp(stats) => serde_json::to_value(stats),
        Entry::RemoteOutboundRtp(stats) => serde_json::to_value(stats),
        _ => return None,
    };
    let mut value = value.ok()?;
    drop_unspecified(&mut value);
    match serde_json::from_value(value) {
        Ok(stats) => Some(stats),
        Err(error) => {
            tracing::debug!(%error, kind = ?entry.stats_type(), "statistics left out");
            None
        }
    }
}

/// Leaves out what `rtc` does not know: `null` and the word it uses for unknown choices.
fn drop_unspecified(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.retain(|_, field| !field.is_null() && field.as_str() != Some("Unspecified"));
    }
}
