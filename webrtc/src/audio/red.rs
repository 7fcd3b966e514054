//! Redundant audio (RFC 2198): each packet carries the one before it once more, so that a packet lost alone is not missed.

use bytes::{BufMut, Bytes, BytesMut};

/// Blocks of a packet at most, the last one included. LiveKit sends three.
const MAX_BLOCKS: usize = 32;
const BLOCK_HEADER_BYTES: usize = 4;
const LAST_HEADER_BYTES: usize = 1;
/// The length of a block has ten bits.
const MAX_BLOCK_BYTES: usize = 1_023;
/// How far back a block lies has fourteen: 341 ms.
const MAX_OFFSET_RTP: u32 = 16_383;
/// What leaves room in 1,200 bytes for IPv6 and UDP (48), a relay's header (36), that of RTP with an extension (20) and the seal
/// of SRTP (16). With more, the copy is left out.
const MAX_PAYLOAD_BYTES: usize = 1_080;

/// Another header follows this one.
const FOLLOWED: u8 = 0x80;

/// The payload types of a section that has both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RedNumbers {
    pub red: u8,
    pub opus: u8,
}

/// Puts the frame before beside each frame.
#[derive(Debug)]
pub(crate) struct Packer {
    numbers: RedNumbers,
    /// The frame before with its timestamp.
    last: Option<(u32, Bytes)>,
}

impl Packer {
    pub(crate) fn new(numbers: RedNumbers) -> Self {
        Self { numbers, last: None }
    }

    pub(crate) fn numbers(&self) -> RedNumbers {
        self.numbers
    }

    /// What comes next does not follow what was sent.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// The payload of a packet with this frame; none when the frame is too long for it and goes as it is.
    pub(crate) fn pack(&mut self, timestamp: u32, frame: &Bytes) -> Option<Bytes> {
        if frame.len() > MAX_BLOCK_BYTES {
            // Nor may the one after it carry what came before: blocks are counted backwards.
            self.last = None;
            return None;
        }
        let before = self.last.replace((timestamp, frame.clone()));
        let copy = before.and_then(|(then, copy)| {
            let offset = timestamp.wrapping_sub(then);
            let bytes = BLOCK_HEADER_BYTES + copy.len() + LAST_HEADER_BYTES + frame.len();
            let fits = (1..=MAX_OFFSET_RTP).contains(&offset) && bytes <= MAX_PAYLOAD_BYTES;
            fits.then_some((offset, copy))
        });
        let copied = copy
            .as_ref()
            .map_or(0, |(_, copy)| BLOCK_HEADER_BYTES + copy.len());
        let mut payload = BytesMut::with_capacity(copied + LAST_HEADER_BYTES + frame.len());
        if let Some((offset, copy)) = &copy {
            payload.put_u8(FOLLOWED | self.numbers.opus);
            // Both fit: see above.
            let offset_and_length = offset << 10 | copy.len() as u32;
            payload.put_uint(u64::from(offset_and_length), 3);
        }
        payload.put_u8(self.numbers.opus);
        if let Some((_, copy)) = &copy {
            payload.put_slice(copy);
        }
        payload.put_slice(frame);
        Some(payload.freeze())
    }
}

/// A packet that has been read.
#[derive(Debug)]
pub(crate) struct Unpacked<'a> {
    payload: &'a Bytes,
    opus: u8,
    /// Where the copies begin, and where the frame of the packet itself does.
    data_at: usize,
    frame_at: usize,
}

/// What a packet says of an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Copy {
    /// By how many packets it was earlier, and by how much time.
    pub packets: u16,
    pub offset_rtp: u32,
    pub frame: Bytes,
}

/// A header before the last one.
struct BlockHeader {
    payload_type: u8,
    offset_rtp: u32,
    bytes: usize,
}

impl<'a> Unpacked<'a> {
    /// Reads a payload; none when it is not one, or when its own frame is not of this payload type.
    pub(crate) fn read(payload: &'a Bytes, opus: u8) -> Option<Self> {
        let mut copies_bytes = 0;
        let mut headers = 0;
        for header in block_headers(payload) {
            copies_bytes += header.bytes;
            headers += 1;
        }
        let last_at = headers * BLOCK_HEADER_BYTES;
        let last = *payload.get(last_at)?;
        let data_at = last_at + LAST_HEADER_BYTES;
        let frame_at = data_at + copies_bytes;
        // Where the last header found is still followed by one, that one is cut short, or there are too many.
        let whole = last == opus && headers < MAX_BLOCKS && frame_at < payload.len();
        whole.then_some(Self {
            payload,
            opus,
            data_at,
            frame_at,
        })
    }

    /// The frame that the packet was sent for.
    pub(crate) fn frame(&self) -> Bytes {
        self.payload.slice(self.frame_at..)
    }

    /// Frames of earlier packets, the oldest first.
    pub(crate) fn copies(&self) -> impl Iterator<Item = Copy> {
        let count = (self.data_at - LAST_HEADER_BYTES) / BLOCK_HEADER_BYTES;
        let mut at = self.data_at;
        block_headers(self.payload)
            .enumerate()
            .filter_map(move |(n, header)| {
                let from = at;
                at += header.bytes;
                let is_earlier = header.offset_rtp > 0 && header.payload_type == self.opus;
                (is_earlier && header.bytes > 0).then(|| Copy {
                    packets: (count - n) as u16,
                    offset_rtp: header.offset_rtp,
                    frame: self.payload.slice(from..at),
                })
            })
    }
}

/// The headers of a payload that are followed by another one.
fn block_headers(payload: &[u8]) -> impl Iterator<Item = BlockHeader> {
    let headers = payload.chunks_exact(BLOCK_HEADER_BYTES).take(MAX_BLOCKS);
    let followed = headers.take_while(|header| header[0] & FOLLOWED != 0);
    followed.map(|header| {
        let rest = u32::from_be_bytes([0, header[1], header[2], header[3]]);
        BlockHeader {
            payload_type: header[0] & !FOLLOWED,
            offset_rtp: rest >> 10,
            bytes: (rest & 0x3ff) as usize,
        }
    })
}

#[cfg(test)]
mod tests;
