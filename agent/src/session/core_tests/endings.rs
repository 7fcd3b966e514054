//! The lease, the fence, the drain, and the usage that is written on the way.

use super::*;
use crate::session::lease::RENEW_MS;
use crate::session::usage::FLUSH_MS;

#[test]
fn a_fenced_session_says_nothing_more() {
    for by_renewal in [false, true] {
        let mut meeting = Meeting::with_track(1);
        meeting.settle();
        let request = meeting.speak(1);
        let outputs = meeting.recognise(&request, "too late");
        let ticket = writes(&outputs)[0].0;
        let outputs = if by_renewal {
            meeting.feed(Input::Renewed(Err(StoreFailure::Fenced)))
        } else {
            meeting.feed(Input::Stored {
                ticket,
                result: Err(StoreFailure::Fenced),
            })
        };
        // It leaves the room at once, and offers what it still has to the record: once, and to the room never.
        assert_eq!(outputs[0], Output::Leave);
        assert!(meeting.hear(1, true).is_empty());
        let again = writes(&outputs);
        let (ticket, late) = match again.first() {
            Some((ticket, Write::Segment(segment))) => (*ticket, segment.late),
            _ => (ticket, false),
        };
        assert_eq!(late, !by_renewal);
        let outputs = meeting.feed(Input::Stored {
            ticket,
            result: Err(StoreFailure::Fenced),
        });
        assert_eq!(outputs, [Output::Finished(Ending::Fenced)]);
        assert!(meeting.hear(1, true).is_empty());
        assert!(meeting.wait(60_000).is_empty());
    }
}

#[test]
fn the_lease_is_renewed_every_second_while_the_database_answers_or_not() {
    let mut meeting = Meeting::new();
    meeting.settle();
    for round in 0..10 {
        let outputs = meeting.wait(RENEW_MS);
        assert!(outputs.contains(&Output::Renew), "{round}: {outputs:?}");
        let result = if round % 2 == 0 {
            Ok(())
        } else {
            Err(StoreFailure::Away)
        };
        meeting.feed(Input::Renewed(result));
    }
    assert!(!meeting.session.lease_is_overdue(meeting.now_ms));
}

#[test]
fn a_drain_keeps_what_is_being_said_writes_the_usage_and_gives_the_lease_back_last() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    meeting.hear(1, true);
    let outputs = meeting.feed(Input::Drain(EndReason::WorkerDrained));
    let request = one_request(&outputs, Purpose::Final);
    assert!(
        meeting
            .hear(1, true)
            .iter()
            .all(|o| !matches!(o, Output::Recognise(_)))
    );
    meeting.log.clear();
    meeting.feed(Input::Tick);
    let mut outputs = outputs;
    outputs.extend(meeting.recognise(&request, "last words"));
    let mut next = 1;
    let stored = meeting.store_all(&outputs, &mut next);
    assert_eq!(finals(&stored).len(), 1);
    let usage: Vec<&'static str> = writes(&meeting.log)
        .iter()
        .flat_map(|(_, write)| match write {
            Write::Usage(rows) => rows.clone(),
            // What it cost is written with it.
            Write::Segment(segment) => segment.usage.clone(),
            _ => Vec::new(),
        })
        .map(|row| row.kind)
        .collect();
    assert!(
        usage.contains(&"speech_recognised") && usage.contains(&"audio_received"),
        "{usage:?}"
    );
    let release = stored
        .iter()
        .position(|o| *o == Output::Release(EndReason::WorkerDrained))
        .unwrap();
    let published = stored.iter().position(|o| matches!(o, Output::Final(_))).unwrap();
    assert!(published < release && meeting.session.finals_unstored() == 0);
    let outputs = meeting.feed(Input::Released);
    assert_eq!(
        outputs,
        [Output::Finished(Ending::Released(EndReason::WorkerDrained))]
    );
}

#[test]
fn a_drain_without_a_database_ends_in_bounded_time_and_says_what_is_lost() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let request = meeting.speak(1);
    meeting.recognise(&request, "never stored");
    meeting.feed(Input::Drain(EndReason::WorkerDrained));
    let mut ended = None;
    for _ in 0..400 {
        let tick_ms = meeting.session.next_tick_ms().max(meeting.now_ms + 1);
        meeting.now_ms = tick_ms;
        for output in meeting.feed(Input::Tick) {
            match output {
                Output::Store { ticket, .. } => {
                    meeting.feed(Input::Stored {
                        ticket,
                        result: Err(StoreFailure::Away),
                    });
                }
                Output::Renew => {
                    meeting.feed(Input::Renewed(Err(StoreFailure::Away)));
                }
                Output::Finished(ending) => ended = Some((ending, meeting.now_ms)),
                _ => {}
            }
        }
        if ended.is_some() {
            break;
        }
    }
    let (ending, at_ms) = ended.expect("the drain ends");
    assert_eq!(ending, Ending::OutOfTime { finals_lost: 1 });
    assert!(at_ms <= 400 + DRAIN_LIMIT_MS, "{at_ms}");
}

#[test]
fn usage_is_written_every_ten_seconds() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let mut written_s = 0.0;
    let mut lines = 0;
    for _ in 0..(3 * FLUSH_MS / 100) {
        let outputs = meeting.hear(1, false);
        for (ticket, write) in writes(&outputs) {
            if let Write::Usage(rows) = write {
                written_s += rows.iter().map(|row| row.quantity).sum::<f64>();
                lines += rows.len();
            }
            meeting.feed(Input::Stored {
                ticket,
                result: Ok(None),
            });
        }
    }
    assert!((2..=4).contains(&lines), "{lines}");
    assert!((19.0..=30.0).contains(&written_s), "{written_s}");
}

#[test]
fn what_was_said_before_the_fence_is_handed_in_late_and_the_room_does_not_hear_of_it() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let request = meeting.speak(1);
    meeting.hear(1, true);
    let outputs = meeting.feed(Input::Renewed(Err(StoreFailure::Fenced)));
    let unfinished = one_request(&outputs, Purpose::Final);
    let mut outputs = meeting.recognise(&request, "said before");
    outputs.extend(meeting.recognise(&unfinished, "being said"));
    let mut handed_in = Vec::new();
    while let Some((ticket, Write::Segment(segment))) = writes(&outputs).first().cloned() {
        assert!(segment.late);
        handed_in.push(segment.text);
        outputs = meeting.feed(Input::Stored {
            ticket,
            result: Ok(Some(1)),
        });
        assert!(finals(&outputs).is_empty());
    }
    assert_eq!(handed_in, ["said before", "being said"]);
    assert_eq!(outputs, [Output::Finished(Ending::Fenced)]);
}

#[test]
fn handing_in_ends_in_bounded_time() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    meeting.speak(1);
    meeting.feed(Input::Renewed(Err(StoreFailure::Fenced)));
    let outputs = meeting.wait(HAND_IN_LIMIT_MS);
    assert_eq!(outputs, [Output::Finished(Ending::Fenced)]);
}

#[test]
fn an_agent_that_is_killed_takes_ten_seconds_of_usage_with_it_at_most() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let (mut received_ms, mut written_s) = (0, 0.0);
    for _ in 0..(5 * FLUSH_MS / 100) {
        let mut open = writes(&meeting.hear(1, false));
        received_ms += 100;
        while let Some((ticket, write)) = open.pop() {
            if let Write::Usage(rows) = write {
                let audio = rows.iter().filter(|row| row.kind == "audio_received");
                written_s += audio.map(|row| row.quantity).sum::<f64>();
            }
            let result = Ok(None);
            open.extend(writes(&meeting.feed(Input::Stored { ticket, result })));
        }
        // Killed here, this is missing:
        let missing_ms = f64::from(received_ms) - written_s * 1000.0;
        assert!(missing_ms <= FLUSH_MS as f64, "{missing_ms}");
    }
}
