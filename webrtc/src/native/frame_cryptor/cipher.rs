//! What an encrypted frame looks like, and the cipher. Frames come from strangers: nothing here
//! believes a length.
//!
//! ```text
//! header (1 byte for Opus, in the clear) | ciphertext | tag (16) | IV (12) | IV length | key index
//! ```
//! The header is authenticated. LiveKit's server sends frames of its own to everybody, which nobody
//! encrypts: silence, with a trailer that it has told everybody who joined.

use aes_gcm::{
    Aes128Gcm, Nonce,
    aead::{AeadInOut, Error, KeyInit},
};

use super::derivation::KEY_BYTES;

pub(super) const IV_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// Opus' table of contents stays readable: servers look at it.
const HEADER_BYTES: usize = 1;
const TRAILER_BYTES: usize = 2;
/// The beginning of 20 ms of silence in Opus, after which LiveKit's server sends zeros only.
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];

/// AES-128-GCM with one key; wiped when it is dropped.
pub(super) struct Cipher(Aes128Gcm);

impl Cipher {
    pub(super) fn new(key: &[u8; KEY_BYTES]) -> Self {
        Self(Aes128Gcm::new(key.into()))
    }

    /// Encrypts what stands in `data` from `start` on, and appends the tag.
    pub(super) fn seal(
        &self,
        iv: &[u8; IV_BYTES],
        header: &[u8],
        data: &mut Vec<u8>,
        start: usize,
    ) -> Result<(), Error> {
        let nonce = Nonce::from(*iv);
        let tag = self
            .0
            .encrypt_inout_detached(&nonce, header, (&mut data[start..]).into())?;
        data.extend_from_slice(&tag);
        Ok(())
    }

    /// The text behind `header`, both in the clear; none if this is not the key, or something was changed.
    pub(super) fn open(&self, sealed: &Sealed<'_>) -> Option<Vec<u8>> {
        let text_bytes = sealed.text_and_tag.len().checked_sub(TAG_BYTES)?;
        let (text, tag) = sealed.text_and_tag.split_at(text_bytes);
        let tag: [u8; TAG_BYTES] = tag.try_into().ok()?;
        let mut plain = Vec::with_capacity(sealed.header.len() + text.len());
        plain.extend_from_slice(sealed.header);
        plain.extend_from_slice(text);
        let nonce = Nonce::from(*sealed.iv);
        let text = &mut plain[sealed.header.len()..];
        self.0
            .decrypt_inout_detached(&nonce, sealed.header, text.into(), &tag.into())
            .ok()?;
        Some(plain)
    }
}

/// The parts of something encrypted.
pub(super) struct Sealed<'a> {
    pub(super) header: &'a [u8],
    pub(super) text_and_tag: &'a [u8],
    pub(super) iv: &'a [u8; IV_BYTES],
}

/// What a received frame is.
pub(super) enum Received<'a> {
    /// From the server, in the clear: only silence is believed.
    Injected(&'a [u8]),
    Encrypted {
        sealed: Sealed<'a>,
        key_index: u8,
    },
    /// Neither.
    Malformed,
}

impl<'a> Received<'a> {
    /// Looks at a frame. `injected_trailer` is what the server's own frames end with; empty when it has
    /// told none.
    pub(super) fn read(frame: &'a [u8], injected_trailer: &[u8]) -> Self {
        if !injected_trailer.is_empty()
            && let Some(injected) = frame.strip_suffix(injected_trailer)
        {
            return match injected.strip_prefix(&SILENCE) {
                Some(rest) if rest.iter().all(|byte| *byte == 0) => Self::Injected(injected),
                _ => Self::Malformed,
            };
        }
        Self::encrypted(frame).unwrap_or(Self::Malformed)
    }

    fn encrypted(frame: &'a [u8]) -> Option<Self> {
        let (rest, [iv_bytes, key_index]) = frame.split_last_chunk::<TRAILER_BYTES>()?;
        if usize::from(*iv_bytes) != IV_BYTES {
            return None;
        }
        let (rest, iv) = rest.split_last_chunk::<IV_BYTES>()?;
        let (header, text_and_tag) = rest.split_at_checked(HEADER_BYTES)?;
        (text_and_tag.len() >= TAG_BYTES).then_some(Self::Encrypted {
            sealed: Sealed {
                header,
                text_and_tag,
                iv,
            },
            key_index: *key_index,
        })
    }
}

/// Encrypts an Opus frame, which is not empty.
pub(super) fn seal_frame(
    cipher: &Cipher,
    iv: &[u8; IV_BYTES],
    key_index: u8,
    frame: &[u8],
) -> Result<Vec<u8>, Error> {
    let (header, _) = frame.split_at_checked(HEADER_BYTES).ok_or(Error)?;
    let mut sealed = Vec::with_capacity(frame.len() + TAG_BYTES + IV_BYTES + TRAILER_BYTES);
    sealed.extend_from_slice(frame);
    cipher.seal(iv, header, &mut sealed, HEADER_BYTES)?;
    sealed.extend_from_slice(iv);
    sealed.extend_from_slice(&[IV_BYTES as u8, key_index]);
    Ok(sealed)
}

#[cfg(test)]
mod tests;
