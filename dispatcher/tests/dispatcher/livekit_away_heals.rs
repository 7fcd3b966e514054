//! While LiveKit is away the reconciler says so, uses up no epochs in a loop, and brings the agent when it is back. A
//! dispatch whose answer was lost is not asked for twice.

use crate::harness::{Asked, TestApp};

#[tokio::test]
async fn livekit_away_heals() {
    let mut app = TestApp::start().await;
    app.livekit.set_away(true);
    app.reconcile();
    let (organisation, room) = app.due_room().await;
    let away = app
        .wait_for("/readyz", |body| body["checks"]["dispatch"].is_string())
        .await;
    assert_eq!(away["ready"], false);
    assert!(
        away["checks"]["livekit"]
            .as_str()
            .unwrap()
            .contains("unavailable"),
        "{away}"
    );
    assert_eq!(app.livekit.asked(), []);
    app.livekit.set_away(false);
    app.livekit
        .wait_until("a dispatch", |asked| {
            matches!(asked.last(), Some(Asked::Dispatch(..)))
        })
        .await;
    let dispatch = app.livekit.dispatches()[0];
    assert_eq!(dispatch.room_id, room);
    let (_, sessions) = app
        .get(&format!("/v1/organisations/{organisation}/rooms/{room}/sessions"))
        .await;
    assert_eq!(sessions["items"].as_array().unwrap().len() as i64, dispatch.epoch);
    assert_eq!(dispatch.epoch, 1, "the outage used up epochs");
    app.wait_for("/readyz", |body| body["ready"] == true).await;
    app.stop().await;
}

#[tokio::test]
async fn a_dispatch_whose_answer_was_lost_is_not_asked_for_twice() {
    let mut app = TestApp::start().await;
    app.livekit.lose_next_answer();
    app.reconcile();
    let (organisation, room) = app.due_room().await;
    let counted = app.app.metrics.clone();
    let path = format!("/v1/organisations/{organisation}/rooms/{room}/sessions");
    app.wait_for(&path, |_| counted.dispatches.get() == 1).await;
    assert_eq!(app.livekit.dispatches().len(), 1);
    app.stop().await;
}
