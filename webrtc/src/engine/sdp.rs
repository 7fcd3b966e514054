//! Reading and rewriting session descriptions as text (RFC 8866, RFC 8829).
//!
//! Pure functions without panics, whatever the text: descriptions come from the network. `rtc` has
//! its own parser; what is here covers what it does not tell (which track a media section carries)
//! and what it does not accept.

use crate::session_description::SdpParseError;

pub(crate) mod red;

/// The URI of the audio level header extension (RFC 6464).
pub(crate) const AUDIO_LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// The direction of a media section, from the point of view of whoever wrote it.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub(crate) enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub(crate) const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    const fn attribute(self) -> &'static str {
        match self {
            Self::SendRecv => "a=sendrecv",
            Self::SendOnly => "a=sendonly",
            Self::RecvOnly => "a=recvonly",
            Self::Inactive => "a=inactive",
        }
    }

    fn parse(line: &str) -> Option<Self> {
        [Self::SendRecv, Self::SendOnly, Self::RecvOnly, Self::Inactive]
            .into_iter()
            .find(|direction| line == direction.attribute())
    }
}

/// What the `a=fmtp` line of Opus (RFC 7587) asks of the sender.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct OpusFormat {
    pub(crate) payload_type: u8,
    pub(crate) stereo: bool,
    pub(crate) dtx: bool,
    pub(crate) fec: bool,
    pub(crate) max_average_bitrate_bps: Option<u32>,
}

/// What one media section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaSection {
    /// `audio`, `video` or `application`.
    pub(crate) kind: String,
    pub(crate) mid: String,
    pub(crate) direction: Direction,
    /// The first part of `a=msid`; none when absent or `-`.
    pub(crate) stream_id: Option<String>,
    /// The second part of `a=msid`.
    pub(crate) track_id: Option<String>,
    /// The first media source of the section.
    pub(crate) ssrc: Option<u32>,
    pub(crate) opus: Option<OpusFormat>,
    pub(crate) red: Option<red::RedFormat>,
    /// The number of the audio level extension.
    pub(crate) audio_level_id: Option<u8>,
    pub(crate) ice_ufrag: Option<String>,
    has_rid: bool,
}

/// The parts of an ICE candidate attribute that matter here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate<'a> {
    pub(crate) transport: &'a str,
    pub(crate) address: &'a str,
    pub(crate) port: u16,
    pub(crate) tcp_type: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    /// Reads `candidate:foundation component transport priority address port typ ...`.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let text = text.strip_prefix("a=").unwrap_or(text);
        let text = text.strip_prefix("candidate:").unwrap_or(text);
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [
            _foundation,
            component,
            transport,
            priority,
            address,
            port,
            typ,
            _kind,
            rest @ ..,
        ] = words.as_slice()
        else {
            return None;
        };
        component.parse::<u16>().ok()?;
        priority.parse::<u32>().ok()?;
        if *typ != "typ" {
            return None;
        }
        let tcp_type = rest
            .chunks_exact(2)
            .find(|pair| pair[0] == "tcptype")
            .map(|pair| pair[1]);
        Some(Self {
            transport,
            address,
            port: port.parse().ok()?,
            tcp_type,
        })
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.transport.eq_ignore_ascii_case("tcp")
    }

    /// Whether the driver can send to it: an IP address, over UDP, or over TCP when the peer
    /// listens there.
    pub(crate) fn is_usable(&self) -> bool {
        let reachable = self.address.parse::<std::net::IpAddr>().is_ok();
        let udp = self.transport.eq_ignore_ascii_case("udp");
        let tcp = self.is_tcp() && self.tcp_type == Some("passive");
        reachable && (udp || tcp)
    }
}

/// Whether every line has the form `x=...` and the first is `v=0`.
pub(crate) fn check_shape(text: &str) -> Result<(), SdpParseError> {
    let wrong = |line: &str, description: &str| SdpParseError {
        line: line.chars().take(MAX_QUOTED_LINE_CHARS).collect(),
        description: description.to_owned(),
    };
    let mut lines = text.lines().map(str::trim_end).filter(|line| !line.is_empty());
    match lines.next() {
        Some("v=0") => {}
        Some(line) => return Err(wrong(line, "expected v=0")),
        None => return Err(wrong("", "empty description")),
    }
    for line in lines {
        let bytes = line.as_bytes();
        if bytes.len() < 2 || !bytes[0].is_ascii_lowercase() || bytes[1] != b'=' {
            return Err(wrong(line, "expected a line of the form x=..."));
        }
    }
    Ok(())
}

/// How much of an offending line an error carries.
const MAX_QUOTED_LINE_CHARS: usize = 120;

/// The media sections of a description, in order. Sections without a mid are left out.
pub(crate) fn media_sections(text: &str) -> Vec<MediaSection> {
    split_sections(text)
        .1
        .into_iter()
        .filter_map(read_section)
        .collect()
}

/// Makes a remote description acceptable to `rtc`:
/// - a section that claims to send but names no media source would be refused as a whole
///   (LiveKit writes such sections for slots without a track): it sends nothing, so it says so;
/// - candidates that the driver cannot reach are left out;
/// - sections with Opus have RED too ([`red`]).
pub(crate) fn adapt_remote(text: &str) -> String {
    let (session, sections) = split_sections(text);
    let mut out = String::with_capacity(text.len());
    let keep = |line: &str| !is_unusable_candidate(line);
    for line in session.into_iter().filter(|line| keep(line)) {
        push_line(&mut out, line);
    }
    for lines in sections {
        let replacement = silent_direction(&lines);
        let red = red::Shown::of(&lines);
        for line in lines.into_iter().filter(|line| keep(line)) {
            match (replacement, &red) {
                (Some(direction), _) if Direction::parse(line).is_some() => {
                    push_line(&mut out, direction.attribute());
                }
                (_, Some(red)) => {
                    if let Some(line) = red.line(line) {
                        push_line(&mut out, &line);
                    }
                }
                _ => push_line(&mut out, line),
            }
        }
        if let Some(red) = red {
            red.finish(&mut out);
        }
    }
    out
}

/// Which sections somebody changed from `inactive` to `recvonly` between two versions of an offer.
pub(crate) fn revived_mids(original: &str, munged: &str) -> Vec<String> {
    let original = media_sections(original);
    media_sections(munged)
        .into_iter()
        .filter(|section| section.direction == Direction::RecvOnly)
        .filter(|section| {
            original
                .iter()
                .any(|before| before.mid == section.mid && before.direction == Direction::Inactive)
        })
        .map(|section| section.mid)
        .collect()
}

/// The ICE user fragment of a description, from its first section or from the session part.
pub(crate) fn ice_ufrag(text: &str) -> Option<&str> {
    text.lines()
        .find_map(|line| line.trim_end().strip_prefix("a=ice-ufrag:"))
}

/// The candidates that a description names.
pub(crate) fn candidates(text: &str) -> impl Iterator<Item = Candidate<'_>> {
    let values = text.lines().filter_map(|line| line.strip_prefix("a=candidate:"));
    values.filter_map(Candidate::parse)
}

fn is_unusable_candidate(line: &str) -> bool {
    line.strip_prefix("a=candidate:")
        .is_some_and(|value| !Candidate::parse(value).is_some_and(|it| it.is_usable()))
}

/// The direction that a section without media source should have had, if it claims to send.
fn silent_direction(lines: &[&str]) -> Option<Direction> {
    let section = read_section(lines.to_vec())?;
    let is_media = section.kind == "audio" || section.kind == "video";
    if !is_media || section.ssrc.is_some() || section.has_rid {
        return None;
    }
    match section.direction {
        Direction::SendOnly => Some(Direction::Inactive),
        Direction::SendRecv => Some(Direction::RecvOnly),
        Direction::RecvOnly | Direction::Inactive => None,
    }
}

/// The lines before the first `m=` line, and the lines of each section from its `m=` line on.
fn split_sections(text: &str) -> (Vec<&str>, Vec<Vec<&str>>) {
    let mut session = Vec::new();
    let mut sections: Vec<Vec<&str>> = Vec::new();
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        if line.starts_with("m=") {
            sections.push(vec![line]);
        } else if let Some(section) = sections.last_mut() {
            section.push(line);
        } else {
            session.push(line);
        }
    }
    (session, sections)
}

fn read_section(lines: Vec<&str>) -> Option<MediaSection> {
    let kind = lines.first()?.strip_prefix("m=")?.split(' ').next()?;
    let attribute = |name: &str| {
        lines
            .iter()
            .find_map(move |line| line.strip_prefix("a=")?.strip_prefix(name))
    };
    let mid = attribute("mid:")?;
    let direction = lines
        .iter()
        .find_map(|line| Direction::parse(line))
        .unwrap_or(Direction::SendRecv);
    let (stream_id, track_id) = read_msid(&lines);
    let opus = read_opus(&lines);
    Some(MediaSection {
        kind: kind.to_owned(),
        mid: mid.to_owned(),
        direction,
        stream_id,
        track_id,
        ssrc: attribute("ssrc:")
            .and_then(|value| value.split(' ').next())
            .and_then(|value| value.parse().ok()),
        red: opus
            .as_ref()
            .and_then(|opus| red::read(&lines, opus.payload_type)),
        opus,
        audio_level_id: lines.iter().find_map(|line| read_audio_level_id(line)),
        ice_ufrag: attribute("ice-ufrag:").map(str::to_owned),
        has_rid: attribute("rid:").is_some(),
    })
}

/// Stream and track of a section, from `a=msid` or from its older form on the `a=ssrc` lines.
fn read_msid(lines: &[&str]) -> (Option<String>, Option<String>) {
    let value = lines
        .iter()
        .find_map(|line| line.strip_prefix("a=msid:"))
        .or_else(|| {
            lines.iter().find_map(|line| {
                line.strip_prefix("a=ssrc:")?
                    .split_once(' ')?
                    .1
                    .strip_prefix("msid:")
            })
        });
    let mut words = value.unwrap_or_default().split_ascii_whitespace();
    let stream = words.next().filter(|id| *id != "-").map(str::to_owned);
    (stream, words.next().map(str::to_owned))
}

fn read_opus(lines: &[&str]) -> Option<OpusFormat> {
    let payload_type: u8 = lines.iter().find_map(|line| {
        let (number, codec) = line.strip_prefix("a=rtpmap:")?.split_once(' ')?;
        let is_opus = codec
            .get(..5)
            .is_some_and(|name| name.eq_ignore_ascii_case("opus/"));
        if is_opus { number.parse().ok() } else { None }
    })?;
    let mut format = OpusFormat {
        payload_type,
        ..OpusFormat::default()
    };
    let prefix = format!("a=fmtp:{payload_type} ");
    let parameters = lines.iter().find_map(|line| line.strip_prefix(prefix.as_str()));
    for parameter in parameters.unwrap_or_default().split(';') {
        match parameter.trim().split_once('=') {
            Some(("stereo", value)) => format.stereo = value == "1",
            Some(("usedtx", value)) => format.dtx = value == "1",
            Some(("useinbandfec", value)) => format.fec = value == "1",
            Some(("maxaveragebitrate", value)) => {
                format.max_average_bitrate_bps = value.parse().ok();
            }
            _ => {}
        }
    }
    Some(format)
}

fn read_audio_level_id(line: &str) -> Option<u8> {
    let (id, rest) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
    if rest.split(' ').next()? != AUDIO_LEVEL_URI {
        return None;
    }
    // The number may carry a direction: `3/recvonly`.
    id.split('/').next()?.parse().ok()
}

fn push_line(out: &mut String, line: &str) {
    out.push_str(line);
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = "v=0\r\n\
        o=- 1 1 IN IP4 0.0.0.0\r\n\
        s=-\r\n\
        t=0 0\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\n\
        a=ice-ufrag:abcd\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        a=fmtp:111 minptime=10; useinbandfec=1;usedtx=1;maxaveragebitrate=24000\r\n\
        a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n\
        a=msid:PA_speaker|TR_voice TR_voice\r\n\
        a=ssrc:4242 cname:PA_speaker\r\n\
        a=ssrc:4242 msid:PA_speaker|TR_voice TR_voice\r\n\
        a=sendonly\r\n\
        a=candidate:1 1 udp 2130706431 192.0.2.1 7881 typ host\r\n\
        a=candidate:2 1 tcp 1671430143 192.0.2.1 7881 typ host tcptype passive\r\n\
        a=candidate:3 1 tcp 1671430143 192.0.2.1 9 typ host tcptype active\r\n\
        a=candidate:4 1 udp 2130706431 0a1b.local 7881 typ host\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:1\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        a=msid:- TR_empty\r\n\
        a=sendonly\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:2\r\n\
        a=recvonly\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
        a=mid:3\r\n\
        a=sctp-port:5000\r\n";

    #[test]
    fn a_section_tells_its_track_and_source() {
        let sections = media_sections(ANSWER);
        assert_eq!(sections.len(), 4);
        let voice = &sections[0];
        assert_eq!((voice.kind.as_str(), voice.mid.as_str()), ("audio", "0"));
        assert_eq!(voice.stream_id.as_deref(), Some("PA_speaker|TR_voice"));
        assert_eq!(voice.track_id.as_deref(), Some("TR_voice"));
        assert_eq!(voice.ssrc, Some(4242));
        assert_eq!(voice.audio_level_id, Some(3));
        assert_eq!(
            voice.opus,
            Some(OpusFormat {
                payload_type: 111,
                stereo: false,
                dtx: true,
                fec: true,
                max_average_bitrate_bps: Some(24_000),
            })
        );
        assert_eq!(sections[1].stream_id, None, "a dash names no stream");
        assert_eq!(sections[2].direction, Direction::RecvOnly);
    }

    #[test]
    fn sections_that_claim_to_send_without_a_source_fall_silent() {
        let sections = media_sections(&adapt_remote(ANSWER));
        assert_eq!(sections[0].direction, Direction::SendOnly);
        assert_eq!(sections[1].direction, Direction::Inactive);
        assert_eq!(sections[2].direction, Direction::RecvOnly);
    }

    #[test]
    fn only_candidates_that_can_be_reached_stay() {
        let adapted = adapt_remote(ANSWER);
        let kept: Vec<&str> = adapted
            .lines()
            .filter(|line| line.starts_with("a=candidate:"))
            .collect();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert!(kept[1].ends_with("tcptype passive"));
    }

    #[test]
    fn revived_sections_are_found_by_their_mid() {
        let offer = "v=0\r\nm=audio 9 RTP 111\r\na=mid:a\r\na=inactive\r\n\
            m=audio 9 RTP 111\r\na=mid:b\r\na=inactive\r\n\
            m=audio 9 RTP 111\r\na=mid:c\r\na=sendonly\r\n";
        let munged = offer.replacen("a=inactive", "a=recvonly", 1);
        assert_eq!(revived_mids(offer, &munged), ["a"]);
        assert!(revived_mids(offer, offer).is_empty());
    }

    #[test]
    fn a_description_must_look_like_one() {
        assert!(check_shape(ANSWER).is_ok());
        assert!(check_shape("").is_err());
        assert!(check_shape("hello").is_err());
        assert!(check_shape("v=0\r\nnonsense\r\n").is_err());
    }

    #[test]
    fn a_candidate_gives_its_address() {
        let text = "candidate:1 1 UDP 2130706431 127.0.0.1 5000 typ host";
        let candidate = Candidate::parse(text).expect("well formed");
        assert_eq!((candidate.address, candidate.port), ("127.0.0.1", 5000));
        assert!(candidate.is_usable());
        assert_eq!(
            Candidate::parse("candidate:1 1 udp 5 127.0.0.1 99999 typ host"),
            None
        );
        assert_eq!(Candidate::parse("candidate:1 1 udp"), None);
    }

    /// Lines as a peer might write them, right and wrong.
    fn any_line() -> impl Strategy<Value = String> {
        prop_oneof![
            Just("v=0".to_owned()),
            Just("m=audio 9 UDP/TLS/RTP/SAVPF 111".to_owned()),
            Just("a=sendonly".to_owned()),
            "a=mid:[0-9a-z]{0,3}",
            "a=msid:.{0,20}",
            "a=ssrc:[0-9]{0,12} .{0,20}",
            "a=rtpmap:[0-9]{0,4} .{0,20}",
            "a=fmtp:[0-9]{0,4} .{0,20}",
            "a=extmap:.{0,40}",
            "a=candidate:.{0,60}",
            "\\PC{0,40}",
        ]
    }

    proptest! {
        #[test]
        fn no_text_makes_the_helpers_panic(
            lines in proptest::collection::vec(any_line(), 0..30),
            ending in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            let text = lines.join(ending);
            let _ = check_shape(&text);
            let _ = ice_ufrag(&text);
            let adapted = adapt_remote(&text);
            let _ = revived_mids(&text, &adapted);
            // What was made silent stays silent, and nothing else changes: once is enough.
            prop_assert_eq!(adapt_remote(&adapted), adapted);
        }

        #[test]
        fn no_text_is_a_candidate_that_panics(text in "\\PC{0,120}") {
            if let Some(candidate) = Candidate::parse(&text) {
                let _ = candidate.is_usable();
            }
        }
    }
}
