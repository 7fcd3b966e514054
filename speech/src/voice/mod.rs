//! Whether somebody speaks, frame by frame, in two stages: the WebRTC detector is a gate that costs next to nothing and
//! opens too often; a small neural network decides, and only computes while the gate is open.

mod gate;
mod network;
mod noise;
mod products;

use std::collections::VecDeque;

use crate::SAMPLES_PER_MS;

pub(crate) use gate::{FRAME_MS, FRAME_SAMPLES, rms};
pub use network::{CHUNK_SAMPLES, VoiceModel, VoiceModelError, VoiceNetwork};

pub(crate) use gate::Gate;
pub(crate) use noise::Levels;

/// The gate stays open so long after its last frame: where speech ends is the network's to say.
const HANGOVER_FRAMES: u32 = 300 / FRAME_MS as u32;
/// When the gate opens the network hears this much of what was before.
const LEAD_SAMPLES: usize = 4 * FRAME_SAMPLES;
/// Voice begins at the first score and goes on down to the second.
const SCORES: (f32, f32) = (0.6, 0.35);

/// Says whether a frame has voice in it.
pub trait VoiceDetector {
    /// Hears the next 20 ms, 320 samples at 16 kHz.
    fn is_voice(&mut self, frame: &[i16]) -> bool;

    /// For how long the cheap stage has taken what it hears for voice, whatever the deciding one says.
    fn doubtful_ms(&self) -> u64 {
        0
    }

    /// After the first frame without voice: how many milliseconds before its end voice ended.
    fn quiet_ms(&self) -> u64 {
        FRAME_MS
    }
}

/// One track's detector.
#[derive(Debug)]
pub struct Detector {
    gate: Gate,
    network: VoiceNetwork,
    /// What the network has not heard yet.
    unheard: VecDeque<i16>,
    open_frames: u32,
    /// How long it has been open.
    open_ms: u64,
    score: f32,
    is_voice: bool,
}

impl VoiceModel {
    /// A detector for a track that begins now.
    pub fn detector(&self) -> Detector {
        Detector {
            gate: Gate::new(),
            network: self.network(),
            unheard: VecDeque::with_capacity(CHUNK_SAMPLES + LEAD_SAMPLES),
            open_frames: 0,
            open_ms: 0,
            score: 0.0,
            is_voice: false,
        }
    }
}

impl VoiceDetector for Detector {
    fn is_voice(&mut self, frame: &[i16]) -> bool {
        self.open_frames = if self.gate.is_voice(frame) {
            HANGOVER_FRAMES
        } else {
            self.open_frames.saturating_sub(1)
        };
        self.unheard.extend(frame);
        if self.open_frames == 0 {
            self.open_ms = 0;
            let surplus = self.unheard.len().saturating_sub(LEAD_SAMPLES);
            self.unheard.drain(..surplus);
            (self.score, self.is_voice) = (0.0, false);
            return false;
        }
        self.open_ms += FRAME_MS;
        while self.unheard.len() >= CHUNK_SAMPLES {
            let mut chunk = [0.0; CHUNK_SAMPLES];
            for (sample, heard) in chunk.iter_mut().zip(self.unheard.drain(..CHUNK_SAMPLES)) {
                *sample = f32::from(heard) / 32_768.0;
            }
            self.score = self.network.score(&chunk);
        }
        let needed = if self.is_voice { SCORES.1 } else { SCORES.0 };
        self.is_voice = self.score >= needed;
        self.is_voice
    }

    fn doubtful_ms(&self) -> u64 {
        self.open_ms
    }

    /// The network's chunks are longer than frames: the frames since the last one with voice only had its score.
    fn quiet_ms(&self) -> u64 {
        if self.open_frames == 0 {
            return FRAME_MS;
        }
        ((self.unheard.len() + CHUNK_SAMPLES) / SAMPLES_PER_MS) as u64
    }
}
