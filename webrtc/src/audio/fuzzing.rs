//! A jitter buffer that anything can be put into.

use std::time::Instant;

use super::{RtpAudio, format::PcmFormat, playout::Playout};

pub(crate) struct Ear {
    playout: Playout,
    pcm: Vec<i16>,
}

impl Ear {
    pub(crate) fn new() -> Option<Self> {
        let format = PcmFormat {
            rate_hz: 16_000,
            channels: 1,
        };
        Some(Self {
            playout: Playout::new(format).ok()?,
            pcm: Vec::new(),
        })
    }

    /// Takes a packet and plays 20 ms.
    pub(crate) fn hear(&mut self, packet: &RtpAudio, now: Instant) {
        self.playout.insert(packet, now);
        for _ in 0..2 {
            self.pcm.clear();
            self.playout.pull(now, &mut self.pcm);
            assert_eq!(self.pcm.len(), 160, "ten milliseconds, whatever came");
        }
    }
}
