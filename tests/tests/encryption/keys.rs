//! Keys at either end.

use anyhow::{Context as _, Result, ensure};
use livekit::e2ee::key_provider::{KeyProvider, KeyProviderOptions};
use livekit::e2ee::{E2eeOptions, EncryptionType};
use livekit::prelude::*;
use livekit::webrtc::native::frame_cryptor::KeyDerivationAlgorithm;
use serde_json::{Value, json};
use system_tests::peers::{Ground, Ours, Peer};

/// What somebody begins with.
#[derive(Clone, Copy)]
pub(crate) struct Keys {
    /// Everybody's; without it each has a key of his own, which nobody has told yet.
    pub(crate) secret: Option<&'static str>,
    /// How many steps a key is ratcheted to find the one that opens a frame.
    pub(crate) window: i32,
    pub(crate) derivation: KeyDerivationAlgorithm,
}

impl Keys {
    pub(crate) fn new(secret: Option<&'static str>, window: i32) -> Self {
        Self {
            secret,
            window,
            derivation: KeyDerivationAlgorithm::PBKDF2,
        }
    }
}

/// We enter the room.
pub(crate) async fn join(ground: &Ground, room: &str, identity: &str, keys: Keys) -> Result<Ours> {
    let options = KeyProviderOptions {
        ratchet_window_size: keys.window,
        key_derivation_algorithm: keys.derivation,
        ..KeyProviderOptions::default()
    };
    let provider = match keys.secret {
        Some(secret) => KeyProvider::with_shared_key(options, secret.into()),
        None => KeyProvider::new(options),
    };
    let mut options = RoomOptions::default();
    options.encryption = Some(E2eeOptions {
        encryption_type: EncryptionType::Gcm,
        key_provider: provider,
    });
    Ours::connect(ground.url(), &ground.token(room, identity)?, options).await
}

/// They enter the room.
pub(crate) async fn let_join(theirs: &mut Peer, ground: &Ground, room: &str, keys: Keys) -> Result<()> {
    let token = ground.token(room, "theirs")?;
    let derivation = format!("{:?}", keys.derivation);
    let keys = json!({"secret": keys.secret, "window": keys.window, "derivation": derivation});
    let order = json!({"url": ground.url(), "token": token, "keys": keys});
    theirs.order("connect", order).await.map(drop)
}

fn provider(ours: &Ours) -> Result<KeyProvider> {
    let provider = ours.room.e2ee_manager().key_provider();
    provider.context("a room without encryption")
}

/// We are told everybody's secret.
pub(crate) fn share(ours: &Ours, secret: &str) -> Result<()> {
    provider(ours)?.set_shared_key(secret.into(), 0);
    Ok(())
}

/// Both are told somebody's secret.
pub(crate) async fn keep(ours: &Ours, theirs: &mut Peer, of: &str, secret: &str) -> Result<()> {
    provider(ours)?.set_key(&of.to_owned().into(), 0, secret.into());
    let order = json!({"of": of, "secret": secret});
    theirs.order("keep", order).await.map(drop)
}

/// Our key moves on.
pub(crate) fn ratchet(ours: &Ours) -> Result<()> {
    let moved = provider(ours)?.ratchet_shared_key(0);
    ensure!(moved.is_some(), "there is no key to ratchet");
    Ok(())
}

/// Their key moves on.
pub(crate) async fn let_ratchet(theirs: &mut Peer) -> Result<()> {
    let order = Value::Object(serde_json::Map::new());
    theirs.order("ratchet", order).await.map(drop)
}
