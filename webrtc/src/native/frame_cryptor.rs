//! End-to-end encryption: not supported yet, and never pretended.
//!
//! A key provider keeps keys. A frame cryptor that is switched on reports
//! [`EncryptionState::InternalError`], so that `livekit` tells the application; the media of the
//! track is left as it is. Data packets can be neither encrypted nor decrypted: both are errors.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use parking_lot::Mutex;
use thiserror::Error;

use crate::{
    native::packet_trailer::PacketTrailerHandler, peer_connection_factory::PeerConnectionFactory,
    rtp_receiver::RtpReceiver, rtp_sender::RtpSender,
};

/// Called with the participant when the state of a cryptor changes.
pub type OnStateChange = Box<dyn FnMut(String, EncryptionState) + Send + Sync>;

/// How keys are made from secrets.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
#[allow(clippy::upper_case_acronyms)]
pub enum KeyDerivationAlgorithm {
    /// PBKDF2.
    PBKDF2,
    /// HKDF.
    HKDF,
}

/// How keys are kept.
#[derive(Debug, Clone)]
pub struct KeyProviderOptions {
    /// Whether everybody uses one key.
    pub shared_key: bool,
    /// How far keys are ratcheted to find the right one.
    pub ratchet_window_size: i32,
    /// The salt of a ratchet step.
    pub ratchet_salt: Vec<u8>,
    /// How many failures are borne.
    pub failure_tolerance: i32,
    /// How many keys a participant has.
    pub key_ring_size: i32,
    /// How keys are made from secrets.
    pub key_derivation_algorithm: KeyDerivationAlgorithm,
}

/// The cipher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    /// AES in Galois/counter mode.
    AesGcm,
    /// AES in cipher block chaining mode.
    AesCbc,
}

/// What a cryptor is up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionState {
    /// Nothing yet.
    New,
    /// It works.
    Ok,
    /// A frame could not be encrypted.
    EncryptionFailed,
    /// A frame could not be decrypted.
    DecryptionFailed,
    /// There is no key.
    MissingKey,
    /// The key moved on.
    KeyRatcheted,
    /// Something else; here: not supported.
    InternalError,
}

/// An encrypted data packet.
#[derive(Debug, Clone)]
pub struct EncryptedPacket {
    /// The ciphertext.
    pub data: Vec<u8>,
    /// The initialisation vector.
    pub iv: Vec<u8>,
    /// Which key was used.
    pub key_index: u32,
}

/// End-to-end encryption was asked for.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("end-to-end encryption is not supported by this WebRTC backend")]
pub struct EncryptionUnsupported;

/// By participant and index.
type Keys = HashMap<(String, i32), Vec<u8>>;

/// Keys by participant and index. The empty participant holds the shared key.
#[derive(Clone)]
pub struct KeyProvider {
    keys: Arc<Mutex<Keys>>,
    key_ring_size: i32,
}

impl KeyProvider {
    /// An empty provider.
    pub fn new(options: KeyProviderOptions) -> Self {
        Self {
            keys: Arc::default(),
            key_ring_size: options.key_ring_size,
        }
    }

    /// Keeps the shared key; `false` when the index lies outside the ring.
    pub fn set_shared_key(&self, key_index: i32, key: Vec<u8>) -> bool {
        self.set_key(String::new(), key_index, key)
    }

    /// Always `None`: keys are not ratcheted.
    pub fn ratchet_shared_key(&self, _key_index: i32) -> Option<Vec<u8>> {
        None
    }

    /// The shared key.
    pub fn get_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        self.get_key(String::new(), key_index)
    }

    /// Keeps a participant's key; `false` when the index lies outside the ring.
    pub fn set_key(&self, participant_id: String, key_index: i32, key: Vec<u8>) -> bool {
        let fits = (0..self.key_ring_size).contains(&key_index);
        if fits {
            self.keys.lock().insert((participant_id, key_index), key);
        }
        fits
    }

    /// Always `None`: keys are not ratcheted.
    pub fn ratchet_key(&self, _participant_id: String, _key_index: i32) -> Option<Vec<u8>> {
        None
    }

    /// A participant's key.
    pub fn get_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        self.keys.lock().get(&(participant_id, key_index)).cloned()
    }

    /// Takes the marker of unencrypted frames, which are never looked for.
    pub fn set_sif_trailer(&self, _trailer: Vec<u8>) {}
}

/// A cryptor that says it cannot.
#[derive(Clone)]
pub struct FrameCryptor {
    inner: Arc<CryptorInner>,
}

struct CryptorInner {
    participant_id: String,
    enabled: AtomicBool,
    key_index: AtomicI32,
    on_state_change: Mutex<Option<OnStateChange>>,
}

impl FrameCryptor {
    fn new(participant_id: String) -> Self {
        Self {
            inner: Arc::new(CryptorInner {
                participant_id,
                enabled: AtomicBool::new(false),
                key_index: AtomicI32::new(0),
                on_state_change: Mutex::new(None),
            }),
        }
    }

    /// A cryptor for what is sent.
    pub fn new_for_rtp_sender(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        _algorithm: EncryptionAlgorithm,
        _key_provider: KeyProvider,
        _sender: RtpSender,
    ) -> Self {
        Self::new(participant_id)
    }

    /// A cryptor for what is received.
    pub fn new_for_rtp_receiver(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        _algorithm: EncryptionAlgorithm,
        _key_provider: KeyProvider,
        _receiver: RtpReceiver,
    ) -> Self {
        Self::new(participant_id)
    }

    /// Switches the cryptor. Switching it on is answered with an error state.
    pub fn set_enabled(&self, enabled: bool) {
        if !self.inner.enabled.swap(enabled, Ordering::Relaxed) && enabled {
            self.report_unsupported();
        }
    }

    /// Whether it was switched on.
    pub fn enabled(&self) -> bool {
        self.inner.enabled.load(Ordering::Relaxed)
    }

    /// Says which key would be used.
    pub fn set_key_index(&self, index: i32) {
        self.inner.key_index.store(index, Ordering::Relaxed);
    }

    /// Which key would be used.
    pub fn key_index(&self) -> i32 {
        self.inner.key_index.load(Ordering::Relaxed)
    }

    /// Whose media it is.
    pub fn participant_id(&self) -> String {
        self.inner.participant_id.clone()
    }

    /// Sets what is called when the state changes. It is called at once when the cryptor is on.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        *self.inner.on_state_change.lock() = handler;
        if self.enabled() {
            self.report_unsupported();
        }
    }

    /// Takes a handler for frame metadata, which has nothing to do.
    pub fn set_packet_trailer_handler(&self, _handler: &PacketTrailerHandler) {}

    fn report_unsupported(&self) {
        tracing::error!("{EncryptionUnsupported}; the track's media is not encrypted");
        if let Some(handler) = self.inner.on_state_change.lock().as_mut() {
            handler(self.participant_id(), EncryptionState::InternalError);
        }
    }
}

impl fmt::Debug for FrameCryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameCryptor")
            .field("enabled", &self.enabled())
            .finish()
    }
}

/// A cryptor for data packets that refuses every packet.
#[derive(Clone, Debug)]
pub struct DataPacketCryptor {}

impl DataPacketCryptor {
    /// A cryptor.
    pub fn new(_algorithm: EncryptionAlgorithm, _key_provider: KeyProvider) -> Self {
        Self {}
    }

    /// Always an error: sending in the clear what was to be encrypted would be worse.
    pub fn encrypt(
        &self,
        _participant_id: &str,
        _key_index: u32,
        _data: &[u8],
    ) -> Result<EncryptedPacket, Box<dyn std::error::Error>> {
        Err(Box::new(EncryptionUnsupported))
    }

    /// Always an error.
    pub fn decrypt(
        &self,
        _participant_id: &str,
        _encrypted_packet: &EncryptedPacket,
    ) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Err(Box::new(EncryptionUnsupported))
    }
}
