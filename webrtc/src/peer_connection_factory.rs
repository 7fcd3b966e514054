//! Where connections and local tracks are made.

use std::fmt;

use crate::{
    MediaType, RtcError,
    engine::{MediaKind, OPUS_FMTP},
    peer_connection::PeerConnection,
    rtp_parameters::{RtpCapabilities, RtpCodecCapability, RtpHeaderExtensionCapability},
    rtp_transceiver::RtpTransceiverDirection,
};

/// A server for STUN or TURN.
#[derive(Debug, Clone)]
pub struct IceServer {
    /// Its addresses.
    pub urls: Vec<String>,
    /// Who we are there.
    pub username: String,
    /// How we prove it.
    pub password: String,
}

/// For how long addresses are looked for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ContinualGatheringPolicy {
    /// Once.
    GatherOnce,
    /// As long as the connection lives.
    GatherContinually,
}

/// Which kinds of addresses are used.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceTransportsType {
    /// Only relays.
    Relay,
    /// Everything but the host's own.
    NoHost,
    /// Everything.
    All,
}

/// How a connection is to be made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RtcConfiguration {
    /// Servers for STUN (UDP) and TURN (UDP, TCP, TLS).
    pub ice_servers: Vec<IceServer>,
    /// For how long addresses are looked for. Not used: once, and again with each new server.
    pub continual_gathering_policy: ContinualGatheringPolicy,
    /// Which kinds of addresses are used.
    pub ice_transport_type: IceTransportsType,
    /// Begin SCTP within the description. Not used; it is negotiated, so nothing is lost but a round
    /// trip.
    pub enable_sctp_snap: bool,
}

impl Default for RtcConfiguration {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            continual_gathering_policy: ContinualGatheringPolicy::GatherContinually,
            ice_transport_type: IceTransportsType::All,
            enable_sctp_snap: false,
        }
    }
}

/// Makes connections and tracks. It holds nothing, so making one costs nothing.
#[derive(Clone, Default)]
pub struct PeerConnectionFactory {}

impl PeerConnectionFactory {
    /// The same as [`Self::default`]: there is no video whose playout could be delayed.
    pub fn with_zero_playout_delay() -> Self {
        Self::default()
    }

    /// The same as [`Self::default`]: both options belong to what is not supported.
    pub fn with_options(_zero_playout_delay: bool, _enable_warp: bool) -> Self {
        Self::default()
    }

    /// Makes a connection. Must be called within a tokio runtime, on which the connection then
    /// lives.
    pub fn create_peer_connection(&self, config: RtcConfiguration) -> Result<PeerConnection, RtcError> {
        PeerConnection::start(config)
    }

    /// What can be sent.
    pub fn get_rtp_sender_capabilities(&self, media_type: MediaType) -> RtpCapabilities {
        capabilities(media_type)
    }

    /// What can be received.
    pub fn get_rtp_receiver_capabilities(&self, media_type: MediaType) -> RtpCapabilities {
        capabilities(media_type)
    }
}

impl fmt::Debug for PeerConnectionFactory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnectionFactory").finish()
    }
}

fn capabilities(media_type: MediaType) -> RtpCapabilities {
    match MediaKind::of(media_type) {
        Some(MediaKind::Audio) => RtpCapabilities {
            codecs: vec![
                RtpCodecCapability {
                    channels: Some(2),
                    clock_rate: Some(48_000),
                    mime_type: "audio/opus".to_owned(),
                    sdp_fmtp_line: Some(OPUS_FMTP.to_owned()),
                },
                RtpCodecCapability {
                    channels: Some(2),
                    clock_rate: Some(48_000),
                    mime_type: "audio/red".to_owned(),
                    sdp_fmtp_line: None,
                },
            ],
            header_extensions: vec![RtpHeaderExtensionCapability {
                uri: crate::engine::sdp::AUDIO_LEVEL_URI.to_owned(),
                direction: RtpTransceiverDirection::SendRecv,
            }],
        },
        Some(MediaKind::Video) => RtpCapabilities {
            codecs: vec![RtpCodecCapability {
                channels: None,
                clock_rate: Some(90_000),
                mime_type: "video/VP8".to_owned(),
                sdp_fmtp_line: None,
            }],
            header_extensions: Vec::new(),
        },
        None => RtpCapabilities {
            codecs: Vec::new(),
            header_extensions: Vec::new(),
        },
    }
}

/// What native programs can make besides connections. There are no sound devices here: programs feed
/// and read tracks themselves.
pub mod native {
    use super::PeerConnectionFactory;
    use crate::{
        audio_source::{AudioSourceOptions, native::NativeAudioSource},
        audio_track::RtcAudioTrack,
        video_source::native::NativeVideoSource,
        video_track::RtcVideoTrack,
    };

    /// Nothing ever feeds the source of a device track; it needs no room.
    const DEVICE_QUEUE_MS: u32 = 0;

    macro_rules! devices {
        ($($(#[$doc:meta])* fn $name:ident($($arg:ident: $kind:ty),*) -> $ret:ty = $value:expr;)+) => {
            /// Tracks, and the sound devices that this backend does not have.
            pub trait PeerConnectionFactoryExt {
                /// A track that takes its pictures from a source; they are not sent.
                fn create_video_track(&self, label: &str, source: NativeVideoSource) -> RtcVideoTrack;

                /// A track that takes its sound from a source.
                fn create_audio_track(&self, label: &str, source: NativeAudioSource) -> RtcAudioTrack;

                /// A silent track: there are no devices.
                fn create_device_audio_track(&self, label: &str) -> RtcAudioTrack;

                $($(#[$doc])* fn $name(&self, $($arg: $kind),*) -> $ret;)+
            }

            impl PeerConnectionFactoryExt for PeerConnectionFactory {
                fn create_video_track(&self, label: &str, _source: NativeVideoSource) -> RtcVideoTrack {
                    RtcVideoTrack::new(label.to_owned())
                }

                fn create_audio_track(&self, label: &str, source: NativeAudioSource) -> RtcAudioTrack {
                    RtcAudioTrack::local(label.to_owned(), source)
                }

                fn create_device_audio_track(&self, label: &str) -> RtcAudioTrack {
                    let silent = NativeAudioSource::new(
                        AudioSourceOptions::default(),
                        crate::audio_source::DEFAULT_SAMPLE_RATE,
                        crate::audio_source::DEFAULT_NUM_CHANNELS,
                        DEVICE_QUEUE_MS,
                    );
                    RtcAudioTrack::local(label.to_owned(), silent)
                }

                $(fn $name(&self, $(_: $kind),*) -> $ret { $value })+
            }
        };
    }

    devices! {
        /// None.
        fn playout_devices() -> i16 = 0;
        /// None.
        fn recording_devices() -> i16 = 0;
        /// Empty: no such device.
        fn playout_device_name(index: u16) -> String = String::new();
        /// Empty: no such device.
        fn recording_device_name(index: u16) -> String = String::new();
        /// Empty: no such device.
        fn playout_device_guid(index: u16) -> String = String::new();
        /// Empty: no such device.
        fn recording_device_guid(index: u16) -> String = String::new();
        /// `false`: no such device.
        fn set_playout_device(index: u16) -> bool = false;
        /// `false`: no such device.
        fn set_recording_device(index: u16) -> bool = false;
        /// `false`: no such device.
        fn set_playout_device_by_guid(guid: &str) -> bool = false;
        /// `false`: no such device.
        fn set_recording_device_by_guid(guid: &str) -> bool = false;
        /// `false`: no device.
        fn stop_recording() -> bool = false;
        /// `false`: no device.
        fn init_recording() -> bool = false;
        /// `false`: no device.
        fn start_recording() -> bool = false;
        /// `false`: no device.
        fn recording_is_initialized() -> bool = false;
        /// `false`: no device.
        fn stop_playout() -> bool = false;
        /// `false`: no device.
        fn init_playout() -> bool = false;
        /// `false`: no device.
        fn start_playout() -> bool = false;
        /// `false`: no device.
        fn playout_is_initialized() -> bool = false;
        /// `false`: no device.
        fn builtin_aec_is_available() -> bool = false;
        /// `false`: no device.
        fn builtin_agc_is_available() -> bool = false;
        /// `false`: no device.
        fn builtin_ns_is_available() -> bool = false;
        /// `false`: no device.
        fn enable_builtin_aec(enable: bool) -> bool = false;
        /// `false`: no device.
        fn enable_builtin_agc(enable: bool) -> bool = false;
        /// `false`: no device.
        fn enable_builtin_ns(enable: bool) -> bool = false;
        /// Nothing: no device.
        fn set_adm_recording_enabled(enabled: bool) -> () = ();
        /// `false`: no device.
        fn adm_recording_enabled() -> bool = false;
        /// Nothing: no device.
        fn set_adm_playout_enabled(enabled: bool) -> () = ();
        /// `false`: no device.
        fn adm_playout_enabled() -> bool = false;
        /// `false`: sound devices cannot be had.
        fn acquire_platform_adm() -> bool = false;
        /// Nothing: no device.
        fn release_platform_adm() -> () = ();
        /// Zero: no device.
        fn platform_adm_ref_count() -> i32 = 0;
        /// `false`: no device.
        fn is_platform_adm_active() -> bool = false;
    }
}
