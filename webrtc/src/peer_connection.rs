//! Peer connections: the connection between this program and one other.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    MediaType, RtcError,
    data_channel::{DataChannel, DataChannelInit},
    driver::Connection,
    engine::MediaKind,
    ice_candidate::IceCandidate,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    peer_connection_factory::RtcConfiguration,
    rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
    rtp_transceiver::{RtpTransceiver, RtpTransceiverDirection, RtpTransceiverInit},
    session_description::SessionDescription,
    stats::RtcStats,
};

/// Where a connection is in its life.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum PeerConnectionState {
    /// Nothing has happened.
    New,
    /// On its way.
    Connecting,
    /// Usable.
    Connected,
    /// No sign of life for a while; may recover by itself.
    Disconnected,
    /// Gone; an ICE restart may bring it back.
    Failed,
    /// Ended here.
    Closed,
}

/// Where ICE is.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceConnectionState {
    /// Nothing has happened.
    New,
    /// Trying pairs of addresses.
    Checking,
    /// A pair works.
    Connected,
    /// A pair works and no better one is sought.
    Completed,
    /// No pair works.
    Failed,
    /// No sign of life for a while.
    Disconnected,
    /// Ended here.
    Closed,
    /// Never reported.
    Max,
}

/// Whether our addresses are known.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceGatheringState {
    /// Not looked for.
    New,
    /// Being looked for.
    Gathering,
    /// All known.
    Complete,
}

/// Where offer and answer are.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SignalingState {
    /// Nothing is open.
    Stable,
    /// We have offered.
    HaveLocalOffer,
    /// We have answered for the time being.
    HaveLocalPrAnswer,
    /// The other side has offered.
    HaveRemoteOffer,
    /// The other side has answered for the time being.
    HaveRemotePrAnswer,
    /// Ended here.
    Closed,
}

/// What an offer shall contain.
#[derive(Debug, Clone, Default)]
pub struct OfferOptions {
    /// Find the way anew.
    pub ice_restart: bool,
    /// Have a section to receive sound.
    pub offer_to_receive_audio: bool,
    /// Have a section to receive pictures.
    pub offer_to_receive_video: bool,
}

/// What an answer shall contain: there is no choice.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {}

/// Limits of what a connection sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BitrateSettings {
    /// At least this.
    pub min_bitrate_bps: Option<u64>,
    /// To begin with.
    pub start_bitrate_bps: Option<u64>,
    /// At most this.
    pub max_bitrate_bps: Option<u64>,
}

/// An address could not be found out.
#[derive(Debug, Clone)]
pub struct IceCandidateError {
    /// From which of our addresses.
    pub address: String,
    /// From which port.
    pub port: i32,
    /// Which server was asked.
    pub url: String,
    /// Its answer, by number.
    pub error_code: i32,
    /// Its answer, in words.
    pub error_text: String,
}

/// The other side began to send.
#[derive(Debug, Clone)]
pub struct TrackEvent {
    /// Where it arrives.
    pub receiver: RtpReceiver,
    /// The track's streams.
    pub streams: Vec<MediaStream>,
    /// The track.
    pub track: MediaStreamTrack,
    /// The section.
    pub transceiver: RtpTransceiver,
}

/// Called when the connection's state changes.
pub type OnConnectionChange = Box<dyn FnMut(PeerConnectionState) + Send + Sync>;
/// Called when the other side opened a data channel.
pub type OnDataChannel = Box<dyn FnMut(DataChannel) + Send + Sync>;
/// Called for each of our addresses.
pub type OnIceCandidate = Box<dyn FnMut(IceCandidate) + Send + Sync>;
/// Called when an address could not be found out.
pub type OnIceCandidateError = Box<dyn FnMut(IceCandidateError) + Send + Sync>;
/// Called when the state of ICE changes.
pub type OnIceConnectionChange = Box<dyn FnMut(IceConnectionState) + Send + Sync>;
/// Called when the search for our addresses begins and ends.
pub type OnIceGatheringChange = Box<dyn FnMut(IceGatheringState) + Send + Sync>;
/// Called when a new offer is needed.
pub type OnNegotiationNeeded = Box<dyn FnMut(u32) + Send + Sync>;
/// Called when the state of offer and answer changes.
pub type OnSignalingChange = Box<dyn FnMut(SignalingState) + Send + Sync>;
/// Called when the other side began to send.
pub type OnTrack = Box<dyn FnMut(TrackEvent) + Send + Sync>;

/// A peer connection. Clones are the same connection; when the last one goes, it closes.
#[derive(Clone)]
pub struct PeerConnection {
    owner: Arc<Owner>,
}

struct Owner(Arc<Connection>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl PeerConnection {
    pub(crate) fn start(config: RtcConfiguration) -> Result<Self, RtcError> {
        Ok(Self {
            owner: Arc::new(Owner(Connection::start(config)?)),
        })
    }

    /// The handle of a connection that a test has started in a way of its own.
    #[cfg(test)]
    pub(crate) fn of(connection: Arc<Connection>) -> Self {
        Self {
            owner: Arc::new(Owner(connection)),
        }
    }

    fn connection(&self) -> &Arc<Connection> {
        &self.owner.0
    }

    /// Takes a new configuration: servers that were not asked yet are asked now. With
    /// [`IceTransportsType::Relay`](crate::peer_connection_factory::IceTransportsType::Relay) further
    /// offers name relays only; a way that is in use stays until ICE restarts.
    pub fn set_configuration(&self, config: RtcConfiguration) -> Result<(), RtcError> {
        self.ensure_open()?;
        self.connection().ask(config);
        Ok(())
    }

    /// Checks the limits and takes them. Sound is limited by its encodings; nothing else is sent.
    pub fn set_bitrate(&self, settings: BitrateSettings) -> Result<(), RtcError> {
        self.ensure_open()?;
        let BitrateSettings {
            min_bitrate_bps,
            start_bitrate_bps,
            max_bitrate_bps,
        } = settings;
        let ordered = |low: Option<u64>, high: Option<u64>| match (low, high) {
            (Some(low), Some(high)) => low <= high,
            _ => true,
        };
        let consistent = ordered(min_bitrate_bps, start_bitrate_bps)
            && ordered(start_bitrate_bps, max_bitrate_bps)
            && ordered(min_bitrate_bps, max_bitrate_bps);
        if consistent {
            Ok(())
        } else {
            Err(RtcError::internal(
                "bitrates must rise from min over start to max",
            ))
        }
    }

    /// Proposes what the transceivers and channels need.
    pub async fn create_offer(&self, options: OfferOptions) -> Result<SessionDescription, RtcError> {
        let mut engine = self.connection().engine();
        let wanted = [
            (options.offer_to_receive_audio, MediaKind::Audio),
            (options.offer_to_receive_video, MediaKind::Video),
        ];
        for (_, kind) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
            if !engine.has_transceiver(kind) {
                engine.add_transceiver(kind, None, receive_only())?;
            }
        }
        let offer = engine.create_offer(&options);
        drop(engine);
        self.connection().wake();
        offer
    }

    /// Answers the remote offer.
    pub async fn create_answer(&self, _options: AnswerOptions) -> Result<SessionDescription, RtcError> {
        self.connection().engine().create_answer()
    }

    /// Sets the description that was created last, which may have been edited in between: sections
    /// changed from inactive to receiving do receive, other changes are only passed on.
    pub async fn set_local_description(&self, desc: SessionDescription) -> Result<(), RtcError> {
        let result = self
            .connection()
            .engine()
            .set_local_description(Instant::now(), desc);
        self.connection().wake();
        result
    }

    /// Sets the other side's description.
    pub async fn set_remote_description(&self, desc: SessionDescription) -> Result<(), RtcError> {
        let result = self
            .connection()
            .engine()
            .set_remote_description(Instant::now(), desc);
        self.connection().wake();
        result
    }

    /// Adds an address of the other side. Addresses that cannot be used here are passed over.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<(), RtcError> {
        let result = self
            .connection()
            .engine()
            .add_remote_candidate(&candidate.candidate());
        self.connection().wake();
        result
    }

    /// Creates a data channel.
    pub fn create_data_channel(&self, label: &str, init: DataChannelInit) -> Result<DataChannel, RtcError> {
        self.connection().create_channel(label, init)
    }

    /// Sends a track on a new transceiver, which may also receive.
    pub fn add_track<T: AsRef<str>>(
        &self,
        track: MediaStreamTrack,
        streams_ids: &[T],
    ) -> Result<RtpSender, RtcError> {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::SendRecv,
            stream_ids: streams_ids.iter().map(|id| id.as_ref().to_owned()).collect(),
            send_encodings: Vec::new(),
        };
        Ok(self.add_transceiver(track, init)?.sender())
    }

    /// Stops sending a track.
    pub fn remove_track(&self, sender: RtpSender) -> Result<(), RtcError> {
        if !Arc::ptr_eq(&sender.connection, self.connection()) {
            return Err(RtcError::invalid_state("a sender of another connection"));
        }
        let result = self.connection().engine().remove_track(sender.index);
        self.connection().wake();
        result
    }

    /// Statistics of the connection.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        Ok(self.connection().engine().stats(Instant::now()))
    }

    /// Adds a transceiver for a track.
    pub fn add_transceiver(
        &self,
        track: MediaStreamTrack,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        let kind = match &track {
            MediaStreamTrack::Audio(_) => MediaKind::Audio,
            MediaStreamTrack::Video(_) => MediaKind::Video,
        };
        let index = self
            .connection()
            .engine()
            .add_transceiver(kind, Some(track), init)?;
        self.connection().wake();
        Ok(RtpTransceiver::new(self.connection().clone(), index))
    }

    /// Adds a transceiver without a track.
    pub fn add_transceiver_for_media(
        &self,
        media_type: MediaType,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        let kind = MediaKind::of(media_type)
            .ok_or_else(|| RtcError::invalid_state("only audio and video have transceivers"))?;
        let index = self.connection().engine().add_transceiver(kind, None, init)?;
        self.connection().wake();
        Ok(RtpTransceiver::new(self.connection().clone(), index))
    }

    /// Ends the connection. Its sockets are closed as soon as the other side has been told, without
    /// waiting for an answer.
    pub fn close(&self) {
        self.connection().close();
    }

    /// Asks for a new offer that finds the way anew.
    pub fn restart_ice(&self) {
        self.connection().engine().request_ice_restart();
        self.connection().wake();
    }

    /// Where the connection is in its life.
    pub fn connection_state(&self) -> PeerConnectionState {
        self.connection().engine().connection_state()
    }

    /// Where ICE is.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.connection().engine().ice_state()
    }

    /// Whether our addresses are known.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.connection().engine().gathering_state()
    }

    /// Where offer and answer are.
    pub fn signaling_state(&self) -> SignalingState {
        self.connection().engine().signaling_state()
    }

    /// Our description in force.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        self.connection().engine().current_local_description()
    }

    /// The other side's description in force.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        self.connection().engine().current_remote_description()
    }

    /// The senders of all transceivers.
    pub fn senders(&self) -> Vec<RtpSender> {
        self.transceivers().iter().map(RtpTransceiver::sender).collect()
    }

    /// The receivers of all transceivers.
    pub fn receivers(&self) -> Vec<RtpReceiver> {
        self.transceivers().iter().map(RtpTransceiver::receiver).collect()
    }

    /// All transceivers, in the order in which they were made.
    pub fn transceivers(&self) -> Vec<RtpTransceiver> {
        let count = self.connection().engine().transceiver_count();
        (0..count)
            .map(|index| RtpTransceiver::new(self.connection().clone(), index))
            .collect()
    }

    /// Sets what is called when the connection's state changes.
    pub fn on_connection_state_change(&self, f: Option<OnConnectionChange>) {
        self.connection().callbacks.connection_state.set(f);
    }

    /// Sets what is called when the other side opened a data channel.
    pub fn on_data_channel(&self, f: Option<OnDataChannel>) {
        self.connection().callbacks.data_channel.set(f);
    }

    /// Sets what is called for each of our addresses.
    pub fn on_ice_candidate(&self, f: Option<OnIceCandidate>) {
        self.connection().callbacks.ice_candidate.set(f);
    }

    /// Sets what is called when an address could not be found out. No server is asked, so it is
    /// never called.
    pub fn on_ice_candidate_error(&self, f: Option<OnIceCandidateError>) {
        self.connection().callbacks.ice_candidate_error.set(f);
    }

    /// Sets what is called when the state of ICE changes.
    pub fn on_ice_connection_state_change(&self, f: Option<OnIceConnectionChange>) {
        self.connection().callbacks.ice_state.set(f);
    }

    /// Sets what is called when the search for our addresses begins and ends.
    pub fn on_ice_gathering_state_change(&self, f: Option<OnIceGatheringChange>) {
        self.connection().callbacks.gathering_state.set(f);
    }

    /// Sets what is called when a new offer is needed.
    pub fn on_negotiation_needed(&self, f: Option<OnNegotiationNeeded>) {
        self.connection().callbacks.negotiation_needed.set(f);
    }

    /// Sets what is called when the state of offer and answer changes.
    pub fn on_signaling_state_change(&self, f: Option<OnSignalingChange>) {
        self.connection().callbacks.signaling_state.set(f);
    }

    /// Sets what is called when the other side began to send.
    pub fn on_track(&self, f: Option<OnTrack>) {
        self.connection().callbacks.track.set(f);
    }

    fn ensure_open(&self) -> Result<(), RtcError> {
        if self.connection().engine().is_closed() {
            return Err(RtcError::invalid_state("the connection is closed"));
        }
        Ok(())
    }
}

fn receive_only() -> RtpTransceiverInit {
    RtpTransceiverInit {
        direction: RtpTransceiverDirection::RecvOnly,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    }
}

impl fmt::Debug for PeerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnection")
            .field("state", &self.connection_state())
            .field("ice_state", &self.ice_connection_state())
            .finish()
    }
}
