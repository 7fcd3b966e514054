//! A room takes as many people as it has seats, also when they all come at once.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{TestApp, id, wrong_fields};

#[tokio::test]
async fn capacity_is_enforced() {
    let app = TestApp::start().await;
    let organisation = app.organisation().await;
    let rooms = format!("/v1/organisations/{organisation}/rooms");
    let room = app
        .made(
            &rooms,
            json!({"title": "Small", "starts_at": chrono::Utc::now(), "capacity": 3}),
        )
        .await;
    let people = format!("{rooms}/{}/participants", id(&room));
    let invite = |number: usize| {
        let (app, people) = (&app, &people);
        async move {
            app.post(
                people,
                json!({"name": format!("Guest {number}"), "kind": "client"}),
            )
            .await
        }
    };
    let answers = join_all((0..8).map(invite)).await;
    let refused: Vec<_> = answers.iter().filter(|(status, _)| *status != 201).collect();
    assert_eq!(refused.len(), 5);
    for (status, problem) in refused {
        assert_eq!(
            (*status, wrong_fields(problem)),
            (400, vec!["capacity"]),
            "{problem}"
        );
        assert!(
            problem["detail"].as_str().unwrap().contains("at most 3"),
            "{problem}"
        );
    }
    let (_, list) = app.get(&people).await;
    assert_eq!(list["items"].as_array().unwrap().len(), 3);
    app.stop().await;
}
