//! The recogniser is told the names and words of the meeting, from the first utterance after they are known.

use super::*;
use crate::session::vocabulary::Known;

#[test]
fn the_recogniser_is_told_who_is_there_and_what_the_documents_speak_of() {
    let mut meeting = Meeting::with_track(1);
    assert_eq!(meeting.speak(1).context, "Hey Rapporteur, Rapporteur.");
    meeting.feed(Input::ParticipantJoined {
        identity: "p-2".into(),
        name: "Siobhan Okonkwo".into(),
    });
    meeting.feed(Input::Learned(Known {
        names: vec!["Ben Ito".into()],
        corrected: vec!["Falkenstein".into()],
        terms: vec!["metoprolol".into()],
    }));
    let told = "Hey Rapporteur, Rapporteur. Siobhan Okonkwo, Ben Ito, Falkenstein, metoprolol.";
    assert_eq!(meeting.speak(1).context, told);
}

#[test]
fn services_are_told_as_soon_as_something_is_known() {
    let mut meeting = Meeting::with_track(1);
    let mut told = |input| {
        let terms = |output| match output {
            Output::Terms(terms) => Some(terms),
            _ => None,
        };
        meeting
            .feed(input)
            .into_iter()
            .filter_map(terms)
            .collect::<Vec<_>>()
    };
    let joined = told(Input::ParticipantJoined {
        identity: "p-2".into(),
        name: "Ben Ito".into(),
    });
    assert_eq!(joined, [["Rapporteur", "Ben Ito"]]);
    let learned = told(Input::Learned(Known {
        names: vec!["ben ito ".into(), "Ada".into()],
        ..Known::default()
    }));
    assert_eq!(learned, [["Rapporteur", "Ben Ito", "Ada"]]);
}
