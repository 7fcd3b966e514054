//! An organisation chooses the recognisers of its rooms, and a room its own.

use serde_json::{Value, json};

use crate::harness::{TestApp, answer, wrong_fields};

#[tokio::test]
async fn recognisers_are_chosen() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let path = format!("/v1/organisations/{organisation}");
    let (_, before) = app.get(&path).await;
    assert_eq!(before["recognisers"], json!(["whisper"]));

    let chosen = json!(["deepgram", "openai", "whisper"]);
    let change = app.request("PATCH", &path).json(&json!({"recognisers": chosen}));
    let (status, changed) = answer(change).await;
    assert_eq!((status, &changed["recognisers"]), (200, &chosen));
    assert_eq!(app.get(&path).await.1, changed);
    for (body, field) in [
        (json!({"recognisers": []}), "recognisers"),
        (json!({"recognisers": ["whisper", "whisper"]}), "recognisers"),
        (json!({"recognisers": ["siri"]}), "recognisers[0]"),
        (json!({}), "recognisers"),
        (json!({"recognisers": ["whisper"], "name": "B"}), "name"),
    ] {
        let (status, problem) = answer(app.request("PATCH", &path).json(&body)).await;
        assert_eq!((status, wrong_fields(&problem)), (400, vec![field]), "{body}");
    }
    let nobody = "/v1/organisations/00000000-0000-0000-0000-000000000000";
    let change = app
        .request("PATCH", nobody)
        .json(&json!({"recognisers": ["whisper"]}));
    assert_eq!(answer(change).await.0, 404);

    let rooms = format!("{path}/rooms");
    let starts_at = "2099-01-01T10:00:00Z";
    let like_all = app
        .made(&rooms, json!({"title": "A", "starts_at": starts_at}))
        .await;
    assert_eq!(like_all["recognisers"], Value::Null);
    let body = json!({"title": "B", "starts_at": starts_at, "recognisers": ["openai", "whisper"]});
    let own = app.made(&rooms, body).await;
    assert_eq!(own["recognisers"], json!(["openai", "whisper"]));
    let read = app
        .get(&format!("{rooms}/{}", own["id"].as_str().unwrap()))
        .await
        .1;
    assert_eq!(read, own);
    app.stop().await;
}
