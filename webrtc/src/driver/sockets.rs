//! The sockets of a connection: UDP on each address of this host, TCP connections to peers that offer
//! a TCP candidate (RFC 6544), and what servers lend us.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::BytesMut;
use rtc::{
    ice::tcp_type::TcpType,
    peer_connection::transport::{CandidateConfig, CandidateHostConfig, RTCIceCandidate},
};
use tokio::{io::ReadBuf, net::UdpSocket};

use super::{
    flow::{Flow, is_sound},
    interfaces::{self, Addresses},
    servers::{Found, Servers},
    tcp::TcpLinks,
};
use crate::{
    RtcError,
    engine::{Path, Transmit},
    peer_connection_factory::{IceServer, IceTransportsType},
};

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

/// Candidates of addresses that this host has got, or has no more.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Moved {
    pub(super) lost: Vec<String>,
    pub(super) gained: Vec<String>,
}

/// A UDP socket.
struct Udp {
    local: SocketAddr,
    socket: Watched,
    flow: Flow,
}

/// How one learns of what has arrived.
enum Watched {
    /// A datagram wakes the task.
    Always(UdpSocket),
    /// The task looks at each beat. The system would wake a thread of ours with each datagram if it watched this socket too.
    AtBeats(std::net::UdpSocket),
    /// It could not be changed over, and is lost.
    Lost,
}

pub(super) struct Sockets {
    usable: IceTransportsType,
    /// As of the last look.
    addresses: Addresses,
    looked: Instant,
    udp: Vec<Udp>,
    tcp: TcpLinks,
    servers: Servers,
    /// Of the sockets that are looked at with each beat.
    has_more: bool,
    buffer: Box<[u8; MAX_DATAGRAM_BYTES]>,
}

impl Sockets {
    /// Opens a socket on each usable address, unless only relays are to be used. Must be called
    /// within a tokio runtime.
    pub(super) fn open(usable: IceTransportsType) -> Result<Self, RtcError> {
        let now = Instant::now();
        let mut sockets = Self::closed(usable, now)?;
        sockets.follow(interfaces::addresses(now));
        if sockets.udp.is_empty() && usable != IceTransportsType::Relay {
            return Err(RtcError::internal("no address of this host can be used"));
        }
        Ok(sockets)
    }

    fn closed(usable: IceTransportsType, now: Instant) -> Result<Self, RtcError> {
        Ok(Self {
            usable,
            addresses: Addresses::default(),
            looked: now,
            udp: Vec::new(),
            tcp: TcpLinks::default(),
            servers: Servers::new()?,
            has_more: false,
            buffer: Box::new([0; MAX_DATAGRAM_BYTES]),
        })
    }

    /// Looks at the addresses of this host: sockets on new ones are opened, those on addresses that are
    /// gone are closed.
    pub(super) fn follow_interfaces(&mut self, now: Instant) -> Option<Moved> {
        // This is asked with each packet.
        if now.saturating_duration_since(self.looked) < interfaces::LOOK_EVERY {
            return None;
        }
        self.looked = now;
        let addresses = interfaces::addresses(now);
        // The same list is the same allocation.
        (!Arc::ptr_eq(&addresses, &self.addresses)).then(|| self.follow(addresses))
    }

    fn follow(&mut self, addresses: Addresses) -> Moved {
        if self.usable == IceTransportsType::Relay {
            self.addresses = addresses;
            return Moved::default();
        }
        let gone = |udp: &mut Udp| !addresses.contains(&udp.local.ip());
        let lost: Vec<_> = self.udp.extract_if(.., gone).map(|udp| udp.local).collect();
        let mut gained = Vec::new();
        for address in addresses.iter() {
            if self.udp.iter().any(|udp| udp.local.ip() == *address) {
                continue;
            }
            match Udp::bind(*address) {
                Ok(udp) => {
                    gained.push(udp.local);
                    self.udp.push(udp);
                }
                Err(error) => tracing::debug!(%address, %error, "address not usable"),
            }
        }
        self.addresses = addresses;
        self.servers.moved(&lost, &gained);
        Moved {
            lost: host_candidates(&lost),
            gained: host_candidates(&gained),
        }
    }

    /// Our addresses as candidate attributes: UDP, and TCP that we open ourselves.
    pub(super) fn candidates(&self) -> Vec<String> {
        let locals: Vec<_> = self.udp.iter().map(|udp| udp.local).collect();
        host_candidates(&locals)
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
        } else if let Some(udp) = self.udp.iter().find(|udp| udp.local == path.local) {
            if let Err(error) = udp.send(&data, path.peer) {
                // An address of ours that cannot reach one of theirs is how ICE finds the ones that can.
                tracing::trace!(peer = %path.peer, %error, "datagram not sent");
            }
        } else if !self.servers.send(path, data.freeze()) {
            tracing::trace!(local = %path.local, "no such address of ours");
        }
    }

    /// Whether sockets are to be looked at with each beat.
    pub(super) fn has_beat(&self) -> bool {
        let at_beats = |udp: &Udp| matches!(udp.socket, Watched::AtBeats(_));
        self.udp.iter().any(at_beats)
    }

    /// Whether the last batch was full, so that there may be more.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Takes a batch of what has arrived since the last beat.
    pub(super) fn receive_at_beat(&mut self, batch: &mut Vec<Datagram>) {
        for udp in &mut self.udp {
            if let Watched::AtBeats(socket) = &udp.socket {
                let receive = |buffer: &mut [u8]| match socket.recv_from(buffer) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                    received => Poll::Ready(received),
                };
                let taken = take(
                    udp.local,
                    receive,
                    self.buffer.as_mut_slice(),
                    &mut self.servers,
                    batch,
                );
                udp.count(&taken);
            }
        }
        self.has_more = batch.len() >= MAX_DATAGRAMS_PER_BATCH;
    }

    /// Waits until something has arrived at a socket that is always watched and takes a batch of it. Ready without anything in the batch
    /// when [`Self::take_found`] may have something.
    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>, batch: &mut Vec<Datagram>) -> Poll<()> {
        let bases = self.udp.iter().map(|udp| udp.local);
        let mut changed = self.servers.poll_reports(cx, bases).is_ready();
        for udp in &mut self.udp {
            if let Watched::Always(socket) = &udp.socket {
                let receive = |buffer: &mut [u8]| {
                    let mut buffer = ReadBuf::new(buffer);
                    let received = socket.poll_recv_from(cx, &mut buffer);
                    received.map_ok(|peer| (buffer.filled().len(), peer))
                };
                let taken = take(
                    udp.local,
                    receive,
                    self.buffer.as_mut_slice(),
                    &mut self.servers,
                    batch,
                );
                // Whoever waits has to look at the beat from now on: nobody wakes him for a socket that is not watched.
                changed |= taken.changed | udp.count(&taken);
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

impl Udp {
    fn bind(address: IpAddr) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind((address, 0))?;
        socket.set_nonblocking(true)?;
        Ok(Self {
            local: socket.local_addr()?,
            socket: Watched::Always(UdpSocket::from_std(socket)?),
            flow: Flow::new(Instant::now()),
        })
    }

    fn send(&self, data: &[u8], peer: SocketAddr) -> io::Result<usize> {
        match &self.socket {
            Watched::Always(socket) => socket.try_send_to(data, peer),
            Watched::AtBeats(socket) => socket.send_to(data, peer),
            Watched::Lost => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Takes note of what has arrived, and has the socket watched as suits it; true when that is a change.
    fn count(&mut self, taken: &Taken) -> bool {
        if !self.flow.count(Instant::now(), taken.sounds, taken.datagrams) {
            return false;
        }
        let changed = match std::mem::replace(&mut self.socket, Watched::Lost) {
            Watched::Always(socket) if self.flow.flows() => socket.into_std().map(Watched::AtBeats),
            // What has arrived meanwhile counts as arriving now.
            Watched::AtBeats(socket) if !self.flow.flows() => {
                UdpSocket::from_std(socket).map(Watched::Always)
            }
            as_is => Ok(as_is),
        };
        match changed {
            Ok(socket) => self.socket = socket,
            Err(error) => tracing::error!(local = %self.local, %error, "a socket is lost"),
        }
        true
    }
}

/// What was taken from a socket.
#[derive(Default)]
struct Taken {
    /// Packets of sound.
    sounds: u32,
    /// Them, and all others.
    datagrams: u32,
    /// A server's answer was among them.
    changed: bool,
}

/// Takes what a socket has, until it has no more or the batch is full.
fn take(
    local: SocketAddr,
    mut receive: impl FnMut(&mut [u8]) -> Poll<io::Result<(usize, SocketAddr)>>,
    buffer: &mut [u8],
    servers: &mut Servers,
    batch: &mut Vec<Datagram>,
) -> Taken {
    let (mut taken, mut errors) = (Taken::default(), 0);
    while batch.len() < MAX_DATAGRAMS_PER_BATCH && errors < MAX_ERRORS_PER_BATCH {
        match receive(buffer) {
            Poll::Ready(Ok((length, peer))) => {
                let data = &buffer[..length];
                taken.datagrams += 1;
                let path = Path {
                    local,
                    peer,
                    tcp: false,
                };
                if servers.handle_datagram(path, data) {
                    taken.changed = true;
                } else {
                    taken.sounds += u32::from(is_sound(data));
                    batch.push((path, BytesMut::from(data)));
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
    taken
}

fn host_candidates(locals: &[SocketAddr]) -> Vec<String> {
    let udp = locals
        .iter()
        .map(|local| host_candidate(*local, TcpType::Unspecified));
    let tcp = locals
        .iter()
        .map(|local| host_candidate(SocketAddr::new(local.ip(), TCP_DISCARD_PORT), TcpType::Active));
    udp.chain(tcp).flatten().collect()
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

#[cfg(test)]
mod tests;
