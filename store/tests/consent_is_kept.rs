//! Consent: the newest statement counts, every one is kept with its author, and whoever listens is told.

use store::{ConsentPolicy, NewRoom, RoomChange, StoreError};
use tokio::time::timeout;
use uuid::Uuid;

use crate::support::{Database, PATIENCE, client, new_room};

#[tokio::test]
async fn the_newest_statement_counts_and_every_one_is_kept() {
    let database = Database::new().await;
    let room = database.room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let ada = store
        .add_participant(organisation, room.id, &client("Ada"))
        .await
        .unwrap();
    let mut feed = store.room_changes().await.unwrap();
    assert!(
        store
            .consents(organisation, room.id)
            .await
            .unwrap()
            .allow(&ada.identity)
    );
    for (granted, author) in [
        (false, ada.identity.as_str()),
        (true, "api"),
        (false, "her lawyer"),
    ] {
        store
            .set_consent(organisation, room.id, ada.id, granted, author)
            .await
            .unwrap();
        let told = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(told, RoomChange::Consents { room: room.id });
        let consents = store.consents(organisation, room.id).await.unwrap();
        assert_eq!(consents.allow(&ada.identity), granted);
        assert!(consents.allow("p-somebody-else"));
    }
    let history = store
        .consent_history(organisation, room.id, &ada.identity)
        .await
        .unwrap();
    let said: Vec<_> = history
        .iter()
        .map(|one| (one.granted, one.author.as_str()))
        .collect();
    assert_eq!(
        said,
        [
            (false, ada.identity.as_str()),
            (true, "api"),
            (false, "her lawyer")
        ]
    );
    let events = store.events(organisation, room.id, 0, 100).await.unwrap();
    assert_eq!(
        events
            .iter()
            .filter(|event| event.kind == "consent_changed")
            .count(),
        3
    );
}

#[tokio::test]
async fn where_it_is_required_silence_is_no_consent() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let new = NewRoom {
        consent: ConsentPolicy::Required,
        ..new_room()
    };
    let store = &database.store;
    let room = store.create_room(organisation, &new).await.unwrap();
    let ada = store
        .add_participant(organisation, room.id, &client("Ada"))
        .await
        .unwrap();
    assert!(
        !store
            .consents(organisation, room.id)
            .await
            .unwrap()
            .allow(&ada.identity)
    );
    store
        .set_consent(organisation, room.id, ada.id, true, "api")
        .await
        .unwrap();
    assert!(
        store
            .consents(organisation, room.id)
            .await
            .unwrap()
            .allow(&ada.identity)
    );
}

#[tokio::test]
async fn nobody_speaks_for_a_stranger() {
    let database = Database::new().await;
    let room = database.room().await;
    let store = &database.store;
    let ada = store
        .add_participant(room.organisation_id, room.id, &client("Ada"))
        .await
        .unwrap();
    let stranger = database.organisation().await;
    let refusals = [
        store
            .set_consent(stranger, room.id, ada.id, true, "api")
            .await
            .err(),
        store
            .set_consent(room.organisation_id, room.id, Uuid::new_v4(), true, "api")
            .await
            .err(),
        store.consents(stranger, room.id).await.err(),
    ];
    for refused in refusals {
        assert!(
            matches!(refused, Some(StoreError::NotFound { .. })),
            "{refused:?}"
        );
    }
    let history = store.consent_history(stranger, room.id, &ada.identity).await;
    assert_eq!(history.unwrap(), []);
    let nameless = store
        .set_consent(room.organisation_id, room.id, ada.id, true, "")
        .await;
    assert!(matches!(
        nameless,
        Err(StoreError::Invalid { field: "author", .. })
    ));
}
