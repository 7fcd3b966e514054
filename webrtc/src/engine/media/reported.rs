//! What the public API and the statistics tell of senders and receivers.

use super::{MediaKind, Transceiver};
use crate::{
    RtcError,
    audio::{InboundAudioStats, OutboundAudioStats},
    engine::{
        Engine,
        sdp::{self, OpusFormat},
        settings,
    },
    media_stream::MediaStream,
    rtp_parameters::{
        RtcpParameters, RtpCodecParameters, RtpEncodingParameters, RtpHeaderExtensionParameters,
        RtpParameters,
    },
};

/// A local track that is sent.
pub(in crate::engine) struct LocalAudio {
    pub ssrc: u32,
    pub track_id: String,
    pub measured: OutboundAudioStats,
    /// How its packets are marked; none before the other side has answered.
    pub payload_type: Option<u8>,
    /// They carry others besides (RFC 2198).
    pub redundant: bool,
}

impl Engine {
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

    /// What the track behind a media source has measured.
    pub(in crate::engine) fn inbound_audio_stats(&self, ssrc: u32) -> Option<InboundAudioStats> {
        self.routes.get(&ssrc).map(|route| route.inbound.stats())
    }

    /// The local tracks that are sent.
    pub(in crate::engine) fn local_audio(&self) -> Vec<LocalAudio> {
        let sent = self.transceivers.iter().filter_map(|transceiver| {
            let sender = &transceiver.sender;
            let red = sender.red.as_ref().filter(|_| sender.sends_red());
            let opus = sender.opus.as_ref().map(|opus| opus.payload_type);
            Some(LocalAudio {
                payload_type: red.map(|red| red.numbers().red).or(opus),
                redundant: red.is_some(),
                ssrc: sender.ssrc,
                track_id: sender.track.as_ref()?.id(),
                measured: sender.outbound()?.stats(),
            })
        });
        sent.collect()
    }

    /// The media source that a sender sends under.
    pub(in crate::engine) fn sender_ssrc(&self, index: usize) -> Option<u32> {
        self.transceivers
            .get(index)
            .map(|transceiver| transceiver.sender.ssrc)
    }

    /// The media source that a receiver receives.
    pub(in crate::engine) fn receiver_ssrc(&self, index: usize) -> Option<u32> {
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
