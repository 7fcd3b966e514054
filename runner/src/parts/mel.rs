//! The mel filter bank that Whisper's features are made with: 80 triangular filters over the 201 bins of a 400-point
//! transform at 16 kHz, on Slaney's mel scale and with Slaney's area normalisation (Auditory Toolbox, 1998).

/// Filters.
pub(super) const MELS: usize = 80;
/// Bins of the transform.
pub(super) const BINS: usize = 201;
const SAMPLE_RATE_HZ: f64 = 16_000.0;

/// Linear below 1 kHz, logarithmic above.
fn hz_of(mel: f64) -> f64 {
    let linear = mel * 200.0 / 3.0;
    if linear < 1000.0 {
        linear
    } else {
        1000.0 * (6.4f64.ln() / 27.0 * (mel - 15.0)).exp()
    }
}

fn mel_of(hz: f64) -> f64 {
    if hz < 1000.0 {
        hz * 3.0 / 200.0
    } else {
        15.0 + (hz / 1000.0).ln() * 27.0 / 6.4f64.ln()
    }
}

/// The weights, filter by filter.
pub(super) fn filters() -> Vec<f32> {
    let highest = mel_of(SAMPLE_RATE_HZ / 2.0);
    let corners: Vec<f64> = (0..MELS + 2)
        .map(|i| hz_of(highest * i as f64 / (MELS + 1) as f64))
        .collect();
    let bin_hz = SAMPLE_RATE_HZ / 2.0 / (BINS - 1) as f64;
    let mut weights = Vec::with_capacity(MELS * BINS);
    for filter in corners.windows(3) {
        let (low, middle, high) = (filter[0], filter[1], filter[2]);
        for bin in 0..BINS {
            let hz = bin as f64 * bin_hz;
            let slope = ((hz - low) / (middle - low))
                .min((high - hz) / (high - middle))
                .max(0.0);
            weights.push((slope * 2.0 / (high - low)) as f32);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_is_its_own_inverse_and_every_filter_hears_something() {
        for hz in [0.0, 440.0, 999.0, 1000.0, 4000.0, 8000.0] {
            assert!((hz_of(mel_of(hz)) - hz).abs() < 1e-6);
        }
        assert!(
            filters()
                .chunks(BINS)
                .all(|filter| filter.iter().sum::<f32>() > 0.0)
        );
    }
}
