//! What is sent: Opus frames that were encoded once, and RTP packets around them with true levels (RFC 6464).

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use ropus::{Application, Bitrate, Channels, Encoder};
use system_tests::speech_file::{self, SAMPLE_RATE_HZ};

use crate::offer::{AUDIO_LEVEL_ID, OPUS_PAYLOAD_TYPE};

/// Length of a frame.
pub(crate) const FRAME_MS: u64 = 20;
const FRAME_SAMPLES: usize = (SAMPLE_RATE_HZ as u64 * FRAME_MS / 1_000) as usize;
/// RTP timestamp units in one: Opus always counts at 48 kHz (RFC 7587).
const FRAME_RTP: u32 = 48 * FRAME_MS as u32;
const BITRATE_BPS: u32 = 32_000;
const PACKET_MAX_BYTES: usize = 1_275;
/// Quieter frames than this, below full scale, are pauses.
const PAUSE_DBOV: u8 = 50;
/// No pause is longer: who speaks constantly does not pause.
const PAUSE_MAX_FRAMES: usize = 10;
/// Louder than this is called voice in the packet.
const VOICE_DBOV: u8 = 55;
const SILENCE_DBOV: u8 = 127;
/// An encoder that falls silent goes on for so many frames
const HANGOVER_FRAMES: u32 = 10;
/// and then sends one in so many: every 400 ms.
const REFRESH_FRAMES: u32 = 20;
/// 20 ms of digital silence (RFC 6716, sections 3.1 and 4.3).
const SILENT_FRAME: &[u8] = &[0xf8, 0xff, 0xfe];
/// A frame that need not be sent: nothing but the byte that describes it, wide band, 20 ms, mono (section 3.1).
const DTX_FRAME: &[u8] = &[0x48];

/// Encoded speech, played round and round.
pub(crate) struct Speech(Vec<Frame>);

struct Frame {
    payload: Vec<u8>,
    level_dbov: u8,
}

impl Speech {
    /// Encodes a recording, its pauses shortened.
    ///
    /// # Errors
    /// It cannot be read, or there is nothing in it.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        Self::encode(&speech_file::read(file)?)
    }

    fn encode(samples: &[i16]) -> Result<Self> {
        let mut encoder = Encoder::builder(SAMPLE_RATE_HZ, Channels::Mono, Application::Voip)
            .bitrate(Bitrate::Bits(BITRATE_BPS))
            .build()
            .context("making an Opus encoder")?;
        let mut packet = [0; PACKET_MAX_BYTES];
        let (mut frames, mut pause_frames) = (Vec::new(), 0);
        for pcm in samples.as_chunks::<FRAME_SAMPLES>().0 {
            let level_dbov = level_dbov(pcm);
            pause_frames = if level_dbov >= PAUSE_DBOV {
                pause_frames + 1
            } else {
                0
            };
            if pause_frames > PAUSE_MAX_FRAMES {
                continue;
            }
            let bytes = encoder.encode(pcm, &mut packet).context("encoding speech")?;
            frames.push(Frame {
                payload: packet[..bytes].to_vec(),
                level_dbov,
            });
        }
        ensure!(!frames.is_empty(), "the recording is shorter than a frame");
        Ok(Self(frames))
    }

    fn frame(&self, at: usize) -> &Frame {
        &self.0[at % self.0.len()]
    }
}

/// The audio level of RFC 6464: decibel below full scale, 0 for the loudest, 127 for digital silence.
fn level_dbov(pcm: &[i16]) -> u8 {
    let sum: f64 = pcm.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    let power = sum / pcm.len().max(1) as f64 / 32_768.0_f64.powi(2);
    if power <= 0.0 {
        return SILENCE_DBOV;
    }
    (-10.0 * power.log10())
        .round()
        .clamp(0.0, f64::from(SILENCE_DBOV)) as u8
}

/// The RTP packets of one microphone.
pub(crate) struct Microphone {
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    /// Where in the speech it goes on.
    position: usize,
    silent_frames: u32,
    /// The next packet follows a gap.
    after_gap: bool,
}

impl Microphone {
    /// One whose speech begins somewhere of its own.
    pub(crate) fn new(ssrc: u32, position: usize) -> Self {
        Self {
            ssrc,
            sequence: ssrc as u16,
            timestamp: ssrc.rotate_left(7),
            position,
            silent_frames: 0,
            after_gap: true,
        }
    }

    /// The packet of the next 20 ms, if there is one to send.
    pub(crate) fn packet(&mut self, speech: &Speech, speaks: bool) -> Option<Vec<u8>> {
        let (payload, level_dbov) = if speaks {
            self.silent_frames = 0;
            let frame = speech.frame(self.position);
            self.position += 1;
            (Some(frame.payload.as_slice()), frame.level_dbov)
        } else {
            self.silent_frames += 1;
            (self.silence(), SILENCE_DBOV)
        };
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME_RTP);
        let Some(payload) = payload else {
            self.after_gap = true;
            return None;
        };
        let marker = std::mem::take(&mut self.after_gap);
        let sequence = self.sequence;
        self.sequence = sequence.wrapping_add(1);
        let voice = if level_dbov < VOICE_DBOV { 0x80 } else { 0 };
        let mut packet = Vec::with_capacity(20 + payload.len());
        // Version 2 with a header extension (RFC 3550, section 5.1), which has one element of one byte (RFC 8285).
        packet.extend([0x90, u8::from(marker) << 7 | OPUS_PAYLOAD_TYPE]);
        packet.extend(sequence.to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend(self.ssrc.to_be_bytes());
        packet.extend([0xbe, 0xde, 0, 1, AUDIO_LEVEL_ID << 4, voice | level_dbov, 0, 0]);
        packet.extend(payload);
        Some(packet)
    }

    fn silence(&self) -> Option<&'static [u8]> {
        match self.silent_frames.checked_sub(HANGOVER_FRAMES + 1) {
            None => Some(SILENT_FRAME),
            Some(since) => since.is_multiple_of(REFRESH_FRAMES).then_some(DTX_FRAME),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn speech() -> Speech {
        let tone = |n: usize| ((n as f64 * 0.2).sin() * 8_000.0) as i16;
        let loud = (0..50 * FRAME_SAMPLES).map(tone);
        let samples: Vec<i16> = loud
            .clone()
            .chain(vec![0; 100 * FRAME_SAMPLES])
            .chain(loud)
            .collect();
        Speech::encode(&samples).unwrap()
    }

    #[test]
    fn pauses_are_shortened_and_levels_are_true() {
        let speech = speech();
        assert_eq!(speech.0.len(), 50 + PAUSE_MAX_FRAMES + 50);
        assert_eq!(
            speech.frame(3).level_dbov,
            15,
            "8,000 of 32,768, a sine: 12.2 + 3 dB"
        );
        assert_eq!(speech.frame(55).level_dbov, SILENCE_DBOV);
        assert_eq!(level_dbov(&[i16::MIN; 4]), 0);
    }

    #[test]
    fn packets_follow_one_another_and_carry_the_level() {
        let (speech, mut microphone) = (speech(), Microphone::new(0x0102_0304, 0));
        let first = microphone.packet(&speech, true).unwrap();
        let second = microphone.packet(&speech, true).unwrap();
        assert_eq!(first[1], 0x80 | OPUS_PAYLOAD_TYPE, "the first one begins a spurt");
        assert_eq!(second[1], OPUS_PAYLOAD_TYPE);
        let sequence = |packet: &[u8]| u16::from_be_bytes([packet[2], packet[3]]);
        let timestamp = |packet: &[u8]| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        assert_eq!(sequence(&second), sequence(&first).wrapping_add(1));
        assert_eq!(timestamp(&second), timestamp(&first).wrapping_add(960));
        assert_eq!(&first[8..12], &[1, 2, 3, 4]);
        assert_eq!(first[17], 0x80 | speech.frame(0).level_dbov);
        assert_eq!(&first[20..], speech.frame(0).payload);
    }

    #[test]
    fn who_is_silent_sends_two_and_a_half_packets_a_second_and_keeps_time() {
        let (speech, mut microphone) = (speech(), Microphone::new(7, 0));
        let before = microphone.packet(&speech, true).unwrap();
        let silent: Vec<_> = (0..60).map(|_| microphone.packet(&speech, false)).collect();
        let sent: Vec<usize> = silent
            .iter()
            .enumerate()
            .filter_map(|(at, packet)| packet.as_ref().map(|_| at))
            .collect();
        assert_eq!(sent, [&(0..=10).collect::<Vec<_>>()[..], &[30, 50]].concat());
        assert!(silent.iter().flatten().all(|packet| packet[17] == SILENCE_DBOV));
        let after = microphone.packet(&speech, true).unwrap();
        let timestamp = |packet: &[u8]| u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]);
        assert_eq!(timestamp(&after).wrapping_sub(timestamp(&before)), 61 * 960);
        assert_eq!(after[1] & 0x80, 0x80, "speech after a gap begins a spurt");
    }
}
