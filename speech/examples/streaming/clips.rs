//! Recordings with what is said in them and when, and the tracks that are made of them.

use std::path::Path;

use speech::{Request, RequestKind, StreamId, Word};

use crate::recognition::Recognition;

/// With so much audio the encoder has its full context.
const FULL_CONTEXT_SAMPLES: usize = 28 * 16_000;
/// A stretch of speech goes on over shorter pauses.
const STRETCH_PAUSE_MS: i64 = 1_000;
const GAP_MS: u64 = 1_500;
/// The tracks of a meeting do not begin at once.
const OFFSET_MS: u64 = 370;

pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) samples: Vec<i16>,
    /// As the model hears it off line, with all of its context: where words end is taken from here.
    pub(crate) words: Vec<Word>,
    /// What the model says off line of the samples as they are played.
    pub(crate) off_line: String,
    /// Where stretches of speech end by loudness, as the figures of `captions-load` take it.
    pub(crate) ends_ms: Vec<u64>,
    /// What is said.
    pub(crate) truth: Option<String>,
}

impl Clip {
    pub(crate) fn read(file: &Path, noise_db: Option<f64>, recognition: &mut Recognition) -> Self {
        let clean = speech::wav::read_mono_16khz(file).unwrap();
        let words = off_line(&clean, recognition);
        let samples = noise_db.map_or_else(|| clean.clone(), |db| with_noise(&clean, db));
        let heard = if noise_db.is_some() {
            off_line(&samples, recognition)
        } else {
            words.clone()
        };
        Self {
            name: file.file_stem().unwrap().to_string_lossy().into_owned(),
            off_line: text(&heard),
            ends_ms: runner::level::stretches(&clean, 16, STRETCH_PAUSE_MS)
                .into_iter()
                .map(|(_, to_ms)| to_ms as u64)
                .collect(),
            truth: std::fs::read_to_string(file.with_extension("txt")).ok(),
            words,
            samples,
        }
    }
}

pub(crate) fn text(words: &[Word]) -> String {
    words.iter().map(|word| word.text.clone() + " ").collect()
}

fn off_line(samples: &[i16], recognition: &mut Recognition) -> Vec<Word> {
    let mut samples = samples.to_vec();
    samples.resize(samples.len().max(FULL_CONTEXT_SAMPLES), 0);
    let request = Request {
        stream: StreamId(0),
        utterance: 0,
        kind: RequestKind::Final,
        audio: samples.into(),
        start_ms: 0,
        prompt: String::new(),
        settled: Vec::new(),
    };
    recognition.of(&request).0.unwrap().words
}

/// Noise of equal power in each octave (Paul Kellet's filter), so many decibels under the loudness of the whole recording.
fn with_noise(samples: &[i16], db: f64) -> Vec<i16> {
    let rms = |values: &[f64]| (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt();
    let mut seed = 1u32;
    let mut state = [0.0; 3];
    let noise: Vec<f64> = samples
        .iter()
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let white = f64::from(seed) / f64::from(u32::MAX) * 2.0 - 1.0;
            state[0] = 0.99765 * state[0] + white * 0.0990460;
            state[1] = 0.96300 * state[1] + white * 0.2965164;
            state[2] = 0.57000 * state[2] + white * 1.0526913;
            state.iter().sum::<f64>() + white * 0.1848
        })
        .collect();
    let voice: Vec<f64> = samples.iter().map(|&sample| f64::from(sample)).collect();
    let gain = rms(&voice) / rms(&noise) / 10f64.powf(db / 20.0);
    voice
        .iter()
        .zip(&noise)
        .map(|(voice, noise)| (voice + noise * gain).clamp(-32_768.0, 32_767.0) as i16)
        .collect()
}

pub(crate) struct Track {
    pub(crate) samples: Vec<i16>,
    /// Which recordings, by number, and from when on.
    pub(crate) clips: Vec<(usize, u64)>,
    /// What is said and when.
    pub(crate) words: Vec<Word>,
    /// Where stretches of speech end.
    pub(crate) ends_ms: Vec<u64>,
}

pub(crate) fn track(clips: &[Clip], number: usize, one: bool) -> Track {
    let silence = |ms: u64| vec![0i16; ms as usize * 16];
    let mut track = Track {
        samples: silence(500 + number as u64 * OFFSET_MS),
        clips: Vec::new(),
        words: Vec::new(),
        ends_ms: Vec::new(),
    };
    let count = if one { 1 } else { clips.len() };
    for index in (0..count).map(|index| (index + number) % clips.len()) {
        let at_ms = track.samples.len() as u64 / 16;
        track.clips.push((index, at_ms));
        let ends = clips[index].ends_ms.iter();
        track.ends_ms.extend(ends.map(|end_ms| end_ms + at_ms));
        track.words.extend(clips[index].words.iter().map(|word| Word {
            start_ms: word.start_ms + at_ms,
            end_ms: word.end_ms + at_ms,
            ..word.clone()
        }));
        track.samples.extend(&clips[index].samples);
        track.samples.extend(silence(GAP_MS));
    }
    track
}
