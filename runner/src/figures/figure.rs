//! One measured value, and what a run reports.

use serde::Serialize;

/// Ourselves, as a system beside others.
pub(super) const OURS: &str = "rapporteur";

/// How many speakers a system holds.
pub(super) const SPEAKERS_HELD: &str = "simultaneous_speakers_held";
/// How many rooms a system holds.
pub(super) const ROOMS_HELD: &str = "rooms_held";
/// How many tests of a suite pass.
pub(super) const TESTS_PASSED: &str = "tests_passed";
/// The figures of which more is better.
pub(super) const MORE_IS_BETTER: [&str; 3] = [SPEAKERS_HELD, ROOMS_HELD, TESTS_PASSED];

/// A measured value. Less is better, of all of them but those in `MORE_IS_BETTER`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What, in snake_case, with the unit in it.
    pub figure: &'static str,
    /// Of whom.
    pub system: String,
    /// Under which circumstances.
    pub setting: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// What it should be at most (or at least, where more is better), where that is said.
    pub aim: Option<f64>,
}

/// What a run has measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// What the figures mean, exactly.
    pub meaning: String,
    /// The figures; those that are compared stand together.
    pub figures: Vec<Figure>,
    /// What else has to be known to judge them.
    pub notes: Vec<String>,
}

/// The value below which a share of all lies (nearest rank: a value that occurred), rounded to whole milliseconds.
pub(super) fn percentile(values: &[f64], share: f64) -> Option<f64> {
    let rounded: Vec<i64> = values.iter().map(|value| value.round() as i64).collect();
    crate::demo::percentile(&rounded, share).map(|value| value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_rounded_values_that_occurred() {
        assert_eq!(percentile(&[], 0.5), None);
        let values: Vec<f64> = (1..=20).map(|value| f64::from(value) * 10.0 + 0.4).collect();
        assert_eq!(percentile(&values, 0.5), Some(100.0));
        assert_eq!(percentile(&values, 0.9), Some(180.0));
        assert_eq!(percentile(&values, 0.0), Some(10.0));
        assert_eq!(percentile(&values, 1.0), Some(200.0));
    }

    #[test]
    fn a_figure_without_an_aim_says_null() {
        let figure = Figure {
            figure: "join_ms_p50",
            system: OURS.into(),
            setting: "20 rooms".into(),
            value: 81.0,
            unit: "ms",
            aim: None,
        };
        let json = serde_json::to_value(&figure).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"figure": "join_ms_p50", "system": "rapporteur", "setting": "20 rooms",
                "value": 81.0, "unit": "ms", "aim": null})
        );
    }
}
