//! An utterance as its networks hear it: turns of people who are told apart by number, and what their voices sound like.

use super::embedding::{EMBEDDING_SIZE, Embedder, unit};
use super::segmentation::{Segmenter, VOICES};
use super::stretches::{Stretch, Stretches};
use crate::SAMPLES_PER_MS;

/// A pause within a turn.
const PAUSE_MAX_SAMPLES: usize = 300 * SAMPLES_PER_MS;
/// What is shorter is no turn.
const TURN_MIN_SAMPLES: usize = 150 * SAMPLES_PER_MS;
/// A turn with so much speech of one person alone has a sound of its own; shorter ones share theirs.
const OWN_SOUND_MS: u32 = 800;
/// A turn of twice this is heard in pieces: where people take turns quickly, the network takes several for one.
const PIECE_SAMPLES: usize = 1_500 * SAMPLES_PER_MS;
/// Less of a voice says nothing of it.
const SOUND_MIN_MS: u32 = 500;

/// Somebody speaks without a longer pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Where it begins, in milliseconds of the utterance.
    pub start_ms: u32,
    /// Where it ends.
    pub end_ms: u32,
    /// Which of the utterance's sounds it has; none when too little was heard of it.
    pub sound: Option<usize>,
    /// Whether somebody else speaks at the same time for a part of it.
    pub overlaps: bool,
}

/// What a voice sounds like in one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// A direction, its length 1.
    pub direction: [f32; EMBEDDING_SIZE],
    /// How much speech of this person alone it was heard in; 0 where there was too little of it, and somebody else is heard too.
    pub heard_ms: u32,
    /// Sounds with the same number are by the same person as far as the utterance alone tells; different numbers of the
    /// same `stretch` are different people.
    pub voice: usize,
    /// Voices are only told apart within a stretch.
    pub stretch: usize,
}

/// An utterance's turns, in the order of their beginning.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turns {
    /// Who speaks when.
    pub turns: Vec<Turn>,
    /// What they sound like.
    pub sounds: Vec<Sound>,
}

/// A run of frames of one voice, in samples of its stretch.
#[derive(Clone, Copy)]
struct Run {
    from: usize,
    to: usize,
    overlaps: bool,
}

/// Hears an utterance; `before` is what was said just before it on the same track, for the voices in it.
pub(super) fn turns(segmenter: &Segmenter, embedder: &Embedder, before: &[i16], utterance: &[i16]) -> Turns {
    let mut found = Turns::default();
    for stretch in Stretches::new(before, utterance).iter() {
        let frames = stretch.speaking(segmenter);
        for voice in 0..VOICES {
            stretch.voice(voice, &frames, embedder, &mut found);
        }
    }
    found.turns.sort_by_key(|turn| (turn.start_ms, turn.end_ms));
    found
}

impl Stretch<'_> {
    fn voice(&self, voice: usize, frames: &[[bool; VOICES]], embedder: &Embedder, found: &mut Turns) {
        let number = self.number * VOICES + voice;
        let mut waiting: Vec<usize> = Vec::new();
        let mut shared: Vec<f32> = Vec::new();
        for run in self.runs(voice, frames) {
            let clean = self.clean(voice, frames, run);
            let (start, end) = (self.ms(run.from), self.ms(run.to));
            let turn = |start_ms, end_ms, sound| Turn {
                start_ms,
                end_ms,
                sound,
                overlaps: run.overlaps,
            };
            if heard_ms(&clean) < OWN_SOUND_MS {
                waiting.push(found.turns.len());
                found.turns.push(turn(start, end, None));
                shared.extend(clean);
                continue;
            }
            let pieces = (clean.len() / PIECE_SAMPLES).max(1);
            for piece in 0..pieces {
                let part = &clean[clean.len() * piece / pieces..clean.len() * (piece + 1) / pieces];
                let sound = self.sound(part, number, embedder, found);
                let at = |piece: usize| start + ((end - start) as usize * piece / pieces) as u32;
                found.turns.push(turn(at(piece), at(piece + 1), sound));
            }
        }
        if waiting.is_empty() {
            return;
        }
        if heard_ms(&shared) < OWN_SOUND_MS {
            // What the voice said before the utterance helps to know it.
            shared.extend(self.clean_before(voice, frames));
        }
        let sound = match self.sound(&shared, number, embedder, found) {
            None => self.mixed_sound(voice, frames, embedder, found),
            sound => sound,
        };
        for turn in waiting {
            found.turns[turn].sound = sound;
        }
    }

    /// The sound of a voice that is hardly ever alone.
    fn mixed_sound(
        &self,
        voice: usize,
        frames: &[[bool; VOICES]],
        embedder: &Embedder,
        found: &mut Turns,
    ) -> Option<usize> {
        let runs = self.runs(voice, frames);
        let samples: Vec<f32> = runs
            .iter()
            .flat_map(|run| &self.samples[run.from..run.to])
            .copied()
            .collect();
        let sound = self.sound(&samples, self.number * VOICES + voice, embedder, found)?;
        found.sounds[sound].heard_ms = 0;
        Some(sound)
    }

    fn sound(&self, samples: &[f32], voice: usize, embedder: &Embedder, found: &mut Turns) -> Option<usize> {
        let heard_ms = heard_ms(samples);
        if heard_ms < SOUND_MIN_MS {
            return None;
        }
        let direction = unit(&embedder.embed(samples)?)?;
        found.sounds.push(Sound {
            direction,
            heard_ms,
            voice,
            stretch: self.number,
        });
        Some(found.sounds.len() - 1)
    }

    /// The voice's runs in the part that is decided here.
    fn runs(&self, voice: usize, frames: &[[bool; VOICES]]) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        for (index, speaking) in frames.iter().enumerate() {
            let (from, to) = self.span(index, frames.len());
            let (from, to) = (from.max(self.from), to.min(self.to));
            if !speaking[voice] || from >= to {
                continue;
            }
            let overlaps = speaking.iter().filter(|speaks| **speaks).count() > 1;
            match runs.last_mut() {
                Some(run)
                    if from - run.to.min(from) <= PAUSE_MAX_SAMPLES
                        && self.is_quiet(frames, voice, run.to, from) =>
                {
                    run.to = to;
                    run.overlaps |= overlaps;
                }
                _ => runs.push(Run { from, to, overlaps }),
            }
        }
        runs.retain(|run| run.to - run.from >= TURN_MIN_SAMPLES);
        runs
    }

    /// Whether nobody else speaks in between.
    fn is_quiet(&self, frames: &[[bool; VOICES]], voice: usize, from: usize, to: usize) -> bool {
        let is_other = |speaking: &[bool; VOICES]| (0..VOICES).any(|other| other != voice && speaking[other]);
        let between = |index: &usize| {
            let (start, end) = self.span(*index, frames.len());
            start < to && end > from
        };
        from >= to
            || !(0..frames.len())
                .filter(between)
                .any(|index| is_other(&frames[index]))
    }

    /// The samples of a run in which nobody else speaks.
    fn clean(&self, voice: usize, frames: &[[bool; VOICES]], run: Run) -> Vec<f32> {
        let mut clean = Vec::with_capacity(run.to - run.from);
        for (index, speaking) in frames.iter().enumerate() {
            let (from, to) = self.span(index, frames.len());
            let (from, to) = (from.max(run.from), to.min(run.to));
            if from < to && speaking[voice] && speaking.iter().filter(|speaks| **speaks).count() == 1 {
                clean.extend_from_slice(&self.samples[from..to]);
            }
        }
        clean
    }

    fn clean_before(&self, voice: usize, frames: &[[bool; VOICES]]) -> Vec<f32> {
        let before = Run {
            from: 0,
            to: self.from,
            overlaps: false,
        };
        self.clean(voice, frames, before)
    }
}

fn heard_ms(samples: &[f32]) -> u32 {
    (samples.len() / SAMPLES_PER_MS) as u32
}
