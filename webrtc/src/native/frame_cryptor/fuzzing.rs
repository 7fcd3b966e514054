//! What a hostile participant, or a server in between, might send where everything is encrypted.

use std::sync::{OnceLock, atomic::Ordering};

use bytes::Bytes;

use super::{
    DataPacketCryptor, EncryptedPacket, EncryptionAlgorithm, KeyDerivationAlgorithm, KeyProvider,
    KeyProviderOptions, MediaCryptor, cipher::IV_BYTES,
};

const SOMEBODY: &str = "somebody";
const TRAILER: &[u8] = b"from the server";

fn keys() -> KeyProvider {
    static KEYS: OnceLock<KeyProvider> = OnceLock::new();
    let make = || {
        let keys = KeyProvider::new(KeyProviderOptions {
            shared_key: true,
            ratchet_window_size: 2,
            ratchet_salt: b"salt".to_vec(),
            failure_tolerance: -1,
            key_ring_size: 16,
            key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
        });
        keys.set_shared_key(0, b"secret".to_vec());
        keys.set_sif_trailer(TRAILER.to_vec());
        keys
    };
    KEYS.get_or_init(make).clone()
}

/// Switched on, with the one key that everybody has here.
pub(crate) fn cryptor() -> MediaCryptor {
    let cryptor = MediaCryptor::new(SOMEBODY.to_owned(), EncryptionAlgorithm::AesGcm, keys());
    cryptor.enabled.store(true, Ordering::Relaxed);
    cryptor
}

/// A frame and a data packet of somebody without the key: neither opens. The same bytes encrypted with
/// the key: they open, and no longer where the first two bytes say that a bit is changed.
pub fn encrypted(data: &[u8]) {
    let cryptor = cryptor();
    let opened = cryptor.decrypt(Bytes::copy_from_slice(data)).frame;
    assert!(
        data.is_empty() || opened.is_none() || data.ends_with(TRAILER),
        "a frame opens without the key"
    );
    let packets = DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, keys());
    let (iv, sealed) = data.split_at(data.len().min(IV_BYTES));
    let packet = EncryptedPacket {
        data: sealed.to_vec(),
        iv: iv.to_vec(),
        key_index: data.first().copied().map_or(0, u32::from),
    };
    assert!(
        packets.open(SOMEBODY, &packet).is_err(),
        "a packet opens without the key"
    );

    let [at, bit, plain @ ..] = data else { return };
    let change = |bytes: &mut [u8]| {
        let place = usize::from(*at) % bytes.len();
        bytes[place] ^= 1 << (bit & 7);
    };
    let mut packet = packets.seal(SOMEBODY, 0, plain).expect("there is a key");
    let opened = packets.open(SOMEBODY, &packet);
    assert_eq!(opened.as_deref(), Ok(plain));
    change(&mut packet.data);
    assert!(packets.open(SOMEBODY, &packet).is_err(), "a changed packet opens");
    let sealed = cryptor.encrypt(1, 2, Bytes::copy_from_slice(plain)).frame;
    let sealed = sealed.expect("there is a key");
    let opened = cryptor.decrypt(sealed.clone()).frame;
    assert_eq!(opened.as_deref(), Some(plain));
    if plain.is_empty() {
        return;
    }
    let mut changed = sealed.to_vec();
    change(&mut changed);
    assert!(
        cryptor.decrypt(changed.into()).frame.is_none(),
        "a changed frame opens"
    );
}
