//! Intervals: where a file is loud, and what of it a ledger has.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::api::Stretch;
use crate::level;

pub(super) use crate::level::Place;

/// Shorter pauses belong to the speech.
const PAUSE_MS: i64 = 600;
/// Shorter sounds are clicks.
const SPEECH_MS: i64 = 200;

/// Where speech is in a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn spoken(file: &Path) -> Result<Vec<Place>> {
    let mut reader = hound::WavReader::open(file).with_context(|| format!("reading {}", file.display()))?;
    let spec = reader.spec();
    let samples = reader
        .samples::<i16>()
        .step_by(usize::from(spec.channels))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(speech(&samples, spec.sample_rate as usize / 1000))
}

fn speech(samples: &[i16], samples_per_ms: usize) -> Vec<Place> {
    let mut places = level::stretches(samples, samples_per_ms, PAUSE_MS);
    places.retain(|(from, to)| to - from >= SPEECH_MS);
    places
}

/// What was said and is within `tolerance` of no stretch of whoever said it: whose, and where.
pub(super) fn missing(
    ledger: &[Stretch],
    said: &[(String, Vec<Place>)],
    tolerance: i64,
) -> Vec<(String, Place)> {
    let mut missing = Vec::new();
    for (who, places) in said {
        let mut known: Vec<Place> = ledger
            .iter()
            .filter(|stretch| stretch.identity == *who)
            .map(|stretch| (stretch.start_ms - tolerance, stretch.end_ms + tolerance))
            .collect();
        known.sort_unstable();
        for &(from, to) in places {
            let mut at = from;
            for &(start, end) in &known {
                if start < to && end > at {
                    missing.push((who.clone(), (at, start)));
                    at = at.max(end);
                }
            }
            missing.push((who.clone(), (at, to)));
        }
    }
    missing.retain(|(_, (from, to))| from < to);
    missing
}

/// What two stretches of a track both have.
pub(super) fn overlap_ms(ledger: &[Stretch]) -> i64 {
    let mut places: Vec<(&str, i64, i64)> = ledger
        .iter()
        .map(|stretch| (stretch.track_id.as_str(), stretch.start_ms, stretch.end_ms))
        .collect();
    places.sort_unstable();
    let pairs = places.windows(2).filter(|pair| pair[0].0 == pair[1].0);
    pairs.map(|pair| (pair[0].2 - pair[1].1).max(0)).sum()
}

/// The length of some stretches together.
pub(super) fn covered_ms(ledger: &[Stretch], wanted: impl Fn(&Stretch) -> bool) -> i64 {
    let places = ledger.iter().filter(|stretch| wanted(stretch));
    places.map(|stretch| stretch.end_ms - stretch.start_ms).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stretch(start_ms: i64, end_ms: i64) -> Stretch {
        Stretch {
            identity: "p".into(),
            track_id: "TR".into(),
            start_ms,
            end_ms,
            state: "empty".into(),
            reason: None,
            late: false,
        }
    }

    #[test]
    fn speech_is_where_it_is_loud_and_clicks_are_none() {
        let mut samples = vec![3_i16; 16 * 3_000];
        samples[16 * 500..16 * 520].fill(9_000);
        samples[16 * 1_000..16 * 1_600].fill(5_000);
        samples[16 * 1_800..16 * 2_000].fill(5_000);
        assert_eq!(speech(&samples, 16), [(500, 2_000)]);
        samples[16 * 500..16 * 520].fill(3);
        samples[16 * 100..16 * 120].fill(9_000);
        assert_eq!(speech(&samples, 16), [(1_000, 2_000)]);
    }

    #[test]
    fn what_no_stretch_reaches_is_missing() {
        let said = [("p".to_owned(), vec![(1_000, 2_000), (5_000, 8_000)])];
        let ledger = [stretch(900, 2_100), stretch(6_000, 7_000)];
        let of_p = |places: &[Place]| -> Vec<(String, Place)> {
            places.iter().map(|place| ("p".to_owned(), *place)).collect()
        };
        assert_eq!(
            missing(&ledger, &said, 0),
            of_p(&[(5_000, 6_000), (7_000, 8_000)])
        );
        assert_eq!(
            missing(&ledger, &said, 600),
            of_p(&[(5_000, 5_400), (7_600, 8_000)])
        );
        assert_eq!(missing(&[], &said, 600), of_p(&[(1_000, 2_000), (5_000, 8_000)]));
        let of_another = [("q".to_owned(), vec![(1_000, 2_000)])];
        assert_eq!(
            missing(&ledger, &of_another, 600),
            [("q".to_owned(), (1_000, 2_000))]
        );
    }

    #[test]
    fn overlaps_are_counted_by_track() {
        assert_eq!(overlap_ms(&[stretch(0, 10), stretch(10, 20)]), 0);
        assert_eq!(overlap_ms(&[stretch(0, 12), stretch(10, 20)]), 2);
    }
}
