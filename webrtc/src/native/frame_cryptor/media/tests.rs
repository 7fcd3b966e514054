//! Frames through two cryptors, and the states that the receiving one goes through.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use EncryptionState::*;

use super::*;
use crate::native::frame_cryptor::{KeyDerivationAlgorithm, KeyProviderOptions};

const FRAME: &[u8] = b"\x78sound";

fn provider(change: impl FnOnce(&mut KeyProviderOptions)) -> KeyProvider {
    let mut options = KeyProviderOptions {
        shared_key: true,
        ratchet_window_size: 0,
        ratchet_salt: b"salt".to_vec(),
        failure_tolerance: -1,
        key_ring_size: 16,
        key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
    };
    change(&mut options);
    KeyProvider::new(options)
}

fn cryptor(keys: &KeyProvider) -> MediaCryptor {
    let cryptor = MediaCryptor::new("alice".into(), EncryptionAlgorithm::AesGcm, keys.clone());
    cryptor.enabled.store(true, Ordering::Relaxed);
    cryptor
}

fn sent(cryptor: &MediaCryptor, timestamp: u32) -> Bytes {
    cryptor
        .encrypt(1, timestamp, Bytes::from_static(FRAME))
        .frame
        .unwrap()
}

/// The states that a frame leads to; a frame that comes out is the right one.
fn received(cryptor: &MediaCryptor, frame: &Bytes) -> (bool, Vec<EncryptionState>) {
    let outcome = cryptor.decrypt(frame.clone());
    assert!(outcome.frame.as_ref().is_none_or(|frame| frame == FRAME));
    (outcome.frame.is_some(), outcome.states)
}

/// As `received`, as often as it takes for keys to be derived aside.
fn finally(cryptor: &MediaCryptor, frame: &Bytes) -> (bool, Vec<EncryptionState>) {
    let begun = Instant::now();
    loop {
        let outcome = received(cryptor, frame);
        if outcome.0 || !outcome.1.is_empty() || begun.elapsed() > Duration::from_secs(20) {
            return outcome;
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_right_key_is_told_once() {
    let (ours, theirs) = (provider(|_| {}), provider(|_| {}));
    ours.set_shared_key(0, b"secret".to_vec());
    theirs.set_shared_key(0, b"secret".to_vec());
    let (sender, receiver) = (cryptor(&ours), cryptor(&theirs));
    let first = sender.encrypt(1, 0, Bytes::from_static(FRAME));
    assert_eq!(first.states, [Ok]);
    let first = first.frame.unwrap();
    assert_ne!(&first[1..FRAME.len()], &FRAME[1..]);
    assert_eq!(received(&receiver, &first), (true, vec![Ok]));
    assert_eq!(received(&receiver, &sent(&sender, 960)), (true, vec![]));
    // The same sound again is other bytes.
    assert_ne!(sent(&sender, 960), sent(&sender, 960));
}

#[test]
fn without_a_key_nothing_is_sent_nor_heard_until_there_is_one() {
    let (ours, theirs) = (provider(|_| {}), provider(|_| {}));
    let (sender, receiver) = (cryptor(&ours), cryptor(&theirs));
    let unsent = sender.encrypt(1, 0, Bytes::from_static(FRAME));
    assert_eq!((unsent.frame, unsent.states), (None, vec![MissingKey]));
    ours.set_shared_key(0, b"secret".to_vec());
    let frame = sent(&sender, 0);
    assert_eq!(received(&receiver, &frame), (false, vec![MissingKey]));
    assert_eq!(received(&receiver, &frame), (false, vec![]));
    theirs.set_shared_key(0, b"secret".to_vec());
    assert_eq!(received(&receiver, &frame), (true, vec![Ok]));
}

#[test]
fn a_wrong_key_is_told_also_without_tolerance() {
    let (ours, theirs) = (provider(|_| {}), provider(|_| {}));
    ours.set_shared_key(0, b"secret".to_vec());
    theirs.set_shared_key(0, b"guess".to_vec());
    let (sender, receiver) = (cryptor(&ours), cryptor(&theirs));
    let frame = sent(&sender, 0);
    assert_eq!(received(&receiver, &frame), (false, vec![DecryptionFailed]));
    assert_eq!(received(&receiver, &frame), (false, vec![]));
    theirs.set_shared_key(0, b"secret".to_vec());
    assert_eq!(received(&receiver, &frame), (true, vec![Ok]));
    // Somebody else's bytes do not stop what follows.
    let noise = Bytes::from_static(b"noise");
    assert_eq!(received(&receiver, &noise), (false, vec![DecryptionFailed]));
    assert_eq!(received(&receiver, &frame), (true, vec![Ok]));
}

#[test]
fn tolerance_bears_some_failures_and_then_waits_for_a_new_key() {
    let ours = provider(|_| {});
    let theirs = provider(|options| options.failure_tolerance = 2);
    ours.set_shared_key(0, b"secret".to_vec());
    theirs.set_shared_key(0, b"guess".to_vec());
    let (sender, receiver) = (cryptor(&ours), cryptor(&theirs));
    let frame = sent(&sender, 0);
    assert_eq!(received(&receiver, &frame), (false, vec![]));
    assert_eq!(received(&receiver, &frame), (false, vec![]));
    assert_eq!(received(&receiver, &frame), (false, vec![DecryptionFailed]));
    // The sender comes to use our key: too late, it has been given up.
    ours.set_shared_key(0, b"guess".to_vec());
    assert_eq!(received(&receiver, &sent(&sender, 0)), (false, vec![]));
    theirs.set_shared_key(0, b"guess".to_vec());
    assert_eq!(received(&receiver, &sent(&sender, 0)), (true, vec![Ok]));
}

#[test]
fn a_ratcheted_key_is_followed() {
    let ours = provider(|_| {});
    let theirs = provider(|options| options.ratchet_window_size = 3);
    ours.set_shared_key(0, b"secret".to_vec());
    theirs.set_shared_key(0, b"secret".to_vec());
    let (sender, receiver) = (cryptor(&ours), cryptor(&theirs));
    assert_eq!(received(&receiver, &sent(&sender, 0)), (true, vec![Ok]));
    ours.ratchet_shared_key(0);
    let last = ours.ratchet_shared_key(0);
    let frame = sent(&sender, 960);
    assert_eq!(finally(&receiver, &frame), (true, vec![KeyRatcheted, Ok]));
    assert_eq!(theirs.get_key("alice".into(), 0), last);
    assert_eq!(received(&receiver, &sent(&sender, 1_920)), (true, vec![]));
    // Beyond the window.
    for _ in 0..4 {
        ours.ratchet_shared_key(0);
    }
    let frame = sent(&sender, 2_880);
    assert_eq!(finally(&receiver, &frame), (false, vec![DecryptionFailed]));
}

#[test]
fn keys_are_taken_by_the_index_in_the_frame() {
    let (ours, theirs) = (provider(|_| {}), provider(|_| {}));
    for (index, secret) in [(0, b"zero"), (3, b"thre")] {
        ours.set_shared_key(index, secret.to_vec());
        theirs.set_shared_key(index, secret.to_vec());
    }
    let (sender, receiver) = (cryptor(&ours), cryptor(&theirs));
    let old = sent(&sender, 0);
    sender.key_index.store(3, Ordering::Relaxed);
    let new = sent(&sender, 960);
    assert_eq!((old.last(), new.last()), (Some(&0), Some(&3)));
    assert!(received(&receiver, &new).0 && received(&receiver, &old).0);
    sender.key_index.store(9, Ordering::Relaxed);
    let unsent = sender.encrypt(1, 0, Bytes::from_static(FRAME));
    assert_eq!((unsent.frame, unsent.states), (None, vec![MissingKey]));
}

#[test]
fn what_is_switched_off_or_not_supported_says_so() {
    let keys = provider(|_| {});
    keys.set_shared_key(0, b"secret".to_vec());
    let plain = MediaCryptor::new("alice".into(), EncryptionAlgorithm::AesGcm, keys.clone());
    let frame = plain.encrypt(1, 0, Bytes::from_static(FRAME));
    assert_eq!((frame.frame.as_deref(), frame.states), (Some(FRAME), vec![]));
    let other = MediaCryptor::new("alice".into(), EncryptionAlgorithm::AesCbc, keys);
    other.enabled.store(true, Ordering::Relaxed);
    let frame = other.encrypt(1, 0, Bytes::from_static(FRAME));
    assert_eq!((frame.frame, frame.states), (None, vec![InternalError]));
}

#[test]
fn the_handler_hears_of_the_participant() {
    let keys = provider(|_| {});
    let cryptor = cryptor(&keys);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = heard.clone();
    cryptor
        .on_state_change
        .set(Some(Box::new(move |participant, state| {
            ear.lock().push((participant, state))
        })));
    cryptor.tell(MissingKey);
    assert_eq!(*heard.lock(), [("alice".to_owned(), MissingKey)]);
}
