//! Utterances of a recogniser that numbers speakers itself. Within a connection it is believed: all that was heard under a
//! number is one sound, which grows. What it sounds like says whose number it is, also when a new connection numbers the same
//! people in another order.

use std::collections::{BTreeMap, BTreeSet};

use super::super::cluster::{Origin, Point};
use super::super::embedding::{EMBEDDING_SIZE, unit};
use super::super::numbered::{NumberSound, NumberedRun};
use super::{Remembered, TurnId, VoiceEvent, VoiceLabel, Voices};
use crate::SpeakerNumber;

/// Whose numbers are known by so much speech; they need not be heard any more.
const ENOUGH_MS: u32 = 30_000;

/// Which numbers have which label.
pub(super) struct NumberedLabels(BTreeMap<(u64, VoiceLabel), u32>);

impl NumberedLabels {
    /// Whether the label is that of another number of the same connection.
    pub(super) fn is_other(&self, own: SpeakerNumber, label: VoiceLabel) -> bool {
        let holder = self.0.get(&(own.connection, label));
        holder.is_some_and(|number| *number != own.number)
    }
}

impl Voices {
    /// An utterance is over, whose recogniser said which run of its words is under which number; `sounds` are what was heard
    /// of the numbers. The runs are the utterance's turns.
    pub fn heard_numbered(
        &mut self,
        utterance: u64,
        runs: &[NumberedRun],
        sounds: &[NumberSound],
    ) -> Vec<VoiceEvent> {
        let numbers: BTreeSet<SpeakerNumber> = runs.iter().map(|run| run.speaker).collect();
        for number in &numbers {
            let place = self.sounds.iter().position(|sound| sound.number == Some(*number));
            let mut known = place
                .and_then(|place| self.sounds.remove(place))
                .unwrap_or_else(|| unheard(*number));
            for sound in sounds.iter().filter(|sound| sound.speaker == *number) {
                known.grow(sound);
            }
            let turns = runs.iter().zip(0..).filter(|(run, _)| run.speaker == *number);
            known
                .turns
                .extend(turns.map(|(_, turn)| TurnId { utterance, turn }));
            // The newest last: what has not been heard for longest is forgotten first.
            self.sounds.push_back(known);
        }
        self.say(utterance, runs.len(), self.sounds.len() - numbers.len())
    }

    /// Whether enough was heard of a number.
    pub fn is_known(&self, number: SpeakerNumber) -> bool {
        let is_it = |sound: &&Remembered| sound.number == Some(number);
        let known = self.sounds.iter().find(is_it);
        known.is_some_and(|sound| sound.heard_ms >= ENOUGH_MS)
    }

    pub(super) fn numbered_labels(&self) -> NumberedLabels {
        let numbered = self.sounds.iter().filter_map(|sound| {
            let number = sound.number?;
            Some(((number.connection, sound.label?), number.number))
        });
        NumberedLabels(numbered.collect())
    }
}

fn unheard(number: SpeakerNumber) -> Remembered {
    Remembered {
        point: Point {
            direction: [0.0; EMBEDDING_SIZE],
            weight: 0.0,
            heard: Some((Origin::Connection(number.connection), number.number)),
            person: None,
        },
        heard_ms: 0,
        label: None,
        turns: Vec::new(),
        number: Some(number),
    }
}

impl Remembered {
    /// More of the same voice: the mean of its directions, which is the shorter the less they agree.
    fn grow(&mut self, sound: &NumberSound) {
        let Some(direction) = unit(&sound.direction) else {
            return;
        };
        let more = sound.heard_ms as f32;
        let all = self.point.weight + more;
        if all <= 0.0 {
            return;
        }
        for (mean, value) in self.point.direction.iter_mut().zip(direction) {
            *mean = (*mean * self.point.weight + value * more) / all;
        }
        self.point.weight = all;
        self.heard_ms = self.heard_ms.saturating_add(sound.heard_ms);
    }
}
