//! The connection as a state machine: calls and datagrams in, datagrams and events out.
//!
//! No sockets, no clock and no tasks: the caller passes `now`, feeds what it received, and after any
//! call drains [`Engine::poll_transmit`] and [`Engine::take_events`] and minds
//! [`Engine::poll_timeout`]. This module alone knows `rtc`; another stack would replace this folder.

use std::{
    collections::{HashMap, VecDeque},
    net::SocketAddr,
    sync::Arc,
    time::Instant,
};

use bytes::BytesMut;
use parking_lot::Mutex;
use rtc::{
    peer_connection::{
        RTCPeerConnection,
        event::RTCPeerConnectionEvent,
        message::{RTCMessage, TaggedRTCMessage},
        state::{RTCIceConnectionState, RTCPeerConnectionState},
    },
    sansio::Protocol,
    shared::{TaggedBytesMut, TransportContext, TransportProtocol},
};

use self::{
    channels::Channels,
    early_checks::{EarlyChecks, Held},
    media::{Routes, Transceiver},
    negotiation::Negotiation,
    own_address::OwnAddress,
    rtcp::reports::Reports,
    sources::Sources,
};
use crate::{
    RtcError,
    data_channel::DataChannelState,
    native::frame_cryptor::{EncryptionState, MediaCryptor},
    peer_connection::{IceConnectionState, IceGatheringState, PeerConnectionState, SignalingState},
};

pub(crate) mod channels;
mod crypto;
mod early_checks;
#[cfg(test)]
mod emulated;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    pub(crate) use super::rtcp::{rename_unknown_items as readable_report, watch as watch_reports};
    pub(crate) use super::sctp::receiver::hostile_sctp;
}
mod media;
mod negotiation;
mod own_address;
mod rtcp;
mod sctp;
pub(crate) mod sdp;
mod settings;
mod sources;
mod stats;
mod stun;

pub(crate) use media::{AudioSink, MediaKind};
pub(crate) use settings::OPUS_FMTP;

/// How a datagram travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Path {
    pub(crate) local: SocketAddr,
    pub(crate) peer: SocketAddr,
    pub(crate) tcp: bool,
}

/// A datagram to be sent.
pub(crate) struct Transmit {
    pub(crate) path: Path,
    pub(crate) data: BytesMut,
}

/// What happened, for the callbacks of the public API.
pub(crate) enum EngineEvent {
    ConnectionState(PeerConnectionState),
    IceState(IceConnectionState),
    GatheringState(IceGatheringState),
    SignalingState(SignalingState),
    NegotiationNeeded,
    /// One of our addresses, for the other side.
    LocalCandidate(String),
    /// The transceiver of this index began to receive.
    Track(usize),
    /// The other side opened a channel.
    ChannelFromPeer {
        id: usize,
        label: String,
    },
    ChannelState {
        id: usize,
        state: DataChannelState,
    },
    ChannelMessage {
        id: usize,
        data: BytesMut,
        binary: bool,
    },
    /// So many bytes left the channel's send buffer.
    ChannelDrained {
        id: usize,
        bytes: u64,
    },
    /// A cryptor entered a state.
    Encryption(Arc<MediaCryptor>, EncryptionState),
}

/// How many events may wait between two pumps before the oldest are dropped. The driver takes them
/// after every pump, so this is reached only if it has died.
const MAX_WAITING_EVENTS: usize = 65_536;

/// A datagram on which the engine panics, to see what comes of it.
#[cfg(test)]
pub(crate) const BREAKS: &[u8] = b"a fault";

/// One peer connection.
pub(crate) struct Engine {
    rtc: RTCPeerConnection,
    /// What RTCP tells about our streams.
    reports: Arc<Mutex<Reports>>,
    negotiation: Negotiation,
    transceivers: Vec<Transceiver>,
    routes: Routes,
    channels: Channels,
    /// Our addresses, as candidate attributes.
    local_candidates: Vec<String>,
    /// Takes the encoded sound of local tracks.
    audio_sink: Arc<dyn AudioSink>,
    events: VecDeque<EngineEvent>,
    connection_state: PeerConnectionState,
    ice_state: IceConnectionState,
    own_address: OwnAddress,
    sources: Sources,
    early_checks: EarlyChecks,
    closed: bool,
}

impl Engine {
    pub(crate) fn new(
        now: Instant,
        audio_sink: Arc<dyn AudioSink>,
        relay_only: bool,
    ) -> Result<Self, RtcError> {
        let reports = Arc::<Mutex<Reports>>::default();
        Ok(Self {
            rtc: settings::build(now, reports.clone(), relay_only)?,
            reports,
            negotiation: Negotiation::default(),
            transceivers: Vec::new(),
            routes: HashMap::new(),
            channels: Channels::default(),
            local_candidates: Vec::new(),
            audio_sink,
            events: VecDeque::new(),
            connection_state: PeerConnectionState::New,
            ice_state: IceConnectionState::New,
            own_address: OwnAddress::default(),
            sources: Sources::default(),
            early_checks: EarlyChecks::default(),
            closed: false,
        })
    }

    pub(crate) fn connection_state(&self) -> PeerConnectionState {
        self.connection_state
    }

    pub(crate) fn ice_state(&self) -> IceConnectionState {
        self.ice_state
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    fn ensure_open(&self) -> Result<(), RtcError> {
        if self.closed {
            Err(RtcError::invalid_state("the connection is closed"))
        } else {
            Ok(())
        }
    }

    /// Takes a datagram from the network.
    pub(crate) fn handle_datagram(&mut self, now: Instant, path: Path, data: BytesMut) {
        if self.closed {
            return;
        }
        #[cfg(test)]
        assert!(data.as_ref() != BREAKS, "a fault in what reads datagrams");
        let data = if self.is_connecting() {
            self.early_checks.hold(now, path, data)
        } else {
            Some(data)
        };
        if let Some(data) = data {
            self.read(now, path, data);
        }
    }

    /// ICE has not chosen a way yet.
    fn is_connecting(&self) -> bool {
        matches!(
            self.ice_state,
            IceConnectionState::New | IceConnectionState::Checking
        )
    }

    fn read(&mut self, now: Instant, path: Path, data: BytesMut) {
        let routes = &self.routes;
        let is_described = |source| routes.contains_key(&source);
        if !self.sources.admit(path.peer, &data, is_described) {
            return;
        }
        let transport = TransportContext {
            local_addr: path.local,
            peer_addr: path.peer,
            transport_protocol: if path.tcp {
                TransportProtocol::TCP
            } else {
                TransportProtocol::UDP
            },
            ecn: None,
        };
        let moved = self.own_address.received(path, &data);
        // A datagram that cannot be read is the network's business, not an error of ours.
        if let Err(error) = self.rtc.handle_read(TaggedBytesMut {
            now,
            transport,
            message: data,
        }) {
            tracing::debug!(%error, "datagram refused");
        }
        if moved {
            self.fail_moved();
        }
    }

    /// The other side's packets go where we are no more, and nothing but a restart of ICE mends that:
    /// for the program it has failed, and need not wait until silence says so.
    pub(crate) fn fail_moved(&mut self) {
        self.own_address.forget();
        let stands = matches!(
            self.connection_state,
            PeerConnectionState::Connected | PeerConnectionState::Disconnected
        );
        if stands {
            tracing::info!("our address has changed: ICE has to restart");
            self.set_ice_state(IceConnectionState::Failed);
            self.set_connection_state(PeerConnectionState::Failed);
        }
    }

    /// Tells the time.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.closed {
            return;
        }
        while let Some(Held { path, data, .. }) = self.early_checks.take(now) {
            self.read(now, path, data);
        }
        if let Err(error) = self.rtc.handle_timeout(now) {
            tracing::debug!(%error, "timeout refused");
        }
    }

    /// When [`Self::handle_timeout`] is wanted.
    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        if self.closed {
            None
        } else {
            let held = self.early_checks.poll_timeout();
            self.rtc.poll_timeout().into_iter().chain(held).min()
        }
    }

    /// The next datagram to be sent.
    pub(crate) fn poll_transmit(&mut self) -> Option<Transmit> {
        let TaggedBytesMut {
            transport, message, ..
        } = self.rtc.poll_write()?;
        let path = Path {
            local: transport.local_addr,
            peer: transport.peer_addr,
            tcp: transport.transport_protocol == TransportProtocol::TCP,
        };
        self.own_address.sent(path, &message);
        self.sources.sent(path.peer, &message);
        Some(Transmit { path, data: message })
    }

    /// Moves what has arrived to where it belongs: sound to its track, everything else to the
    /// events.
    pub(crate) fn pump(&mut self) {
        let mut first = true;
        loop {
            // A channel is announced by an event and its first messages may lie right behind:
            // events go first.
            let mut moved = false;
            while let Some(event) = self.rtc.poll_event() {
                moved = true;
                self.handle_event(event);
            }
            // Each question goes through all layers of the stack: after the first round only new
            // events can have brought anything to read.
            if !moved && !first {
                break;
            }
            first = false;
            self.pump_sound();
            while let Some(message) = self.rtc.poll_read() {
                moved = true;
                self.take(message);
            }
            if !moved {
                break;
            }
        }
        self.prepare_for_loss();
        self.report_drained_channels();
    }

    /// The part of [`Self::pump`] that sound needs, if nothing but sound has arrived since.
    pub(crate) fn pump_sound(&mut self) {
        // What has gone through the layers waits behind them; to fetch it asks none of them.
        while let Some(message) = self.rtc.poll_media_read() {
            self.take(message);
        }
    }

    fn take(&mut self, message: TaggedRTCMessage) {
        let TaggedRTCMessage {
            now: arrival,
            message,
        } = message;
        match message {
            RTCMessage::RtpPacket(_, packet) => self.route_audio(packet, arrival),
            RTCMessage::DataChannelMessage(id, message) => self.push(EngineEvent::ChannelMessage {
                id,
                data: message.data,
                binary: !message.is_string,
            }),
            // Of reports the interceptors have taken what they need.
            _ => {}
        }
    }

    /// The events since the last call.
    pub(crate) fn take_events(&mut self) -> VecDeque<EngineEvent> {
        std::mem::take(&mut self.events)
    }

    /// Ends the connection. What is still to be sent (the farewells of SCTP and DTLS) can be polled;
    /// after that nothing happens any more.
    pub(crate) fn close(&mut self) {
        if self.closed {
            return;
        }
        self.stop_media();
        if let Err(error) = self.rtc.close() {
            tracing::debug!(%error, "close");
        }
        self.pump();
        self.close_channels();
        self.closed = true;
        self.set_ice_state(IceConnectionState::Closed);
        self.push(EngineEvent::SignalingState(SignalingState::Closed));
        self.set_connection_state(PeerConnectionState::Closed);
    }

    /// Lets go of what only an open connection needs, once all that was still to be sent has been polled. Handles keep a
    /// closed connection for as long as a program keeps them.
    pub(crate) fn release(&mut self, now: Instant) {
        match settings::bare(now) {
            Ok(bare) => self.rtc = bare,
            Err(error) => tracing::debug!(%error, "a closed connection keeps its memory"),
        }
        self.routes = HashMap::new();
        self.events = VecDeque::new();
        self.local_candidates = Vec::new();
    }

    /// Ends the connection without a word to `rtc`, which has failed: its state may be anything.
    pub(crate) fn abandon(&mut self) {
        if self.closed {
            return;
        }
        self.closed = true;
        self.stop_media();
        self.close_channels();
        self.set_ice_state(IceConnectionState::Failed);
        self.set_connection_state(PeerConnectionState::Failed);
        self.push(EngineEvent::SignalingState(SignalingState::Closed));
    }

    fn push(&mut self, event: EngineEvent) {
        enqueue(&mut self.events, event);
    }

    fn set_connection_state(&mut self, state: PeerConnectionState) {
        if self.connection_state != state {
            self.connection_state = state;
            self.push(EngineEvent::ConnectionState(state));
        }
    }

    fn set_ice_state(&mut self, state: IceConnectionState) {
        if self.ice_state != state {
            self.ice_state = state;
            self.push(EngineEvent::IceState(state));
        }
    }

    fn handle_event(&mut self, event: RTCPeerConnectionEvent) {
        use RTCPeerConnectionEvent as Event;
        match event {
            Event::OnConnectionStateChangeEvent(state) => {
                self.set_connection_state(connection_state(state));
            }
            Event::OnIceConnectionStateChangeEvent(state) => {
                self.set_ice_state(ice_connection_state(state));
            }
            Event::OnSignalingStateChangeEvent(_) => {
                let state = self.signaling_state();
                self.push(EngineEvent::SignalingState(state));
            }
            Event::OnNegotiationNeededEvent => self.push(EngineEvent::NegotiationNeeded),
            Event::OnDataChannel(event) => self.handle_channel_event(event),
            // Candidates are announced when a local description is set, tracks when a remote one
            // is: `rtc` reports both at other times.
            _ => {}
        }
    }
}

fn connection_state(state: RTCPeerConnectionState) -> PeerConnectionState {
    match state {
        RTCPeerConnectionState::Connecting => PeerConnectionState::Connecting,
        RTCPeerConnectionState::Connected => PeerConnectionState::Connected,
        RTCPeerConnectionState::Disconnected => PeerConnectionState::Disconnected,
        RTCPeerConnectionState::Failed => PeerConnectionState::Failed,
        RTCPeerConnectionState::Closed => PeerConnectionState::Closed,
        _ => PeerConnectionState::New,
    }
}

fn ice_connection_state(state: RTCIceConnectionState) -> IceConnectionState {
    match state {
        RTCIceConnectionState::Checking => IceConnectionState::Checking,
        RTCIceConnectionState::Connected => IceConnectionState::Connected,
        RTCIceConnectionState::Completed => IceConnectionState::Completed,
        RTCIceConnectionState::Disconnected => IceConnectionState::Disconnected,
        RTCIceConnectionState::Failed => IceConnectionState::Failed,
        RTCIceConnectionState::Closed => IceConnectionState::Closed,
        _ => IceConnectionState::New,
    }
}

fn enqueue(events: &mut VecDeque<EngineEvent>, event: EngineEvent) {
    if events.len() >= MAX_WAITING_EVENTS {
        tracing::error!("nobody takes the events of a peer connection");
        events.pop_front();
    }
    events.push_back(event);
}
