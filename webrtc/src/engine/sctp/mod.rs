//! What of a peer's SCTP reaches `rtc`, whose association trusts its peer: a few bytes make version 0.21.1 count through
//! two billion numbers, and there are several ways to make it keep what comes for ever. [`Guard`] sees each packet
//! between DTLS and SCTP, both ways (see [`super::crypto`]), and drops what no honest peer sends: for SCTP it is lost.
//!
//! It keeps a ledger, not an association: what was let through since the association's own acknowledgements said for the
//! last time that nothing is waiting to be put together.

use std::collections::HashSet;

use packet::{
    Chunk, DATA, DATA_BYTES, FORWARD_TSN, HEADER_BYTES, HEARTBEAT, INIT, INIT_ACK, RECONFIG, SACK,
    SACK_BYTES, chunks, u16_at, u32_at,
};
use streams::Streams;

mod packet;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod receiver;
mod streams;
#[cfg(test)]
mod tests;

/// How far ahead of what is acknowledged a TSN may be. A hostile FORWARD TSN makes `rtc` count up to it.
const MAX_AHEAD: u32 = 4_096;
/// Chunks of DATA that may wait to be put together. Beyond it only what fills gaps is let through.
const MAX_WAITING_CHUNKS: usize = 4_096;
/// Beyond so many nothing is let through.
const HARD_WAITING_CHUNKS: usize = 3 * MAX_WAITING_CHUNKS;
/// A packet's length: a byte of it that waits keeps all of it. Nobody sends longer ones than the paths of the internet
/// carry.
const MAX_PACKET_BYTES: usize = 2_048;
/// A message that has begun may go on beyond the limits for so many TSNs: a longest one takes 60.
const MESSAGE_TSNS: u32 = 256;
/// Times that an association may be opened: each INIT makes `rtc` a new one.
const MAX_OPENINGS: usize = 16;
/// Chunks in a packet of which each is answered by a packet.
const MAX_ANSWERED_CHUNKS: usize = 8;
/// Streams that the FORWARD TSNs of a packet name; each is looked for among all that waits.
const MAX_FORWARDED_STREAMS: usize = 128;
/// TSNs that the gaps of a packet's SACKs cover.
const MAX_GAP_TSNS: usize = 65_536;
/// Which rule a packet broke.
pub(crate) type Refusal = &'static str;

/// One connection's.
#[derive(Default)]
pub(crate) struct Guard {
    /// Tags that packets to us carry.
    our_tags: HashSet<u32>,
    /// That of the association which is used: the first that was sent more than INIT.
    tag: Option<u32>,
    /// We are the side that opens.
    opens: bool,
    /// Tag and first TSN of the peer.
    opening: Option<(u32, u32)>,
    openings: usize,
    /// The last TSN in order, as acknowledged.
    acknowledged: u32,
    /// The highest TSN that was let through.
    highest: u32,
    /// Which of the TSNs behind `acknowledged` were let through since nothing waited, a bit each, by TSN modulo
    /// [`MAX_AHEAD`].
    passed: Vec<u64>,
    /// The receive window when nothing waits, bytes.
    whole_window: u32,
    waiting_chunks: usize,
    /// The fewest bytes for the user in one of them.
    smallest: Option<usize>,
    streams: Streams,
}

/// What is counted for each packet.
#[derive(Default)]
struct Counts {
    answered: usize,
    forwarded: usize,
    gap_tsns: usize,
}

/// How far `tsn` is ahead of `of`; `None` if it is not (RFC 1982).
fn ahead(tsn: u32, of: u32) -> Option<u32> {
    let difference = tsn.wrapping_sub(of);
    (1..1 << 31).contains(&difference).then_some(difference)
}

impl Guard {
    /// A packet of the peer: whether the association may have it.
    pub(crate) fn received(&mut self, packet: &[u8]) -> Result<(), Refusal> {
        let tag = u32_at(packet, 4).ok_or("no packet")?;
        if packet.len() > MAX_PACKET_BYTES {
            return Err("too long");
        }
        if packet.len() <= HEADER_BYTES || chunks(packet).any(|chunk| chunk.is_none()) {
            return Err("not to be read");
        }
        let mut counts = Counts::default();
        for chunk in chunks(packet).flatten() {
            match chunk.kind {
                INIT | INIT_ACK => self.opened(chunk, packet.len())?,
                _ => self.is_used(tag)?,
            }
            match chunk.kind {
                DATA => self.data(chunk)?,
                FORWARD_TSN => self.forward_tsn(chunk, &mut counts)?,
                SACK => gaps(chunk, &mut counts)?,
                RECONFIG => self.streams.received(chunk.value, self.acknowledged)?,
                _ => {}
            }
            if matches!(
                chunk.kind,
                HEARTBEAT | packet::COOKIE_ECHO | FORWARD_TSN | RECONFIG
            ) {
                counts.answered += 1;
            }
            if counts.answered > MAX_ANSWERED_CHUNKS {
                return Err("too much to answer");
            }
        }
        Ok(())
    }

    /// A packet of the association: what it says of its state.
    pub(crate) fn sent(&mut self, packet: &[u8]) {
        for Chunk { kind, value } in chunks(packet).map_while(|chunk| chunk) {
            match kind {
                INIT | INIT_ACK => {
                    // Whose INIT came before is answered with INIT ACK all the same (RFC 9260, section 5.2.1).
                    if kind == INIT && !std::mem::replace(&mut self.opens, true) {
                        (self.opening, self.openings) = (None, 0);
                    }
                    self.our_tags.extend(u32_at(value, 0));
                    self.whole_window = u32_at(value, 4).unwrap_or(0);
                }
                SACK => self.acknowledge(value),
                RECONFIG => self.streams.sent(value),
                _ => {}
            }
        }
    }

    /// INIT or INIT ACK.
    fn opened(&mut self, chunk: Chunk<'_>, packet_bytes: usize) -> Result<(), Refusal> {
        let (Some(tag), Some(first)) = (u32_at(chunk.value, 0), u32_at(chunk.value, 12)) else {
            return Err("not to be read");
        };
        let alone = packet_bytes == HEADER_BYTES + 4 + chunk.value.len().next_multiple_of(4);
        let expected = (chunk.kind == INIT_ACK) == self.opens && self.tag.is_none();
        if !alone || !expected || self.openings >= MAX_OPENINGS {
            return Err("opened anew");
        }
        self.openings += 1;
        // The association takes its first TSN from the last it gets: they have to be the same.
        if *self.opening.get_or_insert((tag, first)) != (tag, first) {
            return Err("opened otherwise");
        }
        self.acknowledged = first.wrapping_sub(1);
        self.highest = self.acknowledged;
        Ok(())
    }

    /// Any other chunk: of one association, however many were opened.
    fn is_used(&mut self, tag: u32) -> Result<(), Refusal> {
        if self.opening.is_none() || !self.our_tags.contains(&tag) {
            return Err("not opened");
        }
        if *self.tag.get_or_insert(tag) != tag {
            return Err("another association");
        }
        Ok(())
    }

    fn data(&mut self, chunk: Chunk<'_>) -> Result<(), Refusal> {
        let (Some(tsn), Some(stream)) = (u32_at(chunk.value, 0), u16_at(chunk.value, 4)) else {
            return Err("not to be read");
        };
        let Some(distance) = ahead(tsn, self.acknowledged) else {
            // Twice; the association takes no notice but answers.
            return Ok(());
        };
        if distance >= MAX_AHEAD {
            return Err("a TSN far ahead");
        }
        if !self.streams.may_be_used(stream) {
            return Err("too many streams");
        }
        let (word, bit) = place(tsn);
        if self.passed.get(word).is_none_or(|bits| bits & bit == 0) {
            // Who has sent so much has it repaired and then goes on: nothing of an honest peer is refused for good.
            let repairs = ahead(tsn, self.highest).is_none() || distance <= MESSAGE_TSNS;
            let limit = if repairs {
                HARD_WAITING_CHUNKS
            } else {
                MAX_WAITING_CHUNKS
            };
            if self.waiting_chunks >= limit {
                return Err("too much is waiting");
            }
            self.passed.resize(MAX_AHEAD as usize / 64, 0);
            self.passed[word] |= bit;
            self.waiting_chunks += 1;
            let bytes = chunk.value.len().saturating_sub(DATA_BYTES);
            self.smallest = Some(self.smallest.map_or(bytes, |smallest| smallest.min(bytes)));
        }
        self.raise(tsn);
        self.streams.used(stream);
        Ok(())
    }

    fn forward_tsn(&mut self, chunk: Chunk<'_>, counts: &mut Counts) -> Result<(), Refusal> {
        let to = u32_at(chunk.value, 0).ok_or("not to be read")?;
        if ahead(to, self.acknowledged).is_some_and(|distance| distance >= MAX_AHEAD) {
            return Err("a TSN far ahead");
        }
        counts.forwarded += chunk.value.len() / 4 - 1;
        if counts.forwarded > MAX_FORWARDED_STREAMS {
            return Err("too many streams forwarded");
        }
        self.raise(to);
        Ok(())
    }

    fn raise(&mut self, tsn: u32) {
        if ahead(tsn, self.highest).is_some() {
            self.highest = tsn;
        }
    }

    /// A SACK of ours.
    fn acknowledge(&mut self, value: &[u8]) {
        let (Some(tsn), Some(window)) = (u32_at(value, 0), u32_at(value, 4)) else {
            return;
        };
        if let Some(distance) = ahead(tsn, self.acknowledged) {
            for step in 1..=distance.min(MAX_AHEAD) {
                let (word, bit) = place(self.acknowledged.wrapping_add(step));
                if let Some(bits) = self.passed.get_mut(word) {
                    *bits &= !bit;
                }
            }
            self.acknowledged = tsn;
            self.raise(tsn);
        }
        let waiting = self.whole_window.saturating_sub(window) as usize;
        // What waits takes room in the window, so many chunks can it be; where no room is left, it may be more.
        if window > 0 {
            let smallest = self.smallest.unwrap_or(1).max(1);
            self.waiting_chunks = self.waiting_chunks.min(waiting / smallest);
        }
        if waiting == 0 {
            self.passed.fill(0);
            self.smallest = None;
        }
    }
}

/// Where a TSN stands among [`Guard::passed`].
fn place(tsn: u32) -> (usize, u64) {
    let at = tsn % MAX_AHEAD;
    (at as usize / 64, 1 << (at % 64))
}

fn gaps(chunk: Chunk<'_>, counts: &mut Counts) -> Result<(), Refusal> {
    let blocks = usize::from(u16_at(chunk.value, 8).unwrap_or(0));
    for block in chunk
        .value
        .get(SACK_BYTES..)
        .unwrap_or_default()
        .chunks_exact(4)
        .take(blocks)
    {
        let [start, end] = [0, 2].map(|at| usize::from(u16::from_be_bytes([block[at], block[at + 1]])));
        counts.gap_tsns += (end + 1).saturating_sub(start);
    }
    if counts.gap_tsns > MAX_GAP_TSNS {
        return Err("gaps without end");
    }
    Ok(())
}
