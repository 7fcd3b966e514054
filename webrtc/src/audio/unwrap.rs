//! Wrapping RTP counters as numbers that only grow: each value is taken for the one nearest to the
//! last accepted, so that reordering around a wrap is seen as reordering.

/// A 16-bit sequence number, unwrapped.
pub(crate) fn sequence_near(last: Option<i64>, sequence: u16) -> i64 {
    last.map_or(i64::from(sequence), |last| {
        last + i64::from(sequence.wrapping_sub(last as u16) as i16)
    })
}

/// A 32-bit timestamp, unwrapped.
pub(crate) fn timestamp_near(last: Option<i64>, timestamp: u32) -> i64 {
    last.map_or(i64::from(timestamp), |last| {
        last + i64::from(timestamp.wrapping_sub(last as u32) as i32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_go_on_through_a_wrap_in_either_direction() {
        let mut last = None;
        let sequences = [65_534, 65_535, 1, 0, 65_533, 2].map(|sequence| {
            last = Some(sequence_near(last, sequence));
            last.unwrap()
        });
        assert_eq!(sequences, [65_534, 65_535, 65_537, 65_536, 65_533, 65_538]);

        let mut last = None;
        let timestamps = [u32::MAX - 479, 480, 0].map(|timestamp| {
            last = Some(timestamp_near(last, timestamp));
            last.unwrap()
        });
        assert_eq!(timestamps, [4_294_966_816, 4_294_967_776, 4_294_967_296]);
    }
}
