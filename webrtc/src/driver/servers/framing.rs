//! TURN over a byte stream (RFC 8656, section 12.5): STUN messages and channel data follow one
//! another, each of a length that its first four bytes tell.

use bytes::{Buf, BytesMut};

const STUN_HEADER_BYTES: usize = 20;
const CHANNEL_HEADER_BYTES: usize = 4;

/// The stream carries something else; nothing after it can be understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the server sent neither a STUN message nor channel data")]
pub(super) struct NotTurn;

/// Cuts a stream into messages. Holds at most one incomplete message, of at most 65,555 bytes, beside
/// what was put in at once.
#[derive(Debug, Default)]
pub(super) struct StreamDecoder {
    buffer: BytesMut,
}

impl StreamDecoder {
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is complete, without padding.
    pub(super) fn next_message(&mut self) -> Result<Option<BytesMut>, NotTurn> {
        let Some([first, second, high, low]) = self.buffer.first_chunk() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let channel = u16::from_be_bytes([*first, *second]);
        let (message, padded) = match channel >> 14 {
            0 => (STUN_HEADER_BYTES + length, STUN_HEADER_BYTES + length),
            1 => (
                CHANNEL_HEADER_BYTES + length,
                (CHANNEL_HEADER_BYTES + length).next_multiple_of(4),
            ),
            _ => return Err(NotTurn),
        };
        if self.buffer.len() < padded {
            return Ok(None);
        }
        let taken = self.buffer.split_to(message);
        self.buffer.advance(padded - message);
        Ok(Some(taken))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX_MESSAGE_BYTES: usize = 20 + u16::MAX as usize;

    fn binding(body: &[u8]) -> Vec<u8> {
        let mut message = vec![0, 1];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend([0; 16]);
        message.extend(body);
        message
    }

    fn channel_data(body: &[u8]) -> Vec<u8> {
        let mut message = vec![0x40, 2];
        message.extend((body.len() as u16).to_be_bytes());
        message.extend(body);
        message
    }

    #[test]
    fn a_foreign_stream_is_refused_at_once() {
        let mut decoder = StreamDecoder::default();
        decoder.extend(b"\xff\xffwhat is this");
        assert_eq!(decoder.next_message(), Err(NotTurn));
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_the_stream_is_cut(
            bodies in proptest::collection::vec((any::<bool>(), 0_usize..70), 1..10),
            cut in 1_usize..50,
        ) {
            let messages: Vec<Vec<u8>> = bodies
                .iter()
                .map(|(stun, length)| {
                    let body = vec![7; *length];
                    if *stun { binding(&body) } else { channel_data(&body) }
                })
                .collect();
            // Padding is counted from each message's own beginning.
            let stream: Vec<u8> = messages
                .iter()
                .flat_map(|message| {
                    let mut padded = message.clone();
                    if message[0] & 0x40 != 0 {
                        padded.resize(message.len().next_multiple_of(4), 0);
                    }
                    padded
                })
                .collect();
            let mut decoder = StreamDecoder::default();
            let mut taken = Vec::new();
            for piece in stream.chunks(cut) {
                decoder.extend(piece);
                while let Some(message) = decoder.next_message().expect("well formed") {
                    taken.push(message.to_vec());
                }
            }
            prop_assert_eq!(taken, messages);
            prop_assert!(decoder.buffer.is_empty());
        }

        #[test]
        fn no_bytes_make_it_panic_or_hoard(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3_000), 0..40),
        ) {
            let mut decoder = StreamDecoder::default();
            for piece in pieces {
                decoder.extend(&piece);
                loop {
                    match decoder.next_message() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(NotTurn) => return Ok(()),
                    }
                }
                prop_assert!(decoder.buffer.len() <= MAX_MESSAGE_BYTES + 3);
            }
        }
    }
}
