//! What somebody hears, judged by pitch and level.

use std::collections::VecDeque;

use crate::tone::{AMPLITUDE, RATE_HZ};

/// A tone of another clock, after a jitter buffer.
pub const TONE_TOLERANCE_HZ: f64 = 5.0;
/// No tone: what is left of one is at most this loud, of full scale.
pub const SILENCE: f64 = 0.05;
/// The pitch is that of the last 400 ms.
const LAST_SAMPLES: usize = RATE_HZ as usize * 2 / 5;
const FULL_SCALE: f64 = 32_768.0;

/// What somebody hears.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sound {
    /// The tone of the last moments; 0 for none.
    pub hz: f64,
    /// The loudest sample so far, of full scale.
    pub loudest: f64,
    /// The loudest sample of the last moments.
    pub now: f64,
}

impl Sound {
    /// Whether this is a tone of ours (see [`crate::tone`]) at this pitch, whatever its level.
    pub fn is_tone(&self, hz: f64) -> bool {
        (self.hz - hz).abs() < TONE_TOLERANCE_HZ
    }

    /// Whether it is also as loud as it was played: Opus keeps a tone's height within a fifth.
    pub fn is_tone_as_played(&self, hz: f64) -> bool {
        self.is_tone(hz) && (self.now * FULL_SCALE / AMPLITUDE - 1.0).abs() < 0.2
    }
}

/// An ear: the last moments of what it was given.
#[derive(Default)]
pub(super) struct Ear {
    last: VecDeque<i16>,
    loudest: u16,
}

impl Ear {
    pub(super) fn hear(&mut self, samples: &[i16]) {
        self.loudest = self.loudest.max(loudest(samples.iter()));
        self.last.extend(samples);
        let surplus = self.last.len().saturating_sub(LAST_SAMPLES);
        self.last.drain(..surplus);
    }

    /// What comes now is another stream.
    pub(super) fn begin_anew(&mut self) {
        self.last.clear();
    }

    pub(super) fn sound(&self) -> Sound {
        let now = loudest(self.last.iter());
        let loud = self.last.len() == LAST_SAMPLES && f64::from(now) > AMPLITUDE / 4.0;
        Sound {
            hz: if loud { pitch_hz(&self.last) } else { 0.0 },
            loudest: f64::from(self.loudest) / FULL_SCALE,
            now: f64::from(now) / FULL_SCALE,
        }
    }
}

fn loudest<'a>(samples: impl Iterator<Item = &'a i16>) -> u16 {
    samples
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap_or_default()
}

/// By rising zero crossings.
fn pitch_hz(samples: &VecDeque<i16>) -> f64 {
    let rising: Vec<usize> = (1..samples.len())
        .filter(|at| samples[at - 1] < 0 && samples[*at] >= 0)
        .collect();
    match (rising.first(), rising.last()) {
        (Some(first), Some(last)) if last > first => {
            (rising.len() - 1) as f64 * f64::from(RATE_HZ) / (last - first) as f64
        }
        _ => 0.0,
    }
}
