//! From secret to key, and from a secret to the next one, as LiveKit's clients derive them.

use hkdf::Hkdf;
use pbkdf2::{pbkdf2_hmac, sha2::Sha256};
use zeroize::Zeroizing;

use super::KeyDerivationAlgorithm;

/// AES-128.
pub(super) const KEY_BYTES: usize = 16;
/// A ratcheted secret's length.
const SECRET_BYTES: usize = 32;
const PBKDF2_ROUNDS: u32 = 100_000;
/// What HKDF is told about the purpose: nothing, at this length.
const HKDF_INFO: [u8; 128] = [0; 128];

/// A secret that keys come from; wiped when it is dropped.
pub(super) type Secret = Zeroizing<Vec<u8>>;

/// How a provider derives.
#[derive(Clone)]
pub(super) struct Derivation {
    pub(super) algorithm: KeyDerivationAlgorithm,
    pub(super) salt: Vec<u8>,
}

impl Derivation {
    /// The key of a secret, and the secret after it. The key is the beginning of that secret: both come
    /// from one derivation, of which the key takes less. So it is defined, and spares every second one.
    pub(super) fn key_and_next(&self, secret: &Secret) -> (Zeroizing<[u8; KEY_BYTES]>, Secret) {
        let mut next = Zeroizing::new(vec![0; SECRET_BYTES]);
        self.derive(secret, next.as_mut());
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        key.copy_from_slice(&next[..KEY_BYTES]);
        (key, next)
    }

    fn derive(&self, secret: &Secret, out: &mut [u8]) {
        match self.algorithm {
            KeyDerivationAlgorithm::PBKDF2 => {
                pbkdf2_hmac::<Sha256>(secret, &self.salt, PBKDF2_ROUNDS, out);
            }
            KeyDerivationAlgorithm::HKDF => {
                // Refused for more than 8,160 bytes only (RFC 5869).
                let _ = Hkdf::<Sha256>::new(Some(&self.salt), secret).expand(&HKDF_INFO, out);
            }
        }
    }
}
