//! Every route of the OpenAPI file is walked without a key. What answers anything but 401 has to be on this list, which
//! may only shrink.

use serde_json::json;

use crate::harness::{TestApp, answer};

const OPEN: [&str; 5] = [
    "GET /",
    "GET /healthz",
    "GET /metrics",
    "GET /openapi.json",
    "GET /readyz",
];

#[tokio::test]
async fn anonymous_callers_are_refused() {
    let app = TestApp::start().await;
    let (_, openapi) = app.get("/openapi.json").await;
    let mut open = vec!["GET /openapi.json".to_owned()];
    let mut walked = 0;
    for (path, item) in openapi["paths"].as_object().unwrap() {
        for method in ["get", "post", "put", "patch", "delete"]
            .into_iter()
            .filter(|method| item.get(method).is_some())
        {
            let method = method.to_uppercase();
            let nil = "00000000-0000-0000-0000-000000000000";
            let url: String = path
                .split('/')
                .map(|part| if part.starts_with('{') { nil } else { part })
                .collect::<Vec<_>>()
                .join("/");
            // A body that would do, so that the refusal is not about the body.
            let body = match path.as_str() {
                "/join/{room}/consent" => json!({"key": "", "granted": true}),
                _ => json!({"key": "", "name": "Ann"}),
            };
            let request = app.anonymous(&method, &url).json(&body);
            let (status, problem) = answer(request).await;
            walked += 1;
            if status == 401 {
                assert!(
                    problem["detail"]
                        .as_str()
                        .is_some_and(|detail| !detail.is_empty()),
                    "{method} {path}: {problem}"
                );
            } else {
                open.push(format!("{method} {path}"));
            }
        }
    }
    open.sort();
    assert!(walked > 20, "only {walked} routes in the description");
    assert_eq!(open, OPEN);

    // A wrong key is no key, however much of it is right.
    for key in ["the-api-key-of-the-test", "the-api-key-of-the-tests ", "x"] {
        let request = app
            .anonymous("POST", "/v1/organisations")
            .bearer_auth(key.replace(' ', "x"))
            .json(&json!({"name": "A"}));
        assert_eq!(answer(request).await.0, 401, "{key:?}");
    }
    app.stop().await;
}
