//! From a question to its answer.

use super::*;
use crate::session::types::Via;

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
fn an_answer_rests_on_what_was_said_as_it_was_corrected() {
    let mut meeting = Meeting::with_track(1);
    meeting.settle();
    let request = meeting.speak(1);
    let outputs = meeting.recognise(&request, "The dose is fifty milligrams.");
    let mut next = 1;
    let outputs = meeting.store_all(&outputs, &mut next);
    let said = outputs.iter().find_map(|output| match output {
        Output::Final(caption) => Some(caption.segment_id),
        _ => None,
    });
    meeting.feed(Input::Corrected {
        segment_id: said.unwrap(),
        text: "The dose is fifteen milligrams.".to_owned(),
    });
    let outputs = meeting.feed(Input::Ask {
        identity: "p-1".to_owned(),
        text: "What is the dose?".to_owned(),
        reply: 9,
    });
    let lines = outputs.iter().find_map(|output| match output {
        Output::LookUp { lines, .. } => Some(lines),
        _ => None,
    });
    assert_eq!(lines.unwrap()[0].text, "The dose is fifteen milligrams.");
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
