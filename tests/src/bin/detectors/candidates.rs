//! The detectors that are compared, each as its makers say that it is used.

use std::fs;

use anyhow::{Context as _, Result};
use speech::{VOICE_CHUNK_SAMPLES, VoiceDetector as _, VoiceModel};
use webrtc_vad::{SampleRate, Vad, VadMode};

use crate::original::Original;

const WEBRTC_SAMPLES: usize = 320;
const EARSHOT_SAMPLES: usize = 256;
/// The score from which the makers of both networks speak of voice.
const HALF: f32 = 0.5;

/// A detector.
pub(crate) enum Candidate<'a> {
    /// `webrtc-vad` 0.4, mode 2 of 3.
    WebRtc,
    /// earshot.
    Earshot,
    /// Silero's network in our own Rust, every chunk.
    Network(&'a VoiceModel),
    /// Silero's network by ONNX Runtime, every chunk.
    Original(Original),
    /// What the product uses.
    TwoStages(&'a VoiceModel),
}

/// What a detector said of a recording, chunk by chunk.
pub(crate) struct Verdict {
    pub chunk_samples: usize,
    pub is_voice: Vec<bool>,
    /// Processor time.
    pub core_us: f64,
}

impl<'a> Candidate<'a> {
    pub(crate) fn all(model: &'a VoiceModel, original: Original) -> Vec<Self> {
        vec![
            Self::WebRtc,
            Self::Earshot,
            Self::Original(original),
            Self::Network(model),
            Self::TwoStages(model),
        ]
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::WebRtc => "webrtc-vad 0.4, mode 2",
            Self::Earshot => "earshot 1.2.2",
            Self::Original(_) => "Silero 6.2.3, ONNX Runtime",
            Self::Network(_) => "Silero 6.2.3, in Rust",
            Self::TwoStages(_) => "rapporteur (two stages)",
        }
    }

    /// Hears a recording from its beginning to its end, as a stream that nobody has heard before.
    ///
    /// # Errors
    /// The original cannot be run, or the kernel does not say what was used.
    pub(crate) fn verdict(&mut self, samples: &[i16]) -> Result<Verdict> {
        match self {
            Self::WebRtc => {
                let mut vad = Vad::new_with_rate_and_mode(SampleRate::Rate16kHz, VadMode::Aggressive);
                chunks(samples, WEBRTC_SAMPLES, |frame| {
                    vad.is_voice_segment(frame).unwrap_or(false)
                })
            }
            Self::Earshot => {
                let mut detector = earshot::Detector::default();
                chunks(samples, EARSHOT_SAMPLES, |frame| {
                    detector.predict_i16(frame) >= HALF
                })
            }
            Self::Network(model) => {
                let mut network = model.network();
                chunks(samples, VOICE_CHUNK_SAMPLES, |chunk| {
                    let mut scaled = [0.0; VOICE_CHUNK_SAMPLES];
                    for (scaled, &sample) in scaled.iter_mut().zip(chunk) {
                        *scaled = f32::from(sample) / 32_768.0;
                    }
                    network.score(&scaled) >= HALF
                })
            }
            Self::TwoStages(model) => {
                let mut detector = model.detector();
                chunks(samples, WEBRTC_SAMPLES, |frame| detector.is_voice(frame))
            }
            Self::Original(original) => {
                let heard = original.hear(samples)?;
                Ok(Verdict {
                    chunk_samples: VOICE_CHUNK_SAMPLES,
                    is_voice: heard.scores.iter().map(|&score| score >= HALF).collect(),
                    core_us: heard.core_us,
                })
            }
        }
    }
}

fn chunks(
    samples: &[i16],
    chunk_samples: usize,
    mut is_voice: impl FnMut(&[i16]) -> bool,
) -> Result<Verdict> {
    let before = own_core_us()?;
    let is_voice = samples.chunks_exact(chunk_samples).map(&mut is_voice).collect();
    Ok(Verdict {
        chunk_samples,
        is_voice,
        core_us: own_core_us()? - before,
    })
}

/// The processor time of this thread so far.
fn own_core_us() -> Result<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").context("reading the thread's schedstat")?;
    let nanoseconds: Option<f64> = stat
        .split_whitespace()
        .next()
        .and_then(|first| first.parse().ok());
    Ok(nanoseconds.context("the thread's schedstat is not as proc(5) says")? / 1000.0)
}
