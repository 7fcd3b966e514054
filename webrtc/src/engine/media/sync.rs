//! Transceivers, routes and encoders in line with the descriptions.

use std::sync::Arc;

use super::{MediaKind, Route, Transceiver, new_remote_track};
use crate::{
    audio::red::Packer,
    engine::{
        Engine, EngineEvent,
        sdp::{self, MediaSection},
    },
    media_stream_track::MediaStreamTrack,
    native::create_random_uuid,
    rtp_transceiver::RtpTransceiverDirection,
};

impl Engine {
    /// Somebody changed the section of this mid from inactive to receiving.
    pub(in crate::engine) fn revive_receiving(&mut self, mid: &str) {
        if let Some(index) = self.index_of(mid) {
            self.set_rtc_direction(index, RtpTransceiverDirection::RecvOnly);
        }
    }

    /// Takes over the mids that `rtc` gave.
    pub(in crate::engine) fn sync_mids(&mut self) {
        for (index, transceiver) in self.transceivers.iter_mut().enumerate() {
            if transceiver.mid.is_none()
                && let Some(of_rtc) = self.rtc.rtp_transceiver(index)
            {
                transceiver.mid = of_rtc.mid().clone();
            }
        }
    }

    /// A remote offer makes transceivers in `rtc`: they get their counterparts.
    pub(in crate::engine) fn sync_remote_transceivers(&mut self) {
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
    pub(in crate::engine) fn update_media(&mut self) {
        for section in self.remote_sections() {
            let Some(index) = self.index_of(&section.mid) else {
                continue;
            };
            self.update_receiver(index, &section);
            let sender = &mut self.transceivers[index].sender;
            sender.opus = section.opus;
            let red = section.red.filter(|red| red.preferred).map(|red| red.numbers);
            if red != sender.red.as_ref().map(Packer::numbers) {
                sender.red = red.map(Packer::new);
            }
            sender.audio_level_id = section.audio_level_id;
        }
        self.rebuild_routes();
        for index in 0..self.transceivers.len() {
            self.update_sender(index);
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
    pub(super) fn update_sender(&mut self, index: usize) {
        let sends = self.is_sending(index);
        let sink = self.audio_sink.clone();
        let expected_loss = self.expected_loss_percent(index);
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
            // The track may be another one than the loss was reported of.
            outbound.expect_loss(expected_loss);
            sender.attached = Some(options);
        }
    }

    pub(super) fn rebuild_routes(&mut self) {
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
                    red: section.and_then(|section| section.red).map(|red| red.numbers),
                    cryptor: receiver.cryptor.clone(),
                },
            );
        }
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
}
