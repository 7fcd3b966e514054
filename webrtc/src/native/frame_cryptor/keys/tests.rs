//! Who has which key.

use super::*;
use crate::native::frame_cryptor::KeyDerivationAlgorithm;

fn options() -> KeyProviderOptions {
    KeyProviderOptions {
        shared_key: false,
        ratchet_window_size: 0,
        ratchet_salt: b"LKFrameEncryptionKey".to_vec(),
        failure_tolerance: -1,
        key_ring_size: 4,
        key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
    }
}

fn alice() -> String {
    "alice".to_owned()
}

#[test]
fn keys_are_each_participants_own() {
    let keys = KeyProvider::new(options());
    assert!(keys.set_key(alice(), 1, b"one".to_vec()));
    assert_eq!(keys.get_key(alice(), 1).unwrap(), b"one");
    assert!(keys.get_key(alice(), 0).is_none() && keys.get_key("bob".into(), 1).is_none());
    assert!(keys.key("bob", 1).is_none() && keys.key("alice", 1).is_some());
    assert!(!keys.set_shared_key(0, b"x".to_vec()), "not for a shared key");
    assert!(keys.get_shared_key(0).is_none() && keys.ratchet_shared_key(0).is_none());
}

#[test]
fn indexes_wrap_and_below_zero_is_the_last_one_set() {
    let keys = KeyProvider::new(options());
    keys.set_key(alice(), 6, b"six".to_vec());
    assert_eq!(keys.get_key(alice(), 2).unwrap(), b"six");
    assert_eq!(keys.get_key(alice(), -1).unwrap(), b"six");
    assert!(
        keys.get_key(alice(), 6).is_none(),
        "frames name a place in the ring"
    );
    assert!(keys.get_key(alice(), i32::MAX).is_none());
}

#[test]
fn a_shared_key_is_everybodys_also_of_those_who_come_later() {
    let keys = KeyProvider::new(KeyProviderOptions {
        shared_key: true,
        ..options()
    });
    assert!(keys.key("alice", 0).is_none());
    assert!(keys.set_shared_key(0, b"one".to_vec()));
    assert!(keys.key("alice", 0).is_some());
    let next = keys.ratchet_shared_key(0).unwrap();
    assert_eq!((next.len(), keys.get_shared_key(0).unwrap()), (32, next.clone()));
    assert_eq!(keys.get_key(alice(), 0).unwrap(), next);
    assert!(keys.key("bob", 0).is_some());
    assert_eq!(keys.get_key("bob".into(), 0).unwrap(), next);
}

#[test]
fn ratcheting_is_the_derivation_itself() {
    let keys = KeyProvider::new(options());
    keys.set_key(alice(), 0, b"secret".to_vec());
    let derivation = &keys.inner.derivation;
    let (_, expected) = derivation.key_and_next(&Zeroizing::new(b"secret".to_vec()));
    assert_eq!(keys.ratchet_key(alice(), 0).unwrap(), *expected);
    assert!(keys.ratchet_key(alice(), 1).is_none());
}

#[test]
fn passwords_are_derived_as_everywhere() {
    let secret = Zeroizing::new(b"password".to_vec());
    let derived = |algorithm| {
        let salt = b"LKFrameEncryptionKey".to_vec();
        let (key, next) = Derivation { algorithm, salt }.key_and_next(&secret);
        (hex(key.as_ref()), hex(&next))
    };
    // By Python's hashlib: pbkdf2_hmac("sha256", secret, salt, 100000).
    let (key, next) = derived(KeyDerivationAlgorithm::PBKDF2);
    assert_eq!(key, "421890b1557504a8ea1a90c253b419e4");
    assert_eq!(
        next,
        "421890b1557504a8ea1a90c253b419e4e1a3a43283f7115909d6fce6926e5e5f"
    );
    // By Python's hmac, as in RFC 5869, with 128 zero bytes of info.
    let (key, _) = derived(KeyDerivationAlgorithm::HKDF);
    assert_eq!(key, "ba01b33ca65575da0ac43ec45570668c");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn rings_and_windows_have_limits() {
    let size = |key_ring_size, ratchet_window_size| {
        let keys = KeyProvider::new(KeyProviderOptions {
            key_ring_size,
            ratchet_window_size,
            ..options()
        });
        (keys.inner.ring_size, keys.inner.window)
    };
    assert_eq!(size(0, -1), (16, 0));
    assert_eq!(size(-5, i32::MAX), (16, 256));
    assert_eq!(size(i32::MAX, 16), (256, 16));
}
