//! Transceivers: what is sent, what is received, and which packet belongs to which track.
//!
//! `rtc` keeps the transceivers that go into descriptions; beside each one lies what it does not
//! know: the tracks of the public API, the route from media source to track, the sequence of what
//! is sent. Both lists have the same order and only grow.

use std::{collections::HashMap, sync::Arc};

use rtc::{
    media_stream::MediaStreamTrack as RtcTrack,
    rtp_transceiver::{
        RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{RTCRtpCodingParameters, RTCRtpEncodingParameters, RtpCodecKind},
    },
};

use super::{
    Engine,
    sdp::{self, OpusFormat},
    settings,
};
use crate::{
    MediaType, RtcError,
    audio::{
        EncodedAudio, EncoderOptions, InboundAudio,
        red::{Packer, RedNumbers},
    },
    audio_track::RtcAudioTrack,
    media_stream_track::MediaStreamTrack,
    native::{create_random_uuid, frame_cryptor::MediaCryptor},
    rtp_parameters::RtpParameters,
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    video_track::RtcVideoTrack,
};

mod packets;
mod reported;
mod sync;

pub(super) use reported::LocalAudio;

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
    red: Option<RedNumbers>,
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
    /// Where the other side prefers it.
    red: Option<Packer>,
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
                red: None,
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

    /// Encrypted frames go one by one.
    fn sends_red(&self) -> bool {
        self.red.is_some() && self.cryptor.is_none()
    }

    /// What is sent from now on does not follow what was sent.
    fn begin_anew(&mut self) {
        if let Some(red) = &mut self.red {
            red.forget();
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
        transceiver.sender.begin_anew();
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
        transceiver.sender.begin_anew();
        self.update_sender(index);
        Ok(())
    }

    /// Encrypts what this sender sends, from now on.
    pub(crate) fn set_sender_cryptor(&mut self, index: usize, cryptor: Arc<MediaCryptor>) {
        if let Some(transceiver) = self.transceivers.get_mut(index) {
            transceiver.sender.cryptor = Some(cryptor);
            transceiver.sender.begin_anew();
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

    pub(crate) fn receiver_track(&self, index: usize) -> Option<MediaStreamTrack> {
        self.transceivers
            .get(index)
            .map(|transceiver| transceiver.receiver.track.clone())
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

    /// Ends all tracks.
    pub(super) fn stop_media(&mut self) {
        self.routes.clear();
        for transceiver in &mut self.transceivers {
            transceiver.sender.detach();
            transceiver.receiver.deactivate();
        }
    }

    /// Whether the descriptions in force let this transceiver send.
    fn is_sending(&mut self, index: usize) -> bool {
        matches!(
            self.current_direction(index),
            Some(RtpTransceiverDirection::SendOnly | RtpTransceiverDirection::SendRecv)
        )
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
