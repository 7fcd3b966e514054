//! One function for each thing that reads bytes from the network: whatever the bytes, none may panic,
//! hoard or hang. `fuzz/` runs them for as long as one likes, `tests` runs each on some hundred inputs.
//! Not part of the API.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rtc::{
    rtcp, rtp,
    shared::{
        marshal::Unmarshal,
        tcp_framing::{FRAMING_HEADER_LEN, MAX_FRAMED_PACKET_SIZE, TcpFrameDecoder},
    },
};

use crate::{
    audio::{EncodedAudio, RtpAudio, fuzzing::Ear, red::Unpacked},
    data_channel::DataChannelInit,
    engine::{
        AudioSink, Engine, MediaKind, Path,
        fuzzing::{hostile_sctp, readable_report, watch_reports},
        sdp,
    },
    peer_connection::OfferOptions,
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    session_description::{SdpType, SessionDescription},
};
pub use crate::{
    driver::fuzzing::{stun_answer, turn_client, turn_stream},
    native::frame_cryptor::fuzzing::encrypted,
};

#[cfg(test)]
mod tests;

struct NoSink;

impl AudioSink for NoSink {
    fn push(&self, _transceiver: usize, _audio: EncodedAudio) {}
}

/// A connection that waits for an answer.
fn offering(now: Instant) -> Option<Engine> {
    let mut engine = Engine::new(now, Arc::new(NoSink), false).ok()?;
    engine.add_local_candidates(vec![
        "candidate:1 1 udp 2130706431 10.0.0.1 1000 typ host".to_owned(),
    ]);
    let receive = RtpTransceiverInit {
        direction: RtpTransceiverDirection::RecvOnly,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    };
    engine.add_transceiver(MediaKind::Audio, None, receive).ok()?;
    engine.create_channel("talk", DataChannelInit::default()).ok()?;
    let offer = engine.create_offer(&OfferOptions::default()).ok()?;
    engine.set_local_description(now, offer).ok()?;
    Some(engine)
}

/// Session descriptions and candidates, by our own reader and by `rtc`'s, as answer and as offer.
pub fn description(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let _ = sdp::check_shape(&text);
    let _ = sdp::ice_ufrag(&text);
    let adapted = sdp::adapt_remote(&text);
    let _ = sdp::revived_mids(&text, &adapted);
    let now = Instant::now();
    let Ok(mut engine) = Engine::new(now, Arc::new(NoSink), false) else {
        return;
    };
    if let Ok(offer) = SessionDescription::parse(&text, SdpType::Offer)
        && engine.set_remote_description(now, offer).is_ok()
    {
        if let Ok(answer) = engine.create_answer() {
            let _ = engine.set_local_description(now, answer);
        }
        let _ = engine.add_remote_candidate(&text);
    }
    if let Ok(answer) = SessionDescription::parse(&text, SdpType::Answer)
        && let Some(mut engine) = offering(now)
    {
        let _ = engine.set_remote_description(now, answer);
    }
    engine.pump();
}

/// One candidate attribute.
pub fn candidate(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(candidate) = sdp::Candidate::parse(&text) {
        let _ = candidate.is_usable();
    }
    let now = Instant::now();
    let offer = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
        a=fingerprint:sha-256 00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=setup:actpass\r\na=mid:0\r\n\
        a=ice-ufrag:abcd\r\na=ice-pwd:abcdabcdabcdabcdabcdabcd\r\na=sctp-port:5000\r\n";
    if let (Ok(mut engine), Ok(offer)) = (
        Engine::new(now, Arc::new(NoSink), false),
        SessionDescription::parse(offer, SdpType::Offer),
    ) && engine.set_remote_description(now, offer).is_ok()
    {
        let _ = engine.add_remote_candidate(&text);
    }
}

/// Datagrams that reach a connection which waits for its peer: STUN, DTLS, SRTP or nothing known. The
/// first byte of each stretch of input is the length of a datagram.
pub fn datagrams(data: &[u8]) {
    let mut now = Instant::now();
    let Some(mut engine) = offering(now) else { return };
    let (Ok(local), Ok(peer)) = ("10.0.0.1:1000".parse(), "10.0.0.2:2000".parse()) else {
        return;
    };
    let path = Path {
        local,
        peer,
        tcp: false,
    };
    for datagram in stretches(data) {
        engine.handle_datagram(now, path, BytesMut::from(datagram));
        engine.pump();
        while engine.poll_transmit().is_some() {}
        now += Duration::from_millis(20);
        engine.handle_timeout(now);
    }
    let _ = engine.take_events();
}

/// A compound RTCP packet, as it comes out of the cipher, and what its reports say.
pub fn reports(data: &[u8]) {
    let mut packet = data.to_vec();
    if let Some((clear, rest)) = packet.split_first_chunk_mut() {
        readable_report(clear, rest);
    }
    if let Ok(packets) = rtcp::packet::unmarshal(&mut Bytes::from(packet)) {
        watch_reports(&packets);
    }
}

/// An RTP packet, as it comes out of the cipher, and what its header extension says.
pub fn sound_packet(data: &[u8]) {
    if let Ok(packet) = rtp::Packet::unmarshal(&mut Bytes::copy_from_slice(data)) {
        for id in 1..16 {
            let _ = packet.header.get_extension(id);
        }
    }
}

/// The payload of a packet with copies (RFC 2198).
pub fn red(data: &[u8]) {
    let payload = Bytes::copy_from_slice(data);
    if let Some(unpacked) = Unpacked::read(&payload, 111) {
        let copied: usize = unpacked.copies().map(|copy| copy.frame.len()).sum();
        assert!(copied + unpacked.frame().len() < data.len());
    }
}

/// Opus packets with any sequence numbers and timestamps, played.
pub fn sound(data: &[u8]) {
    let Some(mut ear) = Ear::new() else { return };
    let mut now = Instant::now();
    for (n, stretch) in stretches(data).enumerate() {
        let [a, b, c, d, payload @ ..] = stretch else {
            continue;
        };
        // Mostly in order, sometimes far away.
        let far = if a & 0xc0 == 0xc0 {
            u32::from_be_bytes([*a, *b, *c, *d])
        } else {
            u32::from(*b & 3)
        };
        let packet = RtpAudio {
            sequence: (n as u32).wrapping_add(far) as u16,
            timestamp: (n as u32 * 960).wrapping_add(far.wrapping_mul(960)),
            payload: Bytes::copy_from_slice(payload),
            level_dbov: (a & 1 == 1).then_some(d & 0x7f),
            marker: a & 2 == 2,
            copy: a & 4 == 4,
        };
        ear.hear(&packet, now);
        now += Duration::from_millis(20);
    }
}

/// A TCP stream with datagrams in it, as a peer writes it.
pub fn tcp_stream(data: &[u8]) {
    let mut decoder = TcpFrameDecoder::new();
    for stretch in stretches(data) {
        decoder.extend_from_slice(stretch);
        while decoder.next_packet().is_some() {}
        assert!(decoder.buffered_len() < FRAMING_HEADER_LEN + MAX_FRAMED_PACKET_SIZE);
    }
}

/// What opens a data channel (RFC 8832).
pub fn channel_message(data: &[u8]) {
    if is_known_fault(data) {
        return;
    }
    let _ = rtc::datachannel::message::Message::unmarshal(&mut Bytes::copy_from_slice(data));
}

/// `rtc` 0.21.1 panics on such a channel message: one of its own kinds, cut. A peer who has finished the
/// handshake can send it; it costs that peer's connection (see the driver).
fn is_known_fault(channel_message: &[u8]) -> bool {
    channel_message.first() == Some(&0) && channel_message.len() < 6
}

/// Packets of SCTP with the right checksum, to an association that stands.
pub fn sctp(data: &[u8]) {
    hostile_sctp(stretches(data));
}

/// Stretches whose length stands before each, in one byte.
fn stretches(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first()?;
        let (stretch, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        data = rest;
        Some(stretch)
    })
}
