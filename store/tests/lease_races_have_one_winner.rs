//! Really at once: whoever takes, renews or hands out a room, one wins and the others are told so.

use store::StoreError;
use tokio::task::JoinSet;

use crate::support::{Database, HOUR};

/// Enough that both orders happen.
const ROUNDS: i64 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn eight_dispatchers_hand_out_one_epoch() {
    let database = Database::new().await;
    let room = database.room().await;
    for epoch in 0..10 {
        let mut dispatchers = JoinSet::new();
        for _ in 0..8 {
            let store = database.store.clone();
            dispatchers.spawn(async move { store.begin_dispatch(room.id, epoch, HOUR).await.unwrap() });
        }
        let handed_out: Vec<i64> = dispatchers.join_all().await.into_iter().flatten().collect();
        assert_eq!(handed_out, [epoch + 1]);
        database.age_leases(room.id, 61).await;
    }
    let sessions = database
        .store
        .sessions(room.organisation_id, room.id)
        .await
        .unwrap();
    assert_eq!(
        sessions.iter().map(|session| session.epoch).collect::<Vec<_>>(),
        (1..=10).collect::<Vec<_>>()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_workers_take_one_lease() {
    let database = Database::new().await;
    let room = database.room().await;
    database.store.begin_dispatch(room.id, 0, HOUR).await.unwrap();
    let mut workers = JoinSet::new();
    for number in 0..8 {
        let store = database.store.clone();
        workers.spawn(async move {
            store
                .take_lease(room.id, 1, &format!("worker-{number}"), HOUR)
                .await
        });
    }
    let answers = workers.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert!(matches!(refused, StoreError::Conflict { .. }), "{refused:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_lease_is_renewed_or_replaced_but_not_both() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let mut epoch = 1;
    for _ in 0..ROUNDS {
        database.age_leases(room.id, 61).await;
        let (renewed, next) = tokio::join!(
            database.store.renew_lease(room.id, epoch, HOUR),
            database.store.begin_dispatch(room.id, epoch, HOUR),
        );
        match (renewed, next.unwrap()) {
            (Ok(()), None) => {}
            (Err(StoreError::Fenced { .. }), Some(next)) => {
                epoch = next;
                database
                    .store
                    .take_lease(room.id, epoch, "worker-1", HOUR)
                    .await
                    .unwrap();
            }
            both => panic!("{both:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_worker_gets_the_room_or_the_next_one_does() {
    let database = Database::new().await;
    let room = database.room().await;
    let mut epoch = database
        .store
        .begin_dispatch(room.id, 0, HOUR)
        .await
        .unwrap()
        .unwrap();
    for _ in 0..ROUNDS {
        database.age_leases(room.id, 61).await;
        let (taken, next) = tokio::join!(
            database.store.take_lease(room.id, epoch, "late", HOUR),
            database.store.begin_dispatch(room.id, epoch, HOUR),
        );
        epoch = match (taken, next.unwrap()) {
            (Ok(_), None) => {
                database.age_leases(room.id, 61).await;
                database
                    .store
                    .begin_dispatch(room.id, epoch, HOUR)
                    .await
                    .unwrap()
                    .unwrap()
            }
            (Err(StoreError::Fenced { .. }), Some(next)) => next,
            both => panic!("{both:?}"),
        };
    }
}
