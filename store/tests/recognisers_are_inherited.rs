//! A room has the recognisers of its organisation, as they are when the agent comes, unless it has its own.

use crate::support::{Database, HOUR, new_room};

#[tokio::test]
async fn recognisers_are_inherited() {
    let database = Database::new().await;
    let store = &database.store;
    let organisation = database.organisation().await;
    let heir = database.room_of(organisation).await;
    let mut new = new_room();
    new.recognisers = Some(vec!["openai".into(), "whisper".into()]);
    let own = store.create_room(organisation, &new).await.unwrap();
    let chosen = ["deepgram".to_owned(), "whisper".to_owned()];
    let changed = store.set_recognisers(organisation, &chosen).await.unwrap();
    assert_eq!(changed.recognisers, chosen);
    for (room, expected) in [(heir, ["deepgram", "whisper"]), (own, ["openai", "whisper"])] {
        store.begin_dispatch(room.id, 0, HOUR).await.unwrap();
        let seen = store.room_for_agent(room.id, 1).await.unwrap();
        assert_eq!(seen.recognisers(), expected);
    }
}
