//! An encrypted track is heard with its key only, and says why not with another one. Cryptors belong to
//! a track: the next one of the same section begins without.

mod pair;
mod sound;

use libwebrtc::{
    audio_stream::native::NativeAudioStream,
    native::frame_cryptor::{
        EncryptionAlgorithm, EncryptionState, FrameCryptor, KeyDerivationAlgorithm, KeyProvider,
        KeyProviderOptions,
    },
    prelude::*,
};
use pair::{Side, negotiate, negotiate_edited, within};
use sound::{RATE_HZ, hear, hum, received};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_stream::StreamExt;

const ALICE: &str = "alice";

fn keys(secret: &[u8]) -> KeyProvider {
    let keys = KeyProvider::new(KeyProviderOptions {
        shared_key: true,
        ratchet_window_size: 0,
        ratchet_salt: b"salt".to_vec(),
        failure_tolerance: -1,
        key_ring_size: 16,
        key_derivation_algorithm: KeyDerivationAlgorithm::PBKDF2,
    });
    assert!(keys.set_shared_key(0, secret.to_vec()));
    keys
}

fn encrypt(sender: RtpSender, keys: &KeyProvider) -> FrameCryptor {
    let factory = PeerConnectionFactory::default();
    let algorithm = EncryptionAlgorithm::AesGcm;
    let cryptor = FrameCryptor::new_for_rtp_sender(&factory, ALICE.into(), algorithm, keys.clone(), sender);
    cryptor.set_enabled(true);
    cryptor
}

/// The receiver of the callee's track, decrypted, and the states that it goes through.
fn decrypt(callee: &Side, keys: &KeyProvider) -> (FrameCryptor, UnboundedReceiver<EncryptionState>) {
    let receives = |receiver: &RtpReceiver| !receiver.streams().is_empty();
    let receiver = callee.connection.receivers().into_iter().find(receives);
    let factory = PeerConnectionFactory::default();
    let algorithm = EncryptionAlgorithm::AesGcm;
    let receiver = receiver.expect("a receiver");
    let cryptor =
        FrameCryptor::new_for_rtp_receiver(&factory, ALICE.into(), algorithm, keys.clone(), receiver);
    cryptor.set_enabled(true);
    let (tell, states) = unbounded_channel();
    cryptor.on_state_change(Some(Box::new(move |participant, state| {
        assert_eq!(participant, ALICE);
        let _ = tell.send(state);
    })));
    (cryptor, states)
}

async fn reaches(states: &mut UnboundedReceiver<EncryptionState>, wanted: EncryptionState) {
    within("a state", async {
        while states.recv().await.expect("the cryptor lives") != wanted {}
    })
    .await;
}

#[tokio::test]
async fn an_encrypted_track_is_heard_with_its_key_only() {
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let (transceiver, feeder) = hum(&caller, "voice");
    let _sending = encrypt(transceiver.sender(), &keys(b"secret"));
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let (heard, _) = received(&callee).expect("a track");
    let their_keys = keys(b"guess");
    let (receiving, mut states) = decrypt(&callee, &their_keys);
    let mut stream = NativeAudioStream::new(heard.clone(), RATE_HZ as i32, 1);
    reaches(&mut states, EncryptionState::DecryptionFailed).await;
    // A second of what stays closed.
    for _ in 0..100 {
        let frame = within("frames", stream.next()).await.expect("the track lives");
        assert!(frame.data.iter().all(|sample| sample.unsigned_abs() < 500));
    }
    assert!(their_keys.set_shared_key(0, b"secret".to_vec()));
    reaches(&mut states, EncryptionState::Ok).await;
    hear(heard).await;
    assert!(receiving.enabled() && receiving.participant_id() == ALICE);
    feeder.abort();
}

#[tokio::test]
async fn the_next_track_of_a_section_begins_without_a_cryptor() {
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let (transceiver, feeder) = hum(&caller, "first");
    let sending = encrypt(transceiver.sender(), &keys(b"secret"));
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let (first, _) = received(&callee).expect("a track");
    let (_receiving, mut states) = decrypt(&callee, &keys(b"secret"));
    hear(first.clone()).await;
    reaches(&mut states, EncryptionState::Ok).await;

    // As a server does it that gives a section to the next participant, who sends in the clear.
    sending.set_enabled(false);
    let next = |offer: &str| offer.replace("first", "second");
    negotiate_edited(&mut caller, &mut callee, OfferOptions::default(), next).await;
    let (second, stream) = received(&callee).expect("a track");
    assert_eq!((stream.as_str(), first.state()), ("second", RtcTrackState::Ended));
    hear(second).await;
    feeder.abort();
}
