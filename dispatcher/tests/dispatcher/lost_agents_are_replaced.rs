//! An agent that stops renewing its lease is replaced under the next epoch; one that holds it is left alone.

use std::time::Duration;

use crate::harness::{Asked, TestApp};

#[tokio::test]
async fn lost_agents_are_replaced() {
    let mut app = TestApp::start().await;
    app.reconcile();
    let (organisation, room) = app.due_room().await;
    let dispatched = |count: usize| {
        move |asked: &[Asked]| {
            asked
                .iter()
                .filter(|asked| matches!(asked, Asked::Dispatch(..)))
                .count()
                == count
        }
    };
    app.livekit.wait_until("the first agent", dispatched(1)).await;
    let lease = Duration::from_millis(300);
    app.app.store.take_lease(room, 1, "first", lease).await.unwrap();
    for _ in 0..5 {
        app.app.store.renew_lease(room, 1, lease).await.unwrap();
    }
    assert_eq!(app.livekit.dispatches().len(), 1);
    // From here on it is silent.
    app.livekit.wait_until("the second agent", dispatched(2)).await;
    assert_eq!(app.livekit.dispatches()[1].epoch, 2);
    assert!(
        app.app.store.renew_lease(room, 1, lease).await.is_err(),
        "the old agent is fenced"
    );
    app.app
        .store
        .take_lease(room, 2, "second", Duration::from_secs(60))
        .await
        .unwrap();
    let (_, sessions) = app
        .get(&format!("/v1/organisations/{organisation}/rooms/{room}/sessions"))
        .await;
    let status: Vec<_> = sessions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["status"].as_str().unwrap())
        .collect();
    assert_eq!(status, ["expired", "running"]);

    // One that gives the room back while the meeting runs is replaced at once.
    app.app
        .store
        .release(organisation, room, 2, "worker_drained")
        .await
        .unwrap();
    app.livekit.wait_until("the third agent", dispatched(3)).await;
    assert_eq!(app.livekit.dispatches()[2].epoch, 3);
    app.stop().await;
}
