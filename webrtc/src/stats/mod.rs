//! Statistics of a connection, as W3C webrtc-stats names them.

use serde::Deserialize;

pub mod dictionaries;

/// One statistics object.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum RtcStats {
    /// A codec in use.
    Codec(CodecStats),
    /// A stream that is received.
    InboundRtp(InboundRtpStats),
    /// A stream that is sent.
    OutboundRtp(OutboundRtpStats),
    /// What the other side says about a stream that is sent.
    RemoteInboundRtp(RemoteInboundRtpStats),
    /// What the other side says about a stream that is received.
    RemoteOutboundRtp(RemoteOutboundRtpStats),
    /// A source of media.
    MediaSource(MediaSourceStats),
    /// Playing out.
    MediaPlayout(MediaPlayoutStats),
    /// The connection as a whole.
    PeerConnection(PeerConnectionStats),
    /// A data channel.
    DataChannel(DataChannelStats),
    /// The transport.
    Transport(TransportStats),
    /// A pair of candidates.
    CandidatePair(CandidatePairStats),
    /// One of our addresses.
    LocalCandidate(LocalCandidateStats),
    /// One of the other side's addresses.
    RemoteCandidate(RemoteCandidateStats),
    /// A certificate.
    Certificate(CertificateStats),
    /// A media stream.
    Stream(StreamStats),
    /// Obsolete.
    Track,
}

macro_rules! lower_case_enum {
    ($(#[$doc:meta])* $name:ident: $($variant:ident)+) => {
        $(#[$doc])*
        #[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        #[allow(missing_docs)] // the standard's words
        pub enum $name { $($variant,)+ }
    };
    ($(#[$doc:meta])* $name:ident = $default:ident: $($variant:ident)+) => {
        lower_case_enum!($(#[$doc])* $name: $($variant)+);
        impl Default for $name {
            fn default() -> Self {
                Self::$default
            }
        }
    };
}

lower_case_enum!(
    /// Why video is worse than it could be.
    QualityLimitationReason = None: None Cpu Bandwidth Other
);
lower_case_enum!(
    /// Who decides which pair of candidates is used.
    IceRole = Unknown: Unknown Controlling Controlled
);
lower_case_enum!(
    /// Where the DTLS handshake is.
    DtlsTransportState: New Connecting Connected Closed Failed
);
lower_case_enum!(
    /// Where ICE is.
    IceTransportState: New Checking Connected Completed Disconnected Failed Closed
);
lower_case_enum!(
    /// Who began the DTLS handshake.
    DtlsRole = Unknown: Client Server Unknown
);
lower_case_enum!(
    /// How far the check of a pair has come.
    IceCandidatePairState: Frozen Waiting InProgress Failed Succeeded
);
lower_case_enum!(
    /// How an address was found.
    IceCandidateType: Host Srflx Prflx Relay
);
lower_case_enum!(
    /// How a server is reached.
    IceServerTransportProtocol: Udp Tcp Tls
);
lower_case_enum!(
    /// Who opens a TCP connection.
    IceTcpCandidateType: Active Passive So
);

macro_rules! stats {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $part:ident,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Deserialize)]
        #[allow(missing_docs)] // the parts document themselves
        pub struct $name {
            #[serde(flatten)]
            pub rtc: dictionaries::RtcStats,
            $(#[serde(flatten)] pub $field: dictionaries::$part,)*
        }
    };
}

stats!(
    /// A codec in use.
    CodecStats { codec: CodecStats, }
);
stats!(
    /// A stream that is received.
    InboundRtpStats {
        stream: RtpStreamStats,
        received: ReceivedRtpStreamStats,
        inbound: InboundRtpStreamStats,
    }
);
stats!(
    /// A stream that is sent.
    OutboundRtpStats {
        stream: RtpStreamStats,
        sent: SentRtpStreamStats,
        outbound: OutboundRtpStreamStats,
    }
);
stats!(
    /// What the other side says about a stream that is sent.
    RemoteInboundRtpStats {
        stream: RtpStreamStats,
        received: ReceivedRtpStreamStats,
        remote_inbound: RemoteInboundRtpStreamStats,
    }
);
stats!(
    /// What the other side says about a stream that is received.
    RemoteOutboundRtpStats {
        stream: RtpStreamStats,
        sent: SentRtpStreamStats,
        remote_outbound: RemoteOutboundRtpStreamStats,
    }
);
stats!(
    /// A source of media.
    MediaSourceStats { source: MediaSourceStats, audio: AudioSourceStats, video: VideoSourceStats, }
);
stats!(
    /// Playing out.
    MediaPlayoutStats { audio_playout: AudioPlayoutStats, }
);
stats!(
    /// The connection as a whole.
    PeerConnectionStats { pc: PeerConnectionStats, }
);
stats!(
    /// A data channel.
    DataChannelStats { dc: DataChannelStats, }
);
stats!(
    /// The transport.
    TransportStats { transport: TransportStats, }
);
stats!(
    /// A pair of candidates.
    CandidatePairStats { candidate_pair: CandidatePairStats, }
);
stats!(
    /// One of our addresses.
    LocalCandidateStats { local_candidate: IceCandidateStats, }
);
stats!(
    /// One of the other side's addresses.
    RemoteCandidateStats { remote_candidate: IceCandidateStats, }
);
stats!(
    /// A certificate.
    CertificateStats { certificate: CertificateStats, }
);
stats!(
    /// A media stream.
    StreamStats { stream: StreamStats, }
);

/// Obsolete; nothing is measured for tracks.
#[derive(Debug, Default, Clone, Deserialize)]
pub struct TrackStats {}
