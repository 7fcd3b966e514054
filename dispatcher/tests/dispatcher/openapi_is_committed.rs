//! `docs/openapi.json` is what the server serves: a change of the API shows in review.

use crate::harness::TestApp;

#[tokio::test]
async fn openapi_is_committed() {
    let app = TestApp::start().await;
    let served = app
        .anonymous("GET", "/openapi.json")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    app.stop().await;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::write(path, &served).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        served == committed,
        "docs/openapi.json is not what the API is now; look at the change after:\n  \
         UPDATE_OPENAPI=1 cargo test --package dispatcher openapi_is_committed\n"
    );
}
