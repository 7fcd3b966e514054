//! The session in virtual time, with a scripted ear: samples spell out what the listener would report.

use speech::Word as HeardWord;

use super::*;
use crate::session::hearing::Purpose;
use crate::session::lease::RENEW_MS;
use crate::session::outbox::{FINALS_MAX, Write};
use crate::session::track::EarEvent;
use crate::session::types::{Source, Via};
use crate::session::usage::FLUSH_MS;

/// Non-zero samples are speech: each piece asks for a partial, a piece of zeros ends the utterance.
#[derive(Debug, Default)]
struct ScriptEar {
    heard_ms: u64,
    open_since_ms: Option<u64>,
    utterance: u64,
}

impl Ear for ScriptEar {
    type Audio = u64;

    fn push(&mut self, samples: &[i16]) -> Vec<EarEvent<u64>> {
        let from_ms = self.heard_ms;
        self.heard_ms += samples.len() as u64 / 16;
        if samples[0] == 0 {
            return self.flush();
        }
        let mut events = Vec::new();
        if self.open_since_ms.is_none() {
            self.open_since_ms = Some(from_ms);
            events.push(EarEvent::SpeechStarted);
        }
        let start_ms = self.open_since_ms.unwrap();
        events.push(EarEvent::Hypothesise {
            utterance: self.utterance,
            audio: self.utterance,
            start_ms,
        });
        events
    }

    fn flush(&mut self) -> Vec<EarEvent<u64>> {
        let Some(start_ms) = self.open_since_ms.take() else {
            return Vec::new();
        };
        let utterance = self.utterance;
        self.utterance += 1;
        let end_ms = self.heard_ms;
        vec![
            EarEvent::Finalise {
                utterance,
                audio: utterance,
                start_ms,
                end_ms,
            },
            EarEvent::SpeechEnded,
        ]
    }

    fn heard_ms(&self) -> u64 {
        self.heard_ms
    }
}

type Outputs = Vec<Output<u64>>;

/// A session with its meeting clock; the database and the recogniser are the test.
struct Meeting {
    session: Session<ScriptEar>,
    now_ms: u64,
    log: Outputs,
}

impl Meeting {
    fn new() -> Self {
        Self {
            session: Session::new("Rapporteur", 1, 0),
            now_ms: 0,
            log: Vec::new(),
        }
    }

    fn with_track(track: u64) -> Self {
        let mut meeting = Self::new();
        meeting.join(track);
        meeting
    }

    fn join(&mut self, track: u64) {
        let speaker = Speaker {
            identity: format!("p-{track}"),
            name: format!("Speaker {track}"),
            track_id: format!("TR_{track}"),
        };
        self.feed(Input::TrackStarted {
            track,
            speaker,
            ear: ScriptEar::default(),
        });
    }

    fn feed(&mut self, input: Input<ScriptEar>) -> Outputs {
        let outputs = self.session.handle(input, self.now_ms);
        self.log.extend(outputs.clone());
        outputs
    }

    fn wait(&mut self, ms: u64) -> Outputs {
        self.now_ms += ms;
        self.feed(Input::Tick)
    }

    /// 100 ms of speech or of silence.
    fn hear(&mut self, track: u64, voice: bool) -> Outputs {
        self.now_ms += 100;
        self.feed(Input::Audio {
            track,
            samples: vec![i16::from(voice); 1600],
        })
    }

    fn words(&self, utterance: u64, text: &str, start_ms: u64) -> Hypothesis {
        let word = |(index, text): (usize, &str)| HeardWord {
            text: text.to_owned(),
            start_ms: start_ms + index as u64 * 10,
            end_ms: start_ms + index as u64 * 10 + 9,
            confidence: 0.9,
        };
        Hypothesis {
            utterance,
            words: text.split_whitespace().enumerate().map(word).collect(),
            engine: "test".to_owned(),
            audio_ms: 100,
            compute_ms: 50,
        }
    }

    /// Answers a request of the recogniser.
    fn recognise(&mut self, request: &Recognise<u64>, text: &str) -> Outputs {
        let result = Ok(self.words(request.utterance, text, request.start_ms));
        self.feed(Input::Recognised {
            ticket: request.ticket,
            result,
        })
    }

    /// Speaks an utterance of 300 ms on a track and returns the request for its final.
    fn speak(&mut self, track: u64) -> Recognise<u64> {
        for _ in 0..3 {
            self.hear(track, true);
        }
        let outputs = self.hear(track, false);
        one_request(&outputs, Purpose::Final)
    }

    /// Answers every write that is outstanding with success until none is left; sequences count from `next`.
    fn store_all(&mut self, outputs: &Outputs, next: &mut i64) -> Outputs {
        let mut all = Vec::new();
        let mut open: Vec<(u64, bool)> = writes(outputs)
            .iter()
            .map(|(t, w)| (*t, matches!(w, Write::Segment(_))))
            .collect();
        while let Some((ticket, is_segment)) = open.pop() {
            let sequence = is_segment.then(|| {
                *next += 1;
                *next - 1
            });
            let outputs = self.feed(Input::Stored {
                ticket,
                result: Ok(sequence),
            });
            open.extend(
                writes(&outputs)
                    .iter()
                    .map(|(t, w)| (*t, matches!(w, Write::Segment(_)))),
            );
            all.extend(outputs);
        }
        all
    }

    /// Answers writes with success until one of them is a segment.
    fn confirm_all_but_a_segment(&mut self, outputs: &Outputs) -> Option<Segment> {
        let mut open = writes(outputs);
        while let Some((ticket, write)) = open.pop() {
            if let Write::Segment(segment) = write {
                return Some(segment);
            }
            open.extend(writes(&self.feed(Input::Stored {
                ticket,
                result: Ok(None),
            })));
        }
        None
    }

    /// Lets the events that joining wrote go through.
    fn settle(&mut self) {
        let log = self.log.clone();
        let mut next = 1;
        self.store_all(&log, &mut next);
        self.log.clear();
    }
}

fn requests(outputs: &Outputs, purpose: Purpose) -> Vec<Recognise<u64>> {
    let wanted = |output: &Output<u64>| match output {
        Output::Recognise(request) if request.purpose == purpose => Some(request.clone()),
        _ => None,
    };
    outputs.iter().filter_map(wanted).collect()
}

fn one_request(outputs: &Outputs, purpose: Purpose) -> Recognise<u64> {
    let found = requests(outputs, purpose);
    assert_eq!(found.len(), 1, "{outputs:?}");
    found[0].clone()
}

fn writes(outputs: &Outputs) -> Vec<(u64, Write)> {
    let write = |output: &Output<u64>| match output {
        Output::Store { ticket, write } => Some((*ticket, write.clone())),
        _ => None,
    };
    outputs.iter().filter_map(write).collect()
}

fn finals(outputs: &Outputs) -> Vec<Caption> {
    let caption = |output: &Output<u64>| {
        if let Output::Final(caption) = output {
            Some(caption.clone())
        } else {
            None
        }
    };
    outputs.iter().filter_map(caption).collect()
}

fn partials(outputs: &Outputs) -> Vec<String> {
    let text = |output: &Output<u64>| {
        if let Output::Partial(caption) = output {
            Some(caption.text.clone())
        } else {
            None
        }
    };
    outputs.iter().filter_map(text).collect()
}

fn answer(text: &str) -> Answer {
    Answer {
        text: text.to_owned(),
        grounded: true,
        sources: vec![Source {
            passage_id: Uuid::nil(),
            document_title: "Handbook".to_owned(),
            heading: String::new(),
            page: None,
            quote: "thirty days".to_owned(),
        }],
        engine: "extractive".to_owned(),
        prompt_tokens: 10,
        completion_tokens: 5,
    }
}

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
            ticket: request.ticket,
            result: Err(RecogniseError::Failed),
        };
        let mut outputs = meeting.feed(failed);
        if attempts < crate::session::hearing::FINAL_ATTEMPTS {
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
    assert_eq!(attempts, crate::session::hearing::FINAL_ATTEMPTS);
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
        assert_eq!(outputs, [Output::Finished(Ending::Fenced)]);
        assert!(
            meeting
                .feed(Input::Stored {
                    ticket,
                    result: Ok(Some(1))
                })
                .is_empty()
        );
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
        .flat_map(|(_, write)| {
            if let Write::Usage(rows) = write {
                rows.clone()
            } else {
                Vec::new()
            }
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
fn a_question_aloud_is_looked_up_answered_and_recorded_with_its_sources() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let request = meeting.speak(1);
    let outputs = meeting.recognise(&request, "Reporter, what is the notice period?");
    let mut next = 1;
    let outputs = meeting.store_all(&outputs, &mut next);
    let Some(Output::LookUp { question, lines }) =
        outputs.iter().find(|o| matches!(o, Output::LookUp { .. }))
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (question.text.as_str(), question.via),
        ("what is the notice period?", Via::Voice)
    );
    assert_eq!((question.asked_by.as_str(), lines.len()), ("p-1", 1));
    assert!(outputs.contains(&Output::State(AgentState::Thinking)));
    meeting.now_ms += 400;
    let outputs = meeting.feed(Input::LookedUp {
        id: question.id,
        answer: Some(answer("Thirty days [1].")),
    });
    assert!(
        outputs
            .iter()
            .any(|o| matches!(o, Output::Give { id, .. } if *id == question.id))
    );
    assert!(outputs.contains(&Output::State(AgentState::Speaking)));
    let stored = writes(&outputs);
    let [(_, Write::Answer(row))] = stored.as_slice() else {
        panic!("{stored:?}")
    };
    assert_eq!((row.answer.sources.len(), row.question.id), (1, question.id));
    assert!(
        meeting
            .feed(Input::Given)
            .contains(&Output::State(AgentState::Listening))
    );
}

#[test]
fn a_private_question_is_answered_to_its_caller_alone() {
    let mut meeting = Meeting::new();
    meeting.settle();
    let outputs = meeting.feed(Input::Ask {
        identity: "p-1".to_owned(),
        text: " Who? ".to_owned(),
        reply: 9,
    });
    let Some(Output::LookUp { question, .. }) = outputs.iter().find(|o| matches!(o, Output::LookUp { .. }))
    else {
        panic!("{outputs:?}")
    };
    let outputs = meeting.feed(Input::LookedUp {
        id: question.id,
        answer: Some(answer("She [1].")),
    });
    assert!(outputs.contains(&Output::Reply {
        reply: 9,
        answer: Ok((question.id, answer("She [1].")))
    }));
    assert!(!outputs.iter().any(|o| matches!(o, Output::Give { .. })));
}

#[test]
fn too_many_questions_get_one_notice_and_private_ones_a_reply() {
    let mut meeting = Meeting::new();
    meeting.settle();
    for number in 0..20 {
        meeting.feed(Input::Chat {
            identity: "p-1".to_owned(),
            text: format!("@rapporteur what is {number}?"),
        });
    }
    let notices = meeting
        .log
        .iter()
        .filter(|o| matches!(o, Output::Notice(_)))
        .count();
    let lookups = meeting
        .log
        .iter()
        .filter(|o| matches!(o, Output::LookUp { .. }))
        .count();
    assert_eq!((notices, lookups), (1, crate::session::questions::RUNNING_MAX));
    let outputs = meeting.feed(Input::Ask {
        identity: "p-2".to_owned(),
        text: "?".to_owned(),
        reply: 3,
    });
    assert!(outputs.iter().any(|o| matches!(
        o,
        Output::Reply {
            reply: 3,
            answer: Err(_)
        }
    )));
}

#[test]
fn a_call_by_name_makes_the_next_utterance_of_the_same_speaker_the_question() {
    let mut meeting = Meeting::with_track(1);
    meeting.join(2);
    meeting.settle();
    let mut next = 1;
    for (track, text) in [
        (1, "Hey Rapporteur."),
        (2, "What is the time?"),
        (1, "What is the notice period?"),
    ] {
        let request = meeting.speak(track);
        let outputs = meeting.recognise(&request, text);
        meeting.store_all(&outputs, &mut next);
    }
    let asked: Vec<String> = meeting
        .log
        .iter()
        .filter_map(|o| {
            if let Output::LookUp { question, .. } = o {
                Some(question.text.clone())
            } else {
                None
            }
        })
        .collect();
    assert_eq!(asked, ["What is the notice period?"]);
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

mod any_order {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Hear(u64, bool),
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
            1 => (0_u64..3, any::<bool>()).prop_map(|(track, muted)| Step::Mute(track, muted)),
            6 => (0_usize..4, prop::bool::weighted(0.8)).prop_map(|(index, works)| Step::Recognise(index, works)),
            6 => prop::bool::weighted(0.7).prop_map(Step::Store),
            1 => (0_u64..3).prop_map(Step::Leave),
            1 => (0_u64..3).prop_map(Step::Join),
            2 => (0_u64..3_000).prop_map(Step::Wait),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// Whatever the order of events: a final is published exactly once, after it was stored, and after a drain
        /// with a working database every utterance that ended is in the record.
        #[test]
        fn every_utterance_is_stored_before_it_is_published_and_none_is_lost(steps in prop::collection::vec(step(), 0..150)) {
            let mut meeting = Meeting::new();
            let mut open_recognitions: Vec<Recognise<u64>> = Vec::new();
            let mut open_writes: Vec<(u64, Write)> = Vec::new();
            let mut expected = std::collections::BTreeSet::new();
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
                    Step::Mute(track, muted) => outputs.extend(meeting.feed(Input::TrackMuted { track, muted })),
                    Step::Leave(track) => outputs.extend(meeting.feed(Input::TrackEnded { track })),
                    Step::Join(track) => {
                        if !meeting.session.tracks.contains_key(&track) {
                            let speaker = Speaker {
                                identity: "p".to_owned(),
                                name: "P".to_owned(),
                                track_id: format!("TR_{track}"),
                            };
                            let joined = Input::TrackStarted { track, speaker, ear: ScriptEar::default() };
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
                                Input::Recognised { ticket: request.ticket, result: Err(RecogniseError::Failed) };
                            outputs.extend(meeting.feed(failed));
                        }
                    }
                    Step::Store(works) if !open_writes.is_empty() => {
                        let (ticket, write) = open_writes.remove(0);
                        let result = if works {
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
                            if request.purpose == Purpose::Final {
                                expected.insert(request.ticket);
                            }
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
            prop_assert_eq!(stored.len(), expected.len());
            prop_assert_eq!(published.len(), stored.len());
        }
    }
}
