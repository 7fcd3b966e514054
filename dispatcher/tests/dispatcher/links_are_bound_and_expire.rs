//! A link opens its own page of its own room until it expires; anything else is refused, as JSON for programs and as a
//! page for people.

use chrono::{DateTime, TimeDelta, Utc};
use dispatcher::links::{Claims, Links, Purpose};
use serde_json::json;

use crate::captions_resume_without_loss_or_double::links;
use crate::harness::{API_KEY, LIVEKIT_SECRET, TestApp, answer};

#[tokio::test]
async fn links_are_bound() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    let other = app.room(organisation, 0).await;
    let (captions_url, join_url) = links(&app, organisation, room).await;
    assert_eq!(
        app.anonymous("GET", &captions_url).send().await.unwrap().status(),
        200
    );
    assert_eq!(
        app.anonymous("GET", &join_url).send().await.unwrap().status(),
        200
    );

    let key = |url: &str| url.split_once("key=").unwrap().1.to_owned();
    let (captions_key, join_key) = (key(&captions_url), key(&join_url));
    let forged = Links::new("another key", LIVEKIT_SECRET).sign(Claims {
        purpose: Purpose::Captions,
        organisation,
        room,
        participant: uuid::Uuid::nil(),
        expires_at: i64::MAX,
    });
    let invalid = "urn:rapporteur:problem:link-invalid";
    for path in [
        format!("/rooms/{other}/captions?key={captions_key}"),
        format!("/rooms/{room}/captions?key={join_key}"),
        format!("/rooms/{room}/captions/events?key={join_key}"),
        format!("/rooms/{room}/captions/transcript?key={join_key}&format=txt"),
        format!("/rooms/{other}/captions/transcript?key={captions_key}&format=txt"),
        format!("/rooms/{room}/captions/transcript?format=txt"),
        format!("/rooms/{room}/captions?key={forged}"),
        format!("/rooms/{room}/captions?key={}", &captions_key[1..]),
        format!("/rooms/{room}/captions"),
        format!("/join/{room}?key={captions_key}"),
    ] {
        let (status, problem) = answer(app.anonymous("GET", &path)).await;
        assert_eq!(
            (status, problem["type"].as_str()),
            (401, Some(invalid)),
            "{path}: {problem}"
        );
    }
    let enter = app
        .anonymous("POST", &format!("/join/{room}"))
        .json(&json!({"key": captions_key, "name": "Eve"}));
    assert_eq!(answer(enter).await.0, 401);
    let page = app
        .anonymous("GET", &format!("/rooms/{room}/captions?key=x"))
        .header("accept", "text/html")
        .send()
        .await
        .unwrap();
    assert_eq!(page.status(), 401);
    assert!(page.text().await.unwrap().contains("This link is not valid"));
    app.stop().await;
}

fn in_three_days() -> DateTime<Utc> {
    Utc::now() + TimeDelta::days(3)
}

#[tokio::test]
async fn links_expire() {
    let app = TestApp::start_at(in_three_days).await;
    let organisation = app.organisation().await;
    let room = app.room(organisation, 3 * 24 * 3600 + 60).await;
    let claims = Claims {
        purpose: Purpose::Captions,
        organisation,
        room,
        participant: uuid::Uuid::nil(),
        expires_at: Utc::now().timestamp() + 3600,
    };
    let key = Links::new(API_KEY, LIVEKIT_SECRET).sign(claims);
    for page in ["captions", "captions/events", "captions/transcript"] {
        let (status, problem) =
            answer(app.anonymous("GET", &format!("/rooms/{room}/{page}?key={key}"))).await;
        assert_eq!(
            (status, problem["type"].as_str()),
            (401, Some("urn:rapporteur:problem:link-expired"))
        );
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("ask whoever sent it")
        );
    }
    app.stop().await;
}
