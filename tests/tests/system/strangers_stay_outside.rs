//! An expired or forged token opens neither the room nor the API, an upload that is not what it says is refused, and each
//! error says why.

use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac as _};
use livekit_api::access_token::{AccessToken, VideoGrants};
use serde_json::Value;
use sha2::Sha256;
use system_tests::meeting::Meeting;
use system_tests::participant::Participant;

#[tokio::test(flavor = "multi_thread")]
async fn strangers_stay_outside() -> Result<()> {
    let meeting = Meeting::begin("Strangers").await?;
    let livekit = &meeting.house.livekit;
    let room = meeting.api.get(&meeting.path("")).await?;
    let name = room["livekit_room"].as_str().context("no room name")?;
    let token = |secret: &str| {
        AccessToken::with_api_key(&livekit.api_key, secret)
            .with_identity("p-stranger")
            .with_ttl(Duration::from_secs(60))
            .with_grants(VideoGrants {
                room_join: true,
                room: name.to_owned(),
                ..Default::default()
            })
            .to_jwt()
    };
    let forged = token("another-secret-of-more-than-thirty-two-letters")?;
    let expired = expired(&token(&livekit.api_secret)?, &livekit.api_secret)?;
    for (what, token) in [("forged", forged), ("expired", expired), ("empty", String::new())] {
        let error = match Participant::join(&livekit.url, &token).await {
            Ok(_) => panic!("a {what} token opened the room"),
            Err(error) => format!("{error:#}"),
        };
        assert!(
            error.contains("401") || error.to_lowercase().contains("unauthor"),
            "{what}: {error}"
        );
    }

    let (status, problem) = meeting
        .api
        .anonymous()
        .get_any(&meeting.path("transcript"))
        .await?;
    assert_eq!(status, 401, "{problem}");
    assert!(
        problem["detail"]
            .as_str()
            .is_some_and(|detail| !detail.is_empty()),
        "{problem}"
    );

    let picture = b"\x89PNG\r\n\x1a\n and so on".to_vec();
    let (status, problem) = meeting
        .api
        .upload_any(&meeting.organisation, "handbook.pdf", picture)
        .await?;
    assert_eq!(status, 415, "{problem}");
    let detail = problem["detail"].as_str().context("no detail")?;
    assert!(detail.contains("named as PDF"), "{detail}");
    meeting.end().await
}

/// A token that was good until an hour ago. The crate makes no such tokens, so it is signed by hand.
fn expired(token: &str, secret: &str) -> Result<String> {
    let mut parts = token.split('.');
    let header = parts.next().context("no header")?;
    let claims = URL_SAFE_NO_PAD.decode(parts.next().context("no claims")?)?;
    let mut claims: Value = serde_json::from_slice(&claims)?;
    let now = chrono::Utc::now().timestamp();
    claims["nbf"] = (now - 7200).into();
    claims["exp"] = (now - 3600).into();
    let signed = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(signed.as_bytes());
    Ok(format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())
    ))
}
