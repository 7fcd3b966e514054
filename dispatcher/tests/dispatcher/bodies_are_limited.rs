//! A body is read up to its route's limit, and has to be JSON where JSON is taken.

use serde_json::json;

use crate::harness::{TestApp, answer, wrong_fields};

#[tokio::test]
async fn bodies_are_limited() {
    let app = TestApp::start().await;
    let huge = json!({"name": "A", "instructions": "x".repeat(70 * 1024)});
    let (status, problem) = app.post("/v1/organisations", huge).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (413, Some("urn:rapporteur:problem:too-large"))
    );

    let text = app.request("POST", "/v1/organisations").body("{\"name\":\"A\"}");
    assert_eq!(answer(text).await.0, 415);
    let cut = app
        .request("POST", "/v1/organisations")
        .header("content-type", "application/json")
        .body("{\"name\":");
    assert_eq!(answer(cut).await.0, 400);

    // Webhooks and the join page are open to anybody: they have limits too.
    let webhook = app
        .anonymous("POST", "/webhooks/livekit")
        .body("x".repeat(300 * 1024));
    assert_eq!(answer(webhook).await.0, 413);

    let organisation = app.organisation().await;
    let (status, problem) = app
        .upload(organisation, "a.md", &vec![b'a'; 21 * 1024 * 1024])
        .await;
    assert_eq!((status, wrong_fields(&problem)), (413, vec!["file"]), "{problem}");
    app.stop().await;
}
