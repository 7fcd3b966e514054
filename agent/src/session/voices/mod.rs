//! Who of several people at one microphone says what. Captions never wait for it: once an utterance has its words, its audio
//! may be heard a second time, for voices, and what is found lies over the segments as turns. This part of the core decides
//! what is heard, bounded, and what is written; the networks are elsewhere.
//!
//! With [`VoicePolicy::Detect`] a sample of each microphone is heard, and nothing is written before a second voice is known;
//! from then on, and with [`VoicePolicy::Several`] from the beginning, everything is. Where a recogniser numbers speakers itself
//! it is believed which words are whose, and only what its numbers sound like is heard.

mod heard;
pub mod numbers;
pub mod sample;
mod session;
mod told;

use std::collections::{BTreeMap, VecDeque};

use speech::{NumberedRun, VoiceLabel};
use store::VoicePolicy;

pub use self::heard::{HearVoices, KnownAs, NotHeard, VoiceSound, VoicesHeard};
use self::sample::Sample;
use self::told::Told;
pub use self::told::{NameRow, TURNS_MAX, TurnRow, VoiceRow, VoiceRows};
use super::outbox::{Pressure, Write};
use super::types::Word;

/// Speech that may wait to be heard, all participants together.
pub const WAITING_MAX_MS: u64 = 60_000;
/// Participants whose voices are told apart in one session.
pub const PARTICIPANTS_MAX: usize = 64;
/// Turns in one writing.
const BATCH_MAX: usize = 512;
/// What hears voices, as it is in the usage ledger.
const ENGINE: &str = "cam++";

#[derive(Debug, Default)]
struct Participant {
    /// Everything is heard and written.
    several: bool,
    sample: Sample,
    utterances: u64,
    /// The one that is being heard.
    asked: Option<Asked>,
    failed: bool,
    told: Told,
    /// Of the recogniser's numbers, where there are no networks.
    labels: numbers::Labels,
}

/// How far a session is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// Samples are not worth waiting for any more.
    Ending,
    /// Nothing is.
    Over,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    utterance: u64,
    start_ms: u64,
    said_ms: u64,
}

#[derive(Debug)]
struct Waiting<A> {
    identity: String,
    asked: Asked,
    audio: A,
    runs: Vec<NumberedRun>,
}

/// An utterance that has words.
#[derive(Debug)]
pub(super) struct Spoken<A> {
    pub(super) identity: String,
    pub(super) audio: A,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
}

/// The voices of a session.
#[derive(Debug)]
pub struct Voices<A> {
    policy: VoicePolicy,
    /// Whether there are networks.
    hears: bool,
    participants: BTreeMap<String, Participant>,
    waiting: VecDeque<Waiting<A>>,
    /// Whether rows are on their way to the database.
    writing: bool,
    stage: Stage,
    /// Speech by what became of it; `None`: heard.
    counted: BTreeMap<Option<NotHeard>, u64>,
}

impl<A> Voices<A> {
    /// For a session that begins. `hears`: there are networks; `known`: the labels of earlier sessions of the room that are in
    /// use, and `given`: the highest that were given.
    pub fn new<'a>(
        policy: VoicePolicy,
        hears: bool,
        known: impl IntoIterator<Item = (&'a str, VoiceLabel)>,
        given: impl IntoIterator<Item = (&'a str, VoiceLabel)>,
    ) -> Self {
        let mut voices = Self {
            policy,
            hears,
            participants: BTreeMap::new(),
            waiting: VecDeque::new(),
            writing: false,
            stage: Stage::Running,
            counted: BTreeMap::new(),
        };
        for (identity, label) in known {
            if let Some(participant) = voices.participant(identity) {
                participant.told.restore(label);
                participant.several |= participant.told.voices() > 1;
            }
        }
        for (identity, last) in given {
            if let Some(participant) = voices.participant(identity) {
                participant.labels.take(last);
            }
        }
        voices
    }

    /// The room says anew what is to be done: with what is said from now on, and with what was heard and not written.
    pub(super) fn set_policy(&mut self, policy: VoicePolicy) {
        self.policy = policy;
        for participant in self.participants.values_mut() {
            participant.several = policy == VoicePolicy::Several || participant.told.voices() > 1;
        }
    }

    fn participant(&mut self, identity: &str) -> Option<&mut Participant> {
        let is_full = self.participants.len() >= PARTICIPANTS_MAX;
        if is_full && !self.participants.contains_key(identity) {
            return None;
        }
        let several = self.policy == VoicePolicy::Several;
        let participant = self.participants.entry(identity.to_owned()).or_default();
        participant.several |= several;
        Some(participant)
    }

    fn count(&mut self, outcome: Option<NotHeard>, ms: u64) {
        *self.counted.entry(outcome).or_default() += ms;
    }

    /// Milliseconds of speech by what became of them, since it was asked last; `None`: heard.
    pub fn take_counted(&mut self) -> BTreeMap<Option<NotHeard>, u64> {
        std::mem::take(&mut self.counted)
    }

    fn waiting_ms(&self) -> u64 {
        self.waiting.iter().map(|waiting| waiting.asked.said_ms).sum()
    }

    /// Somebody said something.
    fn spoken(&mut self, spoken: Spoken<A>, words: &[Word], pressure: Pressure) {
        if self.policy == VoicePolicy::One {
            return;
        }
        let said_ms = spoken.end_ms.saturating_sub(spoken.start_ms);
        let (hears, stage) = (self.hears, self.stage);
        let waiting_ms = self.waiting_ms();
        let runs = numbers::runs(words, spoken.start_ms);
        if runs.is_empty() && !hears {
            return;
        }
        let Some(participant) = self.participant(&spoken.identity) else {
            return self.count(Some(NotHeard::TooMany), said_ms);
        };
        let asked = Asked {
            utterance: participant.utterances,
            start_ms: spoken.start_ms,
            said_ms,
        };
        participant.utterances += 1;
        if !hears {
            let Participant { told, labels, .. } = participant;
            let turns = runs.iter().map(|run| (*run, labels.of(run.speaker)));
            told.numbered(asked.utterance, asked.start_ms, turns);
            return;
        }
        participant.sample.spoken(said_ms);
        let is_too_late = stage == Stage::Over || (!participant.several && stage == Stage::Ending);
        // Numbers are soon known, and cost nothing then.
        let is_sampled = !participant.several && runs.is_empty();
        let refused = if participant.failed {
            Some(NotHeard::Failed)
        } else if is_too_late {
            Some(NotHeard::Ending)
        } else if is_sampled && pressure > Pressure::None {
            Some(NotHeard::Load)
        } else if waiting_ms + said_ms > WAITING_MAX_MS {
            Some(NotHeard::QueueFull)
        } else if is_sampled && !participant.sample.take(said_ms) {
            Some(NotHeard::Sampled)
        } else {
            None
        };
        match refused {
            Some(why) => self.count(Some(why), said_ms),
            None => self.waiting.push_back(Waiting {
                identity: spoken.identity,
                asked,
                audio: spoken.audio,
                runs,
            }),
        }
    }

    /// The next utterance to hear: one at a time of each participant, in their order.
    fn next(&mut self) -> Option<HearVoices<A>> {
        let participants = &self.participants;
        let is_free = |waiting: &Waiting<A>| {
            let participant = participants.get(&waiting.identity);
            participant.is_some_and(|participant| participant.asked.is_none())
        };
        let place = self.waiting.iter().position(is_free)?;
        let Waiting {
            identity,
            asked,
            audio,
            runs,
        } = self.waiting.remove(place)?;
        self.participants.get_mut(&identity)?.asked = Some(asked);
        Some(HearVoices {
            identity,
            utterance: asked.utterance,
            audio,
            runs,
        })
    }

    /// An utterance was heard, or could not be.
    fn heard(&mut self, identity: &str, heard: Option<VoicesHeard>) {
        let Some(participant) = self.participants.get_mut(identity) else {
            return;
        };
        let Some(asked) = participant.asked.take() else {
            return;
        };
        match heard {
            Some(heard) => {
                participant.told.heard(asked.utterance, asked.start_ms, heard);
                self.count(None, asked.said_ms);
            }
            None => {
                // Its voices went with it, and without them labels would be given twice.
                participant.failed = true;
                self.count(Some(NotHeard::Failed), asked.said_ms);
                self.give_up(NotHeard::Failed, |participant| participant.failed);
            }
        }
    }

    /// Participants whose second voice has just become known, and how many voices they have.
    fn become_several(&mut self) -> Vec<(String, usize)> {
        let mut found = Vec::new();
        for (identity, participant) in &mut self.participants {
            if !participant.several && participant.told.voices() > 1 {
                participant.several = true;
                found.push((identity.clone(), participant.told.voices()));
            }
        }
        found
    }

    /// Whose voices turned out to be two each: the label that stays and the new one.
    fn take_splits(&mut self) -> Vec<(String, VoiceLabel, VoiceLabel)> {
        let mut found = Vec::new();
        for (identity, participant) in &mut self.participants {
            let splits = participant.told.take_splits();
            found.extend(splits.map(|(from, to)| (identity.clone(), from, to)));
        }
        found
    }

    /// Takes out of the queue what is of some participants.
    fn give_up(&mut self, why: NotHeard, whose: impl Fn(&Participant) -> bool) {
        let participants = &self.participants;
        let mut given_up_ms = 0;
        self.waiting.retain(|waiting| {
            let goes = participants.get(&waiting.identity).is_some_and(&whose);
            given_up_ms += if goes { waiting.asked.said_ms } else { 0 };
            !goes
        });
        if given_up_ms > 0 {
            self.count(Some(why), given_up_ms);
        }
    }

    /// The session ends: it does not wait for what is only a sample.
    pub(super) fn drain(&mut self) {
        self.stage = self.stage.max(Stage::Ending);
        let is_sampled = |participant: &Participant| !participant.several;
        self.give_up(NotHeard::Ending, is_sampled);
    }

    /// The session ends now: what is not heard is not.
    pub(super) fn give_up_all(&mut self) {
        self.stage = Stage::Over;
        self.give_up(NotHeard::Ending, |_| true);
        let asked = self.participants.values_mut().filter_map(|p| p.asked.take());
        let ms: u64 = asked.map(|asked| asked.said_ms).sum();
        if ms > 0 {
            self.count(Some(NotHeard::Ending), ms);
        }
    }

    /// Whether anything is to be heard that would be written.
    pub(super) fn is_hearing(&self) -> bool {
        let is_asked = |participant: &Participant| participant.several && participant.asked.is_some();
        !self.waiting.is_empty() || self.participants.values().any(is_asked)
    }

    /// Whether anything is to be written.
    pub(super) fn has_news(&self) -> bool {
        let has_news = |participant: &Participant| participant.several && participant.told.has_news();
        self.participants.values().any(has_news)
    }

    /// What is to be written now; nothing as long as the last rows are on their way.
    fn rows(&mut self) -> Option<Write> {
        if self.writing {
            return None;
        }
        let mut rows = VoiceRows::default();
        for (identity, participant) in self.participants.iter_mut().filter(|(_, p)| p.several) {
            let left = BATCH_MAX - rows.turns.len();
            participant.told.take(identity, left, &mut rows);
        }
        if !rows.is_empty() {
            self.writing = true;
            return Some(Write::Voices(rows));
        }
        let mut several = self.participants.iter_mut().filter(|(_, p)| p.several);
        let name = several.find_map(|(identity, participant)| participant.told.take_name(identity))?;
        self.writing = true;
        Some(Write::VoiceName(name))
    }

    /// What was on its way is written, or never will be.
    pub(super) fn confirmed(&mut self) {
        self.writing = false;
    }
}
