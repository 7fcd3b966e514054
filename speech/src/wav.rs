//! WAV files of any PCM kind as the 16 kHz mono samples that this crate hears.

use std::path::Path;

use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Fft, FixedSync, Resampler as _};

use crate::SAMPLE_RATE_HZ;

/// A file longer than this is refused: it is read into memory.
const LONGEST_SECONDS: u32 = 4 * 3600;

/// Why a file could not be read.
#[derive(Debug, thiserror::Error)]
pub enum WavError {
    /// Not a WAV file, or of a kind that is not PCM.
    #[error("not a PCM WAV file")]
    Format(#[from] hound::Error),
    /// It would not fit into memory.
    #[error("longer than {LONGEST_SECONDS} s")]
    TooLong,
    /// Its sample rate cannot be converted.
    #[error("its sample rate of {rate_hz} Hz cannot be converted")]
    Rate {
        /// The file's rate.
        rate_hz: u32,
    },
}

/// 16 kHz mono samples as a WAV file of 16-bit PCM.
pub fn encode(samples: &[i16]) -> Vec<u8> {
    let bytes = (samples.len() * 2) as u32;
    let mut file = Vec::with_capacity(44 + samples.len() * 2);
    file.extend_from_slice(b"RIFF");
    file.extend_from_slice(&(36 + bytes).to_le_bytes());
    file.extend_from_slice(b"WAVEfmt ");
    // The length of what describes the samples; PCM; one channel.
    file.extend_from_slice(&16u32.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&1u16.to_le_bytes());
    file.extend_from_slice(&SAMPLE_RATE_HZ.to_le_bytes());
    // Bytes in a second, bytes in a sample, bits in a sample.
    file.extend_from_slice(&(SAMPLE_RATE_HZ * 2).to_le_bytes());
    file.extend_from_slice(&2u16.to_le_bytes());
    file.extend_from_slice(&16u16.to_le_bytes());
    file.extend_from_slice(b"data");
    file.extend_from_slice(&bytes.to_le_bytes());
    for sample in samples {
        file.extend_from_slice(&sample.to_le_bytes());
    }
    file
}

/// Reads a file and converts it to 16 kHz mono.
///
/// # Errors
/// It is not a PCM WAV file, is longer than four hours, or has a rate that cannot be converted.
pub fn read_mono_16khz(path: &Path) -> Result<Vec<i16>, WavError> {
    decode(std::io::BufReader::new(
        std::fs::File::open(path).map_err(hound::Error::from)?,
    ))
}

/// [`read_mono_16khz`] of a file that is in memory, or anywhere else.
///
/// # Errors
/// As there.
pub fn decode(file: impl std::io::Read) -> Result<Vec<i16>, WavError> {
    let mut reader = hound::WavReader::new(file)?;
    let spec = reader.spec();
    if spec.sample_rate == 0 || spec.channels == 0 {
        return Err(WavError::Rate {
            rate_hz: spec.sample_rate,
        });
    }
    if reader.duration() / spec.sample_rate > LONGEST_SECONDS {
        return Err(WavError::TooLong);
    }
    let interleaved: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>()?,
        hound::SampleFormat::Int => {
            let full_scale = 2f32.powi(i32::from(spec.bits_per_sample) - 1);
            reader
                .samples::<i32>()
                .map(|sample| sample.map(|s| s as f32 / full_scale))
                .collect::<Result<_, _>>()?
        }
    };
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> = interleaved
        .chunks_exact(channels)
        .map(|frame| frame.iter().sum::<f32>() / channels as f32)
        .collect();
    let resampled = resample(mono, spec.sample_rate)?;
    Ok(resampled
        .into_iter()
        .map(|sample| (sample * 32_768.0).round().clamp(-32_768.0, 32_767.0) as i16)
        .collect())
}

fn resample(mono: Vec<f32>, rate_hz: u32) -> Result<Vec<f32>, WavError> {
    if rate_hz == SAMPLE_RATE_HZ || mono.is_empty() {
        return Ok(mono);
    }
    let failed = || WavError::Rate { rate_hz };
    let frames = mono.len();
    let mut resampler = Fft::<f32>::new(
        rate_hz as usize,
        SAMPLE_RATE_HZ as usize,
        1024,
        1,
        FixedSync::Input,
    )
    .map_err(|_| failed())?;
    let input = InterleavedOwned::new_from(mono, 1, frames).map_err(|_| failed())?;
    let output = resampler
        .process_all(&input, frames, None)
        .map_err(|_| failed())?;
    Ok(output.take_data())
}

/// Writes 16 kHz mono samples as a WAV file.
///
/// # Errors
/// The file cannot be written.
pub fn write_mono_16khz(path: &Path, samples: &[i16]) -> Result<(), WavError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE_HZ,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec)?;
    for &sample in samples {
        writer.write_sample(sample)?;
    }
    writer.finalize()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_to_the_bit() {
        let samples = [0, 1, -1, 12_345, i16::MAX, i16::MIN];
        assert_eq!(decode(encode(&samples).as_slice()).unwrap(), samples);
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_length_through_the_resampler() {
        let tone: Vec<f32> = (0..48_000)
            .map(|i| (i as f32 / 48_000.0 * 440.0 * std::f32::consts::TAU).sin() * 0.5)
            .collect();
        let heard = resample(tone, 48_000).unwrap();
        assert!(
            (15_900..=16_100).contains(&heard.len()),
            "{} samples",
            heard.len()
        );
        let crossings = heard
            .windows(2)
            .filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0)
            .count();
        assert!((436..=444).contains(&crossings), "{crossings} Hz");
    }
}
