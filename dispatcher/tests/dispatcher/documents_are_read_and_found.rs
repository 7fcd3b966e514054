//! An upload is queued, read, and found by a question that uses other words; deleted, it is found no more.

use serde_json::json;

use crate::harness::{TestApp, id};

const HOURS: &[u8] = b"# Opening hours\n\nThe desk is staffed from seven in the morning until eight in the evening, except on Sundays.\n";
const PARKING: &[u8] = b"# Parking\n\nVisitors leave their cars in the garage below the building. Bring the ticket to the desk.\n";

#[tokio::test]
async fn documents_are_read_and_found() {
    let mut app = TestApp::start().await;
    app.read_documents();
    let organisation = app.organisation().await;
    let documents = format!("/v1/organisations/{organisation}/documents");
    let (status, hours) = app.upload(organisation, "opening hours.md", HOURS).await;
    assert_eq!((status, hours["title"].as_str()), (202, Some("opening hours")));
    let (_, parking) = app.upload(organisation, "parking.txt", PARKING).await;
    for document in [&hours, &parking] {
        let path = format!("{documents}/{}", id(document));
        let ready = app
            .wait_for(&path, |body| {
                body["status"] == "ready" || body["status"] == "failed"
            })
            .await;
        assert_eq!(
            (&ready["status"], &ready["error"]),
            (&"ready".into(), &serde_json::Value::Null)
        );
        assert!(ready["passages"].as_i64().unwrap() >= 1);
    }
    // The same content again is the same document.
    let (status, again) = app.upload(organisation, "copy.md", HOURS).await;
    assert_eq!((status, id(&again)), (202, id(&hours)));

    let search = format!("/v1/organisations/{organisation}/search");
    let found = app
        .made(
            &search,
            json!({"question": "At what time does the reception open?", "limit": 2}),
        )
        .await;
    assert_eq!(found["passages"][0]["document_id"], hours["id"], "{found}");
    assert!(found["passages"][0]["distance"].as_f64().unwrap() < 1.0);

    let gone = app
        .request("DELETE", &format!("{documents}/{}", id(&hours)))
        .send()
        .await
        .unwrap();
    assert_eq!(gone.status(), 204);
    let found = app
        .made(
            &search,
            json!({"question": "At what time does the reception open?"}),
        )
        .await;
    assert!(
        found["passages"]
            .as_array()
            .unwrap()
            .iter()
            .all(|passage| passage["document_id"] != hours["id"])
    );
    app.stop().await;
}

#[tokio::test]
async fn a_document_without_text_fails_with_a_reason_and_the_next_one_is_read() {
    let mut app = TestApp::start().await;
    app.read_documents();
    let organisation = app.organisation().await;
    let (_, empty) = app.upload(organisation, "empty.txt", b" \n\n \n").await;
    let (_, full) = app.upload(organisation, "full.md", HOURS).await;
    let path = |document| format!("/v1/organisations/{organisation}/documents/{}", id(document));
    let failed = app
        .wait_for(&path(&empty), |body| body["status"] == "failed")
        .await;
    assert_eq!(failed["error"], "the document has no text");
    app.wait_for(&path(&full), |body| body["status"] == "ready").await;
    app.stop().await;
}
