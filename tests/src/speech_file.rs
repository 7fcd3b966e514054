//! Recorded speech at the rate a simulated participant plays it.

use std::path::Path;

/// What a simulated participant sends: 16 kHz mono, the rate Whisper hears.
pub const SAMPLE_RATE_HZ: u32 = 16_000;

/// Reads a WAV file of any rate and channel count as 16 kHz mono samples.
///
/// # Errors
/// The file cannot be read, or is not PCM.
pub fn read(path: &Path) -> anyhow::Result<Vec<i16>> {
    use anyhow::Context as _;
    speech::wav::read_mono_16khz(path).with_context(|| format!("reading {}", path.display()))
}
