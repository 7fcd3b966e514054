//! A person with a link gets a token for that room; coming back takes no second seat; API and join page hold the same
//! door.

use livekit_api::access_token::TokenVerifier;
use serde_json::json;

use crate::captions_resume_without_loss_or_double::links;
use crate::harness::{LIVEKIT_KEY, LIVEKIT_SECRET, TestApp, answer, id, wrong_fields};

#[tokio::test]
async fn people_join_by_link() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let rooms = format!("/v1/organisations/{organisation}/rooms");
    let body = json!({"title": "Visit", "starts_at": chrono::Utc::now(), "capacity": 2});
    let room = id(&app.made(&rooms, body).await);
    let (_, join_url) = links(&app, organisation, room).await;
    let key = join_url.split_once("key=").unwrap().1;
    let enter = |body| answer(app.anonymous("POST", &format!("/join/{room}")).json(&body));

    let (status, problem) = enter(json!({"key": key, "name": "  "})).await;
    assert_eq!((status, wrong_fields(&problem)), (400, vec!["name"]));
    let (status, ann) = enter(json!({"key": key, "name": " Ann "})).await;
    assert_eq!(
        (status, &ann["name"], &ann["livekit_url"]),
        (200, &"Ann".into(), &"wss://livekit.example".into())
    );
    let claims = TokenVerifier::with_api_key(LIVEKIT_KEY, LIVEKIT_SECRET)
        .verify(ann["token"].as_str().unwrap())
        .unwrap();
    assert_eq!(
        (claims.sub.as_str(), claims.name.as_str()),
        (ann["identity"].as_str().unwrap(), "Ann")
    );
    assert_eq!(claims.video.room, format!("rapporteur-{room}"));
    assert!(claims.video.room_join && !claims.video.room_admin);

    let (status, again) = enter(json!({"key": ann["rejoin_key"]})).await;
    assert_eq!((status, &again["identity"]), (200, &ann["identity"]));
    assert_eq!(enter(json!({"key": key, "name": "Ben"})).await.0, 200);
    let (status, problem) = enter(json!({"key": key, "name": "Cora"})).await;
    assert_eq!((status, wrong_fields(&problem)), (400, vec!["capacity"]));

    // The token of the API is for the same room, until an hour after its end.
    let people = format!("{rooms}/{room}/participants");
    let (_, list) = app.get(&people).await;
    let token = app
        .made(&format!("{people}/{}/token", id(&list["items"][0])), json!({}))
        .await;
    let (_, read) = app.get(&format!("{rooms}/{room}")).await;
    let at = |value: &serde_json::Value| {
        value
            .as_str()
            .unwrap()
            .parse::<chrono::DateTime<chrono::Utc>>()
            .unwrap()
    };
    assert_eq!(
        at(&token["expires_at"]) - at(&read["ends_at"]),
        chrono::TimeDelta::hours(1)
    );

    app.made(&format!("{rooms}/{room}/cancel"), json!({})).await;
    assert_eq!(enter(json!({"key": ann["rejoin_key"]})).await.0, 409);
    assert_eq!(
        app.post(&format!("{people}/{}/token", id(&list["items"][0])), json!({}))
            .await
            .0,
        409
    );
    app.stop().await;
}
