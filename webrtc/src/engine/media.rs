//! Transceivers: what is sent, what is received, and which packet belongs to which track.
//!
//! `rtc` keeps the transceivers that go into descriptions; beside each one lies what it does not
//! know: the tracks of the public API, the route from media source to track, the sequence of what
//! is sent. Both lists have the same order and only grow.

use std::{collections::HashMap, sync::Arc, time::Instant};

use bytes::Bytes;
use rtc::{
    media_stream::MediaStreamTrack as RtcTrack,
    rtp,
    rtp_transceiver::{
        RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    },
};

use super::{
    Engine, EngineEvent, enqueue,
    sdp::{self, MediaSection, OpusFormat},
    settings,
};
use crate::{
    MediaType, RtcError,
    audio::{EncodedAudio, EncoderOptions, InboundAudio, InboundAudioStats, OutboundAudioStats, RtpAudio},
    audio_track::RtcAudioTrack,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    native::{create_random_uuid, frame_cryptor::MediaCryptor},
    rtp_parameters::{
        RtcpParameters, RtpCodecParameters, RtpEncodingParameters, RtpHeaderExtensionParameters,
        RtpParameters,
    },
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    video_track::RtcVideoTrack,
};

/// Takes the encoded sound of local tracks. Called by the encoder, never blocks.
pub(crate) trait AudioSink: Send + Sync {
    /// Sound for the sender of this transceiver.
    fn push(&self, transceiver: usize, audio: EncodedAudio);
}

/// Sound or pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaKind {
    Audio,
    Video,
}

impl MediaKind {
    pub(crate) fn of(media_type: MediaType) -> Option<Self> {
        match media_type {
            MediaType::Audio => Some(Self::Audio),
            MediaType::Video => Some(Self::Video),
            MediaType::Data | MediaType::Unsupported => None,
        }
    }

    fn of_track(track: &MediaStreamTrack) -> Self {
        match track {
            MediaStreamTrack::Audio(_) => Self::Audio,
            MediaStreamTrack::Video(_) => Self::Video,
        }
    }
}

impl From<MediaKind> for RtpCodecKind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Video => Self::Video,
        }
    }
}

/// From media source (SSRC) to track.
pub(super) type Routes = HashMap<u32, Route>;

pub(super) struct Route {
    inbound: InboundAudio,
    audio_level_id: Option<u8>,
    cryptor: Option<Arc<MediaCryptor>>,
}

pub(super) struct Transceiver {
    kind: MediaKind,
    mid: Option<String>,
    sender: Sender,
    receiver: Receiver,
}

struct Sender {
    track: Option<MediaStreamTrack>,
    ssrc: u32,
    sequence: u16,
    opus: Option<OpusFormat>,
    audio_level_id: Option<u8>,
    /// With which options the track's encoder runs for us, if it does.
    attached: Option<EncoderOptions>,
    parameters: RtpParameters,
    /// Of this track: another one comes with its own.
    cryptor: Option<Arc<MediaCryptor>>,
}

struct Receiver {
    track: MediaStreamTrack,
    /// Whether the other side sends on this section.
    active: bool,
    stream_id: Option<String>,
    remote_track_id: Option<String>,
    ssrc: Option<u32>,
    /// Of this track: another one comes with its own.
    cryptor: Option<Arc<MediaCryptor>>,
}

impl Transceiver {
    fn new(kind: MediaKind, track: Option<MediaStreamTrack>, ssrc: u32) -> Self {
        Self {
            kind,
            mid: None,
            sender: Sender {
                track,
                ssrc,
                sequence: rand::random(),
                opus: None,
                audio_level_id: None,
                attached: None,
                parameters: RtpParameters::default(),
                cryptor: None,
            },
            receiver: Receiver {
                track: new_remote_track(kind, create_random_uuid()),
                active: false,
                stream_id: None,
                remote_track_id: None,
                ssrc: None,
                cryptor: None,
            },
        }
    }
}

impl Sender {
    fn outbound(&self) -> Option<&crate::audio::OutboundAudio> {
        match self.track.as_ref()? {
            MediaStreamTrack::Audio(track) => track.outbound(),
            MediaStreamTrack::Video(_) => None,
        }
    }

    fn detach(&mut self) {
        if self.attached.take().is_some()
            && let Some(outbound) = self.outbound()
        {
            outbound.detach();
        }
    }

    fn encoder_options(&self, format: &OpusFormat) -> EncoderOptions {
        let asked_bps = self
            .parameters
            .encodings
            .first()
            .and_then(|encoding| encoding.max_bitrate);
        let asked_bps = asked_bps.map(|bps| u32::try_from(bps).unwrap_or(u32::MAX));
        let allowed_bps = format.max_average_bitrate_bps;
        EncoderOptions {
            max_bitrate_bps: match (asked_bps, allowed_bps) {
                (Some(asked), Some(allowed)) => Some(asked.min(allowed)),
                (asked, allowed) => asked.or(allowed),
            },
            dtx: format.dtx,
            stereo: format.stereo,
            fec: format.fec,
        }
    }
}

impl Receiver {
    /// Nothing comes any more: the track ends for whoever listens.
    fn deactivate(&mut self) {
        self.active = false;
        self.stream_id = None;
        self.remote_track_id = None;
        self.ssrc = None;
        self.cryptor = None;
        match &self.track {
            MediaStreamTrack::Audio(track) => {
                if let Some(inbound) = track.inbound() {
                    inbound.close();
                }
            }
            MediaStreamTrack::Video(track) => track.end(),
        }
    }
}

impl Engine {
    pub(crate) fn transceiver_count(&self) -> usize {
        self.transceivers.len()
    }

    pub(crate) fn has_transceiver(&self, kind: MediaKind) -> bool {
        self.transceivers
            .iter()
            .any(|transceiver| transceiver.kind == kind)
    }

    /// Adds a transceiver and gives its index. Sending transceivers take their track along.
    pub(crate) fn add_transceiver(
        &mut self,
        kind: MediaKind,
        track: Option<MediaStreamTrack>,
        init: RtpTransceiverInit,
    ) -> Result<usize, RtcError> {
        self.ensure_open()?;
        if track
            .as_ref()
            .is_some_and(|track| MediaKind::of_track(track) != kind)
        {
            return Err(RtcError::invalid_state("the track is of another kind"));
        }
        refuse_pictures(track.as_ref());
        let ssrc = rand::random_range(1..=u32::MAX);
        let sends = matches!(
            init.direction,
            RtpTransceiverDirection::SendOnly | RtpTransceiverDirection::SendRecv
        );
        let index = if sends || track.is_some() {
            let track_id = track
                .as_ref()
                .map_or_else(create_random_uuid, MediaStreamTrack::id);
            let stream_id = init.stream_ids.first().map_or("-", String::as_str);
            // Made for both ways and narrowed afterwards: `rtc` gives a transceiver that was made
            // for sending no receiver, and LiveKit reuses the section of an unpublished track to
            // send.
            let both = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Sendrecv,
                ..Default::default()
            };
            self.rtc
                .add_transceiver_from_track(local_track(kind, stream_id, &track_id, ssrc), Some(both))
        } else {
            let receive = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                ..Default::default()
            };
            self.rtc.add_transceiver_from_kind(kind.into(), Some(receive))
        }
        .map_err(RtcError::internal)?;
        debug_assert_eq!(index, self.transceivers.len(), "both lists grow together");
        let mut transceiver = Transceiver::new(kind, track, ssrc);
        transceiver.sender.parameters.encodings = init.send_encodings;
        self.transceivers.push(transceiver);
        self.set_rtc_direction(index, init.direction);
        Ok(index)
    }

    /// Stops sending on a transceiver and forgets its track. Without track it does nothing.
    pub(crate) fn remove_track(&mut self, index: usize) -> Result<(), RtcError> {
        self.ensure_open()?;
        let Some(transceiver) = self.transceivers.get_mut(index) else {
            return Err(RtcError::invalid_state("no such sender"));
        };
        if transceiver.sender.track.is_none() {
            return Ok(());
        }
        transceiver.sender.detach();
        transceiver.sender.track = None;
        transceiver.sender.cryptor = None;
        self.rtc
            .remove_track(index.into())
            .map_err(RtcError::invalid_state)
    }

    /// Replaces what a sender sends, without negotiation.
    pub(crate) fn set_track(
        &mut self,
        index: usize,
        track: Option<MediaStreamTrack>,
    ) -> Result<(), RtcError> {
        self.ensure_open()?;
        let Some(transceiver) = self.transceivers.get_mut(index) else {
            return Err(RtcError::invalid_state("no such sender"));
        };
        if track
            .as_ref()
            .is_some_and(|track| MediaKind::of_track(track) != transceiver.kind)
        {
            return Err(RtcError::invalid_state("the track is of another kind"));
        }
        refuse_pictures(track.as_ref());
        transceiver.sender.detach();
        transceiver.sender.track = track;
        self.update_sender(index);
        Ok(())
    }

    /// Encrypts what this sender sends, from now on.
    pub(crate) fn set_sender_cryptor(&mut self, index: usize, cryptor: Arc<MediaCryptor>) {
        if let Some(transceiver) = self.transceivers.get_mut(index) {
            transceiver.sender.cryptor = Some(cryptor);
        }
    }

    /// Decrypts what this receiver receives, from now on.
    pub(crate) fn set_receiver_cryptor(&mut self, index: usize, cryptor: Arc<MediaCryptor>) {
        if let Some(transceiver) = self.transceivers.get_mut(index) {
            transceiver.receiver.cryptor = Some(cryptor);
            self.rebuild_routes();
        }
    }

    pub(crate) fn sender_track(&self, index: usize) -> Option<MediaStreamTrack> {
        self.transceivers.get(index)?.sender.track.clone()
    }

    pub(crate) fn sender_parameters(&self, index: usize) -> RtpParameters {
        let Some(Transceiver { kind, sender, .. }) = self.transceivers.get(index) else {
            return RtpParameters::default();
        };
        let mut parameters = described(*kind, sender.opus.as_ref(), sender.audio_level_id);
        parameters.rtcp.cname = "-".to_owned();
        parameters.encodings = sender.parameters.encodings.clone();
        for encoding in &mut parameters.encodings {
            encoding.has_ssrc = true;
            encoding.ssrc = sender.ssrc;
        }
        parameters.degradation_preference = sender.parameters.degradation_preference;
        parameters
    }

    /// Takes limits of bitrate and the like; codecs and numbers stay as negotiated.
    pub(crate) fn set_sender_parameters(
        &mut self,
        index: usize,
        parameters: RtpParameters,
    ) -> Result<(), RtcError> {
        self.ensure_open()?;
        let Some(transceiver) = self.transceivers.get_mut(index) else {
            return Err(RtcError::invalid_state("no such sender"));
        };
        transceiver.sender.parameters = parameters;
        self.update_sender(index);
        Ok(())
    }

    pub(crate) fn receiver_track(&self, index: usize) -> Option<MediaStreamTrack> {
        self.transceivers
            .get(index)
            .map(|transceiver| transceiver.receiver.track.clone())
    }

    /// What the track behind a media source has measured.
    pub(super) fn inbound_audio_stats(&self, ssrc: u32) -> Option<InboundAudioStats> {
        self.routes.get(&ssrc).map(|route| route.inbound.stats())
    }

    /// What the local tracks have measured, by transceiver.
    pub(super) fn outbound_audio_stats(&self) -> Vec<(usize, OutboundAudioStats)> {
        self.transceivers
            .iter()
            .enumerate()
            .filter_map(|(index, transceiver)| Some((index, transceiver.sender.outbound()?.stats())))
            .collect()
    }

    /// For how much loss a sender should prepare, as the other side's reports tell.
    pub(super) fn expected_loss_percent(&self, index: usize) -> u8 {
        let ssrc = self.sender_ssrc(index);
        ssrc.map_or(0, |ssrc| self.reports.lock().expected_loss_percent(ssrc))
    }

    /// Reports have come: the encoders hear of the loss.
    pub(super) fn prepare_for_loss(&mut self) {
        for (index, transceiver) in self.transceivers.iter().enumerate() {
            if transceiver.sender.attached.is_some()
                && let Some(outbound) = transceiver.sender.outbound()
            {
                outbound.expect_loss(self.expected_loss_percent(index));
            }
        }
    }

    /// The media source that a sender sends under.
    pub(super) fn sender_ssrc(&self, index: usize) -> Option<u32> {
        self.transceivers
            .get(index)
            .map(|transceiver| transceiver.sender.ssrc)
    }

    /// The media source that a receiver receives.
    pub(super) fn receiver_ssrc(&self, index: usize) -> Option<u32> {
        self.transceivers.get(index)?.receiver.ssrc
    }

    /// The streams of what is received; none while the other side does not send.
    pub(crate) fn receiver_streams(&self, index: usize) -> Vec<MediaStream> {
        let Some(Transceiver { receiver, .. }) = self.transceivers.get(index) else {
            return Vec::new();
        };
        match &receiver.stream_id {
            Some(id) if receiver.active => {
                vec![MediaStream::new(id.clone(), vec![receiver.track.clone()])]
            }
            _ => Vec::new(),
        }
    }

    pub(crate) fn receiver_parameters(&self, index: usize) -> RtpParameters {
        let Some(Transceiver { kind, receiver, .. }) = self.transceivers.get(index) else {
            return RtpParameters::default();
        };
        let route = receiver.ssrc.and_then(|ssrc| self.routes.get(&ssrc));
        let mut parameters = described(*kind, None, route.and_then(|route| route.audio_level_id));
        if let Some(ssrc) = receiver.ssrc {
            parameters.encodings = vec![RtpEncodingParameters {
                has_ssrc: true,
                ssrc,
                ..Default::default()
            }];
        }
        parameters
    }

    /// The tag of the first media section, on whose transport all others travel.
    pub(crate) fn first_mid(&self) -> String {
        let local = self.negotiation.latest_local();
        let section = local.and_then(|local| sdp::media_sections(local.text()).into_iter().next());
        section.map_or_else(|| "0".to_owned(), |section| section.mid)
    }

    pub(crate) fn mid(&self, index: usize) -> Option<String> {
        self.transceivers.get(index)?.mid.clone()
    }

    pub(crate) fn direction(&mut self, index: usize) -> RtpTransceiverDirection {
        let direction = self.rtc.rtp_transceiver(index).map(|it| it.direction());
        direction
            .and_then(public_direction)
            .unwrap_or(RtpTransceiverDirection::Inactive)
    }

    pub(crate) fn current_direction(&mut self, index: usize) -> Option<RtpTransceiverDirection> {
        public_direction(self.rtc.rtp_transceiver(index)?.current_direction())
    }

    pub(crate) fn stop_transceiver(&mut self, index: usize) -> Result<(), RtcError> {
        self.ensure_open()?;
        let Some(transceiver) = self.transceivers.get_mut(index) else {
            return Err(RtcError::invalid_state("no such transceiver"));
        };
        transceiver.sender.detach();
        transceiver.receiver.deactivate();
        self.rebuild_routes();
        match self.rtc.rtp_transceiver(index) {
            Some(mut transceiver) => transceiver.stop().map_err(RtcError::internal),
            None => Ok(()),
        }
    }

    /// Sends sound. Dropped until the other side has agreed to receive it: `rtc` would send it at
    /// once, and the server complains of a stream that it does not know.
    pub(crate) fn send_audio(&mut self, now: Instant, index: usize, audio: EncodedAudio) {
        let sends = self.is_sending(index);
        let Some(Transceiver { sender, .. }) = self.transceivers.get_mut(index) else {
            return;
        };
        let Some(opus) = sender.opus.as_ref().filter(|_| sends && sender.track.is_some()) else {
            return;
        };
        let mut payload = audio.payload;
        if let Some(cryptor) = &sender.cryptor {
            let outcome = cryptor.encrypt(sender.ssrc, audio.timestamp, payload);
            for state in outcome.states {
                enqueue(&mut self.events, EngineEvent::Encryption(cryptor.clone(), state));
            }
            let Some(encrypted) = outcome.frame else { return };
            payload = encrypted;
        }
        let mut header = rtp::header::Header {
            version: 2,
            marker: audio.marker,
            payload_type: opus.payload_type,
            sequence_number: sender.sequence,
            timestamp: audio.timestamp,
            ssrc: sender.ssrc,
            ..Default::default()
        };
        if let Some(id) = sender.audio_level_id {
            let level = audio.level_dbov.min(127) | if audio.voice { 0x80 } else { 0 };
            // Refused only for a number outside 1..=14; the packet is as good without.
            let _ = header.set_extension(id, Bytes::copy_from_slice(&[level]));
        }
        sender.sequence = sender.sequence.wrapping_add(1);
        let packet = rtp::Packet { header, payload };
        if let Some(mut sender) = self.rtc.rtp_sender(index.into())
            && let Err(error) = sender.write_rtp(now, packet)
        {
            tracing::debug!(%error, transceiver = index, "sound not sent");
        }
    }

    pub(super) fn route_audio(&mut self, packet: rtp::Packet, arrival: Instant) {
        let Some(route) = self.routes.get(&packet.header.ssrc) else {
            return;
        };
        if packet.payload.is_empty() {
            return; // Padding, sent to probe the network.
        }
        let level = route
            .audio_level_id
            .and_then(|id| packet.header.get_extension(id))
            .and_then(|value| value.first().map(|byte| byte & 0x7f));
        let mut audio = RtpAudio {
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            payload: packet.payload,
            level_dbov: level,
            marker: packet.header.marker,
        };
        route.inbound.count(&audio, arrival);
        if let Some(cryptor) = &route.cryptor {
            let outcome = cryptor.decrypt(audio.payload);
            for state in outcome.states {
                enqueue(&mut self.events, EngineEvent::Encryption(cryptor.clone(), state));
            }
            // What stays closed is not played: to the jitter buffer it is lost.
            let Some(plain) = outcome.frame else { return };
            audio.payload = plain;
        }
        route.inbound.push(audio, arrival);
    }

    /// Somebody changed the section of this mid from inactive to receiving.
    pub(super) fn revive_receiving(&mut self, mid: &str) {
        if let Some(index) = self.index_of(mid) {
            self.set_rtc_direction(index, RtpTransceiverDirection::RecvOnly);
        }
    }

    /// Takes over the mids that `rtc` gave.
    pub(super) fn sync_mids(&mut self) {
        for (index, transceiver) in self.transceivers.iter_mut().enumerate() {
            if transceiver.mid.is_none()
                && let Some(of_rtc) = self.rtc.rtp_transceiver(index)
            {
                transceiver.mid = of_rtc.mid().clone();
            }
        }
    }

    /// A remote offer makes transceivers in `rtc`: they get their counterparts.
    pub(super) fn sync_remote_transceivers(&mut self) {
        let sections = self.remote_sections();
        for index in self.transceivers.len()..self.rtc.get_transceivers().count() {
            let mid = self.rtc.rtp_transceiver(index).and_then(|it| it.mid().clone());
            let is_video = sections
                .iter()
                .any(|section| Some(&section.mid) == mid.as_ref() && section.kind == "video");
            let kind = if is_video {
                MediaKind::Video
            } else {
                MediaKind::Audio
            };
            self.transceivers.push(Transceiver::new(kind, None, 0));
        }
        self.sync_mids();
    }

    /// Brings tracks, routes and encoders in line with the descriptions.
    pub(super) fn update_media(&mut self) {
        for section in self.remote_sections() {
            let Some(index) = self.index_of(&section.mid) else {
                continue;
            };
            self.update_receiver(index, &section);
            let sender = &mut self.transceivers[index].sender;
            sender.opus = section.opus;
            sender.audio_level_id = section.audio_level_id;
        }
        self.rebuild_routes();
        for index in 0..self.transceivers.len() {
            self.update_sender(index);
        }
    }

    /// Ends all tracks.
    pub(super) fn stop_media(&mut self) {
        self.routes.clear();
        for transceiver in &mut self.transceivers {
            transceiver.sender.detach();
            transceiver.receiver.deactivate();
        }
    }

    fn update_receiver(&mut self, index: usize, section: &MediaSection) {
        let wanted = matches!(
            self.direction(index),
            RtpTransceiverDirection::RecvOnly | RtpTransceiverDirection::SendRecv
        );
        let Transceiver { kind, receiver, .. } = &mut self.transceivers[index];
        if !(wanted && section.direction.sends()) {
            if receiver.active {
                receiver.deactivate();
            }
            return;
        }
        let same_track = receiver.active
            && receiver.stream_id == section.stream_id
            && receiver.remote_track_id == section.track_id;
        receiver.ssrc = section.ssrc;
        if same_track {
            return;
        }
        // Another participant's track on a section used before is another track for whoever listens.
        if receiver.active {
            receiver.deactivate();
            receiver.ssrc = section.ssrc;
        }
        let id = section.track_id.clone().unwrap_or_else(create_random_uuid);
        receiver.track = new_remote_track(*kind, id);
        receiver.active = true;
        receiver.stream_id.clone_from(&section.stream_id);
        receiver.remote_track_id.clone_from(&section.track_id);
        self.push(EngineEvent::Track(index));
    }

    /// Starts, changes or stops the encoder of a sender.
    fn update_sender(&mut self, index: usize) {
        let sends = self.is_sending(index);
        let sink = self.audio_sink.clone();
        let Some(Transceiver { sender, .. }) = self.transceivers.get_mut(index) else {
            return;
        };
        let options = match &sender.opus {
            Some(format) if sends && sender.outbound().is_some() => sender.encoder_options(format),
            _ => return sender.detach(),
        };
        if sender.attached == Some(options) {
            return;
        }
        if let Some(outbound) = sender.outbound() {
            outbound.attach(Arc::new(move |audio| sink.push(index, audio)), options);
            sender.attached = Some(options);
        }
    }

    fn rebuild_routes(&mut self) {
        let sections = self.remote_sections();
        self.routes.clear();
        for Transceiver { mid, receiver, .. } in &self.transceivers {
            let (MediaStreamTrack::Audio(track), Some(ssrc)) = (&receiver.track, receiver.ssrc) else {
                continue;
            };
            let Some(inbound) = track.inbound().filter(|_| receiver.active) else {
                continue;
            };
            let section = sections.iter().find(|section| Some(&section.mid) == mid.as_ref());
            self.routes.insert(
                ssrc,
                Route {
                    inbound: inbound.clone(),
                    audio_level_id: section.and_then(|section| section.audio_level_id),
                    cryptor: receiver.cryptor.clone(),
                },
            );
        }
    }

    /// Whether the descriptions in force let this transceiver send.
    fn is_sending(&mut self, index: usize) -> bool {
        matches!(
            self.current_direction(index),
            Some(RtpTransceiverDirection::SendOnly | RtpTransceiverDirection::SendRecv)
        )
    }

    fn remote_sections(&self) -> Vec<MediaSection> {
        let Some(remote) = self.negotiation.latest_remote() else {
            return Vec::new();
        };
        sdp::media_sections(&sdp::adapt_remote(remote.text()))
    }

    fn index_of(&self, mid: &str) -> Option<usize> {
        self.transceivers
            .iter()
            .position(|transceiver| transceiver.mid.as_deref() == Some(mid))
    }

    fn set_rtc_direction(&mut self, index: usize, direction: RtpTransceiverDirection) {
        if let Some(mut transceiver) = self.rtc.rtp_transceiver(index) {
            transceiver.set_direction(match direction {
                RtpTransceiverDirection::SendRecv => RTCRtpTransceiverDirection::Sendrecv,
                RtpTransceiverDirection::SendOnly => RTCRtpTransceiverDirection::Sendonly,
                RtpTransceiverDirection::RecvOnly => RTCRtpTransceiverDirection::Recvonly,
                RtpTransceiverDirection::Inactive | RtpTransceiverDirection::Stopped => {
                    RTCRtpTransceiverDirection::Inactive
                }
            });
        }
    }
}

fn public_direction(direction: RTCRtpTransceiverDirection) -> Option<RtpTransceiverDirection> {
    match direction {
        RTCRtpTransceiverDirection::Sendrecv => Some(RtpTransceiverDirection::SendRecv),
        RTCRtpTransceiverDirection::Sendonly => Some(RtpTransceiverDirection::SendOnly),
        RTCRtpTransceiverDirection::Recvonly => Some(RtpTransceiverDirection::RecvOnly),
        RTCRtpTransceiverDirection::Inactive => Some(RtpTransceiverDirection::Inactive),
        _ => None,
    }
}

/// Not an error for the caller: a room whose camera is refused would lose its microphone with it.
fn refuse_pictures(track: Option<&MediaStreamTrack>) {
    if let Some(MediaStreamTrack::Video(track)) = track {
        tracing::error!(
            track = track.id(),
            "video is not encoded by this WebRTC backend: nothing is sent"
        );
    }
}

fn new_remote_track(kind: MediaKind, id: String) -> MediaStreamTrack {
    match kind {
        MediaKind::Audio => RtcAudioTrack::remote(id, InboundAudio::new()).into(),
        MediaKind::Video => RtcVideoTrack::new(id).into(),
    }
}

fn local_track(kind: MediaKind, stream_id: &str, track_id: &str, ssrc: u32) -> RtcTrack {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..Default::default()
        },
        active: true,
        codec: settings::codec(kind),
        ..Default::default()
    };
    RtcTrack::new(
        stream_id.to_owned(),
        track_id.to_owned(),
        track_id.to_owned(),
        kind.into(),
        vec![encoding],
    )
}

fn described(kind: MediaKind, opus: Option<&OpusFormat>, audio_level_id: Option<u8>) -> RtpParameters {
    let codec = settings::codec(kind);
    let payload_type = match (kind, opus) {
        (MediaKind::Audio, Some(opus)) => opus.payload_type,
        (MediaKind::Audio, None) => settings::OPUS_PAYLOAD_TYPE,
        (MediaKind::Video, _) => settings::VP8_PAYLOAD_TYPE,
    };
    RtpParameters {
        codecs: vec![RtpCodecParameters {
            payload_type,
            mime_type: codec.mime_type,
            clock_rate: Some(u64::from(codec.clock_rate)),
            channels: (codec.channels > 0).then_some(codec.channels),
        }],
        header_extensions: audio_level_id
            .map(|id| RtpHeaderExtensionParameters {
                uri: sdp::AUDIO_LEVEL_URI.to_owned(),
                id: i32::from(id),
                encrypted: false,
            })
            .into_iter()
            .collect(),
        rtcp: RtcpParameters {
            cname: String::new(),
            reduced_size: true,
        },
        ..RtpParameters::default()
    }
}
