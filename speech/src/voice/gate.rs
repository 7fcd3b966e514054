//! The WebRTC detector, with a floor of loudness under which nothing is voice. It misses little and takes clicks, hum
//! and music for voice. This is the one module of the workspace with `unsafe`: a C library makes it unavoidable.
#![allow(unsafe_code)]

use webrtc_vad::{SampleRate, Vad, VadMode};

use super::VoiceDetector;
use crate::SAMPLES_PER_MS;

/// The detector judges frames of 10, 20 or 30 ms; 20 ms costs 2 µs.
pub(crate) const FRAME_MS: u64 = 20;
/// Samples in a frame.
pub(crate) const FRAME_SAMPLES: usize = FRAME_MS as usize * SAMPLES_PER_MS;
/// Root mean square under which a frame is silence: -54 dB of full scale. A decoder's comfort noise lies lower,
/// a quiet speaker higher.
const FLOOR_RMS: f64 = 65.0;

/// One detector; it adapts to the noise of its track.
pub(crate) struct Gate(Sendable);

struct Sendable(Vad);

// SAFETY: `Vad` owns its C state through a pointer that nobody else has. The state is plain memory without thread
// locals or locks, and every call takes `&mut`, so it may move between threads as long as it is used by one at a time,
// which `&mut` guarantees. It is not `Sync`.
unsafe impl Send for Sendable {}

impl std::fmt::Debug for Gate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Gate")
    }
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self(Sendable(Vad::new_with_rate_and_mode(
            SampleRate::Rate16kHz,
            VadMode::Aggressive,
        )))
    }
}

impl VoiceDetector for Gate {
    fn is_voice(&mut self, frame: &[i16]) -> bool {
        debug_assert_eq!(frame.len(), FRAME_SAMPLES);
        // The C code adapts to what it hears, so it hears the quiet frames too.
        let voice = self.0.0.is_voice_segment(frame).unwrap_or(false);
        voice && rms(frame) >= FLOOR_RMS
    }
}

/// Root mean square of samples.
pub(crate) fn rms(samples: &[i16]) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    // Whole numbers are added side by side, fractions one after the other.
    let square = |&sample: &i16| i64::from(i32::from(sample) * i32::from(sample));
    let sum: i64 = samples.iter().map(square).sum();
    (sum as f64 / samples.len() as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_faint_hum_are_not_voice() {
        let mut detector = Gate::new();
        let hum: Vec<i16> = (0..FRAME_SAMPLES)
            .map(|i| ((i as f64 * 0.04).sin() * 20.0) as i16)
            .collect();
        for _ in 0..50 {
            assert!(!detector.is_voice(&[0; FRAME_SAMPLES]));
            assert!(!detector.is_voice(&hum));
        }
    }

    #[test]
    fn a_detector_may_move_to_another_thread() {
        let mut detector = Gate::new();
        let heard = std::thread::spawn(move || detector.is_voice(&[0; FRAME_SAMPLES])).join();
        assert!(!heard.unwrap());
    }
}
