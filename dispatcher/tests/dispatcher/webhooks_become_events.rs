//! What LiveKit signed becomes events of the room, each once; what it did not sign is refused.

use base64::Engine as _;
use livekit_api::access_token::AccessToken;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::harness::{LIVEKIT_KEY, LIVEKIT_SECRET, TestApp};

/// The JWT by which LiveKit vouches for a body. The crate's tokens have no such claim to set, so it is made by hand.
fn signature(secret: &str, body: &str) -> String {
    use hmac::{Hmac, Mac as _};
    let encode = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(body));
    let template = AccessToken::with_api_key(LIVEKIT_KEY, secret).to_jwt().unwrap();
    let header = template.split('.').next().unwrap().to_owned();
    let now = chrono::Utc::now().timestamp();
    let claims = json!({"iss": LIVEKIT_KEY, "exp": now + 300, "nbf": now - 5, "sha256": digest});
    let signed = format!("{header}.{}", encode(claims.to_string().as_bytes()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    format!("{signed}.{}", encode(&mac.finalize().into_bytes()))
}

async fn send(app: &TestApp, secret: &str, event: &Value, altered: Option<&Value>) -> u16 {
    let body = event.to_string();
    let request = app
        .anonymous("POST", "/webhooks/livekit")
        .header("authorization", signature(secret, &body))
        .header("content-type", "application/webhook+json")
        .body(altered.unwrap_or(event).to_string());
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn webhooks_become_events() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    let event = |id: &str, kind: &str, room: String| {
        json!({
            "event": kind, "id": id, "createdAt": "1700000000", "room": {"name": room},
            "participant": {"identity": "p-1", "name": "Ann", "kind": "STANDARD"},
        })
    };
    let ours = || format!("rapporteur-{room}");
    let joined = event("EV_1", "participant_joined", ours());
    assert_eq!(send(&app, LIVEKIT_SECRET, &joined, None).await, 204);
    assert_eq!(
        send(&app, LIVEKIT_SECRET, &joined, None).await,
        204,
        "a repeated one is taken, and not recorded"
    );
    assert_eq!(
        send(
            &app,
            LIVEKIT_SECRET,
            &event("EV_2", "track_published", ours()),
            None
        )
        .await,
        204
    );
    assert_eq!(
        send(
            &app,
            LIVEKIT_SECRET,
            &event("EV_3", "participant_joined", "another".into()),
            None
        )
        .await,
        204
    );
    assert_eq!(
        send(
            &app,
            LIVEKIT_SECRET,
            &event("EV_4", "participant_left", ours()),
            None
        )
        .await,
        204
    );
    assert_eq!(
        send(
            &app,
            LIVEKIT_SECRET,
            &event("EV_5", "room_finished", ours()),
            None
        )
        .await,
        204
    );

    let forged = event("EV_6", "participant_left", ours());
    assert_eq!(
        send(&app, &LIVEKIT_SECRET.to_uppercase(), &forged, None).await,
        401
    );
    assert_eq!(
        send(&app, LIVEKIT_SECRET, &joined, Some(&forged)).await,
        401,
        "a body that was altered on the way"
    );

    let (_, events) = app
        .get(&format!("/v1/organisations/{organisation}/rooms/{room}/events"))
        .await;
    let kinds: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        kinds,
        [
            "room_scheduled",
            "participant_joined",
            "participant_left",
            "room_finished"
        ]
    );
    let data = &events["items"][1]["data"];
    assert_eq!(
        (&data["identity"], &data["agent"]),
        (&"p-1".into(), &false.into()),
        "{data}"
    );
    assert!(data.get("name").is_none());
    app.stop().await;
}
