//! Segments for the tests of voices.

use store::Turn;

pub(super) use crate::export::testing::shared as segment;

pub(super) fn turn(start_ms: i64, end_ms: i64, label: Option<i32>) -> Turn {
    Turn {
        start_ms,
        end_ms,
        label,
        name: None,
        overlapped: false,
    }
}
