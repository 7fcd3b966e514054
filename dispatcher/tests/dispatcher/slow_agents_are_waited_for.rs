//! An agent whose worker has the dispatch, but is slow to take the room, is waited for; one that no worker took, or whose
//! worker has it for too long, is replaced.

use crate::harness::{Asked, TestApp};

#[tokio::test]
async fn slow_agents_are_waited_for() {
    let mut app = TestApp::start().await;
    app.livekit.set_worker(true);
    app.reconcile();
    let (_, room) = app.due_room().await;
    let dispatched = |count: usize| {
        move |asked: &[Asked]| {
            let dispatches = asked.iter().filter(|asked| matches!(asked, Asked::Dispatch(..)));
            dispatches.count() == count
        }
    };
    app.livekit.wait_until("an agent", dispatched(1)).await;
    let counted = app.app.metrics.clone();
    // Its grace is over; the reconciler is told.
    let lapse = format!(
        "UPDATE agent_sessions SET lease_expires_at = now() WHERE room_id = '{room}' AND status = 'dispatched';
         SELECT pg_notify('schedule', '')"
    );
    for waits in 1..=2 {
        app.database.execute(&lapse).await;
        app.wait_for("/readyz", |_| counted.agents_awaited.get() == waits)
            .await;
    }
    assert_eq!(app.livekit.dispatches().len(), 1);

    // No worker has it any more.
    app.livekit.set_worker(false);
    app.database.execute(&lapse).await;
    app.livekit.wait_until("another agent", dispatched(2)).await;

    // A worker has had the second one for 20 s.
    app.livekit.set_worker(true);
    app.database
        .execute(&format!(
            "UPDATE agent_sessions SET dispatched_at = dispatched_at - interval '20 seconds' WHERE room_id = '{room}'"
        ))
        .await;
    app.database.execute(&lapse).await;
    app.livekit.wait_until("a third agent", dispatched(3)).await;
    let epochs: Vec<i64> = app
        .livekit
        .dispatches()
        .iter()
        .map(|dispatch| dispatch.epoch)
        .collect();
    assert_eq!(epochs, [1, 2, 3]);
    assert_eq!(counted.agents_awaited.get(), 2);
    app.stop().await;
}
