//! The voices on one track over a meeting. Sans-IO and deterministic: turns in, labels out.
//!
//! All sounds that are remembered are clustered anew with each utterance, and the clusters keep the labels that most of
//! their speech had before. So a label never changes its voice and is never given twice; a mistake that later speech
//! reveals is an event that corrects earlier turns. A voice has no label before enough of it was heard: unknown is
//! better than wrong.

mod gather;
mod numbered;

use std::collections::{BTreeMap, VecDeque};

use super::cluster::{Origin, Point, cosine};
use super::embedding::{EMBEDDING_SIZE, unit};
use super::turns::{Sound, Turns};
use crate::SpeakerNumber;

/// Of a voice so much has to be heard before it gets a label,
const KNOWN_MS: f32 = 2_500.0;
/// or so much if it is like none that has one: a sound of two people is a little like both. It is
const DISTINCT_KNOWN_MS: f32 = 1_500.0;
/// when its mean is less similar than this to theirs.
const LIKE_NOBODY: f32 = 0.35;
/// In a long meeting it takes this share of all that was heard, so that an odd sound now and then is nobody,
const KNOWN_SHARE: f32 = 0.02;
/// up to this.
const LATE_KNOWN_MS: f32 = 5_000.0;
/// A sound out of less speech says who it is, but not that somebody new is there.
const FOUNDING_MS: u32 = 1_000;
/// A short sound is that of a voice when it is so similar to it, and so much more than to the next.
const SHORT_SAME: f32 = 0.36;
const SHORT_MARGIN: f32 = 0.05;
/// Where others are heard in it, by so much.
const MIXED_SAME: f32 = 0.30;
/// Sounds that are remembered one by one; older ones are only remembered as part of their voice.
const SOUNDS_MAX: usize = 160;
/// Turns whose label can still change.
const TURNS_MAX: usize = 2_000;
/// Labels on one track; whoever comes after them is unknown.
const LABELS_MAX: u32 = 12;
/// The highest label: those of merged voices are never given again.
pub const LABEL_LAST: VoiceLabel = 8 * LABELS_MAX;
/// Known people that are compared.
const PEOPLE_MAX: usize = 64;
/// How much an enrolled or remembered voice weighs at most, in milliseconds heard.
const WEIGHT_MAX: f32 = 60_000.0;
/// A restored voice's single sounds are not known any more, only their mean. Sounds of one voice are as similar to their mean
/// as this, more or less (0.69 to one another); without it a restored voice would draw strangers in.
const AGREEMENT: f32 = 0.83;

/// A voice on a track: "Speaker 1" is 1.
pub type VoiceLabel = u32;

/// One turn of an utterance, by both their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TurnId {
    /// The utterance's number within the track.
    pub utterance: u64,
    /// The turn's within the utterance.
    pub turn: usize,
}

/// What has become known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VoiceEvent {
    /// A turn of the utterance that was just heard; none as long as nobody is sure.
    Labelled {
        /// Which.
        turn: TurnId,
        /// Whose.
        label: Option<VoiceLabel>,
    },
    /// An earlier turn has another label than was said.
    Corrected {
        /// Which.
        turn: TurnId,
        /// What was said.
        from: Option<VoiceLabel>,
        /// What is true.
        to: Option<VoiceLabel>,
    },
    /// Two labels are one voice. What still has the first one, has the second; the first is never given again.
    Merged {
        /// The one that is gone.
        from: VoiceLabel,
        /// The one that stays.
        into: VoiceLabel,
    },
    /// A label is the voice of a known person.
    Recognised {
        /// Which.
        label: VoiceLabel,
        /// The number under which the person was enrolled.
        person: u64,
    },
}

/// A sound that is remembered.
#[derive(Clone, Debug)]
struct Remembered {
    point: Point,
    heard_ms: u32,
    label: Option<VoiceLabel>,
    /// Numbers of the turns that have it.
    turns: Vec<TurnId>,
    /// It is all that was heard of a voice that a recogniser gave this number.
    number: Option<SpeakerNumber>,
}

impl Remembered {
    /// Whether somebody else is heard in it: it says nothing of the voice, but who else it may be.
    fn is_mixed(&self) -> bool {
        self.heard_ms == 0 && self.number.is_none()
    }
}

/// What is remembered of a label's voice beyond single sounds.
#[derive(Clone, Debug)]
struct Voice {
    /// The weighted sum of directions that are no longer remembered one by one.
    sum: [f32; EMBEDDING_SIZE],
    weight: f32,
    person: Option<u64>,
    is_gone: bool,
}

impl Voice {
    fn new() -> Self {
        Self {
            sum: [0.0; EMBEDDING_SIZE],
            weight: 0.0,
            person: None,
            is_gone: false,
        }
    }
}

/// The voices on one track.
#[derive(Clone, Debug, Default)]
pub struct Voices {
    sounds: VecDeque<Remembered>,
    /// By label, from 1 on.
    voices: BTreeMap<VoiceLabel, Voice>,
    people: BTreeMap<u64, [f32; EMBEDDING_SIZE]>,
    /// No new voice gets this label or a lower one.
    taken: VoiceLabel,
    /// What was last said of a turn.
    said: BTreeMap<TurnId, Option<VoiceLabel>>,
    /// Stretches that were heard so far: their numbers are unique over utterances.
    stretches: u64,
}

impl Voices {
    /// Nobody was heard yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A known person's voice takes part from now on; more than 64 are refused, and what is no direction.
    pub fn enrol(&mut self, person: u64, direction: &[f32]) -> bool {
        let is_known = self.people.contains_key(&person);
        let Some(direction) = unit(direction).filter(|_| is_known || self.people.len() < PEOPLE_MAX) else {
            return false;
        };
        self.people.insert(person, direction);
        true
    }

    /// A person's voice takes no part any more; a label that was recognised by it keeps its person.
    pub fn forget(&mut self, person: u64) {
        self.people.remove(&person);
    }

    /// A voice that was known under its label before, when an earlier session heard it for `heard_ms`: whoever sounds like it
    /// has this label again. Without a direction only the label is taken. Refused: a label that is there, 0, and what is
    /// higher than labels go.
    pub fn restore(
        &mut self,
        label: VoiceLabel,
        direction: Option<&[f32]>,
        heard_ms: u64,
        person: Option<u64>,
    ) -> bool {
        if !(1..=LABEL_LAST).contains(&label) || self.voices.contains_key(&label) {
            return false;
        }
        let mut voice = Voice {
            person,
            ..Voice::new()
        };
        if let Some(direction) = direction.and_then(unit) {
            voice.weight = heard_ms as f32;
            add(&mut voice.sum, &direction, voice.weight * AGREEMENT);
        }
        self.voices.insert(label, voice);
        true
    }

    /// Labels up to this one were given before: no new voice gets one of them.
    pub fn take_labels(&mut self, last: VoiceLabel) {
        self.taken = self.taken.max(last);
    }

    /// What a label's voice sounds like, for enrolment: a direction and how many milliseconds it was heard in.
    pub fn sound_of(&self, label: VoiceLabel) -> Option<([f32; EMBEDDING_SIZE], u64)> {
        let voice = self.voices.get(&label)?;
        let (mut sum, mut weight) = (voice.sum, voice.weight);
        for sound in self.sounds.iter().filter(|sound| sound.label == Some(label)) {
            add(&mut sum, &sound.point.direction, sound.point.weight);
            weight += sound.point.weight;
        }
        Some((unit(&sum)?, weight as u64))
    }

    /// Labels that are in use.
    pub fn labels(&self) -> impl Iterator<Item = VoiceLabel> {
        self.voices
            .iter()
            .filter(|(_, voice)| !voice.is_gone)
            .map(|(label, _)| *label)
    }

    /// An utterance is over and was heard.
    pub fn heard(&mut self, utterance: u64, heard: &Turns) -> Vec<VoiceEvent> {
        let first = self.remember(utterance, heard);
        self.say(utterance, heard.turns.len(), first)
    }

    /// What follows from an utterance of so many turns, whose sounds are those from `first` on.
    fn say(&mut self, utterance: u64, turns: usize, first: usize) -> Vec<VoiceEvent> {
        let mut events = Vec::new();
        self.gather(&mut events);
        self.place_short(first);
        self.report(utterance, turns, &mut events);
        self.bound();
        events
    }

    /// Adds the utterance's sounds; says where they begin.
    fn remember(&mut self, utterance: u64, heard: &Turns) -> usize {
        let first = self.sounds.len();
        let places: Vec<Option<usize>> = heard.sounds.iter().map(|sound| self.add_sound(sound)).collect();
        for (turn, number) in heard.turns.iter().zip(0..) {
            let place = turn.sound.and_then(|sound| places.get(sound).copied().flatten());
            if let Some(sound) = place.and_then(|place| self.sounds.get_mut(place)) {
                sound.turns.push(TurnId {
                    utterance,
                    turn: number,
                });
            }
        }
        self.stretches += heard
            .sounds
            .iter()
            .map(|sound| sound.stretch as u64 + 1)
            .max()
            .unwrap_or(0);
        first
    }

    fn add_sound(&mut self, sound: &Sound) -> Option<usize> {
        let direction = unit(&sound.direction)?;
        self.sounds.push_back(Remembered {
            point: Point {
                direction,
                weight: sound.heard_ms as f32,
                heard: Some((
                    Origin::Stretch(self.stretches + sound.stretch as u64),
                    sound.voice as u32,
                )),
                person: None,
            },
            heard_ms: sound.heard_ms,
            label: None,
            turns: Vec::new(),
            number: None,
        });
        Some(self.sounds.len() - 1)
    }

    /// Sounds that are too short to found a voice belong to a voice that they are clearly like.
    fn place_short(&mut self, first: usize) {
        let voices: Vec<(VoiceLabel, [f32; EMBEDDING_SIZE])> = self
            .labels()
            .filter_map(|label| Some((label, self.mean_of(label)?)))
            .collect();
        let numbered = self.numbered_labels();
        let labelled = |sound: &Remembered| Some((sound.point.heard?, sound.label?));
        let heard: Vec<((Origin, u32), VoiceLabel)> = self.sounds.iter().filter_map(labelled).collect();
        for (place, sound) in self.sounds.iter_mut().enumerate() {
            if sound.heard_ms >= FOUNDING_MS || (place < first && sound.label.is_some()) {
                continue;
            }
            let is_other = |label: &VoiceLabel| {
                sound.number.is_some_and(|own| numbered.is_other(own, *label))
                    || (sound.is_mixed() && is_beside(&sound.point, *label, &heard))
            };
            let same = if sound.is_mixed() { MIXED_SAME } else { SHORT_SAME };
            let mut likenesses: Vec<(f32, VoiceLabel)> = voices
                .iter()
                .filter(|(label, _)| !is_other(label))
                .map(|(label, mean)| (cosine(mean, &sound.point.direction), *label))
                .collect();
            likenesses.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            let next = likenesses.get(1).map_or(f32::MIN, |(next, _)| *next);
            sound.label = likenesses
                .first()
                .filter(|(best, _)| *best >= same && best - next >= SHORT_MARGIN)
                .map(|(_, label)| *label);
        }
    }

    fn mean_of(&self, label: VoiceLabel) -> Option<[f32; EMBEDDING_SIZE]> {
        self.sound_of(label).map(|(direction, _)| direction)
    }

    /// Says what is new: all of this utterance, and what has changed of others.
    fn report(&mut self, utterance: u64, turns: usize, events: &mut Vec<VoiceEvent>) {
        let mut now: BTreeMap<TurnId, Option<VoiceLabel>> = BTreeMap::new();
        for turn in 0..turns {
            now.insert(TurnId { utterance, turn }, None);
        }
        for sound in &self.sounds {
            now.extend(sound.turns.iter().map(|turn| (*turn, sound.label)));
        }
        for (turn, label) in now {
            match self.said.insert(turn, label) {
                _ if turn.utterance == utterance => events.push(VoiceEvent::Labelled { turn, label }),
                Some(from) if from != label => events.push(VoiceEvent::Corrected {
                    turn,
                    from,
                    to: label,
                }),
                _ => {}
            }
        }
    }

    /// The oldest sounds become part of their voice; those without one are forgotten.
    fn bound(&mut self) {
        while self.sounds.len() > SOUNDS_MAX {
            let Some(sound) = self.sounds.pop_front() else {
                break;
            };
            if let Some(voice) = sound.label.and_then(|label| self.voices.get_mut(&label)) {
                add(&mut voice.sum, &sound.point.direction, sound.point.weight);
                voice.weight += sound.point.weight;
            }
        }
        while self.said.len() > TURNS_MAX {
            self.said.pop_first();
        }
        if let Some((oldest, _)) = self.said.first_key_value() {
            for sound in &mut self.sounds {
                sound.turns.retain(|turn| turn >= oldest);
            }
        }
    }
}

/// Whether a label's voice was heard under another number in the stretch that this sound is from.
fn is_beside(point: &Point, label: VoiceLabel, heard: &[((Origin, u32), VoiceLabel)]) -> bool {
    point.heard.is_some_and(|own| {
        heard
            .iter()
            .any(|&(other, held)| held == label && other.0 == own.0 && other.1 != own.1)
    })
}

fn add(sum: &mut [f32; EMBEDDING_SIZE], direction: &[f32; EMBEDDING_SIZE], weight: f32) {
    for (sum, value) in sum.iter_mut().zip(direction) {
        *sum += value * weight;
    }
}

#[cfg(test)]
mod tests;
