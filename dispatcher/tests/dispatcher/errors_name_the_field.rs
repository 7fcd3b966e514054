//! An error is a problem document that names the field and the limit.

use serde_json::json;

use crate::harness::{TestApp, wrong_fields};

#[tokio::test]
async fn errors_name_the_field() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let rooms = format!("/v1/organisations/{organisation}/rooms");
    let cases = [
        ("/v1/organisations", json!({}), "name"),
        ("/v1/organisations", json!({"name": ""}), "name"),
        (
            "/v1/organisations",
            json!({"name": "A", "assistant_name": "x".repeat(41)}),
            "assistant_name",
        ),
        (
            "/v1/organisations",
            json!({"name": "A", "colour": "red"}),
            "colour",
        ),
        (
            "/v1/organisations",
            json!({"name": "A", "recognisers": ["whisper", "siri"]}),
            "recognisers[1]",
        ),
        (
            "/v1/organisations",
            json!({"name": "A", "recognisers": []}),
            "recognisers",
        ),
        (
            &rooms,
            json!({"title": "A", "starts_at": "2099-01-01T10:00:00Z", "recognisers": ["openai", "openai"]}),
            "recognisers",
        ),
        (
            &rooms,
            json!({"title": "A", "starts_at": "tomorrow"}),
            "starts_at",
        ),
        (
            &rooms,
            json!({"title": "", "starts_at": "2099-01-01T10:00:00Z"}),
            "title",
        ),
        (
            &rooms,
            json!({"title": "A", "starts_at": "2099-01-01T10:00:00Z", "capacity": 1}),
            "capacity",
        ),
        (
            &rooms,
            json!({"title": "A", "starts_at": "2099-01-01T10:00:00Z", "ends_at": "2099-01-01T09:00:00Z"}),
            "ends_at",
        ),
    ];
    for (path, body, field) in cases {
        let request = app.request("POST", path).json(&body).send().await.unwrap();
        assert_eq!(request.status(), 400, "{body}");
        assert_eq!(request.headers()["content-type"], "application/problem+json");
        assert!(request.headers().contains_key("x-request-id"));
        let problem: serde_json::Value = request.json().await.unwrap();
        assert_eq!(wrong_fields(&problem), [field], "{problem}");
        assert_eq!(problem["status"], 400);
    }
    let (status, problem) = app.get(&format!("{rooms}/not-an-id")).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (400, Some("urn:rapporteur:problem:invalid")),
        "{problem}"
    );
    let (status, problem) = app.get(&format!("{rooms}?limit=100000")).await;
    assert_eq!((status, wrong_fields(&problem)), (400, vec!["limit"]));
    assert_eq!(app.get("/v1/nothing").await.0, 404);
    assert_eq!(app.get("/v1/organisations").await.0, 405);
    app.stop().await;
}
