//! A meeting past its end is closed at LiveKit and marked as over, once its grace has passed.

use crate::harness::{Asked, TestApp};

#[tokio::test]
async fn rooms_past_their_end_are_closed() {
    let mut app = TestApp::start().await;
    app.reconcile();
    let (organisation, room) = app.due_room().await;
    app.livekit
        .wait_until("an agent", |asked| {
            matches!(asked.last(), Some(Asked::Dispatch(..)))
        })
        .await;
    app.database
        .execute(&format!(
            "UPDATE rooms SET starts_at = now() - interval '1 hour', ends_at = now() WHERE id = '{room}'"
        ))
        .await;
    let path = format!("/v1/organisations/{organisation}/rooms/{room}");
    app.wait_for(&path, |body| body["status"] == "ended").await;
    assert_eq!(
        app.livekit.asked().last(),
        Some(&Asked::DeleteRoom(format!("rapporteur-{room}")))
    );
    let (_, events) = app.get(&format!("{path}/events")).await;
    let kinds: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["room_scheduled", "agent_dispatched", "room_ended"]);
    assert_eq!(app.livekit.dispatches().len(), 1);
    app.stop().await;
}
