//! What is known of the voices at one participant's microphone: turns with their labels, and what of it is not in the
//! database yet. Whatever happens in between, what is taken out in the end is what is true: rows are written again with
//! their newest label.

use std::collections::{BTreeMap, BTreeSet};

use speech::{NumberedRun, TurnId, VoiceEvent, VoiceLabel};
use uuid::Uuid;

use super::{KnownAs, VoiceSound, VoicesHeard};

/// Turns that are remembered; of older ones nothing changes any more.
pub const TURNS_MAX: usize = 2_000;

/// A turn as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRow {
    /// Whose microphone.
    pub identity: String,
    /// Its number within the utterance, and the utterance's within the session's speech of this participant.
    pub id: TurnId,
    /// On the meeting clock.
    pub start_ms: u64,
    /// On the meeting clock.
    pub end_ms: u64,
    /// Whose; none as long as nobody is sure.
    pub label: Option<VoiceLabel>,
    /// Whether somebody else spoke at the same time.
    pub overlapped: bool,
}

/// A voice as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceRow {
    /// Whose microphone.
    pub identity: String,
    /// Its label.
    pub label: VoiceLabel,
    /// A direction.
    pub sound: Vec<f32>,
    /// How much of it was heard.
    pub heard_ms: u64,
    /// Who of the organisation's people it is.
    pub person: Option<Uuid>,
}

/// What is to be written at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct VoiceRows {
    /// New turns, and those with another label.
    pub turns: Vec<TurnRow>,
    /// Voices as they are known now.
    pub voices: Vec<VoiceRow>,
    /// Whose, which label became which: they come after the turns and voices.
    pub merges: Vec<(String, VoiceLabel, VoiceLabel)>,
}

impl VoiceRows {
    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.turns.is_empty() && self.voices.is_empty() && self.merges.is_empty()
    }
}

/// A voice is called like one at another microphone of the room that somebody gave a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRow {
    /// Whose microphone.
    pub identity: String,
    /// The voice's label.
    pub label: VoiceLabel,
    /// The name.
    pub name: String,
}

#[derive(Clone, Debug)]
struct Turn {
    start_ms: u64,
    end_ms: u64,
    label: Option<VoiceLabel>,
    overlapped: bool,
}

/// What is known of one participant's voices.
#[derive(Debug, Default)]
pub(super) struct Told {
    turns: BTreeMap<TurnId, Turn>,
    /// Labels that are in use.
    labels: BTreeSet<VoiceLabel>,
    /// Labels that the database has, or has on its way.
    written: BTreeSet<VoiceLabel>,
    turns_unwritten: BTreeSet<TurnId>,
    sounds_unwritten: BTreeMap<VoiceLabel, VoiceSound>,
    /// They go with the voice's next sound.
    people_unwritten: BTreeMap<VoiceLabel, Uuid>,
    merges_unwritten: Vec<(VoiceLabel, VoiceLabel)>,
    names_unwritten: Vec<(VoiceLabel, String)>,
    /// Of which label another was taken off, and nobody was told yet.
    splits: BTreeSet<(VoiceLabel, VoiceLabel)>,
}

impl Told {
    /// An earlier session gave this label.
    pub(super) fn restore(&mut self, label: VoiceLabel) {
        self.labels.insert(label);
        self.written.insert(label);
    }

    /// How many voices are told apart.
    pub(super) fn voices(&self) -> usize {
        self.labels.len()
    }

    /// The networks have heard an utterance that begins at `start_ms`.
    pub(super) fn heard(&mut self, utterance: u64, start_ms: u64, heard: VoicesHeard) {
        for (turn, found) in heard.turns.iter().enumerate() {
            let row = Turn {
                start_ms: start_ms + u64::from(found.start_ms),
                end_ms: start_ms + u64::from(found.end_ms.max(found.start_ms)),
                label: None,
                overlapped: found.overlaps,
            };
            self.put(TurnId { utterance, turn }, row);
        }
        let mut touched = BTreeSet::new();
        let known = self.labels.clone();
        for event in &heard.events {
            match *event {
                VoiceEvent::Labelled { turn, label } => {
                    touched.extend(label);
                    self.relabel(turn, label);
                }
                VoiceEvent::Corrected { turn, from, to } => {
                    touched.extend([from, to].into_iter().flatten());
                    // What was one voice is two: the new one takes earlier turns along.
                    self.splits
                        .extend(from.zip(to).filter(|(_, to)| !known.contains(to)));
                    self.relabel(turn, to);
                }
                VoiceEvent::Merged { from, into } => {
                    touched.insert(into);
                    self.merge(from, into);
                }
                VoiceEvent::Recognised { label, .. } => {
                    touched.insert(label);
                }
            }
        }
        for voice in heard.sounds {
            if touched.contains(&voice.label) || !self.written.contains(&voice.label) {
                self.labels.insert(voice.label);
                self.sounds_unwritten.insert(voice.label, voice);
            }
        }
        for (label, known) in heard.recognised {
            match known {
                KnownAs::Person(person) => {
                    self.people_unwritten.insert(label, person);
                }
                KnownAs::Named(name) => self.names_unwritten.push((label, name)),
            }
        }
        self.trim();
    }

    /// The recogniser has told the voices of an utterance that begins at `start_ms` apart itself, and nobody hears them.
    pub(super) fn numbered(
        &mut self,
        utterance: u64,
        start_ms: u64,
        runs: impl Iterator<Item = (NumberedRun, Option<VoiceLabel>)>,
    ) {
        for (turn, (run, label)) in runs.enumerate() {
            self.labels.extend(label);
            let row = Turn {
                start_ms: start_ms + u64::from(run.start_ms),
                end_ms: start_ms + u64::from(run.end_ms),
                label,
                overlapped: false,
            };
            self.put(TurnId { utterance, turn }, row);
        }
        self.trim();
    }

    /// Labels of which others were taken off, with those.
    pub(super) fn take_splits(&mut self) -> impl Iterator<Item = (VoiceLabel, VoiceLabel)> + use<> {
        std::mem::take(&mut self.splits).into_iter()
    }

    /// Whether there is anything to write.
    pub(super) fn has_news(&self) -> bool {
        let has_rows = !(self.turns_unwritten.is_empty()
            && self.sounds_unwritten.is_empty()
            && self.merges_unwritten.is_empty());
        has_rows
            || self
                .names_unwritten
                .iter()
                .any(|(label, _)| self.written.contains(label))
    }

    /// Takes out what is not written: at most `turns_max` turns, the newest last.
    pub(super) fn take(&mut self, identity: &str, turns_max: usize, rows: &mut VoiceRows) {
        for _ in 0..turns_max {
            let Some(id) = self.turns_unwritten.pop_first() else {
                break;
            };
            let Some(turn) = self.turns.get(&id) else { continue };
            rows.turns.push(TurnRow {
                identity: identity.to_owned(),
                id,
                start_ms: turn.start_ms,
                end_ms: turn.end_ms,
                label: turn.label,
                overlapped: turn.overlapped,
            });
        }
        for (label, voice) in std::mem::take(&mut self.sounds_unwritten) {
            self.written.insert(label);
            rows.voices.push(VoiceRow {
                identity: identity.to_owned(),
                label,
                sound: voice.sound,
                heard_ms: voice.heard_ms,
                person: self.people_unwritten.remove(&label),
            });
        }
        let merges = self.merges_unwritten.drain(..);
        rows.merges
            .extend(merges.map(|(from, into)| (identity.to_owned(), from, into)));
    }

    /// Takes out a name that a voice has from another microphone, once the voice itself is written.
    pub(super) fn take_name(&mut self, identity: &str) -> Option<NameRow> {
        let is_written = |(label, _): &(VoiceLabel, String)| self.written.contains(label);
        let place = self.names_unwritten.iter().position(is_written)?;
        let (label, name) = self.names_unwritten.remove(place);
        Some(NameRow {
            identity: identity.to_owned(),
            label,
            name,
        })
    }

    fn put(&mut self, id: TurnId, turn: Turn) {
        self.turns.insert(id, turn);
        self.turns_unwritten.insert(id);
    }

    fn relabel(&mut self, id: TurnId, label: Option<VoiceLabel>) {
        self.labels.extend(label);
        if let Some(turn) = self.turns.get_mut(&id)
            && turn.label != label
        {
            turn.label = label;
            self.turns_unwritten.insert(id);
        }
    }

    fn merge(&mut self, from: VoiceLabel, into: VoiceLabel) {
        // What the database has of it is merged there.
        for turn in self.turns.values_mut().filter(|turn| turn.label == Some(from)) {
            turn.label = Some(into);
        }
        self.labels.remove(&from);
        self.labels.insert(into);
        self.sounds_unwritten.remove(&from);
        if let Some(person) = self.people_unwritten.remove(&from) {
            self.people_unwritten.entry(into).or_insert(person);
        }
        for merge in self.merges_unwritten.iter_mut().filter(|merge| merge.1 == from) {
            merge.1 = into;
        }
        for name in self.names_unwritten.iter_mut().filter(|name| name.0 == from) {
            name.0 = into;
        }
        if self.written.remove(&from) {
            self.merges_unwritten.push((from, into));
        }
    }

    fn trim(&mut self) {
        while self.turns.len() > TURNS_MAX {
            if let Some((id, _)) = self.turns.pop_first() {
                self.turns_unwritten.remove(&id);
            }
        }
    }
}

#[cfg(test)]
#[path = "told_tests.rs"]
mod tests;
