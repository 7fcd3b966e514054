//! An association of `rtc` behind the guard as a connection has it, and a peer who has its tag and writes right checksums,
//! and otherwise what they like.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use rtc::{
    sctp::{
        Association, AssociationHandle, DatagramEvent, Endpoint, EndpointConfig, Event, Payload,
        ServerConfig, StreamEvent, TransportConfig,
    },
    shared::TransportProtocol,
};

use super::{
    Guard, Refusal,
    packet::{COOKIE_ECHO, DATA, FORWARD_TSN, HEADER_BYTES, INIT, RECONFIG, SACK, chunks, u32_at},
};

/// The peer's tag, and its first TSN.
const PEER_TAG: u32 = 7;
pub(super) const FIRST_TSN: u32 = 1_000;
/// So many packets come before any is answered, as when a socket is read.
const AT_ONCE: usize = 8;

pub(super) struct Receiver {
    pub(super) guard: Option<Guard>,
    endpoint: Endpoint,
    associations: HashMap<AssociationHandle, Association>,
    now: Instant,
    /// Ours.
    tag: u32,
    taken: usize,
    /// Bytes of packets with DATA that were let through, and of messages that were read since.
    pub(super) let_through: usize,
    pub(super) read: usize,
    /// Packets of ours.
    pub(super) sent: Vec<Bytes>,
}

fn peer() -> SocketAddr {
    ([10, 0, 0, 2], 5000).into()
}

/// One chunk, padded.
pub(super) fn chunk(kind: u8, flags: u8, value: &[u8]) -> Vec<u8> {
    let mut chunk = vec![kind, flags];
    chunk.extend((value.len() as u16 + 4).to_be_bytes());
    chunk.extend(value);
    chunk.resize(chunk.len().next_multiple_of(4), 0);
    chunk
}

/// DATA; `flags` are 1 for the end of a message, 2 for its beginning, 4 for out of order.
pub(super) fn data(flags: u8, tsn: u32, stream: u16, number: u16, user: &[u8]) -> Vec<u8> {
    let mut value = tsn.to_be_bytes().to_vec();
    value.extend(stream.to_be_bytes());
    value.extend(number.to_be_bytes());
    value.extend(53_u32.to_be_bytes());
    value.extend(user);
    chunk(DATA, flags, &value)
}

/// RECONFIG with a request to reset streams.
pub(super) fn reset(number: u32, last_tsn: u32, streams: &[u16]) -> Vec<u8> {
    let mut value = 13_u16.to_be_bytes().to_vec();
    value.extend((16 + 2 * streams.len() as u16).to_be_bytes());
    for word in [number, 0, last_tsn] {
        value.extend(word.to_be_bytes());
    }
    value.extend(streams.iter().flat_map(|id| id.to_be_bytes()));
    chunk(RECONFIG, 0, &value)
}

pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

pub(super) fn packet(tag: u32, chunks: &[u8]) -> Bytes {
    let mut packet = vec![0x13, 0x88, 0x13, 0x88];
    packet.extend(tag.to_be_bytes());
    packet.extend([0; 4]);
    packet.extend(chunks);
    let sum = crc32c(&packet);
    packet[8..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    packet.into()
}

/// The checksum (RFC 9260, appendix A).
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0x82f6_3b78 & (sum & 1).wrapping_neg())
        })
    })
}

impl Receiver {
    /// One that has been opened.
    pub(super) fn new(guard: Option<Guard>) -> Self {
        let config = ServerConfig::new(TransportConfig::default());
        let mut receiver = Self {
            guard,
            endpoint: Endpoint::new(
                ([10, 0, 0, 1], 5000).into(),
                TransportProtocol::UDP,
                Arc::new(EndpointConfig::new()),
                Some(Arc::new(config)),
            ),
            associations: HashMap::new(),
            now: Instant::now(),
            tag: 0,
            taken: 0,
            let_through: 0,
            read: 0,
            sent: Vec::new(),
        };
        let _ = receiver.take_tagged(0, &opening(PEER_TAG, FIRST_TSN));
        receiver.flush();
        // INIT ACK: our tag, and a cookie among its parameters.
        let answer = receiver.sent.pop().unwrap_or_default();
        receiver.tag = u32_at(&answer, 16).unwrap_or(0);
        let cookie = answer.get(36..68).unwrap_or_default();
        let _ = receiver.take(&chunk(COOKIE_ECHO, 0, cookie));
        receiver.flush();
        receiver.sent.clear();
        receiver
    }

    /// Opened, and not closed since.
    pub(super) fn stands(&self) -> bool {
        self.associations
            .values()
            .any(|association| !association.is_handshaking() && !association.is_closed())
    }

    pub(super) fn take(&mut self, chunks: &[u8]) -> Result<(), Refusal> {
        self.take_tagged(self.tag, chunks)
    }

    /// As `rtc`'s connection handles a packet.
    pub(super) fn take_tagged(&mut self, tag: u32, body: &[u8]) -> Result<(), Refusal> {
        let packet = packet(tag, body);
        if let Some(guard) = &mut self.guard {
            guard.received(&packet)?;
        }
        if chunks(&packet).flatten().any(|chunk| chunk.kind == DATA) {
            self.let_through += packet.len();
        }
        match self.endpoint.handle(self.now, peer(), None, packet) {
            Some((handle, DatagramEvent::NewAssociation(association))) => {
                self.associations.insert(handle, association);
            }
            Some((handle, DatagramEvent::AssociationEvent(event))) => {
                if let Some(association) = self.associations.get_mut(&handle) {
                    association.handle_event(event);
                }
            }
            _ => {}
        }
        for association in self.associations.values_mut() {
            while let Some(event) = association.poll() {
                let Event::Stream(StreamEvent::Readable { id }) = event else {
                    continue;
                };
                if association.is_handshaking() {
                    continue;
                }
                if let Ok(mut stream) = association.stream(id) {
                    while let Ok(Some(message)) = stream.read_sctp() {
                        self.read += message.len();
                    }
                }
            }
        }
        self.taken += 1;
        if self.taken.is_multiple_of(AT_ONCE) {
            self.flush();
        }
        Ok(())
    }

    /// What the association has to say, a moment later.
    pub(super) fn flush(&mut self) {
        self.now += Duration::from_millis(250);
        for association in self.associations.values_mut() {
            association.handle_timeout(self.now);
            while let Some(transmit) = association.poll_transmit(self.now) {
                if let Payload::RawEncode(packets) = transmit.message {
                    for packet in packets {
                        if let Some(guard) = &mut self.guard {
                            guard.sent(&packet);
                        }
                        self.sent.push(packet);
                    }
                }
            }
        }
    }
}

/// INIT with FORWARD TSN and RECONFIG.
pub(super) fn opening(tag: u32, tsn: u32) -> Vec<u8> {
    let mut value = words(&[tag, 1 << 20, 0xffff_ffff, tsn]);
    value.extend([0x80, 0x08, 0, 6, RECONFIG, FORWARD_TSN, 0, 0]);
    chunk(INIT, 0, &value)
}

/// Packets of a peer whose association stands: each stretch of input is one, with a byte for its kind and what is to be
/// in it.
pub(crate) fn hostile_sctp<'a>(stretches: impl Iterator<Item = &'a [u8]>) {
    let mut receiver = Receiver::new(Some(Guard::default()));
    assert!(receiver.stands());
    let mut tsn = FIRST_TSN;
    for stretch in stretches {
        let Some((kind, rest)) = stretch.split_first() else {
            continue;
        };
        let number = rest
            .iter()
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let chunks = match kind % 10 {
            // In order.
            0 | 1 => {
                let chunk = data(kind >> 4, tsn, u16::from(kind & 0xf), number as u16, rest);
                tsn += 1;
                chunk
            }
            2 => rest
                .iter()
                .flat_map(|byte| data(byte >> 5, tsn + u32::from(*byte), number as u16, 0, &[1]))
                .collect(),
            3 => data(3, number, number as u16, 0, rest),
            4 => chunk(FORWARD_TSN, 0, &words(&[tsn.wrapping_add(number), number])),
            5 => chunk(SACK, 0, &words(&[tsn, number, 1 << 16, number])),
            6 => reset(
                number,
                tsn.wrapping_add(u32::from(kind >> 4)),
                &[number as u16, u16::from(kind & 0xf)],
            ),
            7 => opening(number, number),
            // Well framed, of any kind.
            8 => chunk(number as u8, 0, rest),
            _ => rest.to_vec(),
        };
        let _ = receiver.take(&chunks);
        assert!(receiver.sent.len() < 4_096, "answers without end");
        receiver.sent.clear();
    }
    receiver.flush();
}
