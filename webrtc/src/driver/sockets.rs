//! The sockets of a connection: UDP on each address of this host, TCP connections to peers that offer
//! a TCP candidate (RFC 6544), and what servers lend us.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::Instant,
};

use bytes::BytesMut;
use rtc::{
    ice::tcp_type::TcpType,
    peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate},
    shared::ifaces::ifaces,
};
use tokio::{io::ReadBuf, net::UdpSocket};

use super::{
    servers::{Found, Servers},
    tcp::TcpLinks,
};
use crate::{
    RtcError,
    engine::{Path, Transmit},
    peer_connection_factory::{IceServer, IceTransportsType},
};

/// How many addresses of this host are used.
const MAX_LOCAL_ADDRESSES: usize = 8;
/// How many datagrams are taken from the sockets before the connection looks at them.
const MAX_DATAGRAMS_PER_BATCH: usize = 64;
/// How many errors of a socket are passed over at once.
const MAX_ERRORS_PER_BATCH: usize = 16;
/// No datagram of WebRTC is longer: DTLS and RTP keep below the path's MTU.
const MAX_DATAGRAM_BYTES: usize = 2048;
/// Active TCP candidates do not listen; the port stands for that (RFC 6544 section 4.5).
const TCP_DISCARD_PORT: u16 = 9;

/// A received datagram.
pub(super) type Datagram = (Path, BytesMut);

pub(super) struct Sockets {
    udp: Vec<(SocketAddr, UdpSocket)>,
    tcp: TcpLinks,
    servers: Servers,
    buffer: Box<[u8; MAX_DATAGRAM_BYTES]>,
}

impl Sockets {
    /// Opens a socket on each usable address, unless only relays are to be used. Must be called
    /// within a tokio runtime.
    pub(super) fn open(usable: IceTransportsType) -> Result<Self, RtcError> {
        let mut udp = Vec::new();
        let addresses = match usable {
            IceTransportsType::Relay => Vec::new(),
            IceTransportsType::NoHost | IceTransportsType::All => local_addresses(),
        };
        for address in addresses {
            match bind(address) {
                Ok(socket) => udp.push(socket),
                Err(error) => tracing::debug!(%address, %error, "address not usable"),
            }
        }
        if udp.is_empty() && usable != IceTransportsType::Relay {
            return Err(RtcError::internal("no address of this host can be used"));
        }
        Ok(Self {
            udp,
            tcp: TcpLinks::default(),
            servers: Servers::new()?,
            buffer: Box::new([0; MAX_DATAGRAM_BYTES]),
        })
    }

    /// Our addresses as candidate attributes: UDP, and TCP that we open ourselves.
    pub(super) fn candidates(&self) -> Vec<String> {
        let udp = self
            .udp
            .iter()
            .map(|(local, _)| host_candidate(*local, TcpType::Unspecified));
        let tcp = self
            .udp
            .iter()
            .map(|(local, _)| host_candidate(SocketAddr::new(local.ip(), TCP_DISCARD_PORT), TcpType::Active));
        udp.chain(tcp).flatten().collect()
    }

    /// Asks servers for further addresses; true when any is asked.
    pub(super) fn ask(&mut self, servers: &[IceServer], usable: IceTransportsType) -> bool {
        self.servers.ask(servers, usable != IceTransportsType::Relay)
    }

    /// What servers have given since the last call.
    pub(super) fn take_found(&mut self) -> Vec<Found> {
        self.servers.take_found()
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.servers.poll_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        let mut transmits = Vec::new();
        self.servers.handle_timeout(now, &mut transmits);
        for transmit in transmits {
            self.send(transmit);
        }
    }

    /// Sends a datagram, or drops it: the protocols above repeat what matters.
    pub(super) fn send(&mut self, transmit: Transmit) {
        let Transmit { path, data } = transmit;
        if path.tcp {
            self.tcp.send(path, &data);
        } else if let Some((_, socket)) = self.udp.iter().find(|(local, _)| *local == path.local) {
            if let Err(error) = socket.try_send_to(&data, path.peer) {
                // An address of ours that cannot reach one of theirs is how ICE finds the ones that can.
                tracing::trace!(peer = %path.peer, %error, "datagram not sent");
            }
        } else if !self.servers.send(path, data.freeze()) {
            tracing::trace!(local = %path.local, "no such address of ours");
        }
    }

    /// Waits until something has arrived and takes a batch of it. Ready without anything in the batch
    /// when [`Self::take_found`] may have something.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Datagram>) -> Poll<()> {
        let bases = self.udp.iter().map(|(local, _)| *local);
        let mut changed = self.servers.poll_reports(cx, bases).is_ready();
        for (local, socket) in &self.udp {
            let mut errors = 0;
            while batch.len() < MAX_DATAGRAMS_PER_BATCH && errors < MAX_ERRORS_PER_BATCH {
                let mut buffer = ReadBuf::new(self.buffer.as_mut_slice());
                match socket.poll_recv_from(cx, &mut buffer) {
                    Poll::Ready(Ok(peer)) => {
                        let path = Path {
                            local: *local,
                            peer,
                            tcp: false,
                        };
                        if self.servers.handle_datagram(path, buffer.filled()) {
                            changed = true;
                        } else {
                            batch.push((path, BytesMut::from(buffer.filled())));
                        }
                    }
                    // Such as "connection refused" for something sent before: the next read works.
                    Poll::Ready(Err(error)) => {
                        tracing::trace!(%local, %error, "receiving");
                        errors += 1;
                    }
                    Poll::Pending => break,
                }
            }
        }
        while batch.len() < MAX_DATAGRAMS_PER_BATCH {
            match self.tcp.poll_receive(cx) {
                Poll::Ready(datagram) => batch.push(datagram),
                Poll::Pending => break,
            }
        }
        while batch.len() < MAX_DATAGRAMS_PER_BATCH {
            match self.servers.poll_receive(cx) {
                Poll::Ready(datagram) => batch.push(datagram),
                Poll::Pending => break,
            }
        }
        if batch.is_empty() && !changed {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    }
}

fn bind(address: IpAddr) -> io::Result<(SocketAddr, UdpSocket)> {
    let socket = std::net::UdpSocket::bind((address, 0))?;
    socket.set_nonblocking(true)?;
    Ok((socket.local_addr()?, UdpSocket::from_std(socket)?))
}

/// The addresses of this host at which a peer may reach it. Loopback is last: it serves servers and
/// tests on the same machine.
fn local_addresses() -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = match ifaces() {
        Ok(interfaces) => interfaces
            .into_iter()
            .filter_map(|interface| interface.addr)
            .map(|address| address.ip())
            .filter(is_usable)
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "the addresses of this host cannot be listed");
            Vec::new()
        }
    };
    addresses.sort();
    addresses.dedup();
    addresses.sort_by_key(|address| (address.is_loopback(), address.is_ipv6()));
    addresses.truncate(MAX_LOCAL_ADDRESSES);
    addresses
}

fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_unspecified() && !v4.is_link_local(),
        // Link-local addresses need a zone, which candidates cannot carry.
        IpAddr::V6(v6) => !v6.is_unspecified() && !v6.is_unicast_link_local() && !v6.is_loopback(),
    }
}

fn host_candidate(address: SocketAddr, tcp_type: TcpType) -> Option<String> {
    let network = if tcp_type == TcpType::Unspecified {
        "udp"
    } else {
        "tcp"
    };
    let config = CandidateHostConfig {
        base_config: CandidateConfig {
            network: network.to_owned(),
            address: address.ip().to_string(),
            port: address.port(),
            component: 1,
            ..Default::default()
        },
        tcp_type,
    };
    let candidate = config.new_candidate_host().ok()?;
    Some(RTCIceCandidate::from(&candidate).to_json().ok()?.candidate)
}
