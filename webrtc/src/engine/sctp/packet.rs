//! SCTP packets (RFC 9260), taken apart as `rtc` takes them apart: what it would read otherwise than the lengths say, or
//! not at all, is no packet here.

/// Ports, verification tag and checksum.
pub(super) const HEADER_BYTES: usize = 12;
const CHUNK_HEADER_BYTES: usize = 4;

pub(super) const DATA: u8 = 0;
pub(super) const INIT: u8 = 1;
pub(super) const INIT_ACK: u8 = 2;
pub(super) const SACK: u8 = 3;
pub(super) const HEARTBEAT: u8 = 4;
pub(super) const ABORT: u8 = 6;
pub(super) const SHUTDOWN: u8 = 7;
pub(super) const SHUTDOWN_ACK: u8 = 8;
pub(super) const ERROR: u8 = 9;
pub(super) const COOKIE_ECHO: u8 = 10;
pub(super) const COOKIE_ACK: u8 = 11;
pub(super) const SHUTDOWN_COMPLETE: u8 = 14;
pub(super) const RECONFIG: u8 = 130;
pub(super) const FORWARD_TSN: u8 = 192;

/// A parameter of RECONFIG (RFC 6525): the sender resets streams.
pub(super) const OUTGOING_RESET: u16 = 13;
/// The answer to one.
pub(super) const RESET_RESPONSE: u16 = 16;
const HMAC_ALGORITHMS: u16 = 0x8004;
const FORWARD_TSN_SUPPORTED: u16 = 0xc000;

/// What stands before the parameters of INIT and INIT ACK.
const INIT_BYTES: usize = 16;
/// What stands before the gaps of SACK.
pub(super) const SACK_BYTES: usize = 12;
/// What stands before the user's bytes of DATA.
pub(super) const DATA_BYTES: usize = 12;

#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    pub(super) kind: u8,
    pub(super) value: &'a [u8],
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Its chunks, `None` in place of the first that `rtc` would not read as it stands there.
pub(super) fn chunks(packet: &[u8]) -> impl Iterator<Item = Option<Chunk<'_>>> {
    let mut rest = packet.get(HEADER_BYTES..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let chunk = chunk(rest);
        rest = chunk
            .and_then(|chunk| rest.get(CHUNK_HEADER_BYTES + chunk.value.len().next_multiple_of(4)..))
            .unwrap_or_default();
        Some(chunk)
    })
}

fn chunk(bytes: &[u8]) -> Option<Chunk<'_>> {
    let kind = *bytes.first()?;
    let value = bytes.get(CHUNK_HEADER_BYTES..usize::from(u16_at(bytes, 2)?))?;
    // `rtc` reads the value and goes on behind what it found in it, not behind what the header says.
    let read = read_by_rtc(kind, value)?;
    (read.next_multiple_of(4) == value.len().next_multiple_of(4)
        && bytes.len() >= CHUNK_HEADER_BYTES + value.len().next_multiple_of(4))
    .then_some(Chunk { kind, value })
}

/// How much of a chunk's value `rtc` finds in it; nothing where it refuses the packet or panics.
fn read_by_rtc(kind: u8, value: &[u8]) -> Option<usize> {
    let length = value.len();
    match kind {
        // Without a byte for the user it is an error (RFC 9260, section 6.2), and would cost no window.
        DATA => (length > DATA_BYTES).then_some(length),
        INIT | INIT_ACK => init(value),
        SACK => {
            let gaps = usize::from(u16_at(value, 8)?);
            let duplicates = usize::from(u16_at(value, 10)?);
            Some(SACK_BYTES + 4 * (gaps + duplicates))
        }
        HEARTBEAT => parameter(value).map(|(_, found)| found.len()),
        ABORT | ERROR => causes(value),
        SHUTDOWN => (length == 4).then_some(4),
        SHUTDOWN_ACK | COOKIE_ACK | SHUTDOWN_COMPLETE => Some(0),
        COOKIE_ECHO => Some(length),
        RECONFIG => parameters(value)
            .map(|(kind, found)| match kind {
                OUTGOING_RESET => Some(found.len().next_multiple_of(4)),
                RESET_RESPONSE => (found.len() == 12).then_some(12),
                _ => None,
            })
            .sum(),
        FORWARD_TSN => (length >= 4 && length.is_multiple_of(4)).then_some(length),
        _ => None,
    }
}

/// The parameter at the beginning, with its header.
fn parameter(bytes: &[u8]) -> Option<(u16, &[u8])> {
    let kind = u16_at(bytes, 0)?;
    let found = bytes.get(..usize::from(u16_at(bytes, 2)?))?;
    (found.len() >= 4).then_some((kind, found))
}

/// The parameters of a RECONFIG: `rtc` reads two.
pub(super) fn parameters(mut value: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let (kind, found) = parameter(value)?;
        value = value.get(found.len().next_multiple_of(4)..).unwrap_or_default();
        Some((kind, found))
    })
    .take(2)
}

fn init(value: &[u8]) -> Option<usize> {
    let mut at = INIT_BYTES;
    let mut end = at;
    if value.len() < at {
        return None;
    }
    // The last four bytes, an empty parameter, are not looked at.
    while value.len() > at + 4 {
        let (kind, found) = parameter(value.get(at..)?)?;
        // Of these it takes another length than they say.
        let as_it_says = match kind {
            FORWARD_TSN_SUPPORTED => found.len() == 4,
            HMAC_ALGORITHMS => found.len().is_multiple_of(2),
            _ => true,
        };
        if !as_it_says {
            return None;
        }
        end = at + found.len();
        at = end.next_multiple_of(4);
    }
    Some(end)
}

/// `rtc` 0.21.1 panics on a cause that is longer than what is there, and knows no padding between causes.
fn causes(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at + 4 <= value.len() {
        at += parameter(value.get(at..)?)?.1.len();
    }
    Some(at)
}
