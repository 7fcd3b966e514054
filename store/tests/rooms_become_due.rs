//! What the reconciler sees: rooms that need an agent, rooms past their end, and when to look again.

use std::time::Duration;

use chrono::Utc;
use store::{NewRoom, SessionStatus, StoreError};
use uuid::Uuid;

use crate::support::{Database, HOUR, new_room};

const LEAD: Duration = Duration::from_secs(120);

/// A meeting of an hour that begins so many seconds from now.
fn beginning_in(seconds: i64) -> NewRoom {
    let starts_at = Utc::now() + chrono::Duration::seconds(seconds);
    NewRoom {
        starts_at,
        ends_at: starts_at + HOUR,
        ..new_room()
    }
}

impl Database {
    /// A room that is [`beginning_in`] so many seconds.
    async fn room_in(&self, organisation: Uuid, seconds: i64) -> Uuid {
        let new = beginning_in(seconds);
        self.store.create_room(organisation, &new).await.unwrap().id
    }

    async fn due(&self) -> Vec<Uuid> {
        self.store
            .due_rooms(LEAD, 100)
            .await
            .unwrap()
            .iter()
            .map(|due| due.room)
            .collect()
    }
}

#[tokio::test]
async fn from_the_lead_time_to_the_end_without_an_agent() {
    let database = Database::new().await;
    let (store, organisation) = (&database.store, database.organisation().await);
    let mut rooms = Vec::new();
    for seconds in [-3_700, -3_500, 0, 110, 130] {
        rooms.push(database.room_in(organisation, seconds).await);
    }
    assert_eq!(database.due().await, rooms[1..4]);
    assert_eq!(store.due_rooms(LEAD, 1).await.unwrap().len(), 1);
    let past: Vec<_> = store
        .rooms_past_end(10)
        .await
        .unwrap()
        .iter()
        .map(|room| room.room)
        .collect();
    assert_eq!(past, rooms[..1]);

    let due = &store.due_rooms(LEAD, 1).await.unwrap()[0];
    let room = store.room(organisation, due.room).await.unwrap();
    assert_eq!(
        (due.organisation, &due.livekit_room, due.epoch),
        (organisation, &room.livekit_room, 0)
    );
    assert_eq!((due.capacity, due.ends_at), (room.capacity, room.ends_at));

    store.end_room(organisation, rooms[0]).await.unwrap();
    assert!(store.rooms_past_end(10).await.unwrap().is_empty());
    store.cancel_room(organisation, rooms[2]).await.unwrap();
    store.begin_dispatch(rooms[1], 0, HOUR).await.unwrap();
    assert_eq!(database.due().await, [rooms[3]]);
    database.age_leases(rooms[1], 61).await;
    assert_eq!(database.due().await, [rooms[1], rooms[3]]);
    assert_eq!(store.begin_dispatch(rooms[0], 0, HOUR).await.unwrap(), None);
    assert_eq!(store.begin_dispatch(rooms[2], 0, HOUR).await.unwrap(), None);
}

#[tokio::test]
async fn an_agent_that_took_its_room_and_is_overdue_is_told_from_one_that_never_came() {
    let database = Database::new().await;
    let (store, organisation) = (&database.store, database.organisation().await);
    let room = database.room_in(organisation, 0).await;
    let overdue = async || store.due_rooms(LEAD, 1).await.unwrap()[0].overdue;
    assert!(!overdue().await);
    store.begin_dispatch(room, 0, HOUR).await.unwrap();
    database.age_leases(room, 61).await;
    assert!(!overdue().await);
    store.begin_dispatch(room, 1, HOUR).await.unwrap();
    store.take_lease(room, 2, "worker", HOUR).await.unwrap();
    database.age_leases(room, 61).await;
    assert!(overdue().await);
}

#[tokio::test]
async fn how_long_nobody_has_taken_a_room_is_known_until_somebody_does() {
    let database = Database::new().await;
    let (store, organisation) = (&database.store, database.organisation().await);
    let room = database.room_in(organisation, 0).await;
    let untaken_ms = async || store.due_rooms(LEAD, 1).await.unwrap()[0].untaken_ms;
    assert_eq!(untaken_ms().await, None);
    store.begin_dispatch(room, 0, HOUR).await.unwrap();
    database.age_leases(room, 61).await;
    assert!((0..10_000).contains(&untaken_ms().await.unwrap()));
    assert!(store.await_agent(room, 1, HOUR).await.unwrap());
    assert!(database.due().await.is_empty(), "it is waited for");
    store.take_lease(room, 1, "worker", HOUR).await.unwrap();
    assert!(!store.await_agent(room, 1, HOUR).await.unwrap());
    database.age_leases(room, 61).await;
    assert_eq!(untaken_ms().await, None);
    store.begin_dispatch(room, 1, HOUR).await.unwrap();
    assert!(!store.await_agent(room, 1, HOUR).await.unwrap(), "fenced");
    database.age_leases(room, 61).await;
    assert!(untaken_ms().await.is_some());
}

#[tokio::test]
async fn the_next_look_is_at_the_next_change() {
    let database = Database::new().await;
    let (store, organisation) = (&database.store, database.organisation().await);
    assert_eq!(store.next_change_ms(LEAD).await.unwrap(), None);
    let within = |change_ms: Option<i64>, seconds: i64| {
        let change_ms = change_ms.unwrap();
        assert!(
            (seconds * 1_000 - 10_000..=seconds * 1_000).contains(&change_ms),
            "{change_ms} ms, not {seconds} s"
        );
    };
    let room = store
        .create_room(organisation, &beginning_in(1_120))
        .await
        .unwrap();
    within(store.next_change_ms(LEAD).await.unwrap(), 1_000);
    within(
        store.next_change_ms(Duration::from_secs(2_000)).await.unwrap(),
        4_720,
    );
    store
        .begin_dispatch(room.id, 0, Duration::from_secs(500))
        .await
        .unwrap();
    within(store.next_change_ms(LEAD).await.unwrap(), 500);
}

#[tokio::test]
async fn sessions_nobody_will_replace_are_closed() {
    let database = Database::new().await;
    let (ended, cancelled, running) = (
        database.held_room().await,
        database.held_room().await,
        database.held_room().await,
    );
    let store = &database.store;
    store.end_room(ended.organisation_id, ended.id).await.unwrap();
    store
        .cancel_room(cancelled.organisation_id, cancelled.id)
        .await
        .unwrap();
    assert_eq!(
        store.expire_sessions(10).await.unwrap(),
        0,
        "their agents are still writing"
    );
    for room in [&ended, &cancelled, &running] {
        database.age_leases(room.id, 61).await;
    }
    assert_eq!(store.expire_sessions(1).await.unwrap(), 1);
    assert_eq!(store.expire_sessions(10).await.unwrap(), 1);
    assert_eq!(store.expire_sessions(10).await.unwrap(), 0);
    for (room, status) in [
        (&ended, SessionStatus::Expired),
        (&cancelled, SessionStatus::Expired),
        (&running, SessionStatus::Running),
    ] {
        assert_eq!(
            store.sessions(room.organisation_id, room.id).await.unwrap()[0].status,
            status
        );
    }
    let told = store.renew_lease(ended.id, 1, HOUR).await;
    assert!(matches!(told, Err(StoreError::Conflict { .. })), "{told:?}");
}
