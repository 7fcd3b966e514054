//! End-to-end encryption of media and of data packets, as LiveKit's clients do it.
//!
//! A [`KeyProvider`] keeps the keys. A [`FrameCryptor`] encrypts what one sender sends, or decrypts
//! what one receiver receives, and tells every change of its state: a wrong or missing key is never
//! just silence. Frames that cannot be encrypted are not sent, frames that cannot be decrypted are not
//! played. [`DataPacketCryptor`] does the same for packets of data channels.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use thiserror::Error;

use crate::{
    native::packet_trailer::PacketTrailerHandler, peer_connection_factory::PeerConnectionFactory,
    rtp_receiver::RtpReceiver, rtp_sender::RtpSender,
};

mod cipher;
mod derivation;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod keys;
mod media;
mod ring;

pub use keys::KeyProvider;
pub(crate) use media::MediaCryptor;

use cipher::IV_BYTES;
use keys::Opening;

/// Called with the participant when the state of a cryptor changes.
pub type OnStateChange = Box<dyn FnMut(String, EncryptionState) + Send + Sync>;

/// How keys are made from secrets.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::upper_case_acronyms)]
pub enum KeyDerivationAlgorithm {
    /// PBKDF2 with HMAC-SHA-256, 100,000 rounds: for passwords.
    PBKDF2,
    /// HKDF with SHA-256: for secrets that are random already.
    HKDF,
}

/// How keys are kept.
#[derive(Debug, Clone)]
pub struct KeyProviderOptions {
    /// Whether everybody uses one key.
    pub shared_key: bool,
    /// How many steps a key is ratcheted to find the one that fits, 256 at most.
    pub ratchet_window_size: i32,
    /// The salt of every derivation, that of the first key too.
    pub ratchet_salt: Vec<u8>,
    /// So many failures in a row are borne without a word; after the next one the participant's keys
    /// count as wrong and are not tried until there is a new one. Negative: keys are tried for ever,
    /// and the first failure is told.
    pub failure_tolerance: i32,
    /// How many keys a participant has, 1 to 256; 16 where it is less than 1. Indexes beyond it wrap.
    pub key_ring_size: i32,
    /// How keys are made from secrets.
    pub key_derivation_algorithm: KeyDerivationAlgorithm,
}

/// The cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// AES-128 in Galois/counter mode.
    AesGcm,
    /// AES in cipher block chaining mode, which no client of LiveKit's offers. Everything fails with it.
    AesCbc,
}

/// What a cryptor is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionState {
    /// Nothing yet.
    New,
    /// It works.
    Ok,
    /// A frame could not be encrypted; it was not sent.
    EncryptionFailed,
    /// A frame could not be decrypted: another key, or no encrypted frame at all.
    DecryptionFailed,
    /// There is no key.
    MissingKey,
    /// The key moved on, and so did ours.
    KeyRatcheted,
    /// The cipher is not supported.
    InternalError,
}

/// An encrypted data packet.
#[derive(Debug, Clone)]
pub struct EncryptedPacket {
    /// The ciphertext, with its tag of 16 bytes.
    pub data: Vec<u8>,
    /// The initialisation vector, 12 bytes.
    pub iv: Vec<u8>,
    /// Which key was used.
    pub key_index: u32,
}

/// Why a data packet could not be encrypted or decrypted.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DataCryptionError {
    /// There is no such key.
    #[error("participant {participant_id:?} has no key at index {key_index}")]
    MissingKey {
        /// Whose key.
        participant_id: String,
        /// Which key.
        key_index: u32,
    },
    /// The initialisation vector has another length.
    #[error("the packet's initialisation vector has {bytes} bytes, not 12")]
    Iv {
        /// How many.
        bytes: usize,
    },
    /// The packet was made with another key, or was changed on the way.
    #[error("the packet does not open with the key of participant {participant_id:?} at index {key_index}")]
    WrongKey {
        /// Whose key.
        participant_id: String,
        /// Which key.
        key_index: u32,
    },
    /// The cipher refuses: the packet is longer than 64 GiB.
    #[error("the packet cannot be encrypted")]
    Refused,
    /// Only AES-GCM.
    #[error("data packets are encrypted with AES-GCM only")]
    Unsupported,
}

/// Encrypts what a sender sends, or decrypts what a receiver receives. Clones are the same cryptor. It
/// stays in its place when the handle is dropped, until the sender has no track or the receiver another.
#[derive(Clone)]
pub struct FrameCryptor {
    media: Arc<MediaCryptor>,
}

impl FrameCryptor {
    /// A cryptor for what is sent; off until it is switched on.
    pub fn new_for_rtp_sender(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        algorithm: EncryptionAlgorithm,
        key_provider: KeyProvider,
        sender: RtpSender,
    ) -> Self {
        let media = Arc::new(MediaCryptor::new(participant_id, algorithm, key_provider));
        sender
            .connection
            .engine()
            .set_sender_cryptor(sender.index, media.clone());
        Self { media }
    }

    /// A cryptor for what is received; off until it is switched on.
    pub fn new_for_rtp_receiver(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        algorithm: EncryptionAlgorithm,
        key_provider: KeyProvider,
        receiver: RtpReceiver,
    ) -> Self {
        let media = Arc::new(MediaCryptor::new(participant_id, algorithm, key_provider));
        receiver
            .connection
            .engine()
            .set_receiver_cryptor(receiver.index, media.clone());
        Self { media }
    }

    /// Switches the cryptor. While it is off, media passes as it is.
    pub fn set_enabled(&self, enabled: bool) {
        self.media.enabled.store(enabled, Ordering::Relaxed);
    }

    /// Whether it is on.
    pub fn enabled(&self) -> bool {
        self.media.enabled.load(Ordering::Relaxed)
    }

    /// Says which key to send with, 0 to begin with. What is received says itself which it needs.
    pub fn set_key_index(&self, index: i32) {
        self.media.key_index.store(index, Ordering::Relaxed);
    }

    /// Which key is sent with.
    pub fn key_index(&self) -> i32 {
        self.media.key_index.load(Ordering::Relaxed)
    }

    /// Whose media it is.
    pub fn participant_id(&self) -> String {
        self.media.participant_id.clone()
    }

    /// Sets what is called when the state changes, in order, on the connection's task.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        self.media.on_state_change.set(handler);
    }

    /// Takes a handler for the metadata of video frames, which has nothing to do.
    pub fn set_packet_trailer_handler(&self, _handler: &PacketTrailerHandler) {}
}

impl fmt::Debug for FrameCryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCryptor")
            .field("participant_id", &self.media.participant_id)
            .field("enabled", &self.enabled())
            .finish()
    }
}

/// Encrypts and decrypts data packets. A call that meets a key that has been ratcheted, or a wrong one,
/// derives keys before it returns, which takes some hundredths of a second a step; each step is derived
/// once.
#[derive(Clone)]
pub struct DataPacketCryptor {
    algorithm: EncryptionAlgorithm,
    keys: KeyProvider,
}

impl DataPacketCryptor {
    /// A cryptor.
    pub fn new(algorithm: EncryptionAlgorithm, key_provider: KeyProvider) -> Self {
        Self {
            algorithm,
            keys: key_provider,
        }
    }

    /// Encrypts with a participant's key.
    ///
    /// # Errors
    /// [`DataCryptionError`]: there is no such key, or the cipher is not supported.
    pub fn encrypt(
        &self,
        participant_id: &str,
        key_index: u32,
        data: &[u8],
    ) -> Result<EncryptedPacket, Box<dyn std::error::Error>> {
        self.seal(participant_id, key_index, data).map_err(Into::into)
    }

    /// Decrypts with the participant's key that the packet names.
    ///
    /// # Errors
    /// [`DataCryptionError`]: there is no such key, or it is the wrong one.
    pub fn decrypt(
        &self,
        participant_id: &str,
        encrypted_packet: &EncryptedPacket,
    ) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        self.open(participant_id, encrypted_packet).map_err(Into::into)
    }

    fn seal(
        &self,
        participant_id: &str,
        key_index: u32,
        data: &[u8],
    ) -> Result<EncryptedPacket, DataCryptionError> {
        self.supported()?;
        let missing = || DataCryptionError::MissingKey {
            participant_id: participant_id.to_owned(),
            key_index,
        };
        let index = i32::try_from(key_index).map_err(|_| missing())?;
        let key = self.keys.key(participant_id, index).ok_or_else(missing)?;
        let iv: [u8; IV_BYTES] = rand::random();
        let mut data = data.to_vec();
        key.cipher()
            .seal(&iv, &[], &mut data, 0)
            .map_err(|_| DataCryptionError::Refused)?;
        Ok(EncryptedPacket {
            data,
            iv: iv.to_vec(),
            key_index,
        })
    }

    fn open(&self, participant_id: &str, packet: &EncryptedPacket) -> Result<Vec<u8>, DataCryptionError> {
        self.supported()?;
        let key_index = packet.key_index;
        let iv = packet
            .iv
            .as_slice()
            .try_into()
            .map_err(|_| DataCryptionError::Iv {
                bytes: packet.iv.len(),
            })?;
        let index = i32::try_from(key_index).unwrap_or(i32::MAX);
        match self.keys.open_packet(participant_id, index, iv, &packet.data) {
            Opening::Opened { plain, .. } => Ok(plain),
            Opening::NoKey => Err(DataCryptionError::MissingKey {
                participant_id: participant_id.to_owned(),
                key_index,
            }),
            Opening::Searching | Opening::Wrong { .. } => Err(DataCryptionError::WrongKey {
                participant_id: participant_id.to_owned(),
                key_index,
            }),
        }
    }

    fn supported(&self) -> Result<(), DataCryptionError> {
        match self.algorithm {
            EncryptionAlgorithm::AesGcm => Ok(()),
            EncryptionAlgorithm::AesCbc => Err(DataCryptionError::Unsupported),
        }
    }
}

impl fmt::Debug for DataPacketCryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataPacketCryptor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
