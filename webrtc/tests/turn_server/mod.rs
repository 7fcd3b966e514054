//! A TURN server on loopback for tests (RFC 8656): one user, long-term credentials, addresses over
//! UDP, clients over UDP, TCP, or any stream.

#![allow(dead_code)] // each test uses a part of this one

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rtc::{
    crypto::default_provider,
    stun::{
        attributes::{ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM},
        error_code::{CODE_STALE_NONCE, CODE_UNAUTHORIZED, ErrorCode, ErrorCodeAttribute},
        integrity::MessageIntegrity,
        message::{
            CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_SUCCESS_RESPONSE, Getter as _, METHOD_ALLOCATE,
            METHOD_BINDING, METHOD_CHANNEL_BIND, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH,
            METHOD_SEND, Message, MessageType, Setter, is_stun_message,
        },
        textattrs::TextAttribute,
        xoraddr::XorMappedAddress,
    },
    turn::proto::{
        chandata::ChannelData, channum::ChannelNumber, data::Data, lifetime::Lifetime, peeraddr::PeerAddress,
        relayaddr::RelayedAddress,
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UdpSocket},
    sync::mpsc,
};

pub(crate) const USER: &str = "somebody";
pub(crate) const PASSWORD: &str = "a long secret";
const REALM: &str = "tests";
const NONCES: [&str; 2] = ["first nonce", "second nonce"];

/// What has happened at the server.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) allocations: AtomicUsize,
    pub(crate) given_back: AtomicUsize,
    pub(crate) refused: AtomicUsize,
    /// Datagrams of peers passed on to clients.
    pub(crate) relayed: AtomicUsize,
    pub(crate) relayed_by_channel: AtomicUsize,
    /// How many messages are still accepted before the nonce changes; zero for ever.
    pub(crate) stale_after: AtomicUsize,
}

/// Serves clients over UDP until the runtime ends; gives where.
pub(crate) async fn serve_udp(counts: Arc<Counts>) -> SocketAddr {
    let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
    let address = socket.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
        let mut buffer = [0; 2_048];
        loop {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else {
                continue;
            };
            let client = clients.entry(from).or_insert_with(|| {
                let (messages, incoming) = mpsc::channel(256);
                let (outgoing, mut answers) = mpsc::channel::<Vec<u8>>(256);
                tokio::spawn(serve(from, incoming, outgoing, counts.clone()));
                let socket = socket.clone();
                tokio::spawn(async move {
                    while let Some(answer) = answers.recv().await {
                        let _ = socket.send_to(&answer, from).await;
                    }
                });
                messages
            });
            let _ = client.try_send(buffer[..length].to_vec());
        }
    });
    address
}

/// Serves clients over TCP until the runtime ends; gives where.
pub(crate) async fn serve_tcp(counts: Arc<Counts>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            tokio::spawn(serve_stream(stream, from, counts.clone()));
        }
    });
    address
}

/// Serves one client over a stream.
pub(crate) async fn serve_stream(stream: impl AsyncRead + AsyncWrite, from: SocketAddr, counts: Arc<Counts>) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (messages, incoming) = mpsc::channel(256);
    let (outgoing, mut answers) = mpsc::channel::<Vec<u8>>(256);
    // The end of the stream is the end of `messages`, and that the end of `serve`, once it has seen all.
    let read = async move {
        loop {
            let mut message = vec![0; 4];
            if reader.read_exact(&mut message).await.is_err() {
                return;
            }
            let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
            let rest = if message[0] & 0xc0 == 0 {
                16 + length
            } else {
                length.next_multiple_of(4)
            };
            message.resize(4 + rest, 0);
            if reader.read_exact(&mut message[4..]).await.is_err() || messages.send(message).await.is_err() {
                return;
            }
        }
    };
    let write = async {
        while let Some(answer) = answers.recv().await {
            if writer.write_all(&answer).await.is_err() || writer.flush().await.is_err() {
                return;
            }
        }
    };
    tokio::join!(serve(from, incoming, outgoing, counts), read, write);
}

struct Client {
    from: SocketAddr,
    outgoing: mpsc::Sender<Vec<u8>>,
    counts: Arc<Counts>,
    relay: Option<Arc<UdpSocket>>,
    permitted: HashSet<IpAddr>,
    channels: HashMap<u16, SocketAddr>,
    nonce: usize,
}

async fn serve(
    from: SocketAddr,
    mut incoming: mpsc::Receiver<Vec<u8>>,
    outgoing: mpsc::Sender<Vec<u8>>,
    counts: Arc<Counts>,
) {
    let mut client = Client {
        from,
        outgoing,
        counts,
        relay: None,
        permitted: HashSet::new(),
        channels: HashMap::new(),
        nonce: 0,
    };
    let mut buffer = [0; 2_048];
    loop {
        let relay = client.relay.clone();
        let from_peer = async {
            match relay {
                Some(relay) => relay.recv_from(&mut buffer).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = incoming.recv() => match message {
                Some(message) => client.handle(&message).await,
                None => return,
            },
            Ok((length, peer)) = from_peer => client.pass_on(peer, &buffer[..length]),
        }
    }
}

impl Client {
    fn answer(&self, message: Vec<u8>) {
        let _ = self.outgoing.try_send(message);
    }

    fn pass_on(&self, peer: SocketAddr, data: &[u8]) {
        if !self.permitted.contains(&peer.ip()) {
            return;
        }
        self.counts.relayed.fetch_add(1, Ordering::Relaxed);
        let channel = self.channels.iter().find(|(_, bound)| **bound == peer);
        if let Some((number, _)) = channel {
            self.counts.relayed_by_channel.fetch_add(1, Ordering::Relaxed);
            let mut message = ChannelData {
                number: ChannelNumber(*number),
                data: data.to_vec(),
                ..ChannelData::default()
            };
            message.encode();
            return self.answer(message.raw);
        }
        let mut indication = Message::new();
        indication.new_transaction_id().expect("random numbers");
        indication.typ = MessageType::new(METHOD_DATA, CLASS_INDICATION);
        self.finish(
            indication,
            &[
                &PeerAddress {
                    ip: peer.ip(),
                    port: peer.port(),
                },
                &Data(data.to_vec()),
            ],
        );
    }

    fn finish(&self, mut message: Message, attributes: &[&dyn Setter]) {
        message.write_header();
        for attribute in attributes {
            attribute.add_to(&mut message).expect("an attribute");
        }
        message.write_header();
        self.answer(message.raw);
    }

    fn respond(&self, request: &Message, attributes: &[&dyn Setter]) {
        let mut response = Message::new();
        response.transaction_id = request.transaction_id;
        response.typ = MessageType::new(request.typ.method, CLASS_SUCCESS_RESPONSE);
        self.finish(response, attributes);
    }

    fn refuse(&self, request: &Message, code: ErrorCode) {
        self.counts.refused.fetch_add(1, Ordering::Relaxed);
        let mut response = Message::new();
        response.transaction_id = request.transaction_id;
        response.typ = MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE);
        self.finish(
            response,
            &[
                &ErrorCodeAttribute {
                    code,
                    reason: b"no".to_vec(),
                },
                &TextAttribute::new(ATTR_REALM, REALM.to_owned()),
                &TextAttribute::new(ATTR_NONCE, NONCES[self.nonce].to_owned()),
            ],
        );
    }

    async fn handle(&mut self, message: &[u8]) {
        if !is_stun_message(message) {
            let mut data = ChannelData {
                raw: message.to_vec(),
                ..ChannelData::default()
            };
            if data.decode().is_ok()
                && let Some(peer) = self.channels.get(&data.number.0)
            {
                self.to_peer(*peer, &data.data).await;
            }
            return;
        }
        let mut request = Message::new();
        request.raw = message.to_vec();
        if request.decode().is_err() {
            return;
        }
        if request.typ.method == METHOD_SEND {
            let (mut peer, mut data) = (PeerAddress::default(), Data::default());
            if peer.get_from(&request).is_ok() && data.get_from(&request).is_ok() {
                self.to_peer(SocketAddr::new(peer.ip, peer.port), &data.0).await;
            }
            return;
        }
        let seen_as = XorMappedAddress {
            ip: self.from.ip(),
            port: self.from.port(),
        };
        if request.typ.method == METHOD_BINDING {
            return self.respond(&request, &[&seen_as]);
        }
        if let Some(code) = self.objection(&mut request) {
            return self.refuse(&request, code);
        }
        let lifetime = Lifetime(Duration::from_secs(600));
        match request.typ.method {
            METHOD_ALLOCATE => {
                self.counts.allocations.fetch_add(1, Ordering::Relaxed);
                let relay = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
                let address = relay.local_addr().expect("an address");
                self.relay = Some(Arc::new(relay));
                let relayed = RelayedAddress {
                    ip: address.ip(),
                    port: address.port(),
                };
                self.respond(&request, &[&relayed, &seen_as, &lifetime]);
            }
            METHOD_REFRESH => {
                let mut asked = Lifetime::default();
                let end = asked.get_from(&request).is_ok() && asked.0.is_zero();
                if end && self.relay.take().is_some() {
                    self.counts.given_back.fetch_add(1, Ordering::Relaxed);
                }
                self.respond(&request, &[if end { &asked } else { &lifetime }]);
            }
            METHOD_CREATE_PERMISSION => {
                let mut peer = PeerAddress::default();
                if peer.get_from(&request).is_ok() {
                    self.permitted.insert(peer.ip);
                }
                self.respond(&request, &[]);
            }
            METHOD_CHANNEL_BIND => {
                let (mut peer, mut number) = (PeerAddress::default(), ChannelNumber(0));
                if peer.get_from(&request).is_ok() && number.get_from(&request).is_ok() {
                    self.permitted.insert(peer.ip);
                    self.channels
                        .insert(number.0, SocketAddr::new(peer.ip, peer.port));
                }
                self.respond(&request, &[]);
            }
            _ => {}
        }
    }

    async fn to_peer(&self, peer: SocketAddr, data: &[u8]) {
        if let Some(relay) = &self.relay
            && self.permitted.contains(&peer.ip())
        {
            let _ = relay.send_to(data, peer).await;
        }
    }

    /// Why a request is not served, if it is not.
    fn objection(&mut self, request: &mut Message) -> Option<ErrorCode> {
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return Some(CODE_UNAUTHORIZED);
        }
        let crypto = default_provider().expect("cryptography");
        let key = MessageIntegrity::long_term_integrity_key(
            USER.to_owned(),
            REALM.to_owned(),
            PASSWORD.to_owned(),
            crypto.crypto(),
        )
        .expect("a key");
        if MessageIntegrity::check(request, &key, crypto.crypto()).is_err() {
            return Some(CODE_UNAUTHORIZED);
        }
        let left = self.counts.stale_after.load(Ordering::Relaxed);
        if left > 0 && request.typ.method != METHOD_ALLOCATE {
            self.counts.stale_after.store(left - 1, Ordering::Relaxed);
            if left == 1 {
                self.nonce = 1;
            }
        }
        let nonce = TextAttribute::get_from_as(request, ATTR_NONCE).ok()?.text;
        (nonce != NONCES[self.nonce]).then_some(CODE_STALE_NONCE)
    }
}
