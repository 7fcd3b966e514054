//! What can be read from an Opus packet without decoding it (RFC 6716, sections 3 and 4.2).

/// RFC 6716, section 3.1: no packet lasts longer than 120 ms.
const MAX_DURATION_RTP: i64 = 5_760;
/// A packet of at most this length says that the sender has gone quiet.
const DTX_PACKET_BYTES: usize = 2;

/// The packet's length in units of 1/48000 s; none when it cannot be an Opus packet.
pub(crate) fn duration_rtp(payload: &[u8]) -> Option<i64> {
    let toc = *payload.first()?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => i64::from(payload.get(1)? & 0x3f),
    };
    let duration = frames * frame_rtp(toc);
    (1..=MAX_DURATION_RTP).contains(&duration).then_some(duration)
}

/// Length of one frame, by the table of section 3.1.
fn frame_rtp(toc: u8) -> i64 {
    let config = toc >> 3;
    match config {
        0..=11 => [480, 960, 1_920, 2_880][usize::from(config & 3)],
        12..=15 => [480, 960][usize::from(config & 1)],
        _ => [120, 240, 480, 960][usize::from(config & 3)],
    }
}

pub(crate) fn is_dtx(payload: &[u8]) -> bool {
    payload.len() <= DTX_PACKET_BYTES
}

/// Whether the encoder put nothing into the packet: it has gone quiet, or the frame begins with fifteen ones,
/// which say that all of it is silence (section 4.3; only one without a speech layer can).
pub(crate) fn is_empty(payload: &[u8]) -> bool {
    let silence = |toc: &u8| toc >> 3 >= 16 && toc & 3 == 0;
    is_dtx(payload) || matches!(payload, [toc, 0xff, 0xfe..=0xff, ..] if silence(toc))
}

/// Whether a one-frame packet carries a coarse copy of the frame before it. In the modes with a speech
/// layer the first bits are one voice flag for each 20 ms, then this flag; being evenly likely they
/// stand in the first byte as they are.
pub(crate) fn has_error_correction(payload: &[u8]) -> bool {
    let [toc, first, ..] = payload else { return false };
    let speech_layer = toc >> 3 < 16;
    if !speech_layer || toc & 3 != 0 || is_dtx(payload) {
        return false;
    }
    let voice_flags = (frame_rtp(*toc) / 960).max(1);
    let mid = first & (0x80 >> voice_flags) != 0;
    let stereo = toc & 4 != 0;
    let side = stereo && first & (0x80 >> (2 * voice_flags + 1)) != 0;
    mid || side
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_follow_the_table() {
        assert_eq!(duration_rtp(&[]), None);
        assert_eq!(duration_rtp(&[0x78, 0]), Some(960), "hybrid, 20 ms");
        assert_eq!(duration_rtp(&[0x08]), Some(960), "narrow band speech, 20 ms");
        assert_eq!(duration_rtp(&[0x18]), Some(2_880), "narrow band speech, 60 ms");
        assert_eq!(duration_rtp(&[0xf9]), Some(1_920), "two frames of 20 ms");
        assert_eq!(duration_rtp(&[0xe0]), Some(120), "2.5 ms");
        assert_eq!(duration_rtp(&[0xfb]), None, "a frame count is missing");
        assert_eq!(duration_rtp(&[0xfb, 0]), None, "no frames");
        assert_eq!(duration_rtp(&[0xfb, 6]), Some(5_760));
        assert_eq!(duration_rtp(&[0xfb, 7]), None, "longer than a packet may be");
    }

    #[test]
    fn an_encoder_with_nothing_to_say_leaves_packets_empty() {
        assert!(is_empty(&[0x48]) && is_empty(&[0x78, 0]), "DTX");
        assert!(is_empty(&[0xf8, 0xff, 0xfe]) && is_empty(&[0xfc, 0xff, 0xff, 0, 0]));
        assert!(!is_empty(&[0xf8, 0xff, 0xfd]) && !is_empty(&[0xf8, 0x7f, 0xfe]));
        assert!(!is_empty(&[0x78, 0xff, 0xfe]), "it has a speech layer");
        assert!(
            !is_empty(&[0xf9, 0xff, 0xfe]),
            "two frames, and only one is silent"
        );
    }
}
