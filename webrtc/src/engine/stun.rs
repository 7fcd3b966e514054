//! The header of a STUN message (RFC 8489, section 5), for those who look at messages that the stack reads itself.

const HEADER_BYTES: usize = 20;
const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// The type of a connectivity check.
pub(super) const REQUEST: [u8; 2] = [0x00, 0x01];
/// The type of its answer.
pub(super) const SUCCESS: [u8; 2] = [0x01, 0x01];

pub(super) type TransactionId = [u8; 12];

/// The number of a STUN message of this type.
pub(super) fn transaction(data: &[u8], message_type: [u8; 2]) -> Option<TransactionId> {
    let header: &[u8; HEADER_BYTES] = data.first_chunk()?;
    (header[..2] == message_type && header[4..8] == MAGIC_COOKIE).then_some(())?;
    header[8..].try_into().ok()
}
