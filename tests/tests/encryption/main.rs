//! End-to-end encryption against clients that we did not write, through a real livekit-server: LiveKit's Python SDK, and its
//! JavaScript SDK in Chromium. What arrives is judged by what is heard: a tone has a frequency.

mod browser;
mod ground;
mod ours;
mod python;

use std::time::Duration;

use anyhow::{Result, ensure};
use livekit::e2ee::key_provider::KeyProviderOptions;
use livekit::webrtc::native::frame_cryptor::{EncryptionState, KeyDerivationAlgorithm};

use ground::{Ground, Sound, TONE_TOLERANCE_HZ};
use ours::Ours;

const LIMIT: Duration = Duration::from_secs(20);
/// No tone: what is left of one is at most this loud, of full scale.
const SILENCE: f64 = 0.05;
const OUR_HZ: f64 = 523.0;
const THEIR_HZ: f64 = 330.0;
const SECRET: &str = "correct horse";
const GUESS: &str = "battery staple";

/// What the scenarios ask of a client.
trait Peer: Sized {
    async fn start(ground: &Ground) -> Result<Self>;
    /// How keys come from secrets, before it connects.
    async fn derive_by(&mut self, algorithm: &str) -> Result<()>;
    /// Enters the room. Without a secret it is one who has been told none; keys are ratcheted `window` steps to find one.
    async fn connect(&mut self, url: &str, token: &str, secret: Option<&str>, window: i32) -> Result<()>;
    async fn connect_openly(&mut self, url: &str, token: &str) -> Result<()>;
    async fn publish(&mut self, hz: f64) -> Result<()>;
    async fn ratchet(&mut self) -> Result<()>;
    async fn say(&mut self, text: &str) -> Result<()>;
    async fn sound(&mut self) -> Result<Sound>;
    async fn texts(&mut self) -> Result<Vec<String>>;
    async fn leave(self) -> Result<()>;
}

fn options(window: i32) -> KeyProviderOptions {
    KeyProviderOptions {
        ratchet_window_size: window,
        ..KeyProviderOptions::default()
    }
}

/// Both in one room, both playing their tones.
async fn meet<P: Peer>(
    ground: &Ground,
    our_secret: Option<&str>,
    their_secret: Option<&str>,
    window: i32,
) -> Result<(Ours, P)> {
    let room = ground.room();
    let mut theirs = P::start(ground).await?;
    let (url, token) = (ground.url(), ground.token(&room, "theirs")?);
    theirs.connect(url, &token, their_secret, window).await?;
    let ours = Ours::connect(url, &ground.token(&room, "ours")?, our_secret, options(window)).await?;
    theirs.publish(THEIR_HZ).await?;
    ours.publish(OUR_HZ).await?;
    Ok((ours, theirs))
}

async fn wait_for_their_ears<P: Peer>(theirs: &mut P, hz: f64) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let sound = theirs.sound().await?;
        if (sound.hz - hz).abs() < TONE_TOLERANCE_HZ {
            return Ok(());
        }
        ensure!(begun.elapsed() < LIMIT, "they hear {sound:?} instead of {hz} Hz");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// While we send a tone. Clients of LiveKit's that get a track before its cryptor is in place decode what is encrypted for a
/// moment: a burst of noise, and never the tone, which would not end.
async fn wait_for_their_silence<P: Peer>(theirs: &mut P) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let sound = theirs.sound().await?;
        ensure!(
            (sound.hz - OUR_HZ).abs() > TONE_TOLERANCE_HZ,
            "they hear us: {sound:?}"
        );
        if sound.now < SILENCE {
            return Ok(());
        }
        ensure!(begun.elapsed() < LIMIT, "they hear {sound:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn wait_for_their_text<P: Peer>(theirs: &mut P, text: &str) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        let texts = theirs.texts().await?;
        if texts.iter().any(|one| one == text) {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < LIMIT,
            "they have read {texts:?} instead of {text:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// With the same secret both hear and read one another.
async fn the_right_key<P: Peer>(ground: &Ground) -> Result<()> {
    let (ours, mut theirs) = meet::<P>(ground, Some(SECRET), Some(SECRET), 0).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    ours.wait_for_state("theirs", EncryptionState::Ok, LIMIT).await?;
    // Without it they might have heard us before they began to decrypt.
    ours.wait_for_state("ours", EncryptionState::Ok, LIMIT).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ).await?;
    theirs.say("from them").await?;
    ours.wait_for_text("from them", LIMIT).await?;
    ours.say("from us").await?;
    wait_for_their_text(&mut theirs, "from us").await?;
    ours.leave().await?;
    theirs.leave().await
}

/// With another secret neither hears the other, and we are told why.
async fn the_wrong_key<P: Peer>(ground: &Ground) -> Result<()> {
    let (ours, mut theirs) = meet::<P>(ground, Some(SECRET), Some(GUESS), 0).await?;
    ours.wait_for_state("theirs", EncryptionState::DecryptionFailed, LIMIT)
        .await?;
    // They hear us as little: a second of our frames has come by now.
    ours.wait_for_frames(100, LIMIT).await?;
    let our_ears = ours.sound();
    ensure!(our_ears.loudest < SILENCE, "we hear {our_ears:?}");
    wait_for_their_silence(&mut theirs).await?;
    theirs.say("for somebody else").await?;
    // Told the right one, we hear.
    ours.share(GUESS);
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    ours.wait_for_state("theirs", EncryptionState::Ok, LIMIT).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ).await?;
    ensure!(
        !ours.texts().iter().any(|text| text == "for somebody else"),
        "we have read what was not for us"
    );
    ours.leave().await?;
    theirs.leave().await
}

/// Without a secret we hear nothing, are told why, and nothing leaves us.
async fn no_key_here<P: Peer>(ground: &Ground) -> Result<()> {
    let (ours, mut theirs) = meet::<P>(ground, None, Some(SECRET), 0).await?;
    ours.wait_for_state("theirs", EncryptionState::MissingKey, LIMIT)
        .await?;
    ours.wait_for_state("ours", EncryptionState::MissingKey, LIMIT)
        .await?;
    let (our_ears, their_ears) = (ours.sound(), theirs.sound().await?);
    ensure!(our_ears.loudest < SILENCE, "we hear {our_ears:?}");
    ensure!(their_ears.loudest < SILENCE, "they hear {their_ears:?}");
    ours.leave().await?;
    theirs.leave().await
}

/// Of somebody who has no secret nothing is heard there.
async fn no_key_there<P: Peer>(ground: &Ground) -> Result<()> {
    let (ours, mut theirs) = meet::<P>(ground, Some(SECRET), None, 0).await?;
    ours.wait_for_state("ours", EncryptionState::Ok, LIMIT).await?;
    ours.wait_for_sent(100, LIMIT).await?;
    wait_for_their_silence(&mut theirs).await?;
    ours.leave().await?;
    theirs.leave().await
}

/// Whoever's key moves on is followed, sound and data.
async fn a_ratcheted_key<P: Peer>(ground: &Ground) -> Result<()> {
    let (ours, mut theirs) = meet::<P>(ground, Some(SECRET), Some(SECRET), 8).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ).await?;
    theirs.ratchet().await?;
    ours.wait_for_state("theirs", EncryptionState::KeyRatcheted, LIMIT)
        .await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    theirs.say("moved on").await?;
    ours.wait_for_text("moved on", LIMIT).await?;
    ours.leave().await?;
    theirs.leave().await
}

/// They follow ours.
async fn our_ratcheted_key<P: Peer>(ground: &Ground) -> Result<()> {
    let (ours, mut theirs) = meet::<P>(ground, Some(SECRET), Some(SECRET), 8).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ).await?;
    ours.ratchet()?;
    ours.publish_again(OUR_HZ * 1.5).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ * 1.5).await?;
    ours.leave().await?;
    theirs.leave().await
}

/// Keys may be derived by HKDF, for secrets that are random already: both hear and read one another, and follow a ratchet.
async fn keys_derived_by_hkdf<P: Peer>(ground: &Ground) -> Result<()> {
    let room = ground.room();
    let (url, token) = (ground.url(), ground.token(&room, "theirs")?);
    let mut theirs = P::start(ground).await?;
    theirs.derive_by("HKDF").await?;
    theirs.connect(url, &token, Some(SECRET), 8).await?;
    let hkdf = KeyProviderOptions {
        key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
        ..options(8)
    };
    let ours = Ours::connect(url, &ground.token(&room, "ours")?, Some(SECRET), hkdf).await?;
    theirs.publish(THEIR_HZ).await?;
    ours.publish(OUR_HZ).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ).await?;
    theirs.say("from them").await?;
    ours.wait_for_text("from them", LIMIT).await?;
    theirs.ratchet().await?;
    ours.wait_for_state("theirs", EncryptionState::KeyRatcheted, LIMIT)
        .await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    ours.leave().await?;
    theirs.leave().await
}

/// Without encryption sound goes as RED (RFC 2198), both ways.
async fn no_encryption<P: Peer>(ground: &Ground) -> Result<()> {
    let room = ground.room();
    let (url, token) = (ground.url(), ground.token(&room, "theirs")?);
    let mut theirs = P::start(ground).await?;
    theirs.connect_openly(url, &token).await?;
    let ours = Ours::connect_openly(url, &ground.token(&room, "ours")?).await?;
    theirs.publish(THEIR_HZ).await?;
    ours.publish(OUR_HZ).await?;
    ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
    wait_for_their_ears(&mut theirs, OUR_HZ).await?;
    let codec = ours.codec_heard().await?;
    ensure!(codec == "audio/red", "they come to us as {codec}");
    ours.leave().await?;
    theirs.leave().await
}

macro_rules! scenarios {
    ($peer:ty: $($name:ident),+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() -> Result<()> {
                let ground = Ground::prepare().await?;
                super::$name::<$peer>(&ground).await?;
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
    let ground = Ground::prepare().await?;
    let room = ground.room();
    let join = async |identity| {
        let token = ground.token(&room, identity)?;
        Ours::connect(ground.url(), &token, Some(SECRET), options(0)).await
    };
    let (judge, ours) = (join("judge").await?, join("ours").await?);
    ours.publish(OUR_HZ).await?;
    judge.wait_for_tone(OUR_HZ, LIMIT).await?;
    ours.reconnect().await?;
    let frames = judge.frames();
    judge.wait_for_frames(frames + 100, LIMIT).await?;
    judge.wait_for_tone(OUR_HZ, LIMIT).await?;
    ours.leave().await?;
    // What the server still had of us comes before our words do.
    let last = join("last").await?;
    last.say("that was all").await?;
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
    scenarios!(python::Python: the_right_key, the_wrong_key, no_key_here, no_key_there, a_ratcheted_key, our_ratcheted_key, keys_derived_by_hkdf, no_encryption);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn each_has_a_key_of_his_own() -> Result<()> {
        let ground = Ground::prepare().await?;
        let (ours, mut theirs) = meet::<python::Python>(&ground, None, None, 0).await?;
        for (of, secret) in [("ours", SECRET), ("theirs", GUESS)] {
            ours.keep(of, secret);
            theirs.keep(of, secret).await?;
        }
        ours.wait_for_tone(THEIR_HZ, LIMIT).await?;
        ours.wait_for_state("ours", EncryptionState::Ok, LIMIT).await?;
        wait_for_their_ears(&mut theirs, OUR_HZ).await?;
        ours.leave().await?;
        theirs.leave().await?;
        ground.end().await;
        Ok(())
    }
}

mod with_a_browser {
    use super::*;
    scenarios!(browser::Page: the_right_key, the_wrong_key, no_key_here, no_key_there, a_ratcheted_key, our_ratcheted_key, keys_derived_by_hkdf, no_encryption);
}
