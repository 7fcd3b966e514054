//! The diarisers of a session's participants, one each, and what they know beforehand: the voices that earlier sessions of the
//! room heard at the same microphone, the organisation's people, and those at other microphones who were given a name.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use speech::{Diariser, EMBEDDING_SIZE, VoiceEvent, VoiceLabel};
use store::{KnownVoice, Person};

use super::voices::KnownAs;
use crate::speakers::Speakers;

/// What the database knows of a room's voices.
#[derive(Clone, Debug, Default)]
pub struct KnownVoices {
    /// Those of the room, at all microphones.
    pub voices: Vec<KnownVoice>,
    /// The highest label that was given at each microphone.
    pub labels_given: Vec<(String, i32)>,
    /// The organisation's people.
    pub people: Vec<Person>,
}

/// All diarisers of a session. One that hears is out; one participant's utterances are heard one by one.
#[derive(Debug)]
pub(super) struct Diarisers {
    /// Nothing: voices are not told apart.
    speakers: Option<Speakers>,
    known: KnownVoices,
    /// By what numbers the diarisers know people.
    numbers: BTreeMap<KnownAs, u64>,
    idle: HashMap<String, Diariser>,
}

impl Diarisers {
    pub(super) fn new(speakers: Option<Speakers>, known: KnownVoices) -> Self {
        Self {
            speakers,
            known,
            numbers: BTreeMap::new(),
            idle: HashMap::new(),
        }
    }

    /// The database was read again.
    pub(super) fn learn(&mut self, known: KnownVoices) {
        self.known = known;
    }

    /// Takes a participant's diariser out, with all that is known by now.
    pub(super) fn lend(&mut self, identity: &str) -> Option<Diariser> {
        let mut diariser = match self.idle.remove(identity) {
            Some(diariser) => diariser,
            None => {
                let mut fresh = self.speakers.as_ref()?.diariser();
                self.restore(identity, fresh.voices_mut());
                fresh
            }
        };
        self.enrol(identity, diariser.voices_mut());
        Some(diariser)
    }

    /// It has heard.
    pub(super) fn give_back(&mut self, identity: &str, diariser: Diariser) {
        self.idle.insert(identity.to_owned(), diariser);
    }

    /// Who the voices are that a participant's diariser has recognised. A voice that has a name keeps it.
    pub(super) fn recognised(&self, identity: &str, events: &[VoiceEvent]) -> Vec<(VoiceLabel, KnownAs)> {
        let who = |event: &VoiceEvent| {
            let VoiceEvent::Recognised { label, person } = *event else {
                return None;
            };
            let (known, _) = self.numbers.iter().find(|(_, number)| **number == person)?;
            let is_it = |voice: &&KnownVoice| voice.identity == identity && is_label(voice.label, label);
            let has_name = self
                .known
                .voices
                .iter()
                .find(is_it)
                .is_some_and(|voice| voice.name.is_some());
            (!has_name).then(|| (label, known.clone()))
        };
        events.iter().filter_map(who).collect()
    }

    /// What earlier sessions knew of a participant's voices.
    fn restore(&mut self, identity: &str, voices: &mut speech::Voices) {
        let mine = |voice: &&KnownVoice| voice.identity == identity;
        let known: Vec<KnownVoice> = self.known.voices.iter().filter(mine).cloned().collect();
        for voice in known {
            let person = voice.person.map(|person| self.number(KnownAs::Person(person)));
            let heard_ms = u64::try_from(voice.heard_ms).unwrap_or(0);
            let label = VoiceLabel::try_from(voice.label).unwrap_or(0);
            if !voices.restore(label, voice.sound.as_deref(), heard_ms, person) {
                tracing::warn!(
                    label = voice.label,
                    "a voice of an earlier session cannot be restored"
                );
            }
        }
        for (_, last) in self.known.labels_given.iter().filter(|given| given.0 == identity) {
            voices.take_labels(VoiceLabel::try_from(*last).unwrap_or(0));
        }
    }

    /// Enrols whom a participant's voices may be, and takes out whom not any more.
    fn enrol(&mut self, identity: &str, voices: &mut speech::Voices) {
        let mut wanted: BTreeMap<KnownAs, Vec<f32>> = named_elsewhere(&self.known.voices, identity)
            .into_iter()
            .map(|(name, sound)| (KnownAs::Named(name.to_owned()), sound.to_vec()))
            .collect();
        for person in &self.known.people {
            wanted.insert(KnownAs::Person(person.id), person.sound.clone());
        }
        for (known, number) in &self.numbers {
            if !wanted.contains_key(known) {
                voices.forget(*number);
            }
        }
        // There are more people than diarisers compare: those of this room go first.
        for (known, sound) in wanted.into_iter().rev() {
            let number = self.number(known);
            if !voices.enrol(number, &sound) {
                tracing::debug!("a known voice finds no place among those that are compared");
            }
        }
    }

    fn number(&mut self, known: KnownAs) -> u64 {
        let next = self.numbers.len() as u64;
        *self.numbers.entry(known).or_insert(next)
    }
}

fn is_label(stored: i32, label: VoiceLabel) -> bool {
    VoiceLabel::try_from(stored) == Ok(label)
}

/// Names that were given at other microphones, each with the sound that rests on the most speech. People of the organisation
/// are not among them, nor who has a name at this microphone.
fn named_elsewhere<'a>(voices: &'a [KnownVoice], identity: &str) -> BTreeMap<&'a str, &'a [f32]> {
    let here: BTreeSet<&str> = voices
        .iter()
        .filter(|voice| voice.identity == identity)
        .filter_map(|voice| voice.name.as_deref())
        .collect();
    let mut named: Vec<&KnownVoice> = voices
        .iter()
        .filter(|voice| voice.identity != identity && voice.person.is_none())
        .collect();
    named.sort_by_key(|voice| voice.heard_ms);
    named
        .into_iter()
        .filter_map(|voice| Some((voice.name.as_deref()?, voice.sound.as_deref()?)))
        .filter(|(name, sound)| sound.len() == EMBEDDING_SIZE && !here.contains(name))
        .collect()
}

#[cfg(test)]
#[path = "diarisers_tests.rs"]
mod tests;
