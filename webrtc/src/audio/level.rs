//! Loudness: the audio level of RFC 6464, which is the negative of dBov (decibel below the loudest
//! square wave), from 0 for the loudest to 127 for digital silence.

/// Digital silence.
pub(crate) const SILENCE_DBOV: u8 = 127;
/// From this level on the mean amplitude is below one step of 16-bit PCM (20 log10 32768 = 90.3 dB):
/// there is nothing to hear.
pub(crate) const INAUDIBLE_DBOV: u8 = 90;
/// Louder than this is called voice by a sender that has no better detector.
pub(crate) const VOICE_DBOV: u8 = 55;

/// Mean square of PCM, in squared sample steps.
pub(crate) fn mean_square(pcm: &[i16]) -> f64 {
    if pcm.is_empty() {
        return 0.0;
    }
    let sum: u64 = pcm
        .iter()
        .map(|sample| u64::from(sample.unsigned_abs()).pow(2))
        .sum();
    sum as f64 / pcm.len() as f64
}

/// The level of a mean square.
pub(crate) fn dbov(mean_square: f64) -> u8 {
    if mean_square <= 0.0 {
        return SILENCE_DBOV;
    }
    let below_full_scale_db = -10.0 * (mean_square / (32_768.0 * 32_768.0)).log10();
    below_full_scale_db.round().clamp(0.0, f64::from(SILENCE_DBOV)) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_definition() {
        assert_eq!(dbov(mean_square(&[0; 480])), SILENCE_DBOV);
        assert_eq!(dbov(mean_square(&[])), SILENCE_DBOV);
        assert_eq!(dbov(mean_square(&[i16::MIN, i16::MAX])), 0);
        assert_eq!(dbov(mean_square(&[3_277, -3_277])), 20);
        assert_eq!(dbov(mean_square(&[1, -1])), INAUDIBLE_DBOV);
    }
}
