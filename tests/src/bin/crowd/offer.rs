//! The description of a participant who only sends one microphone, and what is read from the answer to it.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};

/// The number of Opus.
pub(crate) const OPUS_PAYLOAD_TYPE: u8 = 111;
/// The number of the audio level's header extension.
pub(crate) const AUDIO_LEVEL_ID: u8 = 1;

/// What the other side has to know of us.
pub(crate) struct Offer<'a> {
    pub(crate) ufrag: &'a str,
    pub(crate) password: &'a str,
    pub(crate) fingerprint: &'a str,
    pub(crate) address: SocketAddr,
    pub(crate) ssrc: u32,
    /// By which LiveKit knows the track that it was told of.
    pub(crate) track: &'a str,
}

impl Offer<'_> {
    /// As SDP.
    pub(crate) fn text(&self) -> String {
        let Offer {
            ufrag,
            password,
            fingerprint,
            address,
            ssrc,
            track,
        } = self;
        let (ip, port) = (address.ip(), address.port());
        let lines = [
            "v=0".to_owned(),
            format!("o=- {ssrc} 1 IN IP4 {ip}"),
            "s=-".to_owned(),
            "t=0 0".to_owned(),
            "a=group:BUNDLE 0".to_owned(),
            format!("m=audio {port} UDP/TLS/RTP/SAVPF {OPUS_PAYLOAD_TYPE}"),
            format!("c=IN IP4 {ip}"),
            format!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host"),
            format!("a=ice-ufrag:{ufrag}"),
            format!("a=ice-pwd:{password}"),
            format!("a=fingerprint:sha-256 {fingerprint}"),
            "a=setup:actpass".to_owned(),
            "a=mid:0".to_owned(),
            format!("a=extmap:{AUDIO_LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
            "a=sendonly".to_owned(),
            format!("a=msid:- {track}"),
            "a=rtcp-mux".to_owned(),
            format!("a=rtpmap:{OPUS_PAYLOAD_TYPE} opus/48000/2"),
            format!("a=fmtp:{OPUS_PAYLOAD_TYPE} minptime=10;useinbandfec=1;usedtx=1"),
            format!("a=ssrc:{ssrc} cname:crowd"),
            format!("a=ssrc:{ssrc} msid:- {track}"),
        ];
        lines.map(|line| line + "\r\n").concat()
    }
}

/// What the other side says.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) ufrag: String,
    pub(crate) password: String,
    /// The other side begins DTLS.
    pub(crate) active: bool,
    pub(crate) candidates: Vec<String>,
}

impl Answer {
    /// Reads it from SDP.
    ///
    /// # Errors
    /// It names no credentials.
    pub(crate) fn read(text: &str) -> Result<Self> {
        let of = |name: &str| {
            let mut found = text.lines().filter_map(|line| line.trim_end().strip_prefix(name));
            found.next().map(str::to_owned)
        };
        Ok(Self {
            ufrag: of("a=ice-ufrag:").context("an answer without ice-ufrag")?,
            password: of("a=ice-pwd:").context("an answer without ice-pwd")?,
            active: of("a=setup:").is_some_and(|role| role == "active"),
            candidates: text
                .lines()
                .filter_map(|line| line.trim_end().strip_prefix("a=candidate:"))
                .map(str::to_owned)
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let text = "v=0\r\na=fingerprint:sha-256 00\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=setup:active\r\n\
            a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=candidate:1 1 udp 1 127.0.0.1 7882 typ host\r\n";
        let answer = Answer::read(text).unwrap();
        assert_eq!(
            (answer.ufrag.as_str(), answer.password.as_str()),
            ("abcd", "secret")
        );
        assert!(answer.active);
        assert_eq!(answer.candidates, ["1 1 udp 1 127.0.0.1 7882 typ host"]);
        assert!(Answer::read("v=0\r\n").is_err());
    }
}
