//! Parameters of RTP senders and receivers, and what the stack can encode and decode.

use crate::rtp_transceiver::RtpTransceiverDirection;

/// How much an encoding matters beside others.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Priority {
    /// Background.
    VeryLow,
    /// The default.
    Low,
    /// More than the default.
    Medium,
    /// First.
    High,
}

/// What video gives up first when the network gets narrow.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub enum DegradationPreference {
    /// Neither: frames are dropped instead.
    MaintainFramerateAndResolution,
    /// Resolution goes first.
    MaintainFramerate,
    /// Frame rate goes first.
    MaintainResolution,
    /// Both a little.
    #[default]
    Balanced,
}

/// A negotiated RTP header extension (RFC 8285).
#[derive(Debug, Clone)]
pub struct RtpHeaderExtensionParameters {
    /// The extension's name.
    pub uri: String,
    /// Its number on the wire.
    pub id: i32,
    /// Whether it is encrypted (RFC 6904).
    pub encrypted: bool,
}

/// The parameters of a sender or receiver.
#[derive(Debug, Clone, Default)]
pub struct RtpParameters {
    /// The negotiated codecs.
    pub codecs: Vec<RtpCodecParameters>,
    /// The negotiated header extensions.
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    /// One entry for each encoding sent.
    pub encodings: Vec<RtpEncodingParameters>,
    /// RTCP of this stream.
    pub rtcp: RtcpParameters,
    pub(crate) degradation_preference: Option<DegradationPreference>,
}

impl RtpParameters {
    /// Says what video should give up first.
    pub fn set_degradation_preference(&mut self, preference: DegradationPreference) {
        self.degradation_preference = Some(preference);
    }

    /// What video gives up first, if that was said.
    pub fn degradation_preference(&self) -> Option<DegradationPreference> {
        self.degradation_preference
    }
}

/// A negotiated codec.
#[derive(Debug, Clone, Default)]
pub struct RtpCodecParameters {
    /// Its number on the wire.
    pub payload_type: u8,
    /// Its name, such as `audio/opus`.
    pub mime_type: String,
    /// Ticks a second of its timestamps.
    pub clock_rate: Option<u64>,
    /// Channels, for audio.
    pub channels: Option<u16>,
}

/// RTCP of a stream.
#[derive(Debug, Clone, Default)]
pub struct RtcpParameters {
    /// The canonical name (RFC 3550).
    pub cname: String,
    /// Whether reduced-size RTCP (RFC 5506) is used.
    pub reduced_size: bool,
}

/// One encoding of a sender.
#[derive(Debug, Clone)]
pub struct RtpEncodingParameters {
    /// Whether it is sent.
    pub active: bool,
    /// Upper limit in bits per second.
    pub max_bitrate: Option<u64>,
    /// Upper limit in frames per second.
    pub max_framerate: Option<f64>,
    /// How much it matters beside others.
    pub priority: Priority,
    /// Its name among simulcast layers.
    pub rid: String,
    /// By how much the picture shrinks.
    pub scale_resolution_down_by: Option<f64>,
    /// Layers within the stream, such as `L3T3_KEY`.
    pub scalability_mode: Option<String>,
    /// Whether `ssrc` is known.
    pub has_ssrc: bool,
    /// The stream's synchronisation source.
    pub ssrc: u32,
}

impl Default for RtpEncodingParameters {
    fn default() -> Self {
        Self {
            active: true,
            max_bitrate: None,
            max_framerate: None,
            priority: Priority::Low,
            rid: String::new(),
            scale_resolution_down_by: None,
            scalability_mode: None,
            has_ssrc: false,
            ssrc: 0,
        }
    }
}

/// A codec that the stack offers.
#[derive(Debug, Clone)]
pub struct RtpCodecCapability {
    /// Channels, for audio.
    pub channels: Option<u16>,
    /// Ticks a second of its timestamps.
    pub clock_rate: Option<u64>,
    /// Its name, such as `audio/opus`.
    pub mime_type: String,
    /// Its format parameters.
    pub sdp_fmtp_line: Option<String>,
}

/// A header extension that the stack offers.
#[derive(Debug, Clone)]
pub struct RtpHeaderExtensionCapability {
    /// The extension's name.
    pub uri: String,
    /// In which directions it is offered.
    pub direction: RtpTransceiverDirection,
}

/// What the stack can send or receive.
#[derive(Debug, Clone)]
pub struct RtpCapabilities {
    /// Codecs.
    pub codecs: Vec<RtpCodecCapability>,
    /// Header extensions.
    pub header_extensions: Vec<RtpHeaderExtensionCapability>,
}
