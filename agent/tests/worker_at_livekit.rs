//! The worker protocol against a real livekit-server: registration, jobs, termination, a server that goes away
//! and comes back, load, drain.

mod support;

use agent::worker::io::StopReason;
use support::{Did, LiveKit, TestWorker, new_dispatch, room_name};

#[tokio::test]
async fn a_dispatch_becomes_a_session_with_its_room_and_epoch() {
    let livekit = LiveKit::start().await;
    let mut worker = TestWorker::start(livekit.server(), 2).await;
    let dispatch = new_dispatch(7);
    let (_, assignment) = worker.placed(&livekit, &dispatch).await;
    assert_eq!(assignment.dispatch, dispatch);
    assert_eq!(assignment.livekit_room, room_name(&dispatch));
    let claims = livekit.verify(&assignment.token);
    assert_eq!((claims.sub, claims.name.as_str()), (dispatch.identity(), "Ada"));
    assert_eq!(
        (claims.kind.as_str(), claims.video.room.clone()),
        ("agent", room_name(&dispatch))
    );
    assert!(claims.video.can_update_own_metadata());
}

#[tokio::test]
async fn deleting_the_dispatch_stops_its_session_and_no_other() {
    let livekit = LiveKit::start().await;
    let mut worker = TestWorker::start(livekit.server(), 2).await;
    let (kept, deleted) = (new_dispatch(1), new_dispatch(1));
    worker.placed(&livekit, &kept).await;
    let (created, assignment) = worker.placed(&livekit, &deleted).await;
    let job_id = assignment.job_id;
    livekit.delete(&created).await;
    match worker.next().await {
        Did::Stopped(stopped, StopReason::Terminated) => assert_eq!(stopped, job_id),
        other => panic!("{other:?}"),
    }
    assert!(worker.is_quiet());
}

#[tokio::test]
async fn a_server_that_restarts_finds_the_worker_again_and_its_sessions_untouched() {
    let mut livekit = LiveKit::start().await;
    let mut worker = TestWorker::start(livekit.server(), 3).await;
    worker.placed(&livekit, &new_dispatch(1)).await;
    livekit.restart().await;
    assert!(matches!(worker.next().await, Did::Unregistered));
    assert!(matches!(worker.next().await, Did::Registered));
    let after = new_dispatch(2);
    // The first thing that happens to any session is the start of the new one.
    let (_, assignment) = worker.placed(&livekit, &after).await;
    assert_eq!(assignment.dispatch, after);
}

#[tokio::test]
async fn a_full_worker_gets_nothing_and_the_next_one_gets_the_job() {
    let livekit = LiveKit::start().await;
    let mut first = TestWorker::start(livekit.server(), 1).await;
    first.placed(&livekit, &new_dispatch(1)).await;
    let mut second = TestWorker::start(livekit.server(), 1).await;
    let dispatch = new_dispatch(1);
    let (_, assignment) = second.placed(&livekit, &dispatch).await;
    assert_eq!(assignment.dispatch, dispatch);
    assert!(first.is_quiet());
}

#[tokio::test]
async fn a_drain_stops_every_session_and_ends_the_worker() {
    let livekit = LiveKit::start().await;
    let mut worker = TestWorker::start(livekit.server(), 2).await;
    for _ in 0..2 {
        worker.placed(&livekit, &new_dispatch(1)).await;
    }
    worker.drain.cancel();
    for _ in 0..2 {
        assert!(matches!(worker.next().await, Did::Stopped(_, StopReason::Drain)));
    }
    assert_eq!(worker.ended().await, 0);
}
