//! An export reads segments in the order in which they began, not in that in which they were stored.

use crate::support::{Database, new_segment};

#[tokio::test]
async fn transcripts_are_read_by_time() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    for (name, start_ms) in [("Ada", 3_000), ("Ben", 1_000), ("Ada", 2_000), ("Cleo", 1_000)] {
        let mut segment = new_segment(&format!("{name} at {start_ms}"));
        segment.speaker_name = name.to_owned();
        (segment.start_ms, segment.end_ms) = (start_ms, start_ms + 5_000);
        store
            .append_segment(organisation, room.id, 1, &segment)
            .await
            .unwrap();
    }
    let order = store.segment_order(organisation, room.id, 10).await.unwrap();
    // Of those who began together the first stored is the first.
    assert_eq!(order, [2, 4, 3, 1]);
    assert_eq!(
        store.segment_order(organisation, room.id, 2).await.unwrap(),
        [2, 4]
    );
    let texts: Vec<_> = store
        .segments_at(organisation, room.id, &order[..3])
        .await
        .unwrap()
        .into_iter()
        .map(|segment| segment.text)
        .collect();
    assert_eq!(texts, ["Ben at 1000", "Cleo at 1000", "Ada at 2000"]);
    assert_eq!(
        store.segments_at(organisation, room.id, &[]).await.unwrap(),
        Vec::new()
    );
    assert_eq!(
        store.speaker_names(organisation, room.id, 10).await.unwrap(),
        ["Ben", "Cleo", "Ada"]
    );
}
