//! Numbers are 1, 2, 3, ... under any number of writers, and a reader that goes on after the last one misses none.

use std::collections::HashSet;

use tokio::task::JoinSet;

use crate::support::{Database, new_segment};

const WRITERS: usize = 8;
const SEGMENTS_A_WRITER: usize = 25;

#[tokio::test(flavor = "multi_thread")]
async fn under_eight_writers_and_a_reader() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (organisation, id) = (room.organisation_id, room.id);
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = database.store.clone();
        writers.spawn(async move {
            let mut numbers = Vec::new();
            for number in 0..SEGMENTS_A_WRITER {
                // One in five is refused by the database in the middle of its transaction.
                let mut segment = new_segment(&format!("{writer}/{number}"));
                if number % 5 == 0 {
                    segment.end_ms = segment.start_ms - 1;
                    store
                        .append_segment(organisation, id, 1, &segment)
                        .await
                        .unwrap_err();
                    segment.end_ms = segment.start_ms;
                }
                numbers.push(store.append_segment(organisation, id, 1, &segment).await.unwrap());
            }
            assert!(numbers.is_sorted());
            numbers
        });
    }
    let total = i64::try_from(WRITERS * SEGMENTS_A_WRITER).unwrap();
    let mut seen = 0;
    while seen < total {
        for segment in database.store.segments(organisation, id, seen, 10).await.unwrap() {
            assert_eq!(segment.sequence, seen + 1);
            seen = segment.sequence;
        }
    }
    let given: HashSet<i64> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(given, (1..=total).collect());
    assert_eq!(
        database.store.room(organisation, id).await.unwrap().last_sequence,
        total
    );
    assert!(
        database
            .store
            .segments(organisation, id, total, 10)
            .await
            .unwrap()
            .is_empty()
    );
}
