//! From which frame on sound is encrypted: the callee, who has the key from the beginning, judges every
//! frame that comes off the network, and tells of each that was not made with it.

use std::sync::{Arc, atomic::Ordering};

use super::*;
use crate::native::frame_cryptor::{MediaCryptor, fuzzing::cryptor};

const STRETCH: Duration = Duration::from_secs(3);
/// What is added to an encrypted frame is shorter.
const MAX_SEAL_BYTES: u64 = 40;

/// Negotiated, and not a datagram under way yet: this is when `livekit` sets cryptors.
fn about_to_connect() -> (Talk, Arc<MediaCryptor>) {
    let mut talk = Talk::begin(Conditions::default(), 7);
    talk.callee.engine.set_receiver_cryptor(0, Arc::new(cryptor()));
    (talk, Arc::new(cryptor()))
}

fn connected(talk: &mut Talk) {
    talk.run_until("the connection", Duration::from_secs(15), |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
}

#[test]
fn everything_is_encrypted_from_the_first_frame_to_the_last() {
    let (mut talk, sending) = about_to_connect();
    talk.caller.engine.set_sender_cryptor(0, sending.clone());
    connected(&mut talk);
    talk.run(STRETCH);
    assert_eq!(talk.callee.encryption, [EncryptionState::Ok]);
    assert_eq!(talk.caller.encryption, [EncryptionState::Ok]);
    let sound = talk.callee.sound();
    assert_eq!(sound.packets_lost, 0, "the first frame was among those judged");
    assert_eq!(sound.playout.packets_discarded, 0);

    talk.negotiate(true);
    talk.run(STRETCH);
    // As `livekit` leaves: the track first, then its cryptor is switched off.
    talk.caller.engine.remove_track(0).expect("a sender");
    sending.enabled.store(false, Ordering::Relaxed);
    let received = talk.callee.sound().packets_received;
    talk.run(STRETCH);
    assert!(
        talk.callee.sound().packets_received <= received + 2,
        "nothing but what was under way"
    );
    assert_eq!(talk.callee.encryption, [EncryptionState::Ok]);
}

#[test]
fn a_frame_in_the_clear_would_be_noticed() {
    let (mut talk, sending) = about_to_connect();
    connected(&mut talk);
    talk.run(Duration::from_millis(100));
    talk.caller.engine.set_sender_cryptor(0, sending);
    talk.run(STRETCH);
    assert_eq!(
        talk.callee.encryption,
        [EncryptionState::DecryptionFailed, EncryptionState::Ok]
    );
}

#[test]
fn what_is_encrypted_goes_without_redundancy() {
    let mut talk = Talk::begin_redundant(Conditions::default(), 7);
    talk.callee.engine.set_receiver_cryptor(0, Arc::new(cryptor()));
    talk.caller.engine.set_sender_cryptor(0, Arc::new(cryptor()));
    connected(&mut talk);
    talk.run(STRETCH);
    assert_eq!(talk.callee.encryption, [EncryptionState::Ok]);
    // A frame, what seals it, and no second one; the other way, in the clear, it is there.
    let (sealed, clear) = (talk.callee.sound(), talk.caller.sound());
    let once = talk.caller.sound_bytes + MAX_SEAL_BYTES * sealed.packets_received;
    assert!(sealed.bytes_received < once, "{sealed:?}, {once}");
    assert!(
        clear.bytes_received > talk.callee.sound_bytes * 3 / 2,
        "{clear:?}"
    );
}
