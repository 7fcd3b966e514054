//! Statistics: `rtc`'s own report, completed with what the tracks have measured.

mod read;

use std::{collections::BTreeMap, time::Instant};

use rtc::{shared::time::SystemInstant, statistics::StatsSelector};

use super::{
    Engine,
    media::{LocalAudio, MediaKind},
    rtcp::reports::SentReport,
    settings,
};
use crate::{
    audio::InboundAudioStats,
    stats::{
        CodecStats, InboundRtpStats, MediaSourceStats, OutboundRtpStats, RemoteInboundRtpStats, RtcStats,
    },
};

impl Engine {
    /// Everything known about the connection.
    pub(crate) fn stats(&mut self, now: Instant) -> Vec<RtcStats> {
        self.stats_of(now, None)
    }

    /// What is known about the connection, of its streams those of one source only if there is one.
    fn stats_of(&mut self, now: Instant, wanted: Option<u32>) -> Vec<RtcStats> {
        let report = self.rtc.get_stats(now, StatsSelector::None);
        // Reading costs most: what is not wanted is left out before.
        let is_wanted =
            |entry: &&_| wanted.is_none_or(|wanted| read::ssrc(entry).is_none_or(|of| of == wanted));
        let mut stats: Vec<RtcStats> = report.iter().filter(is_wanted).filter_map(read::entry).collect();
        let local = self.local_audio();
        let reports = self.reports.lock();
        for entry in &mut stats {
            match entry {
                RtcStats::InboundRtp(inbound) => {
                    if let Some(measured) = self.inbound_audio_stats(inbound.stream.ssrc) {
                        complete_inbound(inbound, &measured, now);
                    }
                }
                RtcStats::OutboundRtp(outbound) => {
                    if let Some(audio) = local.iter().find(|audio| audio.ssrc == outbound.stream.ssrc) {
                        complete_outbound(outbound, audio);
                    }
                }
                RtcStats::RemoteInboundRtp(remote) => {
                    complete_remote_inbound(remote, &reports.on_sent(remote.stream.ssrc).unwrap_or_default());
                }
                RtcStats::RemoteOutboundRtp(remote) => {
                    let report = reports.on_received(remote.stream.ssrc).unwrap_or_default();
                    remote.sent.packets_sent = report.packets_sent;
                    remote.sent.bytes_sent = report.bytes_sent;
                    remote.remote_outbound.remote_timestamp = report.clock_s * 1_000.0;
                    remote.remote_outbound.reports_sent = report.reports;
                }
                _ => {}
            }
        }
        drop(reports);
        stats.extend(codecs_sent(&local, now));
        stats.extend(local.iter().map(|audio| media_source(audio, now)));
        stats
    }

    /// What is known about the stream of a sender.
    pub(crate) fn sender_stats(&mut self, now: Instant, index: usize) -> Vec<RtcStats> {
        let Some(wanted) = self.sender_ssrc(index) else {
            return Vec::new();
        };
        self.stats_of(now, Some(wanted))
            .into_iter()
            .filter(|stats| match stats {
                RtcStats::MediaSource(source) => source.rtc.id == media_source_id(wanted),
                stats => concerns(stats, wanted),
            })
            .collect()
    }

    /// What is known about the stream of a receiver.
    pub(crate) fn receiver_stats(&mut self, now: Instant, index: usize) -> Vec<RtcStats> {
        let Some(wanted) = self.receiver_ssrc(index) else {
            return Vec::new();
        };
        self.stats_of(now, Some(wanted))
            .into_iter()
            .filter(|stats| concerns(stats, wanted))
            .collect()
    }
}

/// What the jitter buffer knows better than the packets do.
fn complete_inbound(stats: &mut InboundRtpStats, measured: &InboundAudioStats, now: Instant) {
    let playout = &measured.playout;
    stats.received.packets_received = measured.packets_received;
    stats.received.packets_lost = measured.packets_lost;
    stats.received.jitter = measured.jitter_s;
    let inbound = &mut stats.inbound;
    inbound.last_packet_received_timestamp = measured.last_packet.map_or(0.0, |at| since_epoch_ms(at, now));
    // Nobody tells it here; `rtc` gives the present.
    inbound.estimated_playout_timestamp = 0.0;
    inbound.bytes_received = measured.bytes_received;
    inbound.packets_discarded = playout.packets_discarded;
    inbound.fec_packets_received = playout.packets_recovered;
    inbound.total_samples_received = playout.total_samples;
    inbound.concealed_samples = playout.concealed_samples;
    inbound.silent_concealed_samples = playout.silent_concealed_samples;
    inbound.concealment_events = playout.concealment_events;
    inbound.inserted_samples_for_deceleration = playout.inserted_samples;
    inbound.removed_samples_for_acceleration = playout.removed_samples;
    inbound.jitter_buffer_delay = playout.delay_s;
    inbound.jitter_buffer_target_delay = playout.target_delay_s;
    inbound.jitter_buffer_emitted_count = playout.emitted_samples;
    inbound.audio_level = playout.level;
    inbound.total_audio_energy = playout.total_energy;
    inbound.total_samples_duration = playout.total_samples as f64 / SAMPLES_PER_S;
}

/// What the other side reported about a stream of ours. All zero before its first report.
fn complete_remote_inbound(stats: &mut RemoteInboundRtpStats, report: &SentReport) {
    stats.received.packets_received = report.packets_received;
    stats.received.packets_lost = report.packets_lost;
    stats.received.jitter = report.jitter_s;
    let remote = &mut stats.remote_inbound;
    remote.round_trip_time = report.round_trip.unwrap_or_default().as_secs_f64();
    remote.total_round_trip_time = report.total_round_trip.as_secs_f64();
    remote.round_trip_time_measurements = report.measurements;
    remote.fraction_lost = report.fraction_lost;
}

fn complete_outbound(stats: &mut OutboundRtpStats, audio: &LocalAudio) {
    stats.outbound.media_source_id = media_source_id(audio.ssrc);
    // `rtc` knows one codec for all, and not which of the two it is with redundancy.
    stats.stream.codec_id = audio.payload_type.map_or_else(String::new, codec_id);
    stats.outbound.target_bitrate = f64::from(audio.measured.target_bitrate_bps);
}

/// What local tracks are sent as, each once.
fn codecs_sent(local: &[LocalAudio], now: Instant) -> Vec<RtcStats> {
    let marked = local
        .iter()
        .filter_map(|audio| Some((audio.payload_type?, audio.redundant)));
    let marked: BTreeMap<u8, bool> = marked.collect();
    let codec = |(payload_type, redundant)| {
        let of = if redundant {
            settings::red()
        } else {
            settings::codec(MediaKind::Audio)
        };
        let mut stats = CodecStats::default();
        stats.rtc.id = codec_id(payload_type);
        stats.rtc.timestamp = (since_epoch_ms(now, now) * 1_000.0) as i64;
        stats.codec.payload_type = u32::from(payload_type);
        stats.codec.mime_type = of.mime_type;
        stats.codec.clock_rate = of.clock_rate;
        stats.codec.channels = u32::from(of.channels);
        stats.codec.sdp_fmtp_line = of.sdp_fmtp_line;
        RtcStats::Codec(stats)
    };
    marked.into_iter().map(codec).collect()
}

fn codec_id(payload_type: u8) -> String {
    format!("Codec_sent_{payload_type}")
}

/// Samples are counted at the clock rate of Opus, whatever the source or stream runs at.
const SAMPLES_PER_S: f64 = 48_000.0;

fn media_source(audio: &LocalAudio, now: Instant) -> RtcStats {
    let LocalAudio {
        ssrc,
        track_id,
        measured,
        ..
    } = audio;
    let mut stats = MediaSourceStats::default();
    stats.rtc.id = media_source_id(*ssrc);
    stats.rtc.timestamp = (since_epoch_ms(now, now) * 1_000.0) as i64;
    stats.source.track_identifier.clone_from(track_id);
    stats.source.kind = "audio".to_owned();
    stats.audio.audio_level = measured.audio_level;
    stats.audio.total_audio_energy = measured.total_audio_energy;
    stats.audio.total_samples_duration = measured.total_samples_duration_s;
    RtcStats::MediaSource(stats)
}

fn media_source_id(ssrc: u32) -> String {
    format!("MediaSource_{ssrc}")
}

/// Of a moment in the past, as `rtc` counts it.
fn since_epoch_ms(at: Instant, now: Instant) -> f64 {
    let now_ms = SystemInstant::now(now).duration_since_unix_epoch().as_secs_f64() * 1_000.0;
    now_ms - now.saturating_duration_since(at).as_secs_f64() * 1_000.0
}

/// Whether statistics are of this media source, or of the connection that carries it.
fn concerns(stats: &RtcStats, ssrc: u32) -> bool {
    match stats {
        RtcStats::InboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::OutboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::RemoteInboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::RemoteOutboundRtp(stats) => stats.stream.ssrc == ssrc,
        RtcStats::DataChannel(_) | RtcStats::PeerConnection(_) | RtcStats::MediaSource(_) => false,
        _ => true,
    }
}
