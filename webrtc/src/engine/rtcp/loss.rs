//! How much loss an encoder should prepare for: what receivers report, smoothed. One bad second is not
//! a bad network, and copies of every frame cost bits.

use std::time::{Duration, Instant};

/// After this long a change of the loss has come through to two thirds.
const TIME_CONSTANT: Duration = Duration::from_secs(8);
/// Less than this is none.
const NEGLIGIBLE_PERCENT: f64 = 0.25;
/// Opus does not tell more loss than this apart.
const MAX_PERCENT: f64 = 25.0;

/// The loss of one stream that we send.
#[derive(Debug, Default)]
pub(super) struct ExpectedLoss {
    fraction: f64,
    reported: Option<Instant>,
}

impl ExpectedLoss {
    /// A report says that this fraction, 0 to 1, was lost since the one before.
    pub(super) fn observe(&mut self, now: Instant, fraction: f64) {
        let weight = self.reported.map_or(1.0, |before| {
            let passed = now.saturating_duration_since(before);
            1.0 - (-passed.as_secs_f64() / TIME_CONSTANT.as_secs_f64()).exp()
        });
        self.fraction += (fraction - self.fraction) * weight;
        self.reported = Some(now);
    }

    /// Whole percent, rounded up, 25 at most.
    pub(super) fn percent(&self) -> u8 {
        let percent = self.fraction * 100.0;
        if percent < NEGLIGIBLE_PERCENT {
            0
        } else {
            percent.min(MAX_PERCENT).ceil() as u8
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(reports: &[f64]) -> ExpectedLoss {
        let start = Instant::now();
        let mut loss = ExpectedLoss::default();
        for (second, fraction) in (0_u64..).zip(reports) {
            loss.observe(start + Duration::from_secs(second), *fraction);
        }
        loss
    }

    #[test]
    fn nothing_is_expected_before_the_first_report_and_where_nothing_is_lost() {
        assert_eq!(ExpectedLoss::default().percent(), 0);
        assert_eq!(after(&[0.0; 20]).percent(), 0);
    }

    #[test]
    fn a_steady_loss_is_expected_from_the_first_report_on() {
        assert_eq!(after(&[0.1]).percent(), 10);
        assert_eq!(after(&[0.1; 30]).percent(), 10);
        assert_eq!(after(&[0.9; 30]).percent(), 25);
    }

    #[test]
    fn one_bad_second_counts_little_and_is_forgotten() {
        let mut reports = vec![0.0; 10];
        reports.push(0.2);
        assert_eq!(after(&reports).percent(), 3);
        reports.extend([0.0; 30]);
        assert_eq!(after(&reports).percent(), 0);
    }

    #[test]
    fn a_network_that_turns_bad_is_followed_within_seconds() {
        let mut reports = vec![0.0; 10];
        reports.extend([0.1; 8]);
        assert!((6..=8).contains(&after(&reports).percent()));
    }
}
