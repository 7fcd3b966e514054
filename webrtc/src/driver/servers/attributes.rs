//! The candidate attributes (RFC 8839) of addresses that servers gave.

use std::net::SocketAddr;

use rtc::{
    ice::candidate::Candidate,
    peer_connection::transport::{
        CandidateConfig, CandidateRelayConfig, CandidateServerReflexiveConfig, RTCIceCandidate,
    },
};

/// Of the socket `base`, as a STUN server sees it.
pub(super) fn reflexive_candidate(base: SocketAddr, seen_as: SocketAddr) -> Option<String> {
    let config = CandidateServerReflexiveConfig {
        base_config: base_config(seen_as),
        rel_addr: base.ip().to_string(),
        rel_port: base.port(),
        url: None,
    };
    attribute(&config.new_candidate_server_reflexive().ok()?)
}

/// Of the address that a relay has lent. How we look to the relay is nobody's business.
pub(super) fn relay_candidate(relayed: SocketAddr) -> Option<String> {
    let hidden = if relayed.is_ipv4() { "0.0.0.0" } else { "::" };
    let config = CandidateRelayConfig {
        base_config: base_config(relayed),
        rel_addr: hidden.to_owned(),
        rel_port: 0,
        url: None,
    };
    attribute(&config.new_candidate_relay().ok()?)
}

fn base_config(address: SocketAddr) -> CandidateConfig {
    CandidateConfig {
        network: "udp".to_owned(),
        address: address.ip().to_string(),
        port: address.port(),
        component: 1,
        ..Default::default()
    }
}

fn attribute(candidate: &Candidate) -> Option<String> {
    Some(RTCIceCandidate::from(candidate).to_json().ok()?.candidate)
}
