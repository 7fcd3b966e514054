//! One address at a TURN server (RFC 8656), over UDP, TCP or TLS, in a task of its own.
//!
//! The protocol is `rtc`'s, without input or output; here are the connection to the server, who may
//! send to us (permissions), and the bounds.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use rtc::{
    crypto::default_provider,
    ice::url::{ProtoType, Url},
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
    stun::message::TransactionId,
    turn::client::{Client, ClientConfig, Event},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf},
    net::UdpSocket,
    sync::mpsc,
};
use tokio_rustls::{TlsConnector, rustls::pki_types::ServerName};
use zeroize::Zeroizing;

use super::{
    super::{
        sockets::Datagram,
        waiting::{self, Waiting, Writes},
    },
    framing::StreamDecoder,
    proxy::{self, Proxy},
};
use crate::engine::Path;

/// For looking up the name, connecting, and TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For the server to give an address once connected.
const ALLOCATE_TIMEOUT: Duration = Duration::from_secs(10);
/// The address is kept by a message this often; servers take it back after ten minutes. A server that
/// has meanwhile changed its nonce refuses one message, so there must be time for several.
const REFRESH_EVERY: Duration = Duration::from_secs(120);
/// With how many peers we talk through one address.
const MAX_PEERS: usize = 64;
/// Datagrams for peers for whom the server has not yet opened; the oldest are dropped.
const MAX_HELD_DATAGRAMS: usize = 32;
/// How often the server is asked to open for a peer; it may refuse once for a stale nonce.
const MAX_PERMISSION_REQUESTS: u8 = 3;
/// Farewells are written for this long at most.
const FAREWELL_TIMEOUT: Duration = Duration::from_millis(500);
const READ_CHUNK_BYTES: usize = 16 * 1_024;
/// Longer datagrams are cut, and what is cut is no message.
const MAX_DATAGRAM_BYTES: usize = 4_096;
/// What the connection does when nothing has to be done.
const IDLE: Duration = Duration::from_secs(60);

/// Where, and who we are there.
/// No `Debug`: the password is nobody's business.
pub(super) struct RelayServer {
    pub(super) url: Url,
    /// On the way to it, where it is spoken to over TCP or TLS.
    pub(super) proxy: Option<Proxy>,
    pub(super) username: String,
    pub(super) password: Zeroizing<String>,
}

/// Why there is no address, or none any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum RelayError {
    #[error("the server's name has no address")]
    NoAddress,
    #[error("the server did not answer in time")]
    TimedOut,
    #[error("the server's name cannot be that of a certificate")]
    Name,
    #[error("connection to the server: {0}")]
    Io(#[from] io::Error),
    /// With the server's words, which name its error code.
    #[error("the server refused: {0}")]
    Refused(String),
    #[error("TURN: {0}")]
    Protocol(String),
}

/// Holds an address at the server until `outgoing` closes. Tells it once through `relayed`.
pub(super) async fn hold(
    server: RelayServer,
    tls: Arc<tokio_rustls::rustls::ClientConfig>,
    outgoing: mpsc::Receiver<(SocketAddr, Bytes)>,
    received: mpsc::Sender<Datagram>,
    relayed: impl FnOnce(SocketAddr) + Send,
) -> Result<(), RelayError> {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, Wire::connect(&server, tls)).await;
    let wire = connected.map_err(|_| RelayError::TimedOut)??;
    let (to_write, writes) = waiting::queue(|message| !carries_data(message));
    let relay = Relay::new(&server, &wire, to_write)?;
    let Wire { reader, writer, .. } = wire;
    let write = write(writer, writes);
    let run = relay.run(reader, outgoing, received, relayed);
    tokio::pin!(write, run);
    tokio::select! {
        result = &mut run => {
            // Its side of the queue is gone: what is left in it is written.
            let _ = tokio::time::timeout(FAREWELL_TIMEOUT, write).await;
            result
        }
        result = &mut write => result.map_err(RelayError::Io),
    }
}

/// The connection to the server.
struct Wire {
    local: SocketAddr,
    server: SocketAddr,
    transport: TransportProtocol,
    reader: Reader,
    writer: Writer,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

enum Reader {
    Udp(Arc<UdpSocket>, Box<[u8; MAX_DATAGRAM_BYTES]>),
    Stream {
        stream: ReadHalf<Box<dyn Stream>>,
        decoder: StreamDecoder,
        chunk: Vec<u8>,
    },
}

enum Writer {
    Udp(Arc<UdpSocket>),
    Stream(WriteHalf<Box<dyn Stream>>),
}

impl Wire {
    async fn connect(
        server: &RelayServer,
        tls: Arc<tokio_rustls::rustls::ClientConfig>,
    ) -> Result<Self, RelayError> {
        let url = &server.url;
        if url.proto == ProtoType::Udp {
            let mut addresses = tokio::net::lookup_host((url.host.as_str(), url.port)).await?;
            let server = addresses.next().ok_or(RelayError::NoAddress)?;
            let any: SocketAddr = match server {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let socket = UdpSocket::bind(any).await?;
            socket.connect(server).await?;
            let local = socket.local_addr()?;
            let socket = Arc::new(socket);
            return Ok(Self {
                local,
                server,
                transport: TransportProtocol::UDP,
                reader: Reader::Udp(socket.clone(), Box::new([0; MAX_DATAGRAM_BYTES])),
                writer: Writer::Udp(socket),
            });
        }
        let stream = proxy::connect(server.proxy.as_ref(), &url.host, url.port).await?;
        stream.set_nodelay(true)?;
        let (local, server) = (stream.local_addr()?, stream.peer_addr()?);
        let stream: Box<dyn Stream> = if url.is_secure() {
            let name = ServerName::try_from(url.host.clone()).map_err(|_| RelayError::Name)?;
            Box::new(TlsConnector::from(tls).connect(name, stream).await?)
        } else {
            Box::new(stream)
        };
        let (reader, writer) = tokio::io::split(stream);
        Ok(Self {
            local,
            server,
            transport: TransportProtocol::TCP,
            reader: Reader::Stream {
                stream: reader,
                decoder: StreamDecoder::default(),
                chunk: vec![0; READ_CHUNK_BYTES],
            },
            writer: Writer::Stream(writer),
        })
    }
}

impl Reader {
    /// The next message. Nothing is lost when the future is dropped.
    async fn next(&mut self) -> io::Result<BytesMut> {
        match self {
            Self::Udp(socket, buffer) => {
                let length = socket.recv(buffer.as_mut_slice()).await?;
                Ok(BytesMut::from(&buffer[..length]))
            }
            Self::Stream {
                stream,
                decoder,
                chunk,
            } => loop {
                let next = decoder.next_message();
                if let Some(message) =
                    next.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?
                {
                    return Ok(message);
                }
                let length = stream.read(chunk).await?;
                if length == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                decoder.extend(&chunk[..length]);
            },
        }
    }
}

async fn write(mut writer: Writer, mut messages: Writes) -> io::Result<()> {
    while let Some(message) = messages.next().await {
        match &mut writer {
            // Such as "no route": what is sent again later may pass.
            Writer::Udp(socket) => {
                if let Err(error) = socket.send(&message).await {
                    tracing::trace!(%error, "to the TURN server");
                }
            }
            Writer::Stream(stream) => {
                stream.write_all(&message).await?;
                stream.flush().await?;
            }
        }
    }
    Ok(())
}

/// Whether a message brings a peer something (RFC 8656: channel data, or a Send indication); the others are asked only once over a
/// stream, and wait however long it takes.
fn carries_data(message: &[u8]) -> bool {
    matches!(message, [0x40..=0x4f, ..] | [0x00, 0x16, ..])
}

/// Whether the server lets a peer's datagrams through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    Asked(u8),
    Given,
    Refused,
}

struct Relay {
    client: Client,
    local: SocketAddr,
    server: SocketAddr,
    transport: TransportProtocol,
    allocation: TransactionId,
    relayed: Option<SocketAddr>,
    permissions: HashMap<SocketAddr, Permission>,
    asked_for: HashMap<TransactionId, SocketAddr>,
    held: VecDeque<(SocketAddr, Bytes)>,
    to_write: Waiting,
}

impl Relay {
    fn new(server: &RelayServer, wire: &Wire, to_write: Waiting) -> Result<Self, RelayError> {
        let protocol = |error: &dyn std::fmt::Display| RelayError::Protocol(error.to_string());
        let config = ClientConfig {
            turn_serv_addr: wire.server.to_string(),
            local_addr: wire.local,
            transport_protocol: wire.transport,
            username: server.username.clone(),
            password: server.password.to_string(),
            allocation_refresh_interval_cap: Some(REFRESH_EVERY),
            ..ClientConfig::default()
        };
        let crypto = default_provider().map_err(|error| protocol(&error))?;
        let mut client = Client::new(config, crypto).map_err(|error| protocol(&error))?;
        let allocation = client
            .allocate(Instant::now())
            .map_err(|error| protocol(&error))?;
        Ok(Self {
            client,
            local: wire.local,
            server: wire.server,
            transport: wire.transport,
            allocation,
            relayed: None,
            permissions: HashMap::new(),
            asked_for: HashMap::new(),
            held: VecDeque::new(),
            to_write,
        })
    }

    async fn run(
        mut self,
        mut reader: Reader,
        mut outgoing: mpsc::Receiver<(SocketAddr, Bytes)>,
        received: mpsc::Sender<Datagram>,
        relayed: impl FnOnce(SocketAddr) + Send,
    ) -> Result<(), RelayError> {
        let give_up = tokio::time::sleep(ALLOCATE_TIMEOUT);
        tokio::pin!(give_up);
        let mut relayed = Some(relayed);
        loop {
            self.settle(&received)?;
            if let Some(address) = self.relayed
                && let Some(tell) = relayed.take()
            {
                tell(address);
            }
            let wait = self
                .client
                .poll_timeout()
                .map_or(IDLE, |at| at.saturating_duration_since(Instant::now()).min(IDLE))
                .max(Duration::from_millis(1));
            tokio::select! {
                biased;
                message = reader.next() => {
                    let message = match message {
                        Ok(message) => message,
                        // "Connection refused" of one datagram: the client's own clock decides.
                        Err(error) if self.transport == TransportProtocol::UDP => {
                            tracing::trace!(%error, "from the TURN server");
                            tokio::time::sleep(Duration::from_millis(20)).await;
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    self.take(message);
                }
                datagram = outgoing.recv() => match datagram {
                    Some((peer, data)) => self.send(peer, data),
                    None => {
                        self.give_back();
                        return Ok(());
                    }
                },
                () = &mut give_up, if self.relayed.is_none() => return Err(RelayError::TimedOut),
                () = tokio::time::sleep(wait) => {
                    if let Err(error) = self.client.handle_timeout(Instant::now()) {
                        tracing::debug!(%error, "TURN");
                    }
                }
            }
        }
    }

    fn take(&mut self, message: BytesMut) {
        let message = TaggedBytesMut {
            now: Instant::now(),
            transport: TransportContext {
                local_addr: self.local,
                peer_addr: self.server,
                transport_protocol: self.transport,
                ecn: None,
            },
            message,
        };
        if let Err(error) = self.client.handle_read(message) {
            tracing::debug!(%error, "from the TURN server");
        }
    }

    /// Takes what the client wants to be sent and told.
    fn settle(&mut self, received: &mpsc::Sender<Datagram>) -> Result<(), RelayError> {
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::AllocateResponse(_, relayed) => self.relayed = Some(relayed),
                Event::AllocateError(_, error) => return Err(RelayError::Refused(error.to_string())),
                Event::TransactionTimeout(id) => {
                    if self.relayed.is_none() && id == self.allocation {
                        return Err(RelayError::TimedOut);
                    }
                    if let Some(peer) = self.asked_for.remove(&id) {
                        self.ask_again(peer, &"no answer");
                    }
                }
                Event::CreatePermissionResponse(id, peer) => {
                    self.asked_for.remove(&id);
                    self.permissions.insert(peer, Permission::Given);
                    for (to, data) in std::mem::take(&mut self.held) {
                        self.send(to, data);
                    }
                }
                Event::CreatePermissionError(id, error) => {
                    if let Some(peer) = self.asked_for.remove(&id) {
                        self.ask_again(peer, &error);
                    }
                }
                Event::DataIndicationOrChannelData(_, peer, data) => {
                    if let Some(relayed) = self.relayed {
                        let path = Path {
                            local: relayed,
                            peer,
                            tcp: false,
                        };
                        // As a full UDP socket would: the protocols above repeat what matters.
                        let _ = received.try_send((path, data));
                    }
                }
                _ => {}
            }
        }
        while let Some(transmit) = self.client.poll_write() {
            self.to_write.push(transmit.message.freeze());
        }
        Ok(())
    }

    fn send(&mut self, peer: SocketAddr, data: Bytes) {
        let Some(relayed) = self.relayed else { return };
        match self.permissions.get(&peer) {
            Some(Permission::Given) => {
                let sent = self
                    .client
                    .relay(relayed)
                    .and_then(|mut relay| relay.send_to(Instant::now(), &data, peer));
                if let Err(error) = sent {
                    tracing::trace!(%peer, %error, "not relayed");
                }
            }
            Some(Permission::Asked(_)) => self.hold_back(peer, data),
            Some(Permission::Refused) => {}
            None if self.permissions.len() >= MAX_PEERS => {
                tracing::debug!(%peer, "too many peers behind one relay");
            }
            None => {
                self.hold_back(peer, data);
                self.ask_for(peer, 1);
            }
        }
    }

    fn hold_back(&mut self, peer: SocketAddr, data: Bytes) {
        if self.held.len() >= MAX_HELD_DATAGRAMS {
            self.held.pop_front();
        }
        self.held.push_back((peer, data));
    }

    fn ask_for(&mut self, peer: SocketAddr, times: u8) {
        let Some(relayed) = self.relayed else { return };
        self.permissions.insert(peer, Permission::Asked(times));
        let asked = self
            .client
            .relay(relayed)
            .and_then(|mut relay| relay.create_permission(Instant::now(), peer));
        match asked {
            Ok(Some(id)) => {
                self.asked_for.insert(id, peer);
            }
            Ok(None) => {
                self.permissions.insert(peer, Permission::Given);
            }
            Err(error) => tracing::debug!(%peer, %error, "no permission at the relay"),
        }
    }

    fn ask_again(&mut self, peer: SocketAddr, error: &dyn std::fmt::Display) {
        match self.permissions.get(&peer) {
            Some(Permission::Asked(times)) if *times < MAX_PERMISSION_REQUESTS => {
                self.ask_for(peer, times + 1);
            }
            _ => {
                tracing::warn!(%peer, %error, "the TURN server does not relay to this peer");
                self.permissions.insert(peer, Permission::Refused);
                self.held.retain(|(to, _)| *to != peer);
            }
        }
    }

    /// The server may give the address to others at once.
    fn give_back(&mut self) {
        let Some(relayed) = self.relayed else { return };
        if let Ok(mut relay) = self.client.relay(relayed) {
            let _ = relay.close(Instant::now());
        }
        while let Some(transmit) = self.client.poll_write() {
            self.to_write.push(transmit.message.freeze());
        }
    }
}
