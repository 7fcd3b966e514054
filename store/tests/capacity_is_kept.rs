//! No more people are invited than the room takes, however many ask at once.

use store::{NewParticipant, ParticipantKind, RoomStatus, StoreError};
use tokio::task::JoinSet;

use crate::support::{Database, client};

#[tokio::test]
async fn eight_at_once_get_three_places() {
    let database = Database::new().await;
    let room = database.room().await;
    let mut asking = JoinSet::new();
    for number in 0..8 {
        let (store, organisation, id) = (database.store.clone(), room.organisation_id, room.id);
        asking.spawn(async move {
            store
                .add_participant(organisation, id, &client(&format!("Guest {number}")))
                .await
        });
    }
    let answers = asking.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 3);
    for refused in answers.into_iter().filter_map(Result::err) {
        assert!(
            matches!(
                refused,
                StoreError::Invalid {
                    field: "capacity",
                    ..
                }
            ),
            "{refused:?}"
        );
    }
    assert_eq!(
        database
            .store
            .participants(room.organisation_id, room.id)
            .await
            .unwrap()
            .len(),
        3
    );
}

#[tokio::test]
async fn the_agent_takes_nobodys_place() {
    let database = Database::new().await;
    let room = database.room().await;
    let agent = NewParticipant {
        name: "Rapporteur".into(),
        kind: ParticipantKind::Agent,
    };
    database
        .store
        .add_participant(room.organisation_id, room.id, &agent)
        .await
        .unwrap();
    for name in ["Ada", "Ben", "Cleo"] {
        database
            .store
            .add_participant(room.organisation_id, room.id, &client(name))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn people_are_found_by_id_and_by_identity() {
    let database = Database::new().await;
    let room = database.room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let ada = store
        .add_participant(organisation, room.id, &client("Ada"))
        .await
        .unwrap();
    assert_eq!(ada.identity, format!("p-{}", ada.id));
    assert_eq!(
        store.participant(organisation, room.id, ada.id).await.unwrap(),
        ada
    );
    let found = store
        .participant_by_identity(organisation, room.id, &ada.identity)
        .await
        .unwrap();
    assert_eq!(found, Some(ada));
    assert_eq!(
        store
            .participant_by_identity(organisation, room.id, "p-nobody")
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn nobody_is_invited_to_a_meeting_that_is_over() {
    let database = Database::new().await;
    let (cancelled, ended) = (database.room().await, database.room().await);
    let status = database
        .store
        .cancel_room(cancelled.organisation_id, cancelled.id)
        .await
        .unwrap()
        .status;
    assert_eq!(status, RoomStatus::Cancelled);
    database
        .store
        .end_room(ended.organisation_id, ended.id)
        .await
        .unwrap();
    for room in [cancelled, ended] {
        let refused = database
            .store
            .add_participant(room.organisation_id, room.id, &client("Ada"))
            .await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
}
