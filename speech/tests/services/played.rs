//! Recordings that are played to a server which knows what is spoken in them.

use std::sync::Arc;

/// A word, in milliseconds of the recording.
#[derive(Clone, Debug)]
pub(crate) struct Spoken {
    pub(crate) text: String,
    pub(crate) start_ms: usize,
    pub(crate) end_ms: usize,
    /// Who says it.
    pub(crate) voice: usize,
}

/// Twenty seconds of noise that is nowhere twice the same, and a word in each 400 ms of it.
pub(crate) fn played() -> (Arc<[i16]>, Vec<Spoken>) {
    let mut seed = 1u32;
    let recording = (0..20 * 16_000)
        .map(|_| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as i16
        })
        .collect();
    let words = (0..20 * 1000 / 400)
        .map(|number| Spoken {
            text: format!("W{number}."),
            start_ms: number * 400 + 20,
            end_ms: number * 400 + 380,
            voice: 0,
        })
        .collect();
    (recording, words)
}
