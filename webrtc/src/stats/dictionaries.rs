//! The dictionaries of W3C webrtc-stats, one struct each.
//!
//! Fields are named and documented by <https://www.w3.org/TR/webrtc-stats/>; the few that are not
//! in it belong to the `libwebrtc` interface. A value that the stack does not measure is zero.
#![allow(missing_docs)] // the names are the standard's, and so is their description

use std::collections::HashMap;

use serde::Deserialize;

use super::{
    DtlsRole, DtlsTransportState, IceCandidatePairState, IceCandidateType, IceRole,
    IceServerTransportProtocol, IceTcpCandidateType, IceTransportState, QualityLimitationReason,
};
use crate::data_channel::DataChannelState;

macro_rules! dictionary {
    ($name:ident { $($field:ident: $kind:ty,)* }) => {
        #[derive(Debug, Default, Clone, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $(pub $field: $kind,)*
        }
    };
}

dictionary!(RtcStats {
    id: String,
    timestamp: i64,
});

dictionary!(CodecStats {
    payload_type: u32,
    transport_id: String,
    mime_type: String,
    clock_rate: u32,
    channels: u32,
    sdp_fmtp_line: String,
});

dictionary!(RtpStreamStats {
    ssrc: u32,
    kind: String,
    transport_id: String,
    codec_id: String,
});

dictionary!(ReceivedRtpStreamStats {
    packets_received: u64,
    packets_lost: i64,
    jitter: f64,
});

dictionary!(InboundRtpStreamStats {
    track_identifier: String,
    mid: String,
    remote_id: String,
    frames_decoded: u32,
    key_frames_decoded: u32,
    frames_rendered: u32,
    frames_dropped: u32,
    frame_width: u32,
    frame_height: u32,
    frames_per_second: f64,
    qp_sum: u64,
    total_decode_time: f64,
    total_inter_frame_delay: f64,
    total_squared_inter_frame_delay: f64,
    pause_count: u32,
    total_pause_duration: f64,
    freeze_count: u32,
    total_freeze_duration: f64,
    last_packet_received_timestamp: f64,
    header_bytes_received: u64,
    packets_discarded: u64,
    fec_bytes_received: u64,
    fec_packets_received: u64,
    fec_packets_discarded: u64,
    bytes_received: u64,
    nack_count: u32,
    fir_count: u32,
    pli_count: u32,
    total_processing_delay: f64,
    estimated_playout_timestamp: f64,
    jitter_buffer_delay: f64,
    jitter_buffer_target_delay: f64,
    jitter_buffer_emitted_count: u64,
    jitter_buffer_minimum_delay: f64,
    total_samples_received: u64,
    concealed_samples: u64,
    silent_concealed_samples: u64,
    concealment_events: u64,
    inserted_samples_for_deceleration: u64,
    removed_samples_for_acceleration: u64,
    audio_level: f64,
    total_audio_energy: f64,
    total_samples_duration: f64,
    frames_received: u64,
    decoder_implementation: String,
    playout_id: String,
    power_efficient_decoder: bool,
    frames_assembled_from_multiple_packets: u64,
    total_assembly_time: f64,
    retransmitted_packets_received: u64,
    retransmitted_bytes_received: u64,
    rtx_ssrc: u32,
    fec_ssrc: u32,
});

dictionary!(SentRtpStreamStats {
    packets_sent: u64,
    bytes_sent: u64,
});

dictionary!(OutboundRtpStreamStats {
    mid: String,
    media_source_id: String,
    remote_id: String,
    rid: String,
    header_bytes_sent: u64,
    retransmitted_packets_sent: u64,
    retransmitted_bytes_sent: u64,
    rtx_ssrc: u32,
    target_bitrate: f64,
    total_encoded_bytes_target: u64,
    frame_width: u32,
    frame_height: u32,
    frames_per_second: f64,
    frames_sent: u32,
    huge_frames_sent: u32,
    frames_encoded: u32,
    key_frames_encoded: u32,
    qp_sum: u64,
    total_encode_time: f64,
    total_packet_send_delay: f64,
    quality_limitation_reason: QualityLimitationReason,
    quality_limitation_durations: HashMap<String, f64>,
    quality_limitation_resolution_changes: u32,
    nack_count: u32,
    fir_count: u32,
    pli_count: u32,
    encoder_implementation: String,
    power_efficient_encoder: bool,
    active: bool,
    scalibility_mode: String,
});

dictionary!(RemoteInboundRtpStreamStats {
    local_id: String,
    round_trip_time: f64,
    total_round_trip_time: f64,
    fraction_lost: f64,
    round_trip_time_measurements: u64,
});

dictionary!(RemoteOutboundRtpStreamStats {
    local_id: String,
    remote_timestamp: f64,
    reports_sent: u64,
    round_trip_time: f64,
    total_round_trip_time: f64,
    round_trip_time_measurements: u64,
});

dictionary!(MediaSourceStats {
    track_identifier: String,
    kind: String,
});

dictionary!(AudioSourceStats {
    audio_level: f64,
    total_audio_energy: f64,
    total_samples_duration: f64,
    echo_return_loss: f64,
    echo_return_loss_enhancement: f64,
    dropped_samples_duration: f64,
    dropped_samples_events: u32,
    total_capture_delay: f64,
    total_samples_captured: u64,
});

dictionary!(VideoSourceStats {
    width: u32,
    height: u32,
    frames: u32,
    frames_per_second: f64,
});

dictionary!(AudioPlayoutStats {
    kind: String,
    synthesized_samples_duration: f64,
    synthesized_samples_events: u32,
    total_samples_duration: f64,
    total_playout_delay: f64,
    total_samples_count: u64,
});

dictionary!(PeerConnectionStats {
    data_channels_opened: u32,
    data_channels_closed: u32,
});

dictionary!(DataChannelStats {
    label: String,
    protocol: String,
    data_channel_identifier: i32,
    state: Option<DataChannelState>,
    messages_sent: u32,
    bytes_sent: u64,
    messages_received: u32,
    bytes_received: u64,
});

dictionary!(TransportStats {
    packets_sent: u64,
    packets_received: u64,
    bytes_sent: u64,
    bytes_received: u64,
    ice_role: IceRole,
    ice_local_username_fragment: String,
    dtls_state: Option<DtlsTransportState>,
    ice_state: Option<IceTransportState>,
    selected_candidate_pair_id: String,
    local_certificate_id: String,
    remote_certificate_id: String,
    tls_version: String,
    dtls_cipher: String,
    dtls_role: DtlsRole,
    srtp_cipher: String,
    selected_candidate_pair_changes: u32,
});

dictionary!(CandidatePairStats {
    transport_id: String,
    local_candidate_id: String,
    remote_candidate_id: String,
    state: Option<IceCandidatePairState>,
    nominated: bool,
    packets_sent: u64,
    packets_received: u64,
    bytes_sent: u64,
    bytes_received: u64,
    last_packet_sent_timestamp: f64,
    last_packet_received_timestamp: f64,
    total_round_trip_time: f64,
    current_round_trip_time: f64,
    available_outgoing_bitrate: f64,
    available_incoming_bitrate: f64,
    requests_received: u64,
    requests_sent: u64,
    responses_received: u64,
    responses_sent: u64,
    consent_requests_sent: u64,
    packets_discarded_on_send: u32,
    bytes_discarded_on_send: u64,
});

dictionary!(IceCandidateStats {
    transport_id: String,
    address: String,
    port: i32,
    protocol: String,
    candidate_type: Option<IceCandidateType>,
    priority: i32,
    url: String,
    relay_protocol: Option<IceServerTransportProtocol>,
    foundation: String,
    related_address: String,
    related_port: i32,
    username_fragment: String,
    tcp_type: Option<IceTcpCandidateType>,
    network_type: Option<String>,
});

dictionary!(CertificateStats {
    fingerprint: String,
    fingerprint_algorithm: String,
    base64_certificate: String,
    issuer_certificate_id: String,
});

dictionary!(StreamStats {
    id: String,
    stream_identifier: String,
});
