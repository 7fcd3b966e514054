//! Source descriptions (RFC 3550, section 6.5) with items that `rtc` does not know.
//!
//! LiveKit sends the section's mid as item 15 with each sender report. `rtc` 0.21.1 takes an unknown
//! item for the end of the list and then drops the whole compound packet, the report in it included.
//! An unknown item is renamed to a note: it keeps its length, and nobody here reads notes.

const VERSION_2: u8 = 0x80;
const VERSION_MASK: u8 = 0xc0;
const SOURCE_DESCRIPTION: u8 = 202;
/// Items up to this one are known (PRIV).
const LAST_KNOWN_ITEM: u8 = 8;
const NOTE_ITEM: u8 = 7;

/// Length of what stays unencrypted at the beginning of an SRTCP packet.
pub(crate) const CLEAR_BYTES: usize = 8;

/// A compound RTCP packet whose first [`CLEAR_BYTES`] lie elsewhere.
struct Compound<'a> {
    clear: &'a [u8; CLEAR_BYTES],
    rest: &'a mut [u8],
}

impl Compound<'_> {
    fn get(&self, at: usize) -> Option<u8> {
        match at.checked_sub(CLEAR_BYTES) {
            None => self.clear.get(at).copied(),
            Some(at) => self.rest.get(at).copied(),
        }
    }

    fn set(&mut self, at: usize, value: u8) {
        if let Some(byte) = at.checked_sub(CLEAR_BYTES).and_then(|at| self.rest.get_mut(at)) {
            *byte = value;
        }
    }

    fn len(&self) -> usize {
        CLEAR_BYTES + self.rest.len()
    }
}

/// Renames unknown items. Stops at the first thing that does not fit: `rtc` will refuse it anyway.
pub(crate) fn rename_unknown_items(clear: &[u8; CLEAR_BYTES], rest: &mut [u8]) {
    let mut compound = Compound { clear, rest };
    let mut at = 0;
    while let Some(next) = rename_in_packet(&mut compound, at) {
        at = next;
    }
}

/// Handles the packet at `at` and says where the next one begins.
fn rename_in_packet(compound: &mut Compound<'_>, at: usize) -> Option<usize> {
    let first = compound.get(at)?;
    if first & VERSION_MASK != VERSION_2 {
        return None;
    }
    let kind = compound.get(at + 1)?;
    let words = u16::from_be_bytes([compound.get(at + 2)?, compound.get(at + 3)?]);
    let end = at + (usize::from(words) + 1) * 4;
    if end > compound.len() {
        return None;
    }
    if kind == SOURCE_DESCRIPTION {
        let mut chunk = at + 4;
        for _ in 0..first & 0x1f {
            chunk = rename_in_chunk(compound, chunk, end)?;
        }
    }
    Some(end)
}

/// Handles the chunk at `at` and says where the next one begins: at a multiple of four.
fn rename_in_chunk(compound: &mut Compound<'_>, at: usize, end: usize) -> Option<usize> {
    let mut item = at + 4;
    loop {
        if item >= end {
            return None;
        }
        match compound.get(item)? {
            0 => return Some((item / 4 + 1) * 4),
            kind if kind > LAST_KNOWN_ITEM => compound.set(item, NOTE_ITEM),
            _ => {}
        }
        item += 2 + usize::from(compound.get(item + 1)?);
    }
}

#[cfg(test)]
pub(in crate::engine) mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtcp;

    use super::*;

    /// A sender report with a description as LiveKit writes it: a name, and the mid as item 15.
    pub(in crate::engine) fn report_of_livekit() -> Vec<u8> {
        let mut packet = vec![0x80, 200, 0, 6];
        packet.extend(4_242_u32.to_be_bytes());
        packet.extend(0x0123_4567_89ab_cdef_u64.to_be_bytes());
        packet.extend([0; 12]);
        packet.extend([0x81, 202, 0, 4]);
        packet.extend(4_242_u32.to_be_bytes());
        packet.extend([1, 4, b'n', b'a', b'm', b'e', 15, 1, b'3', 0, 0, 0]);
        packet
    }

    fn renamed(mut packet: Vec<u8>) -> Vec<u8> {
        let (clear, rest) = packet.split_first_chunk_mut().expect("a header");
        rename_unknown_items(clear, rest);
        packet
    }

    fn read(packet: Vec<u8>) -> Result<Vec<Box<dyn rtcp::Packet>>, rtc::shared::error::Error> {
        rtcp::packet::unmarshal(&mut Bytes::from(packet))
    }

    #[test]
    fn a_report_of_livekit_can_be_read() {
        assert!(
            read(report_of_livekit()).is_err(),
            "a release that reads it makes this module unnecessary"
        );
        let packets = read(renamed(report_of_livekit())).expect("a readable report");
        assert_eq!(packets.len(), 2);
        let report = packets[0]
            .as_any()
            .downcast_ref::<rtcp::sender_report::SenderReport>();
        assert_eq!(
            report.map(|it| (it.ssrc, it.ntp_time)),
            Some((4_242, 0x0123_4567_89ab_cdef))
        );
    }

    #[test]
    fn known_items_and_other_packets_stay_as_they_are() {
        let mut known = report_of_livekit();
        known[28 + 14] = 8;
        assert_eq!(renamed(known.clone()), known);
        let changed: Vec<usize> = renamed(report_of_livekit())
            .iter()
            .zip(report_of_livekit())
            .enumerate()
            .filter(|(_, (new, old))| **new != *old)
            .map(|(at, _)| at)
            .collect();
        assert_eq!(changed, [28 + 14], "the item's number and nothing else");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(packet in proptest::collection::vec(any::<u8>(), CLEAR_BYTES..200)) {
            let once = renamed(packet);
            prop_assert_eq!(renamed(once.clone()), once);
        }

        #[test]
        fn no_broken_report_makes_it_panic(
            at in 0_usize..48,
            value in any::<u8>(),
            length in CLEAR_BYTES..48,
        ) {
            let mut packet = report_of_livekit();
            packet[at.min(47)] = value;
            packet.truncate(length);
            let once = renamed(packet);
            prop_assert_eq!(renamed(once.clone()), once);
        }
    }
}
