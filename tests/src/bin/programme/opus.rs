//! What is left of sound behind Opus, as a participant of these figures sends it and the agent hears it.

use anyhow::{Context as _, Result};
use ropus::{Application, Bitrate, Channels, DecodeMode, Decoder, Encoder};
use system_tests::sound::SAMPLES_PER_MS;
use system_tests::speech_file::SAMPLE_RATE_HZ;

/// The microphone's encoding of `livekit`.
const BITRATE_BPS: u32 = 48_000;
/// That of the transport.
const COMPLEXITY: u8 = 5;
const FRAME_SAMPLES: usize = 20 * SAMPLES_PER_MS;
const PACKET_MAX_BYTES: usize = 1_275;

/// The sound, encoded and decoded again, as late as that makes it: 6.5 ms.
pub(crate) fn through_opus(samples: &[i16]) -> Result<Vec<i16>> {
    let mut encoder = Encoder::builder(SAMPLE_RATE_HZ, Channels::Mono, Application::Voip)
        .bitrate(Bitrate::Bits(BITRATE_BPS))
        .complexity(COMPLEXITY)
        .build()
        .context("making an Opus encoder")?;
    let mut decoder = Decoder::new(SAMPLE_RATE_HZ, Channels::Mono).context("making an Opus decoder")?;
    let mut packet = [0; PACKET_MAX_BYTES];
    let mut heard = Vec::with_capacity(samples.len());
    for frame in samples.as_chunks::<FRAME_SAMPLES>().0 {
        let bytes = encoder.encode(frame, &mut packet).context("encoding")?;
        let mut decoded = [0; FRAME_SAMPLES];
        decoder
            .decode(&packet[..bytes], &mut decoded, DecodeMode::Normal)
            .context("decoding")?;
        heard.extend(decoded);
    }
    heard.resize(samples.len(), 0);
    Ok(heard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use system_tests::sound::Noise;

    #[test]
    fn it_is_nearly_the_same_sound_and_not_the_same() {
        let tone = |n: usize| ((n as f64 * 0.1).sin() * 8_000.0) as i16;
        let tone: Vec<i16> = (0..16_000).map(tone).collect();
        let heard = through_opus(&tone).unwrap();
        assert_eq!(heard.len(), tone.len());
        assert_ne!(heard, tone);
        let power = |samples: &[i16]| samples.iter().map(|&it| f64::from(it).powi(2)).sum::<f64>();
        let ratio = power(&heard) / power(&tone);
        assert!((0.8..1.2).contains(&ratio), "{ratio}");
        let noise: Vec<i16> = Noise::Pink.samples(3, 100).iter().map(|it| *it as i16).collect();
        assert_eq!(through_opus(&noise).unwrap().len(), 100, "less than a frame");
    }
}
