//! A room may say otherwise whether people who share a microphone are told apart, until its meeting is over.

use serde_json::json;

use crate::harness::{TestApp, answer, wrong_fields};

#[tokio::test]
async fn rooms_are_changed() {
    let app = TestApp::start().await;
    let (organisation, room) = app.due_room().await;
    let path = format!("/v1/organisations/{organisation}/rooms/{room}");
    let (_, before) = app.get(&path).await;
    assert_eq!(before["voices"], "detect");
    let change = |path: &str, body| answer(app.request("PATCH", path).json(&body));
    let (status, changed) = change(&path, json!({"voices": "several"})).await;
    assert_eq!((status, &changed["voices"]), (200, &json!("several")));
    assert_eq!(app.get(&path).await.1["voices"], "several");
    let events = app.get(&format!("{path}/events")).await.1;
    let last = events["items"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["kind"], &last["data"]),
        (&json!("room_changed"), &json!({"voices": "several"}))
    );

    for (body, field) in [
        (json!({"voices": "all"}), "voices"),
        (json!({}), "voices"),
        (json!({"voices": "one", "title": "B"}), "title"),
    ] {
        let (status, problem) = change(&path, body.clone()).await;
        assert_eq!((status, wrong_fields(&problem)), (400, vec![field]), "{body}");
    }
    let other = app.organisation().await;
    let elsewhere = format!("/v1/organisations/{other}/rooms/{room}");
    assert_eq!(change(&elsewhere, json!({"voices": "one"})).await.0, 404);
    app.post(&format!("{path}/cancel"), json!({})).await;
    assert_eq!(change(&path, json!({"voices": "one"})).await.0, 409);
    app.stop().await;
}
