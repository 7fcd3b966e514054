//! The shape of PCM and the arithmetic that goes with it.

/// RTP timestamp units a second: Opus always counts at 48 kHz (RFC 7587).
pub(crate) const RTP_CLOCK_HZ: u32 = 48_000;
/// Everything here advances in steps of this length.
pub(crate) const TICK_MS: u32 = 10;
/// RTP timestamp units in one step.
pub(crate) const TICK_RTP: i64 = (RTP_CLOCK_HZ / 1000 * TICK_MS) as i64;

const MIN_RATE_HZ: i32 = 8_000;
const MAX_RATE_HZ: i32 = 192_000;
const MAX_CHANNELS: i32 = 8;

/// Rate and channel count of interleaved PCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PcmFormat {
    pub rate_hz: u32,
    pub channels: usize,
}

impl PcmFormat {
    /// The deliverable format nearest to what was asked for.
    pub(crate) fn nearest(rate_hz: i32, channels: i32) -> Self {
        Self {
            rate_hz: rate_hz.clamp(MIN_RATE_HZ, MAX_RATE_HZ).unsigned_abs(),
            channels: channels.clamp(1, MAX_CHANNELS).unsigned_abs() as usize,
        }
    }

    /// The rate and channel count at which Opus is decoded on the way to this format: the rate
    /// itself where Opus knows it, else the next above; one or two channels.
    pub(crate) fn opus(self) -> Self {
        let rate_hz = [8_000, 12_000, 16_000, 24_000]
            .into_iter()
            .find(|rate| *rate >= self.rate_hz);
        Self {
            rate_hz: rate_hz.unwrap_or(RTP_CLOCK_HZ),
            channels: self.channels.min(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PcmFormat;

    #[test]
    fn decodes_at_the_asked_rate_where_opus_has_it() {
        for rate_hz in [8_000, 12_000, 16_000, 24_000, 48_000] {
            assert_eq!(PcmFormat { rate_hz, channels: 1 }.opus().rate_hz, rate_hz);
        }
        assert_eq!(
            PcmFormat {
                rate_hz: 22_050,
                channels: 6
            }
            .opus(),
            PcmFormat {
                rate_hz: 24_000,
                channels: 2
            }
        );
        assert_eq!(
            PcmFormat {
                rate_hz: 44_100,
                channels: 1
            }
            .opus()
            .rate_hz,
            48_000
        );
    }

    #[test]
    fn senseless_formats_are_moved_to_the_nearest() {
        assert_eq!(
            PcmFormat::nearest(-1, 0),
            PcmFormat {
                rate_hz: 8_000,
                channels: 1
            }
        );
        assert_eq!(
            PcmFormat::nearest(i32::MAX, i32::MAX),
            PcmFormat {
                rate_hz: 192_000,
                channels: 8
            }
        );
    }
}
