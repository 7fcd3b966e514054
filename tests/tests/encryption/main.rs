//! End-to-end encryption against clients that we did not write, through a real livekit-server: LiveKit's Python SDK, and its
//! JavaScript SDK in Chromium. What arrives is judged by what is heard: a tone has a frequency.

mod keys;

use std::time::Duration;

use anyhow::{Result, ensure};
use livekit::SimulateScenario;
use livekit::webrtc::native::frame_cryptor::{EncryptionState, KeyDerivationAlgorithm};
use serde_json::json;
use system_tests::peers::{Ground, How, Kind, Ours, Peer, SILENCE};

use keys::Keys;

const LIMIT: Duration = Duration::from_secs(20);
const OUR_HZ: f64 = 523.0;
const THEIR_HZ: f64 = 330.0;
const SECRET: &str = "correct horse";
const GUESS: &str = "battery staple";

/// Both in one room, both playing their tones.
async fn meet(
    ground: &Ground,
    kind: Kind,
    our_secret: Option<&'static str>,
    their_secret: Option<&'static str>,
    window: i32,
) -> Result<(Ours, Peer)> {
    let (our_keys, their_keys) = (Keys::new(our_secret, window), Keys::new(their_secret, window));
    meet_with(ground, kind, our_keys, their_keys).await
}

async fn meet_with(ground: &Ground, kind: Kind, our_keys: Keys, their_keys: Keys) -> Result<(Ours, Peer)> {
    let room = ground.room();
    let mut theirs = Peer::start(kind, ground).await?;
    keys::let_join(&mut theirs, ground, &room, their_keys).await?;
    let ours = keys::join(ground, &room, "ours", our_keys).await?;
    // Frames of silence that the server passes over, or that come twice, would be of no use here.
    theirs
        .order("publish", json!({"hz": THEIR_HZ, "bare": true}))
        .await?;
    ours.publish(OUR_HZ).await?;
    Ok((ours, theirs))
}

/// While we send a tone. Clients of LiveKit's that get a track before its cryptor is in place decode what is encrypted for a
/// moment: a burst of noise, and never the tone, which would not end.
async fn wait_for_their_silence(theirs: &mut Peer) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let sound = theirs.sound().await?;
        ensure!(!sound.is_tone(OUR_HZ), "they hear us: {sound:?}");
        if sound.now < SILENCE {
            return Ok(());
        }
        ensure!(begun.elapsed() < LIMIT, "they hear {sound:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// With the same secret both hear and read one another.
async fn the_right_key(ground: &Ground, kind: Kind) -> Result<()> {
    let (ours, mut theirs) = meet(ground, kind, Some(SECRET), Some(SECRET), 0).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    ours.wait_for_state("theirs", EncryptionState::Ok, LIMIT).await?;
    // Without it they might have heard us before they began to decrypt.
    ours.wait_for_state("ours", EncryptionState::Ok, LIMIT).await?;
    theirs.wait_for_tone(OUR_HZ, LIMIT).await?;
    theirs.say(How::Reliable, "from them").await?;
    ours.wait_for_text("from them", LIMIT).await?;
    ours.say(How::Reliable, "from us").await?;
    theirs.wait_for_text("from us", LIMIT).await?;
    ours.leave().await?;
    theirs.quit().await
}

/// With another secret neither hears the other, and we are told why.
async fn the_wrong_key(ground: &Ground, kind: Kind) -> Result<()> {
    let (ours, mut theirs) = meet(ground, kind, Some(SECRET), Some(GUESS), 0).await?;
    ours.wait_for_state("theirs", EncryptionState::DecryptionFailed, LIMIT)
        .await?;
    // They hear us as little: a second of our frames has come by now.
    ours.wait_for_frames(100, LIMIT).await?;
    let our_ears = ours.sound();
    ensure!(our_ears.loudest < SILENCE, "we hear {our_ears:?}");
    wait_for_their_silence(&mut theirs).await?;
    theirs.say(How::Reliable, "for somebody else").await?;
    // Told the right one, we hear.
    keys::share(&ours, GUESS)?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    ours.wait_for_state("theirs", EncryptionState::Ok, LIMIT).await?;
    theirs.wait_for_tone(OUR_HZ, LIMIT).await?;
    ensure!(
        !ours.texts().iter().any(|one| one.text == "for somebody else"),
        "we have read what was not for us"
    );
    ours.leave().await?;
    theirs.quit().await
}

/// Without a secret we hear nothing, are told why, and nothing leaves us.
async fn no_key_here(ground: &Ground, kind: Kind) -> Result<()> {
    let (ours, mut theirs) = meet(ground, kind, None, Some(SECRET), 0).await?;
    ours.wait_for_state("theirs", EncryptionState::MissingKey, LIMIT)
        .await?;
    ours.wait_for_state("ours", EncryptionState::MissingKey, LIMIT)
        .await?;
    let (our_ears, their_ears) = (ours.sound(), theirs.sound().await?);
    ensure!(our_ears.loudest < SILENCE, "we hear {our_ears:?}");
    ensure!(their_ears.loudest < SILENCE, "they hear {their_ears:?}");
    ours.leave().await?;
    theirs.quit().await
}

/// Of somebody who has no secret nothing is heard there.
async fn no_key_there(ground: &Ground, kind: Kind) -> Result<()> {
    let (ours, mut theirs) = meet(ground, kind, Some(SECRET), None, 0).await?;
    ours.wait_for_state("ours", EncryptionState::Ok, LIMIT).await?;
    ours.wait_for_sent(100, LIMIT).await?;
    wait_for_their_silence(&mut theirs).await?;
    ours.leave().await?;
    theirs.quit().await
}

/// Whoever's key moves on is followed, sound and data.
async fn a_ratcheted_key(ground: &Ground, kind: Kind) -> Result<()> {
    let (ours, mut theirs) = meet(ground, kind, Some(SECRET), Some(SECRET), 8).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    theirs.wait_for_tone(OUR_HZ, LIMIT).await?;
    keys::let_ratchet(&mut theirs).await?;
    ours.wait_for_state("theirs", EncryptionState::KeyRatcheted, LIMIT)
        .await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    theirs.say(How::Reliable, "moved on").await?;
    ours.wait_for_text("moved on", LIMIT).await?;
    ours.leave().await?;
    theirs.quit().await
}

/// They follow ours.
async fn our_ratcheted_key(ground: &Ground, kind: Kind) -> Result<()> {
    let (ours, mut theirs) = meet(ground, kind, Some(SECRET), Some(SECRET), 8).await?;
    theirs.wait_for_tone(OUR_HZ, LIMIT).await?;
    keys::ratchet(&ours)?;
    ours.publish_again(OUR_HZ * 1.5).await?;
    theirs.wait_for_tone(OUR_HZ * 1.5, LIMIT).await?;
    ours.leave().await?;
    theirs.quit().await
}

/// Keys may be derived by HKDF, for secrets that are random already: both hear and read one another, and follow a ratchet.
async fn keys_derived_by_hkdf(ground: &Ground, kind: Kind) -> Result<()> {
    let hkdf = Keys {
        derivation: KeyDerivationAlgorithm::HKDF,
        ..Keys::new(Some(SECRET), 8)
    };
    let (ours, mut theirs) = meet_with(ground, kind, hkdf, hkdf).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    theirs.wait_for_tone(OUR_HZ, LIMIT).await?;
    theirs.say(How::Reliable, "from them").await?;
    ours.wait_for_text("from them", LIMIT).await?;
    keys::let_ratchet(&mut theirs).await?;
    ours.wait_for_state("theirs", EncryptionState::KeyRatcheted, LIMIT)
        .await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    ours.leave().await?;
    theirs.quit().await
}

macro_rules! scenarios {
    ($kind:expr; $($name:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                let ground = Ground::prepare("encryption").await?;
                super::$name(&ground, $kind).await?;
                ground.end().await;
                Ok(())
            }
        )+
    };
}

/// Whoever has the key judges every frame of ours that the server passes on, and tells of each that is not encrypted: from the
/// first to the last, through a reconnection that makes everything anew, and when we leave in the middle of a tone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_of_ours_is_in_the_clear() -> Result<()> {
    let ground = Ground::prepare("encryption").await?;
    let room = ground.room();
    let join = async |identity| keys::join(&ground, &room, identity, Keys::new(Some(SECRET), 0)).await;
    let (judge, ours) = (join("judge").await?, join("ours").await?);
    ours.publish(OUR_HZ).await?;
    judge.wait_for_tone(OUR_HZ, LIMIT).await?;
    ours.reconnect(SimulateScenario::FullReconnect, LIMIT).await?;
    let frames = judge.frames();
    judge.wait_for_frames(frames + 100, LIMIT).await?;
    judge.wait_for_tone(OUR_HZ, LIMIT).await?;
    ours.leave().await?;
    // What the server still had of us comes before our words do.
    let last = join("last").await?;
    last.say(How::Reliable, "that was all").await?;
    judge.wait_for_text("that was all", LIMIT).await?;
    let states = judge.states("ours");
    ensure!(
        states.contains(&EncryptionState::Ok)
            && states
                .iter()
                .all(|state| matches!(state, EncryptionState::New | EncryptionState::Ok)),
        "{states:?}"
    );
    last.leave().await?;
    judge.leave().await?;
    ground.end().await;
    Ok(())
}

mod with_python {
    use super::*;
    scenarios!(Kind::Python; the_right_key, the_wrong_key, no_key_here, no_key_there, a_ratcheted_key, our_ratcheted_key, keys_derived_by_hkdf);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_has_a_key_of_his_own() -> Result<()> {
        let ground = Ground::prepare("encryption").await?;
        let (ours, mut theirs) = meet(&ground, Kind::Python, None, None, 0).await?;
        for (of, secret) in [("ours", SECRET), ("theirs", GUESS)] {
            keys::keep(&ours, &mut theirs, of, secret).await?;
        }
        ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
        ours.wait_for_state("ours", EncryptionState::Ok, LIMIT).await?;
        theirs.wait_for_tone(OUR_HZ, LIMIT).await?;
        ours.leave().await?;
        theirs.quit().await?;
        ground.end().await;
        Ok(())
    }
}

mod with_a_browser {
    use super::*;
    scenarios!(Kind::Browser; the_right_key, the_wrong_key, no_key_here, no_key_there, a_ratcheted_key, our_ratcheted_key, keys_derived_by_hkdf);
}
