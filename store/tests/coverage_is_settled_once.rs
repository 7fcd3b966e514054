//! The coverage ledger: a stretch is settled with its segment or as a gap, what a lost agent had heard becomes a gap, and
//! what it hands in late takes the gap's place - all of it without overlap.

use crate::support::{Database, HOUR, new_segment};
use store::{
    CoverageState, MicrophoneState, NewMicrophone, NewSegment, NewStretch, Pressure, Room, Store, StoreError,
    share_covered,
};
use uuid::Uuid;

fn stretch(id: Uuid, start_ms: i64, end_ms: i64, state: CoverageState) -> NewStretch {
    let reason = if state == CoverageState::Gap {
        "overload"
    } else {
        ""
    };
    NewStretch {
        id,
        identity: "p-ada".into(),
        speaker_name: "Ada".into(),
        track_id: "TR_1".into(),
        start_ms,
        end_ms,
        state,
        reason: reason.into(),
    }
}

fn microphone(state: MicrophoneState) -> NewMicrophone {
    NewMicrophone {
        track_id: "TR_1".into(),
        identity: "p-ada".into(),
        speaker_name: "Ada".into(),
        state,
    }
}

fn heard(start_ms: i64, end_ms: i64) -> NewSegment {
    NewSegment {
        start_ms,
        end_ms,
        heard_start_ms: start_ms,
        heard_end_ms: end_ms,
        words: Vec::new(),
        ..new_segment("Words.")
    }
}

async fn rows(store: &Store, room: &Room) -> Vec<(i64, i64, CoverageState, String, bool)> {
    let rows = store
        .coverage(room.organisation_id, room.id, 0, 100)
        .await
        .unwrap();
    rows.into_iter()
        .map(|row| (row.start_ms, row.end_ms, row.state, row.reason, row.late))
        .collect()
}

/// The meeting began a minute ago, and the first agent was last seen ten seconds ago, in the middle of a word.
async fn lost_agent(database: &Database) -> Room {
    let room = database.held_room().await;
    let open = stretch(Uuid::from_u128(1), 45_000, 47_000, CoverageState::Open);
    let pending = stretch(Uuid::from_u128(2), 40_000, 44_000, CoverageState::Pending);
    database
        .store
        .record_coverage(
            room.organisation_id,
            room.id,
            1,
            &[open, pending],
            &[microphone(MicrophoneState::Heard)],
        )
        .await
        .unwrap();
    database
        .run(&format!(
            "UPDATE rooms SET clock_origin = clock_timestamp() - interval '60 s' WHERE id = '{0}';
             UPDATE agent_sessions SET renewed_at = clock_timestamp() - interval '10 s',
                lease_expires_at = clock_timestamp() - interval '5 s' WHERE room_id = '{0}'",
            room.id
        ))
        .await;
    assert_eq!(
        database.store.begin_dispatch(room.id, 1, HOUR).await.unwrap(),
        Some(2)
    );
    room
}

#[tokio::test]
async fn a_stretch_moves_on_and_never_back() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let segment = heard(1_000, 3_000);
    let write = async |state: CoverageState, end_ms: i64| {
        let row = stretch(segment.id, 1_000, end_ms, state);
        store
            .record_coverage(organisation, room.id, 1, &[row], &[])
            .await
            .unwrap();
    };
    write(CoverageState::Open, 2_000).await;
    write(CoverageState::Pending, 3_000).await;
    write(CoverageState::Open, 2_500).await;
    assert_eq!(
        rows(store, &room).await,
        [(1_000, 3_000, CoverageState::Pending, String::new(), false)]
    );
    store
        .append_segment(organisation, room.id, 1, &segment)
        .await
        .unwrap();
    for state in [CoverageState::Gap, CoverageState::Empty, CoverageState::Open] {
        write(state, 9_000).await;
        assert_eq!(
            rows(store, &room).await,
            [(1_000, 3_000, CoverageState::Transcribed, String::new(), false)]
        );
    }
}

#[tokio::test]
async fn a_gap_that_is_recognised_after_all_is_late() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let segment = heard(1_000, 3_000);
    let gap = stretch(segment.id, 1_000, 3_000, CoverageState::Gap);
    store
        .record_coverage(organisation, room.id, 1, &[gap], &[])
        .await
        .unwrap();
    let totals = store.coverage_totals(organisation, room.id).await.unwrap();
    assert_eq!(share_covered(&totals), Some(0.0));
    store
        .append_segment(organisation, room.id, 1, &segment)
        .await
        .unwrap();
    let totals = store.coverage_totals(organisation, room.id).await.unwrap();
    assert_eq!(share_covered(&totals), Some(1.0));
    assert!(totals[0].late);
    assert!(store.segments(organisation, room.id, 0, 10).await.unwrap()[0].late);
    assert!(store.missing(organisation, room.id, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_a_lost_agent_had_heard_is_a_gap_and_so_is_the_time_without_one() {
    let database = Database::new().await;
    let room = lost_agent(&database).await;
    let store = &database.store;
    // Seen last at 50 s; what was being said then was said until then.
    let known = rows(store, &room).await;
    assert_eq!(
        known[0],
        (40_000, 44_000, CoverageState::Gap, "agent_lost".into(), false)
    );
    let (start_ms, end_ms, ..) = known[1];
    assert_eq!(start_ms, 45_000);
    assert!((50_000..50_900).contains(&end_ms), "{end_ms}");

    let lease = store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    let [unheard] = &lease.unheard[..] else {
        panic!("{lease:?}");
    };
    assert_eq!((unheard.start_ms, unheard.end_ms), (end_ms, lease.meeting_ms));
    assert_eq!(
        (unheard.reason.as_str(), unheard.track_id.as_str()),
        ("no_agent", "TR_1")
    );
    // The answer may get lost; taking it again says the same.
    let again = store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    assert_eq!(again.unheard, lease.unheard);
    // The first sound of the second agent comes a little later: the gap grows until then.
    let row = NewStretch {
        end_ms: unheard.end_ms + 300,
        reason: "no_agent".into(),
        ..stretch(unheard.id, unheard.start_ms, 0, CoverageState::Gap)
    };
    store
        .record_coverage(room.organisation_id, room.id, 2, &[row], &[])
        .await
        .unwrap();
    assert_eq!(rows(store, &room).await[2].1, unheard.end_ms + 300);
}

#[tokio::test]
async fn an_agent_that_left_in_order_is_missed_from_then_on() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let left = [microphone(MicrophoneState::HeardUntil(30_000))];
    store
        .record_coverage(organisation, room.id, 1, &[], &left)
        .await
        .unwrap();
    store.release(organisation, room.id, 1, "draining").await.unwrap();
    database
        .run(&format!(
            "UPDATE rooms SET clock_origin = clock_timestamp() - interval '60 s' WHERE id = '{}'",
            room.id
        ))
        .await;
    store.begin_dispatch(room.id, 1, HOUR).await.unwrap();
    let lease = store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    assert_eq!(lease.unheard[0].start_ms, 30_000);
    assert!(lease.unheard[0].end_ms >= 60_000);
}

#[tokio::test]
async fn a_microphone_that_was_closed_is_not_missed() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    for state in [MicrophoneState::Heard, MicrophoneState::Closed] {
        store
            .record_coverage(organisation, room.id, 1, &[], &[microphone(state)])
            .await
            .unwrap();
    }
    database.age_leases(room.id, 61).await;
    store.begin_dispatch(room.id, 1, HOUR).await.unwrap();
    let lease = store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    assert_eq!(lease.unheard, []);
}

#[tokio::test]
async fn late_segments_take_the_place_of_gaps_and_of_nothing_else() {
    let database = Database::new().await;
    let room = lost_agent(&database).await;
    let (store, organisation) = (&database.store, room.organisation_id);
    store.take_lease(room.id, 2, "worker-2", HOUR).await.unwrap();
    let late = |segment: NewSegment| NewSegment {
        late: true,
        ..segment
    };
    let append = async |segment: NewSegment| store.append_segment(organisation, room.id, 1, &segment).await;
    let fenced = |result: Result<i64, StoreError>| matches!(result, Err(StoreError::Fenced { .. }));

    assert!(
        fenced(append(heard(40_000, 44_000)).await),
        "it has to know that it is late"
    );
    assert!(
        fenced(append(late(heard(58_000, 70_000))).await),
        "the next agent was there by then"
    );
    // The stretch that was pending, by its id; and one of which nothing was written, in the time without an agent.
    let pending = NewSegment {
        id: Uuid::from_u128(2),
        ..heard(40_000, 44_000)
    };
    assert_eq!(append(late(pending.clone())).await.unwrap(), 1);
    assert_eq!(append(late(heard(52_000, 54_000))).await.unwrap(), 2);
    assert_eq!(append(late(pending)).await.unwrap(), 1, "twice is once");
    assert!(
        fenced(append(late(heard(43_000, 44_500))).await),
        "that is transcribed already"
    );

    let known = rows(store, &room).await;
    assert_eq!(
        known[0],
        (40_000, 44_000, CoverageState::Transcribed, String::new(), true)
    );
    assert_eq!(
        known[3],
        (52_000, 54_000, CoverageState::Transcribed, String::new(), true)
    );
    assert_eq!((known[2].1, known[2].3.as_str()), (52_000, "no_agent"));
    assert_eq!((known[4].0, known[4].3.as_str()), (54_000, "no_agent"));
    assert!(known.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{known:?}");
}

#[tokio::test]
async fn a_replaced_agent_writes_no_stretch_and_a_stranger_neither() {
    let database = Database::new().await;
    let room = lost_agent(&database).await;
    let (store, organisation) = (&database.store, room.organisation_id);
    let row = [stretch(Uuid::from_u128(9), 1, 2, CoverageState::Empty)];
    let refused = store.record_coverage(organisation, room.id, 1, &row, &[]).await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let refused = store
        .record_pressure(organisation, room.id, 1, Pressure::NoAudio)
        .await;
    assert!(matches!(refused, Err(StoreError::Fenced { .. })), "{refused:?}");
    let stranger = database.organisation().await;
    let refused = store.record_coverage(stranger, room.id, 2, &row, &[]).await;
    assert!(matches!(refused, Err(StoreError::NotFound { .. })), "{refused:?}");
    assert_eq!(store.coverage(stranger, room.id, 0, 10).await.unwrap(), []);
    assert_eq!(store.missing(stranger, room.id, 10).await.unwrap(), []);
    assert_eq!(store.coverage_totals(stranger, room.id).await.unwrap(), []);
}

#[tokio::test]
async fn load_is_known_as_long_as_its_session_runs() {
    let database = Database::new().await;
    let room = database.held_room().await;
    let (store, organisation) = (&database.store, room.organisation_id);
    store
        .record_pressure(organisation, room.id, 1, Pressure::NoPartials)
        .await
        .unwrap();
    assert_eq!(
        store.pressure(organisation, room.id).await.unwrap(),
        Pressure::NoPartials
    );
    store.release(organisation, room.id, 1, "over").await.unwrap();
    assert_eq!(
        store.pressure(organisation, room.id).await.unwrap(),
        Pressure::None
    );
}
