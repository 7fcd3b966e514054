//! Any order of events, failures included.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Hear(u64, bool),
    Pause(u64),
    Mute(u64, bool),
    Recognise(usize, bool),
    Store(bool),
    Leave(u64),
    Join(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u64..3, any::<bool>()).prop_map(|(track, voice)| Step::Hear(track, voice)),
        2 => (0_u64..3).prop_map(Step::Pause),
        1 => (0_u64..3, any::<bool>()).prop_map(|(track, muted)| Step::Mute(track, muted)),
        6 => (0_usize..4, prop::bool::weighted(0.8)).prop_map(|(index, works)| Step::Recognise(index, works)),
        6 => prop::bool::weighted(0.7).prop_map(Step::Store),
        1 => (0_u64..3).prop_map(Step::Leave),
        1 => (0_u64..3).prop_map(Step::Join),
        2 => (0_u64..3_000).prop_map(Step::Wait),
    ]
}

/// As the tables take it: a segment's stretch comes with it, and nothing goes back.
fn write_down(ledger: &mut BTreeMap<Uuid, Stretch>, write: &Write) {
    match write {
        Write::Segment(segment) => {
            let stretch = Stretch {
                id: segment.id,
                speaker: Speaker {
                    identity: segment.identity.clone(),
                    name: segment.speaker_name.clone(),
                    track_id: segment.track_id.clone(),
                },
                start_ms: segment.heard_ms.0,
                end_ms: segment.heard_ms.1,
                cover: Cover::Transcribed,
            };
            ledger.insert(segment.id, stretch);
        }
        Write::Coverage(rows) => {
            for stretch in &rows.stretches {
                let known = ledger.get(&stretch.id).map(|row| row.cover);
                if known.is_none_or(|cover| cover <= Cover::Pending) {
                    ledger.insert(stretch.id, stretch.clone());
                }
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever the order of events: a final is published exactly once, after it was stored, and after a drain
    /// with a working database every utterance that ended is in the record.
    #[test]
    fn every_utterance_is_stored_before_it_is_published_and_none_is_lost(steps in prop::collection::vec(step(), 0..150)) {
        let mut meeting = Meeting { shows_ledger: true, ..Meeting::new() };
        let mut open_recognitions: Vec<Recognise<Sound>> = Vec::new();
        let mut open_writes: Vec<(u64, Write)> = Vec::new();
        let ended = std::rc::Rc::new(std::cell::Cell::new(0));
        let mut ledger: BTreeMap<Uuid, Stretch> = BTreeMap::new();
        let mut stored = std::collections::BTreeSet::new();
        let mut published = std::collections::BTreeSet::new();
        let mut next = 1;
        let mut draining = false;
        let total = steps.len();
        let closing = (0..400).map(|index| if index % 2 == 0 { Step::Recognise(0, true) } else { Step::Store(true) });
        for (index, step) in steps.into_iter().chain(closing).enumerate() {
            let mut outputs = Vec::new();
            if index == total {
                draining = true;
                outputs.extend(meeting.feed(Input::Drain(EndReason::RoomClosed)));
            }
            match step {
                Step::Hear(track, voice) => outputs.extend(meeting.hear(track, voice)),
                Step::Pause(track) => outputs.extend(meeting.pause(track)),
                Step::Mute(track, muted) => outputs.extend(meeting.feed(Input::TrackMuted { track, muted })),
                Step::Leave(track) => outputs.extend(meeting.feed(Input::TrackEnded { track })),
                Step::Join(track) => {
                    if !meeting.session.tracks.contains_key(&track) {
                        let speaker = Speaker {
                            identity: "p".to_owned(),
                            name: "P".to_owned(),
                            track_id: format!("TR_{track}"),
                        };
                        let joined = Input::TrackStarted { track, speaker, ear: ScriptEar { ended: ended.clone(), ..ScriptEar::default() } };
                        outputs.extend(meeting.feed(joined));
                    }
                }
                Step::Wait(ms) => outputs.extend(meeting.wait(ms)),
                Step::Recognise(index, works) if !open_recognitions.is_empty() => {
                    let request = open_recognitions.remove(index % open_recognitions.len());
                    if works {
                        outputs.extend(meeting.recognise(&request, "some words"));
                    } else {
                        let failed =
                            Input::Recognised { sent: Vec::new(), ticket: request.ticket, result: Err(RecogniseError::Failed) };
                        outputs.extend(meeting.feed(failed));
                    }
                }
                Step::Store(works) if !open_writes.is_empty() => {
                    let (ticket, write) = open_writes.remove(0);
                    let result = if works {
                        write_down(&mut ledger, &write);
                        if let Write::Segment(segment) = &write {
                            prop_assert!(stored.insert(segment.id), "stored twice");
                            next += 1;
                        }
                        Ok(Some(next))
                    } else {
                        Err(StoreFailure::Away)
                    };
                    outputs.extend(meeting.feed(Input::Stored { ticket, result }));
                }
                Step::Recognise(..) | Step::Store(_) => outputs.extend(meeting.wait(200)),
            }
            for output in outputs {
                match output {
                    Output::Recognise(request) => {
                        open_recognitions.push(request);
                    }
                    Output::Store { ticket, write } => open_writes.push((ticket, write)),
                    Output::Final(caption) => {
                        prop_assert!(stored.contains(&caption.segment_id), "published before stored");
                        prop_assert!(published.insert(caption.segment_id), "published twice");
                    }
                    Output::Renew => {
                        meeting.feed(Input::Renewed(Ok(())));
                    }
                    _ => {}
                }
            }
            prop_assert!(meeting.session.next_tick_ms() > meeting.now_ms, "it would spin");
        }
        prop_assert!(draining);
        // What no recogniser gave words for is a gap with a reason.
        let missing = ledger.values().filter(|row| row.cover == Cover::Gap(GapReason::RecogniserFailed));
        prop_assert_eq!(stored.len() + missing.count(), ended.get());
        prop_assert!(meeting.session.coverage.is_empty());
        prop_assert!(ledger.values().all(|row| row.cover > Cover::Pending), "{:?}", ledger);
        let transcribed = ledger.values().filter(|row| row.cover == Cover::Transcribed);
        prop_assert_eq!(transcribed.count(), stored.len());
        for track in 0..3 {
            let track_id = format!("TR_{track}");
            let of_track = ledger.values().filter(|row| row.speaker.track_id == track_id);
            let mut places: Vec<_> = of_track.map(|row| (row.start_ms, row.end_ms)).collect();
            places.sort_unstable();
            prop_assert!(places.windows(2).all(|pair| pair[0].1 <= pair[1].0), "overlap: {:?}", places);
        }
        prop_assert_eq!(published.len(), stored.len());
    }
}
