//! The jitter buffer of one track in one format: packets in as they come, 10 ms of sound out whenever
//! asked. Without a clock or a thread of its own.
//!
//! Sound is played some time after the fastest packets would allow; [`DelayEstimator`] says how long.
//! Where the delay is off its target - after a stall, with a sender whose clock is fast or slow - it is
//! moved back by periods of the voice left out or repeated, and in pauses by their length. Packets that
//! are late are waited for, so that a stall loses no words; what is lost is recovered from the next
//! packet's copy, or concealed.

use std::{collections::BTreeMap, time::Instant};

use bytes::Bytes;
use ropus::DecoderInitError;

use super::{
    RtpAudio,
    decode::{CONCEALMENT_STEP_RTP, PacketDecoder},
    delay::DelayEstimator,
    duplicates::RecentSequences,
    format::{PcmFormat, RTP_CLOCK_HZ, TICK_RTP},
    gate::{SilenceGate, Verdict},
    level::{dbov, mean_square},
    opus_packet,
    playout_stats::PlayoutStats,
    time_scale,
    unwrap::{sequence_near, timestamp_near},
};

const MS: i64 = (RTP_CLOCK_HZ / 1_000) as i64;
/// Packets held at most; when one more comes the oldest is given up.
const MAX_PACKETS: usize = 200;
/// Sound held at most, likewise.
const MAX_SPAN_RTP: i64 = 4_000 * MS;
/// A packet this far off in time belongs to another timeline: the sender has started anew.
const RESTART_RTP: i64 = 4_000 * MS;
/// The delay may be this much longer, or shorter, than its target before anything is done about it.
const MAX_EXCESS_RTP: i64 = 8 * MS;
const MAX_SHORTFALL_RTP: i64 = 8 * MS;
/// Steps between two changes of length while somebody speaks: speech is sped up by a quarter at most.
const SCALING_PAUSE_TICKS: u32 = 4;
/// Concealment in a row, after which there is silence: a guess this old is no guess.
const MAX_CONCEALMENT_RTP: i64 = 100 * MS;
/// The same while the sender is pausing and the decoder makes background noise. Senders renew it
/// every 400 ms.
const MAX_COMFORT_RTP: i64 = 1_000 * MS;
/// A loss longer than this need not be filled where the delay is too long anyway.
const LONG_LOSS_RTP: i64 = 120 * MS;
/// More rounds than any sequence of packets can need for one step.
const MAX_ROUNDS: usize = 64;

struct Packet {
    sequence: i64,
    payload: Bytes,
    level_dbov: Option<u8>,
    /// Begins a spurt: what is missing before it was never sent.
    marker: bool,
    duration: i64,
    arrival: i64,
    /// It came within a later one.
    copy: bool,
}

/// All times are in units of 1/48000 s, timestamps and arrivals alike.
pub(crate) struct Playout {
    format: PcmFormat,
    /// Length of one sample.
    unit: i64,
    /// The moment from which arrivals are counted.
    origin: Option<Instant>,
    last_timestamp: Option<i64>,
    recent: RecentSequences,
    packets: BTreeMap<i64, Packet>,
    delay: DelayEstimator,
    gate: SilenceGate,
    decoder: PacketDecoder,
    /// Sound ready to be played.
    pcm: Vec<i16>,
    /// Timestamp of the sound to follow `pcm`; none before the first packet is played.
    next: Option<i64>,
    /// Of the packet played last.
    last_sequence: Option<i64>,
    /// Made up since the last sound from a packet.
    concealed: i64,
    /// The part of it made up because no packet was there, without moving on in time.
    held: i64,
    /// The last packet said that the sender pauses.
    pausing: bool,
    /// A packet from another timeline, until a second one confirms it.
    stray: Option<(RtpAudio, i64)>,
    ticks_since_scaling: u32,
    /// Counted since they were last taken.
    pub(crate) stats: PlayoutStats,
}

impl Playout {
    /// A jitter buffer for a format that Opus knows.
    pub(crate) fn new(format: PcmFormat) -> Result<Self, DecoderInitError> {
        Ok(Self {
            format,
            unit: i64::from(RTP_CLOCK_HZ / format.rate_hz),
            origin: None,
            last_timestamp: None,
            recent: RecentSequences::default(),
            packets: BTreeMap::new(),
            delay: DelayEstimator::new(),
            gate: SilenceGate::default(),
            decoder: PacketDecoder::new(format)?,
            pcm: Vec::new(),
            next: None,
            last_sequence: None,
            concealed: 0,
            held: 0,
            pausing: false,
            stray: None,
            ticks_since_scaling: 0,
            stats: PlayoutStats::default(),
        })
    }

    /// Takes a packet as it came from the network.
    pub(crate) fn insert(&mut self, packet: &RtpAudio, arrival: Instant) {
        let arrival = self.time(arrival);
        let Some(duration) = opus_packet::duration_rtp(&packet.payload) else {
            self.stats.packets_discarded += 1;
            return;
        };
        if packet.copy {
            self.admit_copy(packet, duration, arrival);
            return;
        }
        let timestamp = timestamp_near(self.last_timestamp, packet.timestamp);
        let deviation = self.delay.deviation(arrival, timestamp).unwrap_or(0);
        if deviation.abs() <= RESTART_RTP {
            self.stray = None;
            self.admit(packet, timestamp, duration, arrival);
            return;
        }
        // One such packet may be rubbish. Two that agree are a new beginning.
        let confirmed = self.stray.take().filter(|(first, first_arrival)| {
            let sent = i64::from(packet.timestamp.wrapping_sub(first.timestamp) as i32);
            packet.sequence != first.sequence && (arrival - first_arrival - sent).abs() <= RESTART_RTP
        });
        if let Some((first, first_arrival)) = confirmed {
            self.restart();
            self.insert_first(&first, first_arrival);
            let timestamp = timestamp_near(self.last_timestamp, packet.timestamp);
            self.admit(packet, timestamp, duration, arrival);
        } else {
            self.stray = Some((packet.clone(), arrival));
        }
    }

    fn insert_first(&mut self, packet: &RtpAudio, arrival: i64) {
        if let Some(duration) = opus_packet::duration_rtp(&packet.payload) {
            self.admit(packet, i64::from(packet.timestamp), duration, arrival);
        }
    }

    fn restart(&mut self) {
        self.stats.packets_discarded += self.packets.len() as u64;
        self.packets.clear();
        self.recent = RecentSequences::default();
        self.delay = DelayEstimator::new();
        self.last_timestamp = None;
        self.last_sequence = None;
        self.next = None;
    }

    fn admit(&mut self, packet: &RtpAudio, timestamp: i64, duration: i64, arrival: i64) {
        let newest = self.last_timestamp.is_none_or(|last| timestamp > last);
        let sequence = sequence_near(self.recent.newest(), packet.sequence);
        if !self.recent.admit(sequence, newest) {
            self.stats.packets_discarded += 1;
            return;
        }
        if newest {
            self.last_timestamp = Some(timestamp);
        }
        self.delay.observe(arrival, timestamp, duration);
        // Rather itself than a copy of it.
        let is_there = self.packets.get(&timestamp).is_some_and(|there| !there.copy);
        if is_there || self.is_played(timestamp, duration) {
            self.stats.packets_discarded += 1;
            return;
        }
        self.keep(packet, sequence, timestamp, duration, arrival);
    }

    /// Takes a packet out of a later one where it is missing. It says nothing of the network, and where it turns up after all it
    /// is no double of itself.
    fn admit_copy(&mut self, packet: &RtpAudio, duration: i64, arrival: i64) {
        // To who has heard nothing yet nothing is missing.
        let (Some(last), Some(newest)) = (self.last_timestamp, self.recent.newest()) else {
            return;
        };
        let timestamp = timestamp_near(Some(last), packet.timestamp);
        let is_near = (timestamp - last).abs() <= RESTART_RTP;
        if is_near && !self.packets.contains_key(&timestamp) && !self.is_played(timestamp, duration) {
            let sequence = sequence_near(Some(newest), packet.sequence);
            self.keep(packet, sequence, timestamp, duration, arrival);
        }
    }

    fn is_played(&self, timestamp: i64, duration: i64) -> bool {
        self.next.is_some_and(|next| timestamp + duration / 2 < next)
    }

    fn keep(&mut self, packet: &RtpAudio, sequence: i64, timestamp: i64, duration: i64, arrival: i64) {
        let RtpAudio {
            payload,
            level_dbov,
            marker,
            copy,
            ..
        } = packet.clone();
        self.packets.insert(
            timestamp,
            Packet {
                sequence,
                payload,
                level_dbov,
                marker,
                duration,
                arrival,
                copy,
            },
        );
        while self.packets.len() > MAX_PACKETS || self.span() > MAX_SPAN_RTP {
            self.packets.pop_first();
            self.stats.packets_discarded += 1;
            let first = self.packets.first_key_value().map(|(timestamp, _)| *timestamp);
            self.next = self.next.max(self.next.and(first));
        }
    }

    fn span(&self) -> i64 {
        match (self.packets.first_key_value(), self.packets.last_key_value()) {
            (Some((first, _)), Some((last, _))) => last - first,
            _ => 0,
        }
    }

    /// Appends exactly 10 ms of sound, due at `now`.
    pub(crate) fn pull(&mut self, now: Instant, out: &mut Vec<i16>) {
        let wanted = self.samples(TICK_RTP);
        if self.rests(wanted) {
            self.made_up(TICK_RTP, true);
            self.held += TICK_RTP;
            self.gate.heard(&[], TICK_RTP);
            self.stats.tick(0.0);
            out.resize(out.len() + wanted, 0);
            return;
        }
        let now = self.time(now);
        for _ in 0..MAX_ROUNDS {
            if self.pcm.len() >= wanted {
                break;
            }
            self.produce(now);
        }
        if self.pcm.len() < wanted {
            self.pcm.resize(wanted, 0);
        }
        self.correct_delay(now);
        let square = mean_square(&self.pcm[..wanted]);
        self.stats.tick(square);
        out.extend(self.pcm.drain(..wanted));
    }

    /// Nothing has come, and nothing is made up: most tracks of a meeting, most of the time.
    fn rests(&self, wanted: usize) -> bool {
        self.packets.is_empty()
            && self.next.is_some()
            && self.gate.is_closed()
            && self.pcm.len() < wanted
            && self.pcm.iter().all(|sample| *sample == 0)
    }

    /// Everything that came has been played.
    pub(crate) fn is_drained(&self) -> bool {
        self.packets.is_empty() && self.pcm.len() < self.samples(TICK_RTP)
    }

    /// One round of making sound.
    fn produce(&mut self, now: i64) {
        let Some((&timestamp, packet)) = self.packets.first_key_value() else {
            return self.hold();
        };
        let Some(next) = self.next else {
            if self.delay.delay(now, timestamp) >= self.delay.target() {
                self.next = Some(timestamp);
            } else {
                self.silence(TICK_RTP);
            }
            return;
        };
        let gap = timestamp - next;
        if gap < CONCEALMENT_STEP_RTP {
            self.play_first(now);
            return;
        }
        let lost = !packet.marker && self.last_sequence.is_some_and(|last| packet.sequence != last + 1);
        if lost {
            self.delay.lost(now);
        }
        let copy = lost && opus_packet::has_error_correction(&packet.payload);
        let copied = if copy { packet.duration.min(gap) } else { 0 };
        let skipped = self.skippable(now, next, gap - copied, lost);
        if skipped > 0 {
            self.next = Some(next + skipped);
            return;
        }
        if copied == gap {
            let payload = packet.payload.clone();
            self.next = Some(timestamp);
            self.concealed += gap;
            self.stats.packets_recovered += 1;
            self.guess(gap, |decoder, gap, pcm| {
                decoder.recover(&payload, gap, pcm).is_ok()
            });
            return;
        }
        let step = (gap - copied).min(TICK_RTP) / CONCEALMENT_STEP_RTP * CONCEALMENT_STEP_RTP;
        self.next = Some(next + step.max(gap.min(CONCEALMENT_STEP_RTP)));
        if lost {
            self.conceal(step, MAX_CONCEALMENT_RTP);
        } else {
            self.pause(step);
        }
    }

    /// How much of a gap need not be filled: the sound after it is behind its time, and either time has
    /// been made up for it already or nothing was ever sent there.
    fn skippable(&self, now: i64, next: i64, gap: i64, lost: bool) -> i64 {
        if lost && self.held == 0 && gap <= LONG_LOSS_RTP {
            0
        } else {
            self.excess(now, next).clamp(0, gap)
        }
    }

    /// By how much the sound at `next`, played after what is ready, is behind its target.
    fn excess(&self, now: i64, next: i64) -> i64 {
        self.delay.delay(now, next - self.ready()) - self.delay.target()
    }

    fn play_first(&mut self, now: i64) {
        let Some((timestamp, packet)) = self.packets.pop_first() else {
            return;
        };
        let delay = now + self.ready() - packet.arrival;
        self.stats
            .packet_played(delay, self.delay.target(), packet.duration);
        self.next = Some(timestamp + packet.duration);
        self.last_sequence = Some(packet.sequence);
        if packet.copy {
            self.stats.packets_recovered += 1;
            self.delay.lost(now);
        }
        self.pausing = opus_packet::is_dtx(&packet.payload);
        let empty = opus_packet::is_empty(&packet.payload);
        match self.gate.judge(packet.level_dbov, empty) {
            Verdict::Decode => {
                self.stats.packets_decoded += 1;
                self.decode(&packet);
            }
            Verdict::Skip => self.silence(packet.duration),
            Verdict::Audit => {
                self.stats.packets_decoded += 1;
                let heard_from = self.pcm.len();
                self.decode(&packet);
                if self.gate.audited(dbov(mean_square(&self.pcm[heard_from..]))) {
                    self.pcm[heard_from..].fill(0);
                } else {
                    tracing::debug!("a track said to be silent is not: it is decoded in full");
                }
            }
        }
        (self.concealed, self.held) = (0, 0);
    }

    fn decode(&mut self, packet: &Packet) {
        let from = self.pcm.len();
        if let Err(error) = self.decoder.decode(&packet.payload, &mut self.pcm) {
            self.pcm.truncate(from);
            self.stats.packets_discarded += 1;
            tracing::debug!(%error, "an audio packet was not decoded");
        }
        self.pcm.resize(from + self.samples(packet.duration), 0);
        self.gate.heard(&self.pcm[from..], packet.duration);
    }

    /// No packet is there. Time stands still until one comes, and [`Self::skippable`] makes up for it.
    fn hold(&mut self) {
        if self.next.is_none() {
            return self.silence(TICK_RTP);
        }
        if self.pausing {
            self.pause(TICK_RTP);
        } else {
            self.conceal(TICK_RTP, MAX_CONCEALMENT_RTP);
        }
        self.held += TICK_RTP;
    }

    /// Background noise while the sender has nothing to say.
    fn pause(&mut self, duration: i64) {
        self.conceal(duration, MAX_COMFORT_RTP);
    }

    fn conceal(&mut self, duration: i64, limit: i64) {
        let silent = self.gate.is_closed() || self.concealed >= limit || duration <= 0;
        self.made_up(duration, silent);
        if silent {
            return self.silence(duration);
        }
        self.guess(duration, |decoder, duration, pcm| {
            decoder.conceal(duration, pcm).is_ok()
        });
    }

    fn made_up(&mut self, duration: i64, silent: bool) {
        self.stats.concealed(duration, self.concealed, silent);
        self.concealed += duration;
    }

    fn guess(&mut self, duration: i64, made: impl FnOnce(&mut PacketDecoder, i64, &mut Vec<i16>) -> bool) {
        let from = self.pcm.len();
        if !made(&mut self.decoder, duration, &mut self.pcm) {
            self.pcm.truncate(from);
        }
        self.pcm.resize(from + self.samples(duration), 0);
        self.gate.heard(&self.pcm[from..], duration);
    }

    fn silence(&mut self, duration: i64) {
        self.pcm.resize(self.pcm.len() + self.samples(duration), 0);
        self.gate.heard(&[], duration);
    }

    /// Moves the delay towards its target where the sound allows it.
    fn correct_delay(&mut self, now: i64) {
        self.ticks_since_scaling = self.ticks_since_scaling.saturating_add(1);
        let Some(next) = self.next else { return };
        let excess = self.excess(now, next);
        if self.held > 0 || (-MAX_SHORTFALL_RTP..=MAX_EXCESS_RTP).contains(&excess) {
            return;
        }
        let needed = self.samples(i64::from(time_scale::NEEDED_MS) * MS);
        while self.pcm.len() < needed && self.first_follows() {
            self.play_first(now);
        }
        let may_scale = self.ticks_since_scaling >= SCALING_PAUSE_TICKS;
        if self.pcm.len() < needed || !(may_scale || time_scale::is_quiet(&self.pcm[..needed])) {
            return;
        }
        let changed = if excess > 0 {
            let removed = time_scale::shorten(&mut self.pcm, self.format);
            self.stats.removed_samples += removed.unwrap_or(0) as u64 * self.unit.unsigned_abs();
            removed
        } else {
            let inserted = time_scale::lengthen(&mut self.pcm, self.format);
            self.stats.inserted_samples += inserted.unwrap_or(0) as u64 * self.unit.unsigned_abs();
            inserted
        };
        if changed.is_some() {
            self.ticks_since_scaling = 0;
        }
    }

    /// The next packet joins what has been decoded without a gap.
    fn first_follows(&self) -> bool {
        let (Some(next), Some((timestamp, _))) = (self.next, self.packets.first_key_value()) else {
            return false;
        };
        timestamp - next < CONCEALMENT_STEP_RTP
    }

    /// Length of the sound ready to be played.
    fn ready(&self) -> i64 {
        (self.pcm.len() / self.format.channels) as i64 * self.unit
    }

    fn samples(&self, duration: i64) -> usize {
        usize::try_from(duration / self.unit).unwrap_or(0) * self.format.channels
    }

    fn time(&mut self, at: Instant) -> i64 {
        let origin = *self.origin.get_or_insert(at);
        let units = |duration: std::time::Duration| {
            i64::try_from(duration.as_micros() * u128::from(RTP_CLOCK_HZ) / 1_000_000).unwrap_or(i64::MAX / 4)
        };
        match at.checked_duration_since(origin) {
            Some(after) => units(after),
            None => -units(origin.duration_since(at)),
        }
    }
}

#[cfg(test)]
mod tests;
