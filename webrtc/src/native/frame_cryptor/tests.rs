//! Data packets.

use super::*;

fn provider(shared_key: bool, ratchet_window_size: i32) -> KeyProvider {
    KeyProvider::new(KeyProviderOptions {
        shared_key,
        ratchet_window_size,
        ratchet_salt: b"salt".to_vec(),
        failure_tolerance: -1,
        key_ring_size: 16,
        key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
    })
}

fn shared(secret: &[u8], window: i32) -> (KeyProvider, DataPacketCryptor) {
    let keys = provider(true, window);
    assert!(keys.set_shared_key(0, secret.to_vec()));
    let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, keys.clone());
    (keys, cryptor)
}

#[test]
fn a_packet_opens_with_the_same_key_and_no_other() {
    let (_, ours) = shared(b"secret", 0);
    let (_, theirs) = shared(b"secret", 0);
    let (_, strangers) = shared(b"guess", 4);
    let packet = ours.encrypt("alice", 0, b"hello").unwrap();
    assert_eq!((packet.iv.len(), packet.data.len()), (12, 5 + 16));
    assert_eq!(theirs.decrypt("alice", &packet).unwrap(), b"hello");
    let wrong = DataCryptionError::WrongKey {
        participant_id: "alice".into(),
        key_index: 0,
    };
    assert_eq!(strangers.open("alice", &packet).unwrap_err(), wrong);
    let changed = |change: fn(&mut EncryptedPacket)| {
        let mut packet = packet.clone();
        change(&mut packet);
        theirs.open("alice", &packet).unwrap_err()
    };
    assert_eq!(changed(|packet| packet.data[0] ^= 1), wrong);
    assert_eq!(changed(|packet| packet.iv[0] ^= 1), wrong);
    assert_eq!(changed(|packet| packet.data.truncate(3)), wrong);
    assert_eq!(
        changed(|packet| packet.iv.truncate(3)),
        DataCryptionError::Iv { bytes: 3 }
    );
    assert!(matches!(
        changed(|packet| packet.key_index = 7),
        DataCryptionError::MissingKey { key_index: 7, .. }
    ));
    assert!(matches!(
        changed(|packet| packet.key_index = u32::MAX),
        DataCryptionError::MissingKey { .. }
    ));
}

#[test]
fn no_two_packets_have_the_same_initialisation_vector() {
    let (_, cryptor) = shared(b"secret", 0);
    let seal = || cryptor.seal("alice", 0, b"the same").unwrap();
    assert_ne!(seal().iv, seal().iv);
}

#[test]
fn a_ratcheted_packet_opens_within_the_window() {
    let (sender, ours) = shared(b"secret", 0);
    let (receiver, theirs) = shared(b"secret", 2);
    let mut last = Vec::new();
    for _ in 0..2 {
        last = sender.ratchet_shared_key(0).unwrap();
    }
    let packet = ours.seal("alice", 0, b"later").unwrap();
    assert_eq!(theirs.open("alice", &packet).unwrap(), b"later");
    // Alice has moved on, the others' key has not.
    assert_eq!(receiver.get_key("alice".into(), 0).unwrap(), last);
    assert_eq!(receiver.get_shared_key(0).unwrap(), b"secret");
    for _ in 0..3 {
        sender.ratchet_shared_key(0).unwrap();
    }
    let packet = ours.seal("alice", 0, b"too far").unwrap();
    assert!(matches!(
        theirs.open("alice", &packet),
        Err(DataCryptionError::WrongKey { .. })
    ));
}

#[test]
fn another_cipher_is_refused() {
    let (keys, _) = shared(b"secret", 0);
    let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesCbc, keys);
    assert_eq!(
        cryptor.seal("alice", 0, b"x").unwrap_err(),
        DataCryptionError::Unsupported
    );
}
