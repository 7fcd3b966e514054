//! What all tracks of a client know about being refused: a wrong key is wrong for every one of them, and asking again
//! at once makes nothing better.

use super::Refusal;

/// The longest wait after being told to slow down, in milliseconds.
const SLOWEST_MS: u64 = 60_000;
/// The first one.
const SLOW_MS: u64 = 2_000;

/// Open, or closed for a while with the reason. Sans-IO.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    closed: Option<(Refusal, u64)>,
    slowed: u32,
}

impl Gate {
    /// Whether the service may be asked.
    pub(crate) fn check(&self, now_ms: u64) -> Result<(), Refusal> {
        match self.closed {
            Some((refusal, until_ms)) if now_ms < until_ms => Err(refusal),
            _ => Ok(()),
        }
    }

    /// The service accepted, and all is forgotten, or it refused.
    pub(crate) fn met(&mut self, answer: Result<(), Refusal>, refusal_ms: u64, now_ms: u64) {
        let Err(refusal) = answer else {
            *self = Self::default();
            return;
        };
        let wait_ms = match refusal {
            Refusal::RateLimited => {
                self.slowed += 1;
                (SLOW_MS << (self.slowed - 1).min(10)).min(SLOWEST_MS)
            }
            _ => refusal_ms,
        };
        self.closed = Some((refusal, now_ms + wait_ms));
    }

    /// The service asks for so much time, which is believed up to a minute.
    pub(crate) fn wait(&mut self, wait_ms: u64, now_ms: u64) {
        self.slowed += 1;
        self.closed = Some((Refusal::RateLimited, now_ms + wait_ms.min(SLOWEST_MS)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_believed_for_a_while_and_then_tried_again() {
        let mut gate = Gate::default();
        assert_eq!(gate.check(0), Ok(()));
        gate.met(Err(Refusal::Unauthorised), 60_000, 10);
        assert_eq!(gate.check(60_009), Err(Refusal::Unauthorised));
        assert_eq!(gate.check(60_010), Ok(()));
    }

    #[test]
    fn being_told_to_slow_down_again_and_again_makes_the_wait_longer_up_to_a_minute() {
        let mut gate = Gate::default();
        let mut now_ms = 0;
        let mut waits = Vec::new();
        for _ in 0..12 {
            gate.met(Err(Refusal::RateLimited), 1, now_ms);
            let wait_ms = (0..).find(|ms| gate.check(now_ms + ms).is_ok()).unwrap();
            waits.push(wait_ms);
            now_ms += wait_ms;
        }
        assert_eq!(waits[..6], [2_000, 4_000, 8_000, 16_000, 32_000, 60_000]);
        assert_eq!(waits[11], 60_000);
        gate.met(Ok(()), 1, now_ms);
        gate.met(Err(Refusal::RateLimited), 1, now_ms);
        assert_eq!(gate.check(now_ms + 2_000), Ok(()));
    }
}
