//! What STUN and TURN servers might send.

use std::{net::SocketAddr, time::Instant};

use rtc::{
    crypto::default_provider,
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
    turn::client::{Client, ClientConfig},
};

use super::{framing::StreamDecoder, stun::Reflexive};
use crate::engine::Path;

fn addresses() -> (SocketAddr, SocketAddr) {
    let server = SocketAddr::from(([192, 0, 2, 1], 3_478));
    (SocketAddr::from(([10, 0, 0, 1], 1_000)), server)
}

/// A TCP stream from a TURN server.
pub fn turn_stream(data: &[u8]) {
    let mut decoder = StreamDecoder::default();
    for piece in data.chunks(7) {
        decoder.extend(piece);
        loop {
            match decoder.next_message() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

/// A message from a TURN server that was asked for an address; also as the answer to what was asked.
pub fn turn_client(data: &[u8]) {
    let (local, server) = addresses();
    let config = ClientConfig {
        turn_serv_addr: server.to_string(),
        local_addr: local,
        username: "somebody".to_owned(),
        password: "a secret".to_owned(),
        ..ClientConfig::default()
    };
    let Ok(mut client) = default_provider().map(|crypto| Client::new(config, crypto)) else {
        return;
    };
    let Ok(client) = &mut client else { return };
    let now = Instant::now();
    let _ = client.allocate(now);
    let transport = TransportContext {
        local_addr: local,
        peer_addr: server,
        transport_protocol: TransportProtocol::UDP,
        ecn: None,
    };
    let asked = client.poll_write().map(|request| request.message);
    let mut answers = vec![data.to_vec()];
    if let Some(asked) = asked.filter(|asked| asked.len() >= 20 && data.len() >= 20) {
        let mut answer = data.to_vec();
        answer[4..20].copy_from_slice(&asked[4..20]);
        answers.push(answer);
    }
    for answer in answers {
        let message = TaggedBytesMut {
            now,
            transport,
            message: answer.as_slice().into(),
        };
        let _ = client.handle_read(message);
        while client.poll_event().is_some() {}
        while client.poll_write().is_some() {}
    }
}

/// A datagram at a socket whose reflexive address was asked for.
pub fn stun_answer(data: &[u8]) {
    let (local, server) = addresses();
    let now = Instant::now();
    let mut reflexive = Reflexive::default();
    reflexive.ask(now, "stun:server", server, local);
    let (mut transmits, mut answers) = (Vec::new(), Vec::new());
    reflexive.handle_timeout(now, &mut transmits, &mut answers);
    let Some(request) = transmits.pop() else { return };
    let path = Path {
        local,
        peer: server,
        tcp: false,
    };
    let _ = reflexive.handle_datagram(path, data);
    if data.len() >= 20 {
        let mut answer = data.to_vec();
        answer[4..20].copy_from_slice(&request.data[4..20]);
        let _ = reflexive.handle_datagram(path, &answer);
    }
}
