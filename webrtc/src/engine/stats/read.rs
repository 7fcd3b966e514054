//! One entry of `rtc`'s report as the interface has it.

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use rtc::statistics::report::RTCStatsReportEntry;
use serde_json::Value;

use crate::stats::RtcStats;

/// `rtc` names its fields as the standard does, so do we: the way goes through the common form.
pub(super) fn entry(entry: &RTCStatsReportEntry) -> Option<RtcStats> {
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
    adapt(&mut value);
    match serde_json::from_value(value) {
        Ok(stats) => Some(stats),
        Err(error) => {
            tracing::debug!(%error, kind = ?entry.stats_type(), "statistics left out");
            None
        }
    }
}

/// Of which source's stream this is, if it is a stream's.
pub(super) fn ssrc(entry: &RTCStatsReportEntry) -> Option<u32> {
    use RTCStatsReportEntry as Entry;
    let stream = match entry {
        Entry::InboundRtp(stats) => &stats.received_rtp_stream_stats.rtp_stream_stats,
        Entry::RemoteInboundRtp(stats) => &stats.received_rtp_stream_stats.rtp_stream_stats,
        Entry::OutboundRtp(stats) => &stats.sent_rtp_stream_stats.rtp_stream_stats,
        Entry::RemoteOutboundRtp(stats) => &stats.sent_rtp_stream_stats.rtp_stream_stats,
        _ => return None,
    };
    Some(stream.ssrc)
}

/// Turns what `rtc` means otherwise than the interface does: leaves out what it does not know (`null`, the word that it uses for
/// unknown choices, and the present as the time of a packet that never was), counts times in microseconds and those of packets
/// in milliseconds, and writes certificates in base64.
fn adapt(value: &mut Value) {
    let Value::Object(fields) = value else { return };
    fields.retain(|_, field| !field.is_null() && field.as_str() != Some("Unspecified"));
    if let Some(seconds) = fields.get("timestamp").and_then(Value::as_f64) {
        fields.insert("timestamp".to_owned(), Value::from((seconds * 1e6) as i64));
    }
    for (time, packets) in [
        ("lastPacketSentTimestamp", "packetsSent"),
        ("lastPacketReceivedTimestamp", "packetsReceived"),
    ] {
        let never = fields.get(packets).and_then(Value::as_u64) == Some(0);
        if let Some(seconds) = fields.get(time).and_then(Value::as_f64) {
            let ms = if never { 0.0 } else { seconds * 1e3 };
            fields.insert(time.to_owned(), Value::from(ms));
        }
    }
    if let Some(der) = fields
        .get("base64Certificate")
        .and_then(Value::as_str)
        .and_then(bytes_of_hex)
    {
        fields.insert("base64Certificate".to_owned(), Value::from(STANDARD.encode(der)));
    }
}

fn bytes_of_hex(hex: &str) -> Option<Vec<u8>> {
    let digit = |at: usize| {
        hex.get(at..at + 2)
            .and_then(|pair| u8::from_str_radix(pair, 16).ok())
    };
    hex.len()
        .is_multiple_of(2)
        .then(|| (0..hex.len()).step_by(2).map(digit).collect())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_rtc_says_is_said_as_the_standard_does() {
        let mut pair = json!({"timestamp": 2.5, "state": "Unspecified", "packetsSent": 3, "packetsReceived": 0,
            "lastPacketSentTimestamp": 2.25, "lastPacketReceivedTimestamp": 2.5, "unknown": null});
        adapt(&mut pair);
        assert_eq!(
            pair,
            json!({"timestamp": 2_500_000, "packetsSent": 3, "packetsReceived": 0,
                "lastPacketSentTimestamp": 2_250.0, "lastPacketReceivedTimestamp": 0.0})
        );
        let mut certificate = json!({"base64Certificate": "30820122ff"});
        adapt(&mut certificate);
        assert_eq!(certificate, json!({"base64Certificate": "MIIBIv8="}));
    }

    #[test]
    fn what_is_no_hex_stays() {
        for text in ["MIIB", "308", "zz", "30é0"] {
            let mut certificate = json!({"base64Certificate": text});
            adapt(&mut certificate);
            assert_eq!(certificate, json!({"base64Certificate": text}));
        }
    }
}
