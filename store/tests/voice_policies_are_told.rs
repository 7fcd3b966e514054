//! Whether voices are told apart can be said otherwise while a meeting runs: the agent in the room is told.

use store::{RoomChange, StoreError, VoicePolicy};
use tokio::time::timeout;

use crate::support::{Database, PATIENCE};

#[tokio::test]
async fn who_listens_is_told_and_a_meeting_that_is_over_stays_as_it_was() {
    let database = Database::new().await;
    let room = database.room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let mut feed = store.room_changes().await.unwrap();
    for policy in [VoicePolicy::Several, VoicePolicy::One, VoicePolicy::Detect] {
        let changed = store
            .set_voice_policy(organisation, room.id, policy)
            .await
            .unwrap();
        assert_eq!(changed.voices, policy);
        let told = timeout(PATIENCE, feed.next()).await.unwrap().unwrap();
        assert_eq!(told, RoomChange::Voices { room: room.id });
    }
    let other = database.organisation().await;
    let nobody = store.set_voice_policy(other, room.id, VoicePolicy::One).await;
    assert!(
        matches!(nobody, Err(StoreError::NotFound { what: "room" })),
        "{nobody:?}"
    );
    store.end_room(organisation, room.id).await.unwrap();
    let late = store
        .set_voice_policy(organisation, room.id, VoicePolicy::One)
        .await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    assert_eq!(
        store.room(organisation, room.id).await.unwrap().voices,
        VoicePolicy::Detect
    );
}
