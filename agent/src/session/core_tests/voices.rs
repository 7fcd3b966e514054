//! Several people at one microphone: what is heard for voices, and what is written of it.

mod limits;
mod numbers;
mod policy;
mod written;

use speech::{SpeakerNumber, TurnId, VoiceEvent, VoiceLabel};

use super::*;
use crate::session::voices::{
    HearVoices, KnownAs, NotHeard, PARTICIPANTS_MAX, VoiceRows, VoiceSound, Voices, VoicesHeard,
    WAITING_MAX_MS,
};

const UTTERANCE_MS: u64 = 5_000;

/// A meeting whose writes all succeed, unless the test says otherwise.
struct Room {
    meeting: Meeting,
    next: i64,
    database_is_away: bool,
    /// What is not answered while the database is away.
    unanswered: Outputs,
    /// Requests to hear voices, all of them.
    asked: Vec<HearVoices<Sound>>,
    written: Vec<Write>,
}

impl Room {
    fn new(policy: VoicePolicy, known: &[(&str, VoiceLabel)]) -> Self {
        Self::with(Voices::new(policy, true, known.iter().copied(), []))
    }

    fn with(voices: Voices<Sound>) -> Self {
        let mut meeting = Meeting::new();
        meeting.session = Session::new("Rapporteur", 1, 0, Vec::new(), voices);
        meeting.join(1);
        meeting.settle();
        Self {
            meeting,
            next: 1,
            database_is_away: false,
            unanswered: Vec::new(),
            asked: Vec::new(),
            written: Vec::new(),
        }
    }

    /// Lets the database answer, and keeps what is asked and written.
    fn take(&mut self, outputs: Outputs) {
        let mut left = VecDeque::from(outputs);
        while let Some(output) = left.pop_front() {
            match output {
                Output::HearVoices(request) => self.asked.push(request),
                output @ Output::Store { .. } if self.database_is_away => self.unanswered.push(output),
                Output::Store { ticket, write } => {
                    let is_segment = matches!(write, Write::Segment(_));
                    self.written.push(write);
                    let sequence = is_segment.then_some(self.next);
                    self.next += i64::from(is_segment);
                    let result = Ok(sequence);
                    left.extend(self.meeting.feed(Input::Stored { ticket, result }));
                }
                _ => {}
            }
        }
    }

    fn join(&mut self, track: u64) {
        let before = self.meeting.log.len();
        self.meeting.join(track);
        let outputs = self.meeting.log[before..].to_vec();
        self.take(outputs);
    }

    fn database_comes_back(&mut self) {
        self.database_is_away = false;
        let unanswered = std::mem::take(&mut self.unanswered);
        self.take(unanswered);
    }

    /// Somebody says something, the pause behind it included; the recogniser has not answered yet.
    fn speak(&mut self, track: u64, ms: u64) -> Recognise<Sound> {
        self.meeting.now_ms += ms - 100;
        let outputs = self.meeting.feed(Input::Audio {
            track,
            samples: vec![1; (ms as usize - 100) * 16],
        });
        self.take(outputs);
        let outputs = self.meeting.hear(track, false);
        let request = one_request(&outputs, Purpose::Final);
        self.take(outputs);
        request
    }

    fn recognised(&mut self, request: &Recognise<Sound>, text: &str) {
        let outputs = self.meeting.recognise(request, text);
        self.take(outputs);
    }

    /// Somebody says something, and it is recognised; whether it is to be heard for voices.
    fn say(&mut self, track: u64, ms: u64) -> Option<HearVoices<Sound>> {
        let before = self.asked.len();
        let request = self.speak(track, ms);
        self.recognised(&request, "some words");
        assert!(self.asked.len() <= before + 1);
        self.asked.get(before).cloned()
    }

    fn answer(&mut self, identity: &str, heard: Option<VoicesHeard>) {
        let identity = identity.to_owned();
        let outputs = self.meeting.feed(Input::VoicesHeard { identity, heard });
        self.take(outputs);
    }

    /// An utterance is over and its voices are heard at once: one turn a second each.
    fn say_as(&mut self, track: u64, labels: &[Option<VoiceLabel>]) {
        let request = self.say(track, UTTERANCE_MS).expect("it is heard");
        self.answer(&request.identity, Some(heard(request.utterance, labels)));
    }

    fn rows(&self) -> Vec<VoiceRows> {
        let rows = |write: &Write| match write {
            Write::Voices(rows) => Some(rows.clone()),
            _ => None,
        };
        self.written.iter().filter_map(rows).collect()
    }

    fn events(&self, kind: &str) -> usize {
        let is_it = |write: &&Write| matches!(write, Write::Event(event) if event.kind == kind);
        self.written.iter().filter(is_it).count()
    }

    fn counted(&mut self) -> BTreeMap<Option<NotHeard>, u64> {
        self.meeting.session.voices.take_counted()
    }
}

/// An utterance of one turn a second.
fn heard(utterance: u64, labels: &[Option<VoiceLabel>]) -> VoicesHeard {
    let mut heard = VoicesHeard {
        compute_ms: 500,
        ..VoicesHeard::default()
    };
    for (turn, label) in labels.iter().enumerate() {
        let start_ms = turn as u32 * 1_000;
        heard.turns.push(speech::Turn {
            start_ms,
            end_ms: start_ms + 900,
            sound: None,
            overlaps: false,
        });
        let turn = TurnId { utterance, turn };
        heard.events.push(VoiceEvent::Labelled { turn, label: *label });
    }
    let mut used: Vec<VoiceLabel> = labels.iter().flatten().copied().collect();
    used.sort_unstable();
    used.dedup();
    heard.sounds = used.into_iter().map(sound).collect();
    heard
}

fn sound(label: VoiceLabel) -> VoiceSound {
    VoiceSound {
        label,
        sound: vec![label as f32; 3],
        heard_ms: 3_000,
    }
}

fn labels_of(rows: &VoiceRows) -> Vec<(u64, usize, Option<VoiceLabel>)> {
    let turns = rows.turns.iter();
    turns
        .map(|turn| (turn.id.utterance, turn.id.turn, turn.label))
        .collect()
}
