//! How the `rtc` connection is set up: codecs, header extensions, timing, reports.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use rtc::{
    ice::network_type::NetworkType,
    interceptor::Slot,
    peer_connection::{
        RTCPeerConnection, RTCPeerConnectionBuilder,
        configuration::{
            interceptor_registry::{Registry, configure_rtcp_reports},
            media_engine::MediaEngine,
            setting_engine::SettingEngineBuilder,
        },
    },
    rtp_transceiver::rtp_sender::{
        RTCRtpCodec, RTCRtpCodecParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
    },
};

use super::{
    crypto,
    media::MediaKind,
    rtcp::reports::{ReportWatcher, Reports},
    sdp,
};
use crate::RtcError;

/// The number under which Opus is offered; answers keep it (RFC 8829 section 5.3.1).
pub(super) const OPUS_PAYLOAD_TYPE: u8 = 111;
/// The number under which RED with Opus in it is offered: LiveKit makes RED packets of others' Opus under this one.
pub(super) const RED_PAYLOAD_TYPE: u8 = 63;
/// The number under which VP8 is offered.
pub(super) const VP8_PAYLOAD_TYPE: u8 = 96;

/// No sign of life for this long: disconnected.
const DISCONNECTED_AFTER: Duration = Duration::from_secs(5);
/// No sign of life for this long after that: failed, and candidates are forgotten.
const FAILED_AFTER: Duration = Duration::from_secs(20);
/// Between two keep-alives.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(2);

/// How long a relay stands back for a direct way that may still be found.
const RELAY_WAIT: Duration = Duration::from_millis(500);

/// SCTP packets are no longer than this. Nothing finds out what the path carries, and what is too long
/// is lost without a word, each time anew: 1,200 bytes are safe (RFC 8831, section 5), less 48 for
/// IPv6 and UDP, 36 for a relay's Send indication, 37 for DTLS; a multiple of four.
const SCTP_MTU_BYTES: u32 = 1_076;

/// Nearer to the wire than those that write reports: it sees them pass.
const REPORT_WATCHER_SLOT: usize = 9_500;

/// The format parameters with which Opus is offered: loss-proof, frames down to 10 ms.
pub(crate) const OPUS_FMTP: &str = "minptime=10;useinbandfec=1";

pub(super) fn build(
    now: Instant,
    reports: Arc<Mutex<Reports>>,
    relay_only: bool,
) -> Result<RTCPeerConnection, RtcError> {
    let mut media = MediaEngine::default();
    let codecs = [
        (MediaKind::Audio, codec(MediaKind::Audio), OPUS_PAYLOAD_TYPE),
        (MediaKind::Audio, red(), RED_PAYLOAD_TYPE),
        (MediaKind::Video, codec(MediaKind::Video), VP8_PAYLOAD_TYPE),
    ];
    for (kind, rtp_codec, payload_type) in codecs {
        let codec = RTCRtpCodecParameters {
            rtp_codec,
            payload_type,
        };
        media
            .register_codec(codec, kind.into())
            .map_err(RtcError::internal)?;
    }
    media
        .register_header_extension(
            RTCRtpHeaderExtensionCapability {
                uri: sdp::AUDIO_LEVEL_URI.to_owned(),
            },
            RtpCodecKind::Audio,
            None,
        )
        .map_err(RtcError::internal)?;

    let crypto = crypto::provider().map_err(RtcError::internal)?;
    let relay_wait = if relay_only { Duration::ZERO } else { RELAY_WAIT };
    let settings = SettingEngineBuilder::new()
        .with_crypto_provider(crypto)
        .with_ice_timeouts(
            Some(DISCONNECTED_AFTER),
            Some(FAILED_AFTER),
            Some(KEEP_ALIVE_EVERY),
        )
        // The other side's first check often arrives before its candidate does and is taken for
        // a peer-reflexive one; waiting for a better candidate would cost a second of join time.
        .with_prflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_srflx_acceptance_min_wait(Some(Duration::ZERO))
        .with_relay_acceptance_min_wait(Some(relay_wait))
        .with_network_types(vec![
            NetworkType::Udp4,
            NetworkType::Udp6,
            NetworkType::Tcp4,
            NetworkType::Tcp6,
        ])
        .with_include_loopback_candidate(true)
        .with_sctp_mtu(SCTP_MTU_BYTES)
        .build();

    let interceptors = configure_rtcp_reports(Registry::new())
        .with(Slot::from(REPORT_WATCHER_SLOT), ReportWatcher::new(reports));
    RTCPeerConnectionBuilder::new()
        .with_media_engine(media)
        .with_setting_engine(settings)
        .with_interceptor_registry(interceptors)
        .build(now)
        .map_err(RtcError::internal)
}

/// A connection that will never do anything.
pub(super) fn bare(now: Instant) -> Result<RTCPeerConnection, RtcError> {
    let crypto = crypto::provider().map_err(RtcError::internal)?;
    RTCPeerConnectionBuilder::new()
        .with_setting_engine(SettingEngineBuilder::new().with_crypto_provider(crypto).build())
        .build(now)
        .map_err(RtcError::internal)
}

/// Opus twice (RFC 2198).
pub(super) fn red() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: "audio/red".to_owned(),
        sdp_fmtp_line: format!("{OPUS_PAYLOAD_TYPE}/{OPUS_PAYLOAD_TYPE}"),
        ..codec(MediaKind::Audio)
    }
}

/// The one codec of each kind.
pub(super) fn codec(kind: MediaKind) -> RTCRtpCodec {
    match kind {
        MediaKind::Audio => RTCRtpCodec {
            mime_type: "audio/opus".to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: OPUS_FMTP.to_owned(),
            rtcp_feedback: Vec::new(),
        },
        MediaKind::Video => RTCRtpCodec {
            mime_type: "video/VP8".to_owned(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: String::new(),
            rtcp_feedback: Vec::new(),
        },
    }
}
