use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Speech on a track, so long; then what becomes of it.
    Say(u64, u64, Cover),
    /// A pause of the meeting.
    Pause(u64),
    /// Nobody heard the track for the last so many milliseconds.
    Unheard(u64, u64),
    Write(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let cover = prop_oneof![
        Just(Cover::Transcribed),
        Just(Cover::Empty),
        Just(Cover::Declined),
        Just(Cover::Gap(GapReason::RecogniserFailed)),
    ];
    prop_oneof![
        4 => (0_u64..3, 1_u64..9_000, cover).prop_map(|(track, ms, cover)| Step::Say(track, ms, cover)),
        3 => (1_u64..3_000).prop_map(Step::Pause),
        2 => (0_u64..3, 1_u64..12_000).prop_map(|(track, ms)| Step::Unheard(track, ms)),
        4 => any::<bool>().prop_map(Step::Write),
    ]
}

fn speaker(track: u64) -> Speaker {
    Speaker {
        identity: format!("p-{track}"),
        name: "P".to_owned(),
        track_id: format!("TR_{track}"),
    }
}

proptest! {
    /// Whatever comes, and however long the database is away: each detected or unheard millisecond of a track is in
    /// exactly one stretch, and nothing else is.
    #[test]
    fn every_millisecond_is_in_exactly_one_stretch(steps in prop::collection::vec(step(), 1..80)) {
        let mut coverage = Coverage::default();
        let mut rows: BTreeMap<Uuid, Stretch> = BTreeMap::new();
        let mut reported: BTreeMap<u64, Vec<(u64, u64)>> = BTreeMap::new();
        let mut waiting: Option<CoverageRows> = None;
        let (mut now_ms, mut ids) = (20_000, 0);
        let closing = [Step::Write(true), Step::Write(true), Step::Write(true)];
        for step in steps.into_iter().chain(closing) {
            ids += 1;
            let id = Uuid::from_u128(ids);
            match step {
                Step::Say(track, ms, cover) => {
                    // A pre-roll that reaches back over the end of what came before.
                    let last_ms = reported.get(&track).and_then(|places| places.iter().map(|place| place.0).max());
                    let start_ms = (now_ms - 300).max(last_ms.unwrap_or(0));
                    coverage.begin(track, id, &speaker(track), start_ms);
                    for grown_ms in (0..ms).step_by(700) {
                        coverage.grow(track, now_ms + grown_ms);
                        if waiting.is_none() {
                            waiting = coverage.take(now_ms + grown_ms, false);
                        }
                    }
                    now_ms += ms;
                    let place = coverage.end(id, now_ms);
                    coverage.settle(id, cover);
                    if cover == Cover::Transcribed {
                        // The segment's transaction.
                        let stretch = Stretch { id, speaker: speaker(track), start_ms: place.0, end_ms: place.1, cover };
                        rows.insert(id, stretch);
                    }
                    reported.entry(track).or_default().push((start_ms, now_ms));
                }
                Step::Pause(ms) => now_ms += ms,
                Step::Unheard(track, ms) => {
                    // What was heard was heard.
                    let heard_ms = reported.get(&track).and_then(|places| places.iter().map(|place| place.1).max());
                    let place = ((now_ms - ms).max(heard_ms.unwrap_or(0)), now_ms);
                    coverage.unheard(track, id, &speaker(track), place, Cover::Gap(GapReason::ConnectionLost));
                    reported.entry(track).or_default().push(place);
                }
                Step::Write(works) => {
                    if waiting.is_none() {
                        waiting = coverage.take(now_ms, true);
                    }
                    prop_assert!(coverage.take(now_ms, true).is_none(), "two writings at a time");
                    if works && let Some(written) = waiting.take() {
                        for stretch in written.stretches {
                            // As the table does it: nothing goes back.
                            let moves = rows.get(&stretch.id).is_none_or(|row| row.cover <= Cover::Pending);
                            if moves {
                                rows.insert(stretch.id, stretch);
                            }
                        }
                        coverage.confirmed();
                    }
                }
            }
        }
        prop_assert!(coverage.is_empty());
        for (track, mut wanted) in reported {
            let of_track = rows.values().filter(|row| row.speaker.track_id == speaker(track).track_id);
            let mut places: Vec<_> = of_track.map(|row| (row.start_ms, row.end_ms)).collect();
            prop_assert!(rows.values().all(|row| row.cover > Cover::Pending));
            places.sort_unstable();
            prop_assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0), "overlap: {:?}", places);
            wanted.sort_unstable();
            prop_assert_eq!(union(&places), union(&wanted));
        }
    }
}

/// Intervals as their disjoint union.
fn union(places: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for &(start, end) in places.iter().filter(|(start, end)| end > start) {
        match joined.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => joined.push((start, end)),
        }
    }
    joined
}

#[test]
fn what_is_being_said_is_written_at_a_bounded_rate() {
    let mut coverage = Coverage::default();
    coverage.begin(1, Uuid::from_u128(1), &speaker(1), 0);
    let mut writings = 0;
    for now_ms in (0..20_000).step_by(20) {
        coverage.grow(1, now_ms);
        if coverage.take(now_ms, false).is_some() {
            writings += 1;
            coverage.confirmed();
        }
    }
    assert_eq!(writings, 1 + 20_000 / GROWN_MS - 1);
}
