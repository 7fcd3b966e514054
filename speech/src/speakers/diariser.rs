//! One track's ear for voices: the networks and the voices of a meeting so far.

use super::model::SpeakerModel;
use super::numbered::{self, NumberedRun};
use super::segmentation::STRETCH_SAMPLES;
use super::turns::{Turn, Turns};
use super::voices::{VoiceEvent, Voices};

/// What is left of earlier utterances.
const BEFORE_MAX_SAMPLES: usize = STRETCH_SAMPLES;

/// Hears the utterances of one track, in their order.
#[derive(Debug)]
pub struct Diariser {
    model: SpeakerModel,
    before: Vec<i16>,
    voices: Voices,
}

impl Diariser {
    /// For a track that begins now.
    pub fn new(model: SpeakerModel) -> Self {
        Self {
            model,
            before: Vec::new(),
            voices: Voices::new(),
        }
    }

    /// Hears an utterance of 16 kHz audio; costs a twentieth of its length on a core, so never call it where others wait.
    pub fn hear(&mut self, utterance: u64, audio: &[i16]) -> (Turns, Vec<VoiceEvent>) {
        let turns = self.model.turns(&self.before, audio);
        self.keep(audio);
        let events = self.voices.heard(utterance, &turns);
        (turns, events)
    }

    /// Hears an utterance whose recogniser has said which words are whose: each run is a turn. Where two speak at once
    /// recognisers do not say. Costs the same until the numbers are known, and then about half.
    pub fn hear_numbered(
        &mut self,
        utterance: u64,
        audio: &[i16],
        runs: &[NumberedRun],
    ) -> (Turns, Vec<VoiceEvent>) {
        let overlaps = self.model.overlaps(&self.before, audio);
        let is_known = |number| self.voices.is_known(number);
        let sounds = numbered::sounds(audio, runs, &overlaps, is_known, |samples| {
            self.model.embed(samples)
        });
        self.keep(audio);
        let turn = |run: &NumberedRun| Turn {
            start_ms: run.start_ms,
            end_ms: run.end_ms,
            sound: None,
            overlaps: overlaps
                .iter()
                .any(|&(from_ms, to_ms)| from_ms < run.end_ms && to_ms > run.start_ms),
        };
        let turns = Turns {
            turns: runs.iter().map(turn).collect(),
            sounds: Vec::new(),
        };
        (turns, self.voices.heard_numbered(utterance, runs, &sounds))
    }

    /// What the networks hear before the next utterance.
    fn keep(&mut self, audio: &[i16]) {
        let kept = audio.len().min(BEFORE_MAX_SAMPLES);
        let surplus = (self.before.len() + kept).saturating_sub(BEFORE_MAX_SAMPLES);
        self.before.drain(..surplus);
        self.before.extend_from_slice(&audio[audio.len() - kept..]);
    }

    /// The voices so far.
    pub fn voices(&self) -> &Voices {
        &self.voices
    }

    /// The voices, to enrol people.
    pub fn voices_mut(&mut self) -> &mut Voices {
        &mut self.voices
    }
}
