//! Who has not agreed is not recognised, from the moment they say so until they say otherwise.

use super::*;
use crate::session::coverage::CoverageRows;
use crate::session::declined::WRITTEN_MS;

fn declined_by(identity: &str, granted: bool) -> Input<ScriptEar> {
    Input::Consents(Consents {
        granted: BTreeMap::from([(identity.to_owned(), granted)]),
        ..Consents::default()
    })
}

fn speaker() -> Speaker {
    Speaker {
        identity: "p-1".into(),
        name: "Speaker 1".into(),
        track_id: "TR_1".into(),
    }
}

/// The ledger's rows that were written in these outputs and in what follows from their success.
fn rows(meeting: &mut Meeting, outputs: &Outputs) -> Vec<Stretch> {
    let mut rows = Vec::new();
    let mut open = writes(outputs);
    while let Some((ticket, write)) = open.pop() {
        if let Write::Coverage(CoverageRows { stretches, .. }) = write {
            rows.extend(stretches);
        }
        let result = Ok(Some(1));
        open.extend(writes(&meeting.feed(Input::Stored { ticket, result })));
    }
    rows
}

fn meeting() -> Meeting {
    let mut meeting = Meeting {
        shows_ledger: true,
        ..Meeting::new()
    };
    meeting.join(1);
    let log = meeting.log.clone();
    rows(&mut meeting, &log);
    meeting
}

#[test]
fn what_is_being_said_when_somebody_withdraws_is_dropped_and_what_was_said_stays() {
    let mut meeting = meeting();
    let before = meeting.speak(1);
    let of_before = requests(&meeting.log, Purpose::Partial).remove(0);
    meeting.recognise(&of_before, "said");
    let mut outputs = meeting.hear(1, true);
    let partial = one_request(&outputs, Purpose::Partial);
    outputs.extend(meeting.recognise(&partial, "half a"));
    meeting.wait(500);
    let outputs = meeting.feed(declined_by("p-1", false));
    let Some(Output::Partial(taken_back)) = outputs.iter().find(|o| matches!(o, Output::Partial(_))) else {
        panic!("{outputs:?}");
    };
    assert_eq!(taken_back.text, "");
    assert!(requests(&outputs, Purpose::Final).is_empty());
    // Sound that was on its way, and the answer for the partial, are not taken in.
    let mut outputs = meeting.hear(1, true);
    outputs.extend(meeting.recognise(&partial, "half a sentence"));
    outputs.extend(meeting.feed(Input::TrackEnded { track: 1 }));
    assert!(
        outputs
            .iter()
            .all(|o| !matches!(o, Output::Partial(_) | Output::Recognise(_)))
    );
    let outputs = meeting.recognise(&before, "said before");
    let kept: Vec<_> = writes(&outputs)
        .into_iter()
        .filter(|(_, write)| matches!(write, Write::Segment(_)))
        .collect();
    let log = meeting.log.clone();
    rows(&mut meeting, &log);
    let stored = writes(&meeting.log).into_iter().filter_map(|(_, write)| {
        if let Write::Segment(segment) = write {
            Some(segment.text)
        } else {
            None
        }
    });
    let texts: std::collections::BTreeSet<String> = stored.collect();
    assert_eq!(texts, ["said before".to_owned()].into(), "{kept:?}");
}

#[test]
fn the_ledger_says_for_how_long_somebody_was_not_to_be_heard() {
    let mut meeting = meeting();
    meeting.hear(1, true);
    let mut all = meeting.feed(declined_by("p-1", false));
    let since_ms = meeting.now_ms;
    all.extend(meeting.wait(WRITTEN_MS));
    let log = meeting.log.clone();
    let written = rows(&mut meeting, &log);
    let mut declined: Vec<_> = written
        .iter()
        .filter(|row| row.cover == Cover::Declined)
        .map(|row| (row.start_ms, row.end_ms))
        .collect();
    declined.sort_unstable();
    assert_eq!(declined.first(), Some(&(0, 100)), "{written:?}");
    meeting.log.clear();
    // They agree: what comes from then on is heard, and is not in the declined stretch.
    meeting.wait(1_000);
    meeting.feed(declined_by("p-1", true));
    meeting.feed(Input::TrackStarted {
        track: 2,
        speaker: speaker(),
        ear: ScriptEar::default(),
    });
    let until_ms = meeting.now_ms;
    for _ in 0..10 {
        meeting.hear(2, true);
    }
    let log = meeting.log.clone();
    let written = rows(&mut meeting, &log);
    let known = |cover: Cover| {
        let mut of_cover = written.iter().filter(move |row| row.cover == cover);
        of_cover.next_back().map(|row| (row.start_ms, row.end_ms))
    };
    assert_eq!(known(Cover::Declined), Some((since_ms, until_ms)));
    assert!(
        known(Cover::Open).is_some_and(|open| open.0 >= until_ms),
        "{written:?}"
    );
}

#[test]
fn a_track_of_somebody_who_declined_is_not_taken_in() {
    let mut meeting = Meeting::new();
    meeting.feed(declined_by("p-1", false));
    meeting.join(1);
    let outputs = meeting.hear(1, true);
    assert!(requests(&outputs, Purpose::Partial).is_empty());
    let mut required = Meeting::new();
    required.feed(Input::Consents(Consents {
        policy: store::ConsentPolicy::Required,
        ..Consents::default()
    }));
    required.join(1);
    let outputs = required.hear(1, true);
    assert!(requests(&outputs, Purpose::Partial).is_empty());
}
