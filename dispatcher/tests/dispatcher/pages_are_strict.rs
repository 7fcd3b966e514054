//! Pages come with a strict policy, load nothing from elsewhere, and show what people wrote as text.

use serde_json::json;

use crate::captions_resume_without_loss_or_double::links;
use crate::harness::{TestApp, id};

#[tokio::test]
async fn pages_are_strict() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let body = json!({"title": "<script>alert(1)</script> & co", "starts_at": chrono::Utc::now()});
    let room = id(&app
        .made(&format!("/v1/organisations/{organisation}/rooms"), body)
        .await);
    let (captions_url, join_url) = links(&app, organisation, room).await;
    for url in [&captions_url, &join_url, "/"] {
        let page = app.anonymous("GET", url).send().await.unwrap();
        assert_eq!(page.status(), 200, "{url}");
        let policy = page.headers()["content-security-policy"]
            .to_str()
            .unwrap()
            .to_owned();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self';"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(
            url.contains("/join/"),
            policy.contains("wss://livekit.example"),
            "{policy}"
        );
        assert_eq!(page.headers()["referrer-policy"], "no-referrer");
        assert_eq!(page.headers()["cache-control"], "no-store");
        let html = page.text().await.unwrap();
        assert!(!html.contains("<script>alert"), "{url}");
        assert!(
            !html.contains("style=\"") && !html.contains("onclick"),
            "{url}: the policy forbids it"
        );
        // What it loads is there.
        for asset in html.split('"').filter(|part| part.starts_with("/assets/")) {
            let asset = app.anonymous("GET", asset).send().await.unwrap();
            assert_eq!(asset.status(), 200);
            let tag = asset.headers()["etag"].clone();
            let again = app
                .anonymous("GET", asset.url().path())
                .header("if-none-match", tag)
                .send()
                .await
                .unwrap();
            assert_eq!(again.status(), 304);
        }
    }
    // Not installed here: the page says so instead of failing.
    let page = app
        .anonymous("GET", &join_url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(page.contains("RAPPORTEUR_LIVEKIT_CLIENT_JS"));
    assert_eq!(
        app.anonymous("GET", "/assets/livekit-client.js")
            .send()
            .await
            .unwrap()
            .status(),
        404
    );
    app.stop().await;
}
