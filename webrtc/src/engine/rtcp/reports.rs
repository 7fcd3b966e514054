//! What sender and receiver reports tell (RFC 3550, section 6.4): round trip, loss and jitter at the
//! other side, its clock.
//!
//! `rtc` counts reports, but leaves the round trip at zero, gives jitter in units of the clock and the
//! highest sequence number as a count. This watches the same reports pass and measures.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rtc::{
    interceptor::{Interceptor, Packet, StreamInfo, TaggedPacket},
    rtcp::{receiver_report::ReceiverReport, reception_report::ReceptionReport, sender_report::SenderReport},
    sansio::Protocol,
    shared::error::Error,
};

use super::loss::ExpectedLoss;

/// Our reports that an answer may still refer to, for each stream.
const MAX_REMEMBERED_REPORTS: usize = 16;
/// Streams of the other side whose reports are kept.
const MAX_REMOTE_STREAMS: usize = 1_024;
/// Between the epochs of NTP and Unix, in seconds.
const NTP_TO_UNIX_S: f64 = 2_208_988_800.0;

/// What the other side reports about a stream of ours.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::engine) struct SentReport {
    pub(in crate::engine) round_trip: Option<Duration>,
    pub(in crate::engine) total_round_trip: Duration,
    pub(in crate::engine) measurements: u64,
    pub(in crate::engine) packets_received: u64,
    pub(in crate::engine) packets_lost: i64,
    /// 0 to 1, since the report before.
    pub(in crate::engine) fraction_lost: f64,
    pub(in crate::engine) jitter_s: f64,
}

/// What the other side reports about a stream that it sends.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(in crate::engine) struct ReceivedReport {
    /// The other side's clock, in seconds since 1970.
    pub(in crate::engine) clock_s: f64,
    pub(in crate::engine) packets_sent: u64,
    /// Payload only.
    pub(in crate::engine) bytes_sent: u64,
    pub(in crate::engine) reports: u64,
}

/// Shared by the interceptor and whoever asks.
#[derive(Debug, Default)]
pub(in crate::engine) struct Reports {
    sent: HashMap<u32, SentStream>,
    received: HashMap<u32, ReceivedReport>,
    /// A stream of ours has come to expect another loss.
    loss_changed: bool,
}

#[derive(Debug, Default)]
struct SentStream {
    clock_rate_hz: u32,
    first_sequence: Option<u16>,
    /// The middle of our reports' NTP time, and when they left.
    reports: VecDeque<(u32, Instant)>,
    last: Option<SentReport>,
    expected_loss: ExpectedLoss,
}

impl Reports {
    /// What was reported last on a stream that we send.
    pub(in crate::engine) fn on_sent(&self, ssrc: u32) -> Option<SentReport> {
        self.sent.get(&ssrc)?.last
    }

    /// How much loss the encoder of a stream should prepare for.
    pub(in crate::engine) fn expected_loss_percent(&self, ssrc: u32) -> u8 {
        self.sent
            .get(&ssrc)
            .map_or(0, |stream| stream.expected_loss.percent())
    }

    /// Whether a stream of ours has come to expect another loss since the last call. Asked here, because the stack hands on no
    /// report on a connection that receives no sound.
    pub(in crate::engine) fn take_loss_changed(&mut self) -> bool {
        std::mem::take(&mut self.loss_changed)
    }

    /// What was reported last on a stream that the other side sends.
    pub(in crate::engine) fn on_received(&self, ssrc: u32) -> Option<ReceivedReport> {
        self.received.get(&ssrc).copied()
    }

    fn on_read(&mut self, now: Instant, packet: &dyn rtc::rtcp::Packet) {
        let packet = packet.as_any();
        if let Some(report) = packet.downcast_ref::<SenderReport>() {
            self.on_sender_report(report);
            self.on_reception(now, &report.reports);
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            self.on_reception(now, &report.reports);
        }
    }

    fn on_sender_report(&mut self, report: &SenderReport) {
        let known = self.received.contains_key(&report.ssrc);
        if !known && self.received.len() >= MAX_REMOTE_STREAMS {
            return;
        }
        let seconds = report.ntp_time as f64 / (1_u64 << 32) as f64;
        let received = self.received.entry(report.ssrc).or_default();
        received.clock_s = seconds - NTP_TO_UNIX_S;
        received.packets_sent = u64::from(report.packet_count);
        received.bytes_sent = u64::from(report.octet_count);
        received.reports += 1;
    }

    fn on_reception(&mut self, now: Instant, reports: &[ReceptionReport]) {
        for report in reports {
            if let Some(stream) = self.sent.get_mut(&report.ssrc) {
                let before = stream.expected_loss.percent();
                stream.on_reception(now, report);
                self.loss_changed |= stream.expected_loss.percent() != before;
            }
        }
    }

    fn on_write(&mut self, now: Instant, packet: &Packet) {
        match packet {
            Packet::Rtp(packet) => {
                if let Some(stream) = self.sent.get_mut(&packet.header.ssrc) {
                    stream.first_sequence.get_or_insert(packet.header.sequence_number);
                }
            }
            Packet::Rtcp(packets) => {
                for packet in packets {
                    if let Some(report) = packet.as_any().downcast_ref::<SenderReport>()
                        && let Some(stream) = self.sent.get_mut(&report.ssrc)
                    {
                        stream.reports.truncate(MAX_REMEMBERED_REPORTS - 1);
                        stream.reports.push_front(((report.ntp_time >> 16) as u32, now));
                    }
                }
            }
            _ => {}
        }
    }
}

impl SentStream {
    fn on_reception(&mut self, now: Instant, report: &ReceptionReport) {
        let fraction_lost = f64::from(report.fraction_lost) / 256.0;
        self.expected_loss.observe(now, fraction_lost);
        let before = self.last.unwrap_or_default();
        // Zero stands for "no report of yours has come".
        let sent_at = (report.last_sender_report != 0)
            .then(|| {
                self.reports
                    .iter()
                    .find(|(ntp, _)| *ntp == report.last_sender_report)
            })
            .flatten()
            .map(|(_, at)| *at);
        let kept = Duration::from_secs_f64(f64::from(report.delay) / 65_536.0);
        let round_trip = sent_at.and_then(|at| now.checked_duration_since(at)?.checked_sub(kept));
        let lost = i64::from(report.total_lost);
        let expected = self.first_sequence.map_or(0, |first| {
            i64::from(report.last_sequence_number) - i64::from(first) + 1
        });
        self.last = Some(SentReport {
            round_trip: round_trip.or(before.round_trip),
            total_round_trip: before.total_round_trip + round_trip.unwrap_or_default(),
            measurements: before.measurements + u64::from(round_trip.is_some()),
            packets_received: u64::try_from(expected - lost).unwrap_or(0),
            packets_lost: lost,
            fraction_lost,
            jitter_s: f64::from(report.jitter) / f64::from(self.clock_rate_hz.max(1)),
        });
    }
}

/// Stands between the wire and whoever writes reports; changes nothing.
pub(in crate::engine) struct ReportWatcher {
    reports: Arc<Mutex<Reports>>,
    read: VecDeque<TaggedPacket>,
    written: VecDeque<TaggedPacket>,
}

impl ReportWatcher {
    pub(in crate::engine) fn new(reports: Arc<Mutex<Reports>>) -> Self {
        Self {
            reports,
            read: VecDeque::new(),
            written: VecDeque::new(),
        }
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for ReportWatcher {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        if let Packet::Rtcp(packets) = &packet.message.packet {
            let mut reports = self.reports.lock();
            for report in packets {
                reports.on_read(packet.now, report.as_ref());
            }
        }
        self.read.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.read.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.reports.lock().on_write(packet.now, &packet.message.packet);
        self.written.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.written.pop_front()
    }
}

impl Interceptor for ReportWatcher {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        let stream = SentStream {
            clock_rate_hz: info.clock_rate,
            ..SentStream::default()
        };
        self.reports.lock().sent.insert(info.ssrc, stream);
    }

    fn unbind_local_stream(&mut self, info: &StreamInfo) {
        self.reports.lock().sent.remove(&info.ssrc);
    }

    fn bind_remote_stream(&mut self, _info: &StreamInfo) {}

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        self.reports.lock().received.remove(&info.ssrc);
    }
}

/// Reports that anything can be read into.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    use super::*;

    /// A stream of ours, and the middle of the NTP time of the report on it that has been sent.
    const SSRC: u32 = 1;
    const SENT_NTP: u32 = 0x0102_0304;

    /// Reads reports on a stream that is known, and checks what is made of them.
    pub(crate) fn watch(packets: &[Box<dyn rtc::rtcp::Packet>]) {
        let sent_at = Instant::now();
        let mut stream = SentStream {
            clock_rate_hz: 48_000,
            first_sequence: Some(65_000),
            ..SentStream::default()
        };
        stream.reports.push_front((SENT_NTP, sent_at));
        let mut reports = Reports::default();
        reports.sent.insert(SSRC, stream);
        for packet in packets {
            reports.on_read(sent_at + Duration::from_secs(2), packet.as_ref());
        }
        assert!(reports.received.len() <= MAX_REMOTE_STREAMS);
        assert!(reports.expected_loss_percent(SSRC) <= 25);
        if let Some(report) = reports.on_sent(SSRC) {
            assert!((0.0..1.0).contains(&report.fraction_lost) && report.jitter_s >= 0.0);
            let round_trip = report.round_trip.unwrap_or_default();
            assert!(round_trip <= Duration::from_secs(2), "the stream is no older");
        }
    }
}
