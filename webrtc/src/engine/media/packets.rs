//! Sound on its way: packets out, packets in, and what reports say about those that were lost.

use std::time::Instant;

use bytes::Bytes;
use rtc::rtp;

use crate::{
    audio::{EncodedAudio, RtpAudio},
    engine::{Engine, EngineEvent, enqueue},
};

use super::Transceiver;

impl Engine {
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
        let mut payload_type = opus.payload_type;
        if let Some(cryptor) = &sender.cryptor {
            let outcome = cryptor.encrypt(sender.ssrc, audio.timestamp, payload);
            for state in outcome.states {
                enqueue(&mut self.events, EngineEvent::Encryption(cryptor.clone(), state));
            }
            let Some(encrypted) = outcome.frame else { return };
            // Never as RED: who stands between could take no frame out of it, and `livekit` asks for none.
            payload = encrypted;
        } else if let Some(red) = &mut sender.red
            && let Some(packed) = red.pack(audio.timestamp, &payload)
        {
            payload = packed;
            payload_type = red.numbers().red;
        }
        let mut header = rtp::header::Header {
            version: 2,
            marker: audio.marker,
            payload_type,
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

    pub(in crate::engine) fn route_audio(&mut self, packet: rtp::Packet, arrival: Instant) {
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
            copy: false,
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
        match route.red {
            Some(red) if red.red == packet.header.payload_type => {
                route.inbound.push_red(&audio, red.opus, arrival);
            }
            _ => route.inbound.push(audio, arrival),
        }
    }

    /// For how much loss an encoder should prepare, as the other side's reports tell. They are about packets: where each
    /// carries the one before it, a frame is lost with two of them.
    pub(in crate::engine) fn expected_loss_percent(&self, index: usize) -> u8 {
        let Some(Transceiver { sender, .. }) = self.transceivers.get(index) else {
            return 0;
        };
        let lost = self.reports.lock().expected_loss_percent(sender.ssrc);
        if sender.sends_red() {
            // Less than a hundred percent of as many.
            (u16::from(lost).pow(2) / 100) as u8
        } else {
            lost
        }
    }

    /// Where reports have come that change what is expected, the encoders hear of it.
    pub(in crate::engine) fn prepare_for_loss(&mut self) {
        if !self.reports.lock().take_loss_changed() {
            return;
        }
        for (index, transceiver) in self.transceivers.iter().enumerate() {
            if transceiver.sender.attached.is_some()
                && let Some(outbound) = transceiver.sender.outbound()
            {
                outbound.expect_loss(self.expected_loss_percent(index));
            }
        }
    }
}
