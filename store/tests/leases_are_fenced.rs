//! The life of a lease: dispatched, taken, renewed, lapsed, replaced; and what its holder may write at each point.

use std::time::Duration;

use store::{NewUsage, RoomStatus, SessionStatus, StoreError};
use uuid::Uuid;

use crate::support::{Database, HOUR, new_segment};

#[tokio::test]
async fn a_taken_room_is_live_and_its_clock_starts_once() {
    let database = Database::new().await;
    let room = database.room().await;
    let store = &database.store;
    assert_eq!(store.begin_dispatch(room.id, 0, HOUR).await.unwrap(), Some(1));
    assert_eq!(store.begin_dispatch(room.id, 0, HOUR).await.unwrap(), None);
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), None);
    let for_agent = store.room_for_agent(room.id, 1).await.unwrap();
    assert_eq!(
        (for_agent.room.status, for_agent.room.clock_origin),
        (RoomStatus::Scheduled, None)
    );
    assert_eq!(for_agent.organisation.id, room.organisation_id);

    let lease = store.take_lease(room.id, 1, "worker-1", HOUR).await.unwrap();
    assert!((0..1_000).contains(&lease.meeting_ms), "{lease:?}");
    let live = store.room(room.organisation_id, room.id).await.unwrap();
    assert_eq!(
        (live.status, live.clock_origin, live.epoch),
        (RoomStatus::Live, Some(lease.clock_origin), 1)
    );
    let session = &store.sessions(room.organisation_id, room.id).await.unwrap()[0];
    assert_eq!(
        (session.id, session.status, session.epoch),
        (lease.session, SessionStatus::Running, 1)
    );
    assert_eq!(session.worker.as_deref(), Some("worker-1"));
    assert!(session.joined_at.is_some() && session.ended_at.is_none());

    // The meeting goes on under the next agent: an hour later on the same clock.
    database
        .run("UPDATE rooms SET clock_origin = clock_origin - interval '1 hour'")
        .await;
    database.age_leases(room.id, 61).await;
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), Some(2));
    let next = store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    assert_eq!(next.clock_origin, lease.clock_origin - HOUR);
    assert!((3_600_000..3_660_000).contains(&next.meeting_ms), "{next:?}");
    let sessions = store.sessions(room.organisation_id, room.id).await.unwrap();
    assert_eq!(sessions[0].status, SessionStatus::Expired);
    assert_eq!(sessions[0].end_reason.as_deref(), Some("lease ran out"));
}

#[tokio::test]
async fn a_worker_that_lost_the_answer_takes_the_lease_again_and_nobody_else_does() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let first = database
        .store
        .sessions(room.organisation_id, room.id)
        .await
        .unwrap();
    let again = database
        .store
        .take_lease(room.id, 1, "worker-1", HOUR)
        .await
        .unwrap();
    assert_eq!(again.session, first[0].id);
    let other = database.store.take_lease(room.id, 1, "worker-2", HOUR).await;
    assert!(matches!(other, Err(StoreError::Conflict { .. })), "{other:?}");
    let joined = database
        .store
        .events(room.organisation_id, room.id, 0, 10)
        .await
        .unwrap();
    assert_eq!(
        joined.iter().filter(|event| event.kind == "agent_joined").count(),
        1
    );
}

#[tokio::test]
async fn a_lapsed_lease_is_good_until_somebody_else_comes() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    database.age_leases(room.id, 61).await;
    store
        .append_segment(organisation, room.id, 1, &new_segment("Still here."))
        .await
        .unwrap();
    store.renew_lease(room.id, 1, HOUR).await.unwrap();
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), None);
}

#[tokio::test]
async fn a_returning_zombie_writes_nothing() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    database.age_leases(room.id, 61).await;
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), Some(2));
    let usage = NewUsage {
        id: Uuid::new_v4(),
        kind: "audio_received".into(),
        unit: "seconds".into(),
        quantity: 1.0,
        engine: String::new(),
    };
    let refusals = [
        store.renew_lease(room.id, 1, HOUR).await.err(),
        store.take_lease(room.id, 1, "worker-1", HOUR).await.err(),
        store
            .append_segment(organisation, room.id, 1, &new_segment("Boo."))
            .await
            .err(),
        store.record_usage(organisation, room.id, 1, &[usage]).await.err(),
        store.room_for_agent(room.id, 1).await.err(),
    ];
    for refused in refusals {
        let named =
            matches!(refused, Some(StoreError::Fenced { epoch: 1, current: 2, room: of }) if of == room.id);
        assert!(named, "{refused:?}");
    }
    // Giving back what is lost already is no error, and takes nothing from the new one.
    store.release(organisation, room.id, 1, "fenced").await.unwrap();
    let statuses: Vec<_> = store
        .sessions(organisation, room.id)
        .await
        .unwrap()
        .iter()
        .map(|session| session.status)
        .collect();
    assert_eq!(statuses, [SessionStatus::Expired, SessionStatus::Dispatched]);
    store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    let sequence = store
        .append_segment(organisation, room.id, 2, &new_segment("Hello."))
        .await
        .unwrap();
    assert_eq!(sequence, 1);
}

#[tokio::test]
async fn a_released_room_is_due_at_once() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    for _ in 0..2 {
        store.release(organisation, room.id, 1, "draining").await.unwrap();
    }
    let session = &store.sessions(organisation, room.id).await.unwrap()[0];
    assert_eq!(
        (session.status.as_str(), session.end_reason.as_deref()),
        ("ended", Some("draining"))
    );
    let renewed = store.renew_lease(room.id, 1, HOUR).await;
    assert!(matches!(renewed, Err(StoreError::Conflict { .. })), "{renewed:?}");
    let due = store.due_rooms(Duration::ZERO, 10).await.unwrap();
    assert_eq!((due.len(), due[0].epoch), (1, 1));
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), Some(2));
}

#[tokio::test]
async fn the_agent_of_a_cancelled_room_is_told_and_may_finish() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    store.cancel_room(organisation, room.id).await.unwrap();
    let before = store.sessions(organisation, room.id).await.unwrap()[0].lease_expires_at;
    let told = store.renew_lease(room.id, 1, HOUR).await;
    assert!(matches!(told, Err(StoreError::Conflict { .. })), "{told:?}");
    let after = store.sessions(organisation, room.id).await.unwrap()[0].lease_expires_at;
    assert!(after > before, "the lease reaches on while the agent finishes");
    store
        .append_segment(organisation, room.id, 1, &new_segment("Last words."))
        .await
        .unwrap();
    store
        .release(organisation, room.id, 1, "cancelled")
        .await
        .unwrap();
    assert_eq!(store.begin_dispatch(room.id, 1, HOUR).await.unwrap(), None);
}

#[tokio::test]
async fn nobody_takes_what_is_over_or_was_never_there() {
    let database = Database::new().await;
    let store = &database.store;
    let room = database.room().await;
    store.begin_dispatch(room.id, 0, HOUR).await.unwrap();
    store.end_room(room.organisation_id, room.id).await.unwrap();
    let over = store.take_lease(room.id, 1, "worker-1", HOUR).await;
    assert!(matches!(over, Err(StoreError::Conflict { .. })), "{over:?}");
    let nowhere = Uuid::new_v4();
    assert_eq!(store.begin_dispatch(nowhere, 0, HOUR).await.unwrap(), None);
    let missing = [
        store.take_lease(nowhere, 1, "worker-1", HOUR).await.err(),
        store.renew_lease(nowhere, 1, HOUR).await.err(),
        store.release(nowhere, nowhere, 1, "lost").await.err(),
        store.room_for_agent(nowhere, 1).await.err(),
    ];
    for missing in missing {
        assert!(
            matches!(missing, Some(StoreError::NotFound { what: "room" })),
            "{missing:?}"
        );
    }
}
