//! From 10 ms steps of PCM to 20 ms Opus frames with RTP timestamps. Without a clock of its own: the
//! time of each step comes with it, and timestamps follow time, also across steps that never came.

use std::time::{Duration, Instant};

use bytes::Bytes;
use ropus::{Application, Bitrate, Channels, EncoderBuildError, InbandFec};

use super::{
    EncodedAudio, EncoderOptions,
    convert::Converter,
    format::{PcmFormat, RTP_CLOCK_HZ, TICK_MS, TICK_RTP},
    level::{INAUDIBLE_DBOV, SILENCE_DBOV, VOICE_DBOV, dbov, mean_square},
};

/// Length of an Opus frame; what every WebRTC endpoint expects by default.
const FRAME_MS: u32 = 20;
/// Bit rate for each channel where nothing was negotiated: speech at full band width.
const DEFAULT_BITRATE_BPS: u32 = 32_000;
const BITRATE_RANGE_BPS: std::ops::RangeInclusive<u32> = 6_000..=510_000;
/// Of 10. Above this the gain in quality at speech rates is small and the cost is not.
const COMPLEXITY: u8 = 5;
/// RFC 6716, section 3.4: no packet is longer for one frame.
const MAX_PACKET_BYTES: usize = 1_275;
/// Opus marks a frame that need not be sent by a packet of at most this length. It may do so in quiet
/// passages only: its detector knows speech, and takes music and steady tones for noise, however loud.
const DTX_PACKET_BYTES: usize = 2;
/// Steps may come this much off their time before timestamps jump after them.
const MAX_DRIFT: Duration = Duration::from_millis(60);
/// Audible sound after this many inaudible frames starts a new spurt.
const SPURT_PAUSE_FRAMES: u32 = 10;
/// After this many frames of digital silence the encoder has settled and is left alone: a ready-made
/// packet is sent until there is sound again.
const SETTLED_FRAMES: u32 = 25;
/// 20 ms of digital silence: full band, mono, one frame, whose first coded symbol is the silence flag
/// (RFC 6716, sections 3.1 and 4.3).
const SILENT_PACKET: &[u8] = &[0xf8, 0xff, 0xfe];
/// With DTX, one packet in this many is sent nonetheless: every 400 ms, as encoders do.
const DTX_REFRESH_FRAMES: u32 = 20;

/// The timestamps of one RTP stream; outlives the encoders that a renegotiation replaces.
#[derive(Debug)]
pub(crate) struct MediaClock {
    next: u32,
    /// When the next step is due; none before the first.
    due: Option<Instant>,
}

impl MediaClock {
    pub(crate) fn starting_at(timestamp: u32) -> Self {
        Self {
            next: timestamp,
            due: None,
        }
    }

    /// Takes note of a step at `slot`; true when steps before it are missing.
    fn step(&mut self, slot: Instant) -> bool {
        let tick = Duration::from_millis(u64::from(TICK_MS));
        let due = self.due.unwrap_or(slot);
        let missing = slot.saturating_duration_since(due);
        let jumped = missing > MAX_DRIFT;
        if jumped {
            let ticks = missing.as_millis() as u64 / u64::from(TICK_MS);
            self.next = self
                .next
                .wrapping_add((ticks as u32).wrapping_mul(TICK_RTP as u32));
            self.due = Some(slot + tick);
        } else {
            self.due = Some(due.min(slot + MAX_DRIFT) + tick);
        }
        jumped
    }
}

/// What became of a full frame.
#[derive(Debug)]
pub(crate) enum Frame {
    Packet(EncodedAudio),
    /// Silence that need not be sent.
    Suppressed,
}

/// One Opus encoder with all that belongs to its settings.
pub(crate) struct FrameEncoder {
    encoder: ropus::Encoder,
    converter: Converter,
    coded: PcmFormat,
    options: EncoderOptions,
    bitrate_bps: u32,
    pending: Vec<i16>,
    /// Timestamp of the first pending sample.
    pending_since: u32,
    suppressing: bool,
    inaudible_frames: u32,
    /// The next packet follows a gap in time.
    after_gap: bool,
    packet: Box<[u8; MAX_PACKET_BYTES]>,
}

impl FrameEncoder {
    /// An encoder for PCM of the format `input`.
    pub(crate) fn new(input: PcmFormat, options: EncoderOptions) -> Result<Self, EncoderBuildError> {
        let stereo = options.stereo && input.channels > 1;
        let coded = PcmFormat {
            channels: if stereo { 2 } else { 1 },
            ..input.opus()
        };
        let bitrate_bps = options
            .max_bitrate_bps
            .unwrap_or(DEFAULT_BITRATE_BPS * coded.channels as u32);
        let bitrate_bps = bitrate_bps.clamp(*BITRATE_RANGE_BPS.start(), *BITRATE_RANGE_BPS.end());
        let channels = if stereo { Channels::Stereo } else { Channels::Mono };
        let mut builder = ropus::Encoder::builder(coded.rate_hz, channels, Application::Voip)
            .bitrate(Bitrate::Bits(bitrate_bps))
            .complexity(COMPLEXITY);
        if options.fec {
            builder = builder.inband_fec(InbandFec::Enabled);
        }
        Ok(Self {
            encoder: builder.build()?,
            converter: Converter::new(input, coded),
            coded,
            options,
            bitrate_bps,
            pending: Vec::new(),
            pending_since: 0,
            suppressing: false,
            inaudible_frames: 0,
            after_gap: true,
            packet: Box::new([0; MAX_PACKET_BYTES]),
        })
    }

    pub(crate) fn options(&self) -> EncoderOptions {
        self.options
    }

    pub(crate) fn bitrate_bps(&self) -> u32 {
        self.bitrate_bps
    }

    /// Where error correction was negotiated, copies are added for as long as loss is expected, the more
    /// of it the coarser the frames themselves. Without a hint, to begin with, there are none.
    pub(crate) fn expect_loss(&mut self, percent: u8) {
        if self.options.fec && self.encoder.packet_loss_perc() != percent {
            // Refused above 100 only.
            let _ = self.encoder.set_packet_loss_perc(percent.min(100));
        }
    }

    /// Takes 10 ms of sound that is played at `slot`; every other step completes a frame.
    pub(crate) fn push(&mut self, clock: &mut MediaClock, slot: Instant, pcm: &[i16]) -> Option<Frame> {
        if clock.step(slot) {
            self.pending.clear();
            self.after_gap = true;
        }
        if self.pending.is_empty() {
            self.pending_since = clock.next;
        }
        clock.next = clock.next.wrapping_add(TICK_RTP as u32);
        self.converter.convert(pcm, &mut self.pending);
        let frame_samples = (self.coded.rate_hz / 1_000 * FRAME_MS) as usize * self.coded.channels;
        if self.pending.len() < frame_samples {
            return None;
        }
        let frame = self.encode(frame_samples);
        self.pending.drain(..frame_samples);
        // What resampling leaves over belongs to the end of the time that has passed.
        let left = (self.pending.len() / self.coded.channels) as u32 * (RTP_CLOCK_HZ / self.coded.rate_hz);
        self.pending_since = clock.next.wrapping_sub(left);
        frame
    }

    fn encode(&mut self, frame_samples: usize) -> Option<Frame> {
        let pcm = &self.pending[..frame_samples];
        let level_dbov = dbov(mean_square(pcm));
        let settled = level_dbov == SILENCE_DBOV && self.inaudible_frames >= SETTLED_FRAMES;
        let payload = if settled {
            Bytes::from_static(SILENT_PACKET)
        } else {
            self.encode_anew(frame_samples, level_dbov)?
        };
        let after_gap = self.after_gap && !settled;
        let marker =
            after_gap || (self.inaudible_frames >= SPURT_PAUSE_FRAMES && level_dbov < INAUDIBLE_DBOV);
        self.inaudible_frames = if level_dbov < INAUDIBLE_DBOV {
            0
        } else {
            self.inaudible_frames.saturating_add(1)
        };
        let unneeded = if settled {
            !self.inaudible_frames.is_multiple_of(DTX_REFRESH_FRAMES)
        } else {
            payload.len() <= DTX_PACKET_BYTES
        };
        if self.options.dtx && unneeded {
            // The first one tells the receiver that silence begins.
            if std::mem::replace(&mut self.suppressing, true) {
                self.after_gap = true;
                return Some(Frame::Suppressed);
            }
        } else if !settled {
            self.suppressing = false;
        }
        self.after_gap = false;
        Some(Frame::Packet(EncodedAudio {
            payload,
            timestamp: self.pending_since,
            level_dbov,
            voice: level_dbov < VOICE_DBOV,
            marker,
        }))
    }

    fn encode_anew(&mut self, frame_samples: usize, level_dbov: u8) -> Option<Bytes> {
        let dtx = self.options.dtx && level_dbov > VOICE_DBOV;
        if dtx != self.encoder.dtx() {
            // Refused by no encoder that takes the option at all; then nothing is suppressed.
            let _ = self.encoder.set_dtx(dtx);
        }
        let length = self
            .encoder
            .encode(&self.pending[..frame_samples], &mut self.packet[..]);
        let length = length
            .inspect_err(|error| tracing::warn!(%error, "an audio frame could not be encoded"))
            .ok()?;
        Some(Bytes::copy_from_slice(&self.packet[..length]))
    }
}

#[cfg(test)]
mod tests;
