//! Tokens that open rooms of a server of our own.

use anyhow::{Context as _, Result};
use livekit_api::access_token::{AccessToken, VideoGrants};
use runner::servers::Livekit;

/// Lets `identity` join `room`.
///
/// # Errors
/// It cannot be signed.
pub fn token(server: &Livekit, room: &str, identity: &str) -> Result<String> {
    let grants = VideoGrants {
        room_join: true,
        room: room.to_owned(),
        ..Default::default()
    };
    AccessToken::with_api_key(&server.api_key, &server.api_secret)
        .with_identity(identity)
        .with_grants(grants)
        .to_jwt()
        .context("signing a token")
}
