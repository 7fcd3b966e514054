//! Health answers whatever is away; readiness names it, and recovers; the figures are there.

use serde_json::json;

use crate::harness::TestApp;

#[tokio::test]
async fn readiness_says_what_is_missing() {
    let app = TestApp::start().await;
    let (status, ready) = app.get("/readyz").await;
    assert_eq!(
        (status, ready),
        (
            200,
            json!({"ready": true, "checks": {"database": "ok", "livekit": "ok", "migrations": "ok"}})
        )
    );
    app.livekit.set_away(true);
    let away = app.wait_for("/readyz", |body| body["ready"] == false).await;
    assert_eq!(
        (&away["checks"]["database"], &away["checks"]["livekit"]),
        (&"ok".into(), &"LiveKit refused (unavailable)".into())
    );
    assert_eq!(app.request("GET", "/healthz").send().await.unwrap().status(), 200);
    app.livekit.set_away(false);
    app.wait_for("/readyz", |body| body["ready"] == true).await;
    app.app.health.drain();
    let draining = app.wait_for("/readyz", |body| body["ready"] == false).await;
    assert_eq!(draining["checks"]["process"], "shutting down");

    let figures = app
        .request("GET", "/metrics")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(figures.contains(r#"rapporteur_dispatcher_request_duration_seconds_count{route="/readyz",method="GET",status="503"}"#), "{figures}");
    app.stop().await;
}

#[tokio::test]
async fn without_a_database_requests_say_come_back() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    app.app.store.close().await;
    let (status, problem) = app.get(&format!("/v1/organisations/{organisation}")).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (503, Some("urn:rapporteur:problem:unavailable"))
    );
    let ready = app.wait_for("/readyz", |body| body["ready"] == false).await;
    assert_eq!(
        (&ready["checks"]["livekit"], &ready["checks"]["migrations"]),
        (&"ok".into(), &"ok".into())
    );
    app.stop().await;
}
