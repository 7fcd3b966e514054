//! Nothing of one organisation is reached through another.

use serde_json::json;
use uuid::Uuid;

use crate::harness::{TestApp, answer, id};

#[tokio::test]
async fn organisations_are_apart() {
    let app = TestApp::start().await;
    let (owner, room) = app.due_room().await;
    let other = app.organisation().await;
    let invite = json!({"name": "Ann", "kind": "client"});
    let person = id(&app
        .made(
            &format!("/v1/organisations/{owner}/rooms/{room}/participants"),
            invite.clone(),
        )
        .await);
    let (_, document) = app.upload(owner, "a.md", b"# Words\n\nSome.\n").await;
    let document = id(&document);
    for organisation in [other, Uuid::nil()] {
        let rooms = format!("/v1/organisations/{organisation}/rooms/{room}");
        for part in [
            "",
            "/participants",
            "/transcript",
            "/transcript/export?format=vtt",
            "/usage",
            "/answers",
            "/sessions",
            "/events",
            "/voices",
        ] {
            assert_eq!(app.get(&format!("{rooms}{part}")).await.0, 404, "{part}");
        }
        for part in ["/cancel", "/links", &format!("/participants/{person}/token")] {
            assert_eq!(
                app.post(&format!("{rooms}{part}"), json!({})).await.0,
                404,
                "{part}"
            );
        }
        assert_eq!(
            app.post(&format!("{rooms}/participants"), invite.clone()).await.0,
            404
        );
        let voice = app.request("PUT", &format!("{rooms}/voices/p-1/1"));
        assert_eq!(answer(voice.json(&json!({"name": "Ann"}))).await.0, 404);
        let path = format!("/v1/organisations/{organisation}/documents/{document}");
        assert_eq!(app.get(&path).await.0, 404);
        assert_eq!(app.request("DELETE", &path).send().await.unwrap().status(), 404);
    }
    let (_, rooms) = app.get(&format!("/v1/organisations/{other}/rooms")).await;
    assert_eq!(rooms["items"], json!([]));
    for part in ["rooms", "people"] {
        let path = format!("/v1/organisations/{}/{part}", Uuid::nil());
        assert_eq!(app.get(&path).await.0, 404, "{part}");
    }
    assert_eq!(
        app.upload(Uuid::nil(), "a.md", b"# Words\n\nSome.\n").await.0,
        404
    );
    app.stop().await;
}
