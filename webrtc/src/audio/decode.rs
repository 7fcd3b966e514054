//! The Opus decoder of one track and format. Whatever a packet does to it, the track goes on: a
//! decoder that fails is replaced.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ropus::{Channels, DecodeError, DecodeMode, Decoder, DecoderInitError};

use super::format::{PcmFormat, RTP_CLOCK_HZ};

/// Longest packet (RFC 6716), in milliseconds.
const MAX_PACKET_MS: u32 = 120;
/// Opus conceals in multiples of this, in units of 1/48000 s.
pub(crate) const CONCEALMENT_STEP_RTP: i64 = 120;

/// Why a packet gave no sound.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PacketError {
    #[error("not an Opus packet: {0}")]
    Refused(#[from] DecodeError),
    #[error("the decoder broke on a packet and has been replaced")]
    Broke,
}

pub(crate) struct PacketDecoder {
    decoder: Decoder,
    format: PcmFormat,
    scratch: Vec<i16>,
}

impl PacketDecoder {
    /// A decoder for a format that Opus knows.
    pub(crate) fn new(format: PcmFormat) -> Result<Self, DecoderInitError> {
        let scratch = vec![0; (format.rate_hz / 1_000 * MAX_PACKET_MS) as usize * format.channels];
        Ok(Self {
            decoder: decoder(format)?,
            format,
            scratch,
        })
    }

    /// Appends the sound of a packet; returns its length in samples a channel.
    pub(crate) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<usize, PacketError> {
        let whole = self.scratch.len();
        self.run(payload, whole, DecodeMode::Normal, out)
    }

    /// Appends a guess at what was lost, from what came before.
    pub(crate) fn conceal(&mut self, duration_rtp: i64, out: &mut Vec<i16>) -> Result<usize, PacketError> {
        self.run(&[], self.samples(duration_rtp), DecodeMode::Normal, out)
    }

    /// Appends the sound of the lost packet before `next`, from the copy in `next` if it has one.
    pub(crate) fn recover(
        &mut self,
        next: &[u8],
        duration_rtp: i64,
        out: &mut Vec<i16>,
    ) -> Result<usize, PacketError> {
        self.run(next, self.samples(duration_rtp), DecodeMode::Fec, out)
    }

    fn samples(&self, duration_rtp: i64) -> usize {
        let per_channel = duration_rtp / i64::from(RTP_CLOCK_HZ / self.format.rate_hz);
        (usize::try_from(per_channel).unwrap_or(0) * self.format.channels).min(self.scratch.len())
    }

    fn run(
        &mut self,
        payload: &[u8],
        samples: usize,
        mode: DecodeMode,
        out: &mut Vec<i16>,
    ) -> Result<usize, PacketError> {
        let pcm = &mut self.scratch[..samples];
        // Packets come from strangers; a fault in the decoder must not end the sound of all tracks.
        let decoded = catch_unwind(AssertUnwindSafe(|| self.decoder.decode(payload, pcm, mode)));
        let Ok(decoded) = decoded else {
            if let Ok(decoder) = decoder(self.format) {
                self.decoder = decoder;
            }
            return Err(PacketError::Broke);
        };
        let per_channel = decoded?;
        out.extend_from_slice(&pcm[..(per_channel * self.format.channels).min(samples)]);
        Ok(per_channel)
    }
}

fn decoder(format: PcmFormat) -> Result<Decoder, DecoderInitError> {
    Decoder::new(
        format.rate_hz,
        if format.channels > 1 {
            Channels::Stereo
        } else {
            Channels::Mono
        },
    )
}
