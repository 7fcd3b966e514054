//! Sound between RTP packets and PCM: jitter buffer, Opus, pacing.
//!
//! The connection's driver pushes received packets into an [`InboundAudio`] and takes encoded frames
//! from an [`OutboundAudio`]; neither ever waits for the other side. All tracks of the process share
//! one 10 ms ticker, which sleeps when no track needs it.

use bytes::Bytes;

mod convert;
mod decode;
mod delay;
mod duplicates;
pub(crate) mod encode;
pub(crate) mod format;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gate;
mod inbound;
mod level;
mod opus_packet;
mod outbound;
mod playout;
mod playout_stats;
pub(crate) mod queue;
mod receive;
pub(crate) mod red;
mod remix;
mod resample;
pub(crate) mod source;
#[cfg(test)]
pub(crate) mod test_tone;
mod ticker;
mod time_scale;
mod unwrap;

pub(crate) use inbound::{InboundAudio, InboundAudioStats};
pub(crate) use outbound::{OutboundAudio, OutboundAudioStats};

/// An RTP packet with Opus in it, as the driver received it.
#[derive(Debug, Clone)]
pub(crate) struct RtpAudio {
    pub sequence: u16,
    /// In units of 1/48000 s (RFC 7587).
    pub timestamp: u32,
    pub payload: Bytes,
    /// RFC 6464: 0 is the loudest, 127 is digital silence.
    pub level_dbov: Option<u8>,
    pub marker: bool,
    /// It did not come by itself, but within a later packet.
    pub copy: bool,
}

/// An Opus frame to be sent in one RTP packet.
#[derive(Debug, Clone)]
pub(crate) struct EncodedAudio {
    pub payload: Bytes,
    /// In units of 1/48000 s (RFC 7587).
    pub timestamp: u32,
    /// RFC 6464: 0 is the loudest, 127 is digital silence.
    pub level_dbov: u8,
    /// RFC 6464: the sender takes this for speech.
    pub voice: bool,
    /// The first packet after a silence (RFC 3551).
    pub marker: bool,
}

/// What was negotiated for a sender.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct EncoderOptions {
    pub max_bitrate_bps: Option<u32>,
    /// Send nothing while there is nothing to hear.
    pub dtx: bool,
    /// Keep two channels apart, where the source has them.
    pub stereo: bool,
    /// Repeat each frame coarsely in the next one.
    pub fec: bool,
}
