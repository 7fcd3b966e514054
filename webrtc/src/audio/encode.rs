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
/// Loss the encoder prepares for when error correction is on: without a hint it adds none.
const EXPECTED_LOSS_PERCENT: u8 = 5;
/// RFC 6716, section 3.4: no packet is longer for one frame.
const MAX_PACKET_BYTES: usize = 1_275;
/// Opus marks a frame that need not be sent by a packet of at most this length.
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
            .complexity(COMPLEXITY)
            .dtx(options.dtx);
        if options.fec {
            builder = builder
                .inband_fec(InbandFec::Enabled)
                .packet_loss_perc(EXPECTED_LOSS_PERCENT);
        }
        Ok(Self {
            encoder: builder.build()?,
            converter: Converter::new(input, coded),
            coded,
            options,
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
            self.encode_anew(frame_samples)?
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

    fn encode_anew(&mut self, frame_samples: usize) -> Option<Bytes> {
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
mod tests {
    use ropus::{DecodeMode, Decoder};

    use super::{
        super::{level::SILENCE_DBOV, test_tone::*},
        *,
    };

    const TICK: Duration = Duration::from_millis(10);

    struct Sender {
        encoder: FrameEncoder,
        clock: MediaClock,
        format: PcmFormat,
        now: Instant,
        samples: usize,
    }

    impl Sender {
        fn new(rate_hz: u32, channels: usize, options: EncoderOptions) -> Self {
            let format = PcmFormat { rate_hz, channels };
            Self {
                encoder: FrameEncoder::new(format, options).unwrap(),
                clock: MediaClock::starting_at(u32::MAX - 10_000),
                format,
                now: Instant::now(),
                samples: 0,
            }
        }

        fn send(&mut self, ticks: usize, amplitude: f64) -> Vec<EncodedAudio> {
            let step = self.format.rate_hz as usize / 100;
            let frames = (0..ticks).filter_map(|_| {
                let mono = tone_from(self.format.rate_hz, 440.0, amplitude, self.samples, step);
                let pcm: Vec<i16> = mono
                    .iter()
                    .flat_map(|sample| std::iter::repeat_n(*sample, self.format.channels))
                    .collect();
                let frame = self.encoder.push(&mut self.clock, self.now, &pcm);
                self.samples += step;
                self.now += TICK;
                frame
            });
            let frames: Vec<Frame> = frames.collect();
            let packets = frames.into_iter().filter_map(|frame| match frame {
                Frame::Packet(packet) => Some(packet),
                Frame::Suppressed => None,
            });
            packets.collect()
        }
    }

    fn decoded(packets: &[EncodedAudio]) -> Vec<i16> {
        let mut decoder = Decoder::new(48_000, Channels::Mono).unwrap();
        let mut pcm = vec![0; 5_760];
        let frames = packets.iter().map(|packet| {
            let length = decoder
                .decode(&packet.payload, &mut pcm, DecodeMode::Normal)
                .unwrap();
            pcm[..length].to_vec()
        });
        frames.collect::<Vec<_>>().concat()
    }

    #[test]
    fn any_source_becomes_twenty_millisecond_frames_of_the_same_sound() {
        for (rate_hz, channels, stereo) in [
            (48_000, 1, false),
            (16_000, 1, true),
            (24_000, 2, true),
            (48_000, 2, false),
            (44_100, 2, false),
        ] {
            let options = EncoderOptions {
                stereo,
                ..EncoderOptions::default()
            };
            let mut sender = Sender::new(rate_hz, channels, options);
            let packets = sender.send(200, 8_000.0);
            assert_eq!(packets.len(), 100, "{rate_hz} Hz");
            assert!(
                packets
                    .windows(2)
                    .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960),
                "{rate_hz} Hz, through a wrap"
            );
            assert!(packets[0].marker && packets[1..].iter().all(|packet| !packet.marker));
            assert!(
                packets[10..]
                    .iter()
                    .all(|packet| packet.level_dbov == 15 && packet.voice)
            );
            let pcm = decoded(&packets);
            assert!(
                (pitch_hz(&pcm[9_600..], 48_000) - 440.0).abs() < 0.5,
                "{rate_hz} Hz"
            );
            let stereo_coded = packets.iter().any(|packet| packet.payload[0] & 4 != 0);
            assert!(!stereo_coded || (stereo && channels == 2), "{rate_hz} Hz");
        }
    }

    #[test]
    fn the_negotiated_bit_rate_is_kept() {
        for bitrate_bps in [12_000, 24_000, 64_000] {
            let options = EncoderOptions {
                max_bitrate_bps: Some(bitrate_bps),
                ..EncoderOptions::default()
            };
            let packets = Sender::new(48_000, 1, options).send(500, 8_000.0);
            let bits: usize = packets.iter().map(|packet| packet.payload.len() * 8).sum();
            assert!(
                bits as f64 / 5.0 < f64::from(bitrate_bps) * 1.15,
                "{bits} bits in 5 s of {bitrate_bps}"
            );
        }
    }

    #[test]
    fn silence_is_sent_in_full_and_a_marker_follows_it() {
        let mut sender = Sender::new(48_000, 1, EncoderOptions::default());
        sender.send(100, 8_000.0);
        let silence = sender.send(100, 0.0);
        assert_eq!(silence.len(), 50);
        assert!(
            silence
                .iter()
                .all(|packet| packet.level_dbov == SILENCE_DBOV && !packet.voice)
        );
        assert!(silence.iter().all(|packet| !packet.marker));
        assert!(sender.send(2, 8_000.0)[0].marker);
    }

    #[test]
    fn long_silence_is_not_encoded_over_and_over_and_sound_after_it_is_whole() {
        for rate_hz in [16_000, 48_000] {
            let mut sender = Sender::new(rate_hz, 1, EncoderOptions::default());
            let mut packets = sender.send(100, 8_000.0);
            packets.extend(sender.send(400, 0.0));
            assert!(packets[80..].iter().all(|packet| packet.payload == SILENT_PACKET));
            packets.extend(sender.send(100, 8_000.0));
            let pcm = decoded(&packets);
            assert!(pcm[2 * 48_000..5 * 48_000].iter().all(|sample| *sample == 0));
            for start_ms in [20, 40, 60, 100] {
                let onset = &pcm[48 * (5_000 + start_ms)..48 * (5_020 + start_ms)];
                let amplitude = amplitude_at(onset, 48_000, 440.0);
                assert!(
                    (amplitude - 8_000.0).abs() < 1_500.0,
                    "{amplitude} after {start_ms} ms, {rate_hz} Hz"
                );
            }
        }
    }

    #[test]
    fn with_dtx_silence_is_hardly_sent_and_time_goes_on() {
        let options = EncoderOptions {
            dtx: true,
            ..EncoderOptions::default()
        };
        let mut sender = Sender::new(48_000, 1, options);
        let before = sender.send(100, 8_000.0);
        let silence = sender.send(500, 0.0);
        assert!(silence.len() < 60, "{} packets in 5 s of silence", silence.len());
        assert!(
            silence.len() > 8 && silence[5..].iter().all(|packet| !packet.marker),
            "refreshed quietly"
        );
        let after = sender.send(100, 8_000.0);
        assert!(after[0].marker);
        let elapsed = after[0].timestamp.wrapping_sub(before[0].timestamp);
        assert_eq!(elapsed, 6 * 48_000);
    }

    #[test]
    fn timestamps_follow_time_over_steps_that_never_came() {
        let mut sender = Sender::new(48_000, 1, EncoderOptions::default());
        let before = sender.send(3, 8_000.0);
        sender.now += Duration::from_secs(2);
        let after = sender.send(4, 8_000.0);
        assert!(after[0].marker);
        assert_eq!(
            after[0].timestamp.wrapping_sub(before[0].timestamp),
            2 * 48_000 + 3 * 480
        );
    }

    #[test]
    fn a_source_that_is_a_little_fast_or_late_does_not_upset_the_timestamps() {
        let mut sender = Sender::new(48_000, 1, EncoderOptions::default());
        let start = sender.now;
        let mut packets = Vec::new();
        for n in 0..1_000 {
            sender.now = start + Duration::from_millis(n * 10 + n * 7 % 50);
            packets.extend(sender.send(1, 8_000.0));
        }
        assert!(
            packets
                .windows(2)
                .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == 960)
        );
    }
}
