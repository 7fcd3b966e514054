//! The session in virtual time, with a scripted ear: samples spell out what the listener would report.

mod any_order;
mod captions;
mod consent;
mod endings;
mod ledger;
mod names;
mod questions;
mod voices;

use speech::{Hypothesis, Word as HeardWord};
use store::VoicePolicy;

use super::*;
use crate::session::coverage::{Cover, GapReason};
use crate::session::hearing::{Purpose, Recognise, RecogniseError};
use crate::session::outbox::Write;
use crate::session::track::{EarEvent, Speaker};
use crate::session::types::{Answer, Caption, Source};
use crate::session::voices::Voices;

/// Non-zero samples are speech: each piece asks for a partial, a piece of zeros ends the utterance. A piece of
/// [`PAUSE`] asks for a partial too, and if the utterance ends next, its final has the very same audio. A piece of
/// [`GOES_ON`] is speech after a pause that was too short to be the end.
#[derive(Debug, Default)]
pub(super) struct ScriptEar {
    heard_ms: u64,
    open_since_ms: Option<u64>,
    utterance: u64,
    paused_at_ms: Option<u64>,
    pub(super) ended: std::rc::Rc<std::cell::Cell<usize>>,
}

pub(super) const PAUSE: i16 = 2;
pub(super) const GOES_ON: i16 = 3;
/// The utterance, and how much of it.
pub(super) type Sound = (u64, u64);

impl Ear for ScriptEar {
    type Audio = Sound;

    fn push(&mut self, samples: &[i16]) -> Vec<EarEvent<Sound>> {
        let from_ms = self.heard_ms;
        self.heard_ms += samples.len() as u64 / 16;
        if samples[0] == 0 {
            return self.flush();
        }
        let mut events = Vec::new();
        if self.open_since_ms.is_none() {
            self.open_since_ms = Some(from_ms);
            events.push(EarEvent::SpeechStarted {
                utterance: self.utterance,
                start_ms: from_ms,
            });
        }
        let start_ms = self.open_since_ms.unwrap();
        if samples[0] == GOES_ON {
            events.push(EarEvent::PauseOver {
                utterance: self.utterance,
            });
        }
        self.paused_at_ms = (samples[0] == PAUSE).then_some(self.heard_ms);
        let audio = (self.utterance, self.heard_ms);
        events.push(EarEvent::Hypothesise {
            utterance: self.utterance,
            audio,
            start_ms,
            at_pause: samples[0] == PAUSE,
        });
        events
    }

    fn pause_heard(&mut self, _: u64, _: u64, _: bool) -> bool {
        false
    }

    fn flush(&mut self) -> Vec<EarEvent<Sound>> {
        let Some(start_ms) = self.open_since_ms.take() else {
            return Vec::new();
        };
        let utterance = self.utterance;
        self.utterance += 1;
        self.ended.set(self.ended.get() + 1);
        let end_ms = self.heard_ms;
        let audio = (utterance, self.paused_at_ms.take().unwrap_or(end_ms + 1));
        vec![
            EarEvent::Finalise {
                utterance,
                audio,
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

pub(super) type Outputs = Vec<Output<Sound>>;

/// A session with its meeting clock; the database and the recogniser are the test.
pub(super) struct Meeting {
    pub(super) session: Session<ScriptEar>,
    pub(super) now_ms: u64,
    pub(super) log: Outputs,
    /// Whether the test answers the ledger's writings itself; else they succeed at once and are not shown.
    pub(super) shows_ledger: bool,
}

impl Meeting {
    pub(super) fn new() -> Self {
        Self {
            session: Session::new("Rapporteur", 1, 0, Vec::new(), no_voices()),
            now_ms: 0,
            log: Vec::new(),
            shows_ledger: false,
        }
    }

    pub(super) fn with_track(track: u64) -> Self {
        let mut meeting = Self::new();
        meeting.join(track);
        meeting
    }

    pub(super) fn join(&mut self, track: u64) {
        self.join_on(track, &format!("TR_{track}"), track);
    }

    /// Speaker `who` on a track of this id.
    pub(super) fn join_on(&mut self, track: u64, track_id: &str, who: u64) -> Outputs {
        let speaker = Speaker {
            identity: format!("p-{who}"),
            name: format!("Speaker {who}"),
            track_id: track_id.to_owned(),
        };
        self.feed(Input::TrackStarted {
            track,
            speaker,
            ear: ScriptEar::default(),
        })
    }

    pub(super) fn feed(&mut self, input: Input<ScriptEar>) -> Outputs {
        let mut outputs = self.session.handle(input, self.now_ms);
        while !self.shows_ledger
            && let Some(place) = outputs.iter().position(is_ledger)
            && let Output::Store { ticket, .. } = outputs.remove(place)
        {
            let written = Input::Stored {
                ticket,
                result: Ok(None),
            };
            outputs.extend(self.session.handle(written, self.now_ms));
        }
        self.log.extend(outputs.clone());
        outputs
    }

    pub(super) fn wait(&mut self, ms: u64) -> Outputs {
        self.now_ms += ms;
        self.feed(Input::Tick)
    }

    /// 100 ms of a pause within an utterance.
    pub(super) fn pause(&mut self, track: u64) -> Outputs {
        self.piece(track, PAUSE)
    }

    /// 100 ms of speech or of silence.
    pub(super) fn hear(&mut self, track: u64, voice: bool) -> Outputs {
        self.piece(track, i16::from(voice))
    }

    /// 100 ms of what this sample stands for.
    pub(super) fn piece(&mut self, track: u64, sample: i16) -> Outputs {
        self.now_ms += 100;
        self.feed(Input::Audio {
            track,
            samples: vec![sample; 1600],
        })
    }

    pub(super) fn words(&self, utterance: u64, text: &str, start_ms: u64) -> Hypothesis {
        let word = |(index, text): (usize, &str)| HeardWord {
            text: text.to_owned(),
            start_ms: start_ms + index as u64 * 10,
            end_ms: start_ms + index as u64 * 10 + 9,
            confidence: 0.9,
            speaker: None,
        };
        Hypothesis {
            utterance,
            words: text.split_whitespace().enumerate().map(word).collect(),
            engine: "test".to_owned(),
            audio_ms: 100,
            is_whole: true,
            compute_ms: 50,
        }
    }

    /// Answers a request of the recogniser.
    pub(super) fn recognise(&mut self, request: &Recognise<Sound>, text: &str) -> Outputs {
        let result = Ok(self.words(request.utterance, text, request.start_ms));
        self.feed(Input::Recognised {
            sent: Vec::new(),
            ticket: request.ticket,
            result,
        })
    }

    /// Speaks an utterance of 300 ms on a track and returns the request for its final.
    pub(super) fn speak(&mut self, track: u64) -> Recognise<Sound> {
        for _ in 0..3 {
            self.hear(track, true);
        }
        let outputs = self.hear(track, false);
        one_request(&outputs, Purpose::Final)
    }

    /// Answers every write that is outstanding with success until none is left; sequences count from `next`.
    pub(super) fn store_all(&mut self, outputs: &Outputs, next: &mut i64) -> Outputs {
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
    pub(super) fn confirm_all_but_a_segment(&mut self, outputs: &Outputs) -> Option<Segment> {
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
    pub(super) fn settle(&mut self) {
        let log = self.log.clone();
        let mut next = 1;
        self.store_all(&log, &mut next);
        self.log.clear();
    }
}

/// Nobody is told apart.
pub(super) fn no_voices() -> Voices<Sound> {
    Voices::new(VoicePolicy::One, false, [], [])
}

fn is_ledger(output: &Output<Sound>) -> bool {
    matches!(
        output,
        Output::Store {
            write: Write::Coverage(_),
            ..
        }
    )
}

pub(super) fn requests(outputs: &Outputs, purpose: Purpose) -> Vec<Recognise<Sound>> {
    let wanted = |output: &Output<Sound>| match output {
        Output::Recognise(request) if request.purpose == purpose => Some(request.clone()),
        _ => None,
    };
    outputs.iter().filter_map(wanted).collect()
}

pub(super) fn one_request(outputs: &Outputs, purpose: Purpose) -> Recognise<Sound> {
    let found = requests(outputs, purpose);
    assert_eq!(found.len(), 1, "{outputs:?}");
    found[0].clone()
}

pub(super) fn writes(outputs: &Outputs) -> Vec<(u64, Write)> {
    let write = |output: &Output<Sound>| match output {
        Output::Store { ticket, write } => Some((*ticket, write.clone())),
        _ => None,
    };
    outputs.iter().filter_map(write).collect()
}

pub(super) fn finals(outputs: &Outputs) -> Vec<Caption> {
    let caption = |output: &Output<Sound>| {
        if let Output::Final(caption) = output {
            Some(caption.clone())
        } else {
            None
        }
    };
    outputs.iter().filter_map(caption).collect()
}

pub(super) fn partials(outputs: &Outputs) -> Vec<String> {
    let text = |output: &Output<Sound>| {
        if let Output::Partial(caption) = output {
            Some(caption.text.clone())
        } else {
            None
        }
    };
    outputs.iter().filter_map(text).collect()
}

pub(super) fn answer(text: &str) -> Answer {
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
