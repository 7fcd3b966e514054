//! From sound to captions: what is shown, stored and published, and in which order.

use super::*;
use crate::session::outbox::FINALS_MAX;

#[test]
fn a_final_is_published_only_when_it_is_stored() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let request = meeting.speak(1);
    let outputs = meeting.recognise(&request, "It was the best of times.");
    assert!(finals(&outputs).is_empty());
    let stored = writes(&outputs);
    let [(ticket, Write::Segment(segment))] = stored.as_slice() else {
        panic!("{stored:?}")
    };
    assert_eq!(
        (segment.speaker_name.as_str(), segment.start_ms),
        ("Speaker 1", 0)
    );

    // The database is away: nothing is published however long it takes.
    let mut ticket = *ticket;
    for _ in 0..50 {
        meeting.feed(Input::Stored {
            ticket,
            result: Err(StoreFailure::Away),
        });
        let outputs = meeting.wait(2_000);
        assert!(finals(&outputs).is_empty());
        let again: Vec<u64> = writes(&outputs).iter().map(|(ticket, _)| *ticket).collect();
        assert_eq!(again.len(), 1, "{outputs:?}");
        ticket = again[0];
    }
    let outputs = meeting.feed(Input::Stored {
        ticket,
        result: Ok(Some(7)),
    });
    let published = finals(&outputs);
    assert_eq!(published.len(), 1);
    assert_eq!(
        (published[0].sequence, published[0].segment_id),
        (Some(7), segment.id)
    );
}

#[test]
fn partials_of_an_utterance_carry_the_segments_id_and_are_asked_one_at_a_time() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let first = one_request(&meeting.hear(1, true), Purpose::Partial);
    assert!(requests(&meeting.hear(1, true), Purpose::Partial).is_empty());
    assert!(requests(&meeting.hear(1, true), Purpose::Partial).is_empty());
    let outputs = meeting.recognise(&first, "It was");
    assert_eq!(partials(&outputs), ["It was"]);
    let second = one_request(&outputs, Purpose::Partial);
    meeting.now_ms += 300;
    assert_eq!(
        partials(&meeting.recognise(&second, "It was the best")),
        ["It was the best"]
    );
    let Some(Output::Partial(shown)) = meeting
        .log
        .iter()
        .find(|o| matches!(o, Output::Partial(_)))
        .cloned()
    else {
        panic!()
    };
    let outputs = meeting.hear(1, false);
    let request = one_request(&outputs, Purpose::Final);
    let outputs = meeting.recognise(&request, "It was the best of times.");
    let stored = writes(&outputs);
    assert!(matches!(&stored[0].1, Write::Segment(segment) if segment.id == shown.segment_id));
}

#[test]
fn a_partial_that_heard_the_whole_utterance_is_its_final() {
    // It is there before the pause is over: no second recognition, no wait.
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let partial = one_request(&meeting.pause(1), Purpose::Pause);
    meeting.recognise(&partial, "All of it.");
    let outputs = meeting.hear(1, false);
    assert!(requests(&outputs, Purpose::Final).is_empty());
    assert!(
        matches!(writes(&outputs).as_slice(), [(_, Write::Segment(segment))] if segment.text == "All of it.")
    );

    // It is still on its way: it is waited for.
    let partial = one_request(&meeting.pause(1), Purpose::Pause);
    let outputs = meeting.hear(1, false);
    let told = Output::Awaited {
        track: 1,
        utterance: partial.utterance,
    };
    assert!(requests(&outputs, Purpose::Final).is_empty() && outputs.contains(&told));
    let before = meeting.session.finals_unstored();
    meeting.recognise(&partial, "All of it again.");
    assert_eq!((before, meeting.session.finals.len()), (2, 0));
}

#[test]
fn a_look_at_a_pause_waits_for_no_partial() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let partial = one_request(&meeting.hear(1, true), Purpose::Partial);
    assert!(
        requests(&meeting.hear(1, true), Purpose::Partial).is_empty(),
        "one at a time"
    );
    let pause = one_request(&meeting.pause(1), Purpose::Pause);
    meeting.recognise(&pause, "All of it.");
    let outputs = meeting.recognise(&partial, "All");
    let takes_back =
        |output: &Output<Sound>| matches!(output, Output::Partial(caption) if caption.text == "All");
    assert!(!outputs.iter().any(takes_back), "it heard less: {outputs:?}");
    assert!(
        requests(&outputs, Purpose::Partial).is_empty(),
        "that has heard it all"
    );
    let outputs = meeting.hear(1, false);
    assert!(requests(&outputs, Purpose::Final).is_empty());
    assert_eq!(
        (meeting.session.finals_unstored(), meeting.session.finals.len()),
        (1, 0)
    );
}

#[test]
fn nothing_waits_for_a_look_at_a_pause_that_is_over() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let is_told = |outputs: &Outputs| {
        let told = Output::PauseOver {
            track: 1,
            utterance: 0,
        };
        outputs.contains(&told)
    };
    let look = one_request(&meeting.pause(1), Purpose::Pause);
    let outputs = meeting.hear(1, true);
    assert!(
        requests(&outputs, Purpose::Partial).is_empty() && !is_told(&outputs),
        "the utterance may have ended there: {outputs:?}"
    );
    let outputs = meeting.piece(1, GOES_ON);
    assert!(is_told(&outputs));
    let newer = one_request(&outputs, Purpose::Partial);
    let outputs = meeting.feed(Input::Recognised {
        sent: Vec::new(),
        ticket: look.ticket,
        result: Err(RecogniseError::Overtaken),
    });
    assert_eq!(requests(&outputs, Purpose::Partial), []);
    assert_eq!(partials(&meeting.recognise(&newer, "And more")), ["And more"]);
    assert!(!is_told(&meeting.piece(1, GOES_ON)), "nobody looks");
}

#[test]
fn a_partial_that_does_not_come_is_not_waited_for_long() {
    for overtaken in [false, true] {
        let mut meeting = Meeting::with_track(1);
        meeting.settle();
        let partial = one_request(&meeting.pause(1), Purpose::Pause);
        meeting.hear(1, false);
        let outputs = if overtaken {
            meeting.feed(Input::Recognised {
                sent: Vec::new(),
                ticket: partial.ticket,
                result: Err(RecogniseError::Overtaken),
            })
        } else {
            meeting.wait(1_000)
        };
        let request = one_request(&outputs, Purpose::Final);
        let outputs = meeting.recognise(&request, "All of it.");
        assert!(matches!(writes(&outputs).as_slice(), [(_, Write::Segment(_))]));
    }
}

#[test]
fn a_partial_whose_words_are_still_on_their_way_is_no_final() {
    for is_early in [true, false] {
        let mut meeting = Meeting::with_track(1);
        meeting.settle();
        let partial = one_request(&meeting.pause(1), Purpose::Pause);
        let mut heard = meeting.words(partial.utterance, "Most", partial.start_ms);
        heard.is_whole = false;
        let heard = Input::Recognised {
            sent: Vec::new(),
            ticket: partial.ticket,
            result: Ok(heard),
        };
        let outputs = if is_early {
            meeting.feed(heard);
            meeting.hear(1, false)
        } else {
            meeting.hear(1, false);
            meeting.feed(heard)
        };
        let request = one_request(&outputs, Purpose::Final);
        let outputs = meeting.recognise(&request, "Most of it.");
        assert!(
            matches!(writes(&outputs).as_slice(), [(_, Write::Segment(segment))] if segment.text == "Most of it.")
        );
    }
}

#[test]
fn what_was_heard_twice_over_is_not_taken_back() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let partial = one_request(&meeting.hear(1, true), Purpose::Partial);
    meeting.recognise(&partial, "Fail better.");
    let partial = one_request(&meeting.hear(1, true), Purpose::Partial);
    meeting.recognise(&partial, "Fail better. And");
    let request = one_request(&meeting.hear(1, false), Purpose::Final);
    let outputs = meeting.recognise(&request, "");
    let [(_, Write::Segment(segment))] = &writes(&outputs)[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(segment.text, "Fail better.");
}

#[test]
fn noise_that_was_shown_is_taken_back_and_never_stored() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let partial = one_request(&meeting.hear(1, true), Purpose::Partial);
    assert_eq!(partials(&meeting.recognise(&partial, "you")), ["you"]);
    let request = one_request(&meeting.hear(1, false), Purpose::Final);
    let outputs = meeting.recognise(&request, "");
    assert_eq!(partials(&outputs), [""]);
    assert!(writes(&outputs).is_empty() && meeting.session.finals_unstored() == 0);
}

#[test]
fn leaving_in_the_middle_of_a_word_keeps_the_word() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    meeting.hear(1, true);
    meeting.hear(1, true);
    let outputs = meeting.feed(Input::TrackEnded { track: 1 });
    let request = one_request(&outputs, Purpose::Final);
    assert_eq!(meeting.session.finals_unstored(), 1);
    let outputs = meeting.recognise(&request, "Wait");
    let mut next = 1;
    let pending: Outputs = meeting.log.clone();
    let stored = meeting.store_all(&pending, &mut next);
    assert_eq!(finals(&stored).len() + finals(&outputs).len(), 1);
}

#[test]
fn a_mute_or_a_silent_wire_ends_the_utterance() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    meeting.hear(1, true);
    let outputs = meeting.feed(Input::TrackMuted {
        track: 1,
        muted: true,
    });
    one_request(&outputs, Purpose::Final);
    meeting.feed(Input::TrackMuted {
        track: 1,
        muted: false,
    });
    meeting.now_ms += 20_000;
    meeting.hear(1, true);
    let outputs = meeting.wait(1_000);
    let request = one_request(&outputs, Purpose::Final);
    assert!(
        (20_000..=20_300).contains(&request.start_ms),
        "{}",
        request.start_ms
    );
}

#[test]
fn finals_of_two_speakers_are_stored_in_the_order_in_which_they_ended() {
    let mut meeting = Meeting::with_track(1);
    meeting.join(2);
    meeting.settle();
    let first = meeting.speak(1);
    let second = meeting.speak(2);
    assert!(writes(&meeting.recognise(&second, "second")).is_empty());
    let outputs = meeting.recognise(&first, "first");
    let mut next = 1;
    let stored = meeting.store_all(&outputs, &mut next);
    let published: Vec<String> = finals(&stored).into_iter().map(|caption| caption.text).collect();
    assert_eq!(published, ["first", "second"]);
}

#[test]
fn a_recogniser_that_fails_is_asked_again_and_in_the_end_the_partial_is_the_record() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let partial = one_request(&meeting.hear(1, true), Purpose::Partial);
    meeting.recognise(&partial, "half a sentence");
    let mut request = one_request(&meeting.hear(1, false), Purpose::Final);
    let mut attempts = 1;
    let stored = loop {
        let failed = Input::Recognised {
            sent: Vec::new(),
            ticket: request.ticket,
            result: Err(RecogniseError::Failed),
        };
        let mut outputs = meeting.feed(failed);
        if attempts < crate::session::finals::FINAL_ATTEMPTS {
            outputs = meeting.wait(5_000);
            request = one_request(&outputs, Purpose::Final);
            attempts += 1;
        }
        if let Some(segment) = meeting.confirm_all_but_a_segment(&outputs) {
            break segment;
        }
        assert!(attempts < 50);
    };
    assert_eq!(stored.text, "half a sentence");
    assert_eq!(attempts, crate::session::finals::FINAL_ATTEMPTS);
}

#[test]
fn a_long_outage_stops_partials_first_then_audio_and_loses_no_final() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let mut said = 0;
    let mut partials_stopped_at = None;
    let mut first_ticket = None;
    for round in 0..FINALS_MAX * 2 {
        for _ in 0..2 {
            let outputs = meeting.hear(1, true);
            if requests(&outputs, Purpose::Partial).is_empty()
                && meeting.session.pressure() >= Pressure::NoPartials
            {
                partials_stopped_at.get_or_insert(round);
            }
            for request in requests(&outputs, Purpose::Partial) {
                meeting.recognise(&request, "word");
            }
        }
        let outputs = meeting.hear(1, false);
        for request in requests(&outputs, Purpose::Final) {
            let outputs = meeting.recognise(&request, "word");
            first_ticket = first_ticket.or(writes(&outputs).first().map(|(ticket, _)| *ticket));
            said += 1;
        }
        meeting.log.clear();
    }
    assert!(
        (FINALS_MAX / 2..FINALS_MAX).contains(&partials_stopped_at.unwrap()),
        "{partials_stopped_at:?}"
    );
    assert!((FINALS_MAX..FINALS_MAX + 3).contains(&said), "{said}");
    assert_eq!(meeting.session.pressure(), Pressure::NoAudio);

    let mut next = 1;
    let mut published = 0;
    let mut outputs = meeting.feed(Input::Stored {
        ticket: first_ticket.unwrap(),
        result: Ok(Some(1)),
    });
    published += finals(&outputs).len();
    outputs = meeting.store_all(&outputs.clone(), &mut next);
    published += finals(&outputs).len();
    assert_eq!(published, said);
    // The gap is on record once the session hears again.
    meeting.log.clear();
    meeting.hear(1, false);
    let log = meeting.log.clone();
    assert!(
        writes(&log)
            .iter()
            .any(|(_, write)| matches!(write, Write::Event(event) if event.kind == "audio_shed"))
    );
}

#[test]
fn where_other_rooms_keep_the_recogniser_busy_partials_stop_until_it_is_calm() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let mut pressure = |waiting_finals| {
        let load = speech::RecogniserLoad {
            waiting_finals,
            at_once: 2,
        };
        meeting.session.recogniser_load(load);
        meeting.session.pressure()
    };
    let loads = [0, 8, 9, 5, 3, 2, 8].map(&mut pressure);
    let (all, finals) = (Pressure::None, Pressure::NoPartials);
    assert_eq!(loads, [all, all, finals, finals, finals, all, all]);
    pressure(100);
    for _ in 0..20 {
        let outputs = meeting.hear(1, true);
        assert!(requests(&outputs, Purpose::Partial).is_empty());
    }
}

#[test]
fn a_final_without_a_place_waits_for_one_however_long_that_takes() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let mut request = meeting.speak(1);
    let mut next = 1;
    for _ in 0..50 {
        meeting.feed(Input::Recognised {
            sent: Vec::new(),
            ticket: request.ticket,
            result: Err(RecogniseError::Overloaded),
        });
        let outputs = meeting.wait(1_000);
        request = one_request(&outputs, Purpose::Final);
        meeting.store_all(&outputs, &mut next);
    }
    let outputs = meeting.recognise(&request, "said in a crowd");
    let stored = meeting.store_all(&outputs, &mut next);
    assert_eq!(finals(&stored).len(), 1);
}
