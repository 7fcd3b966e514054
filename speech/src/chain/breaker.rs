//! What is known of one recogniser's health (a circuit breaker, Nygard 2007). Sans-IO.

use super::ChainLimits;
use crate::RecogniseError;

/// Being told to slow down is believed for at least so long.
const SLOW_MS: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Well,
    Resting {
        until_ms: u64,
    },
    /// The rest is over; one request is finding out.
    Trying,
}

/// Well, resting, or being tried.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// Failures in a row.
    faults: u32,
    rests: u64,
}

/// Under which circumstances a recogniser was asked: what was asked before its last rest says nothing about it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    rests: u64,
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Well,
            faults: 0,
            rests: 0,
        }
    }

    /// Whether it should be asked.
    pub(super) fn is_ready(&self, now_ms: u64) -> bool {
        match self.state {
            State::Well => true,
            State::Resting { until_ms } => now_ms >= until_ms,
            State::Trying => false,
        }
    }

    /// Who comes first when nobody is ready.
    pub(super) fn ready_ms(&self) -> u64 {
        match self.state {
            State::Well => 0,
            State::Resting { until_ms } => until_ms,
            State::Trying => u64::MAX,
        }
    }

    /// It is asked, ready or not.
    pub(super) fn asked(&mut self) -> Asked {
        if self.state != State::Well {
            self.state = State::Trying;
        }
        Asked { rests: self.rests }
    }

    /// It did what it was asked for. Whether that is news.
    pub(super) fn succeeded(&mut self, asked: Asked) -> bool {
        if asked.rests != self.rests {
            return false;
        }
        self.faults = 0;
        std::mem::replace(&mut self.state, State::Well) != State::Well
    }

    /// It did not. For how long it rests now, if this is news.
    pub(super) fn failed(
        &mut self,
        asked: Asked,
        error: RecogniseError,
        limits: &ChainLimits,
        now_ms: u64,
    ) -> Option<u64> {
        if asked.rests != self.rests {
            return None;
        }
        self.faults += 1;
        self.rests += 1;
        let doubled_ms = (limits.rest_ms.0 << (self.faults - 1).min(20)).min(limits.rest_ms.1);
        let rest_ms = match error {
            RecogniseError::Unauthorised
            | RecogniseError::PaymentRequired
            | RecogniseError::Misconfigured
            | RecogniseError::ShutDown => limits.refused_ms,
            RecogniseError::RateLimited => doubled_ms.max(SLOW_MS),
            _ => doubled_ms,
        };
        self.state = State::Resting {
            until_ms: now_ms + rest_ms,
        };
        Some(rest_ms)
    }

    /// What it was asked for is not wanted any more, or says nothing about its health: another request may find out.
    pub(super) fn abandoned(&mut self, asked: Asked, now_ms: u64) {
        if asked.rests == self.rests && self.state == State::Trying {
            self.state = State::Resting { until_ms: now_ms };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ChainLimits = ChainLimits {
        partial_ms: 0,
        final_ms: 0,
        last_partial_ms: 0,
        last_final_ms: 0,
        rest_ms: (2_000, 60_000),
        refused_ms: 300_000,
    };

    #[test]
    fn rests_get_longer_and_end_with_a_success() {
        let mut breaker = Breaker::new();
        let (mut now_ms, mut rests) = (0, Vec::new());
        for _ in 0..7 {
            assert!(breaker.is_ready(now_ms));
            let asked = breaker.asked();
            let rest_ms = breaker
                .failed(asked, RecogniseError::Failed, &LIMITS, now_ms)
                .unwrap();
            assert!(!breaker.is_ready(now_ms + rest_ms - 1));
            rests.push(rest_ms);
            now_ms += rest_ms;
        }
        assert_eq!(rests, [2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
        let asked = breaker.asked();
        assert!(breaker.succeeded(asked));
        assert!(!breaker.succeeded(asked), "said once");
        let asked = breaker.asked();
        let rest_ms = breaker.failed(asked, RecogniseError::Failed, &LIMITS, now_ms);
        assert_eq!(rest_ms, Some(2_000), "counted anew");
    }

    #[test]
    fn after_a_rest_one_request_finds_out() {
        let mut breaker = Breaker::new();
        let asked = breaker.asked();
        breaker.failed(asked, RecogniseError::Unauthorised, &LIMITS, 0);
        assert!(!breaker.is_ready(299_999));
        assert!(breaker.is_ready(300_000));
        let trial = breaker.asked();
        assert!(!breaker.is_ready(300_001), "a second one waits");
        breaker.abandoned(trial, 300_002);
        assert!(breaker.is_ready(300_002), "the first one went away");
    }

    #[test]
    fn what_was_asked_before_a_rest_does_not_count_after_it() {
        let mut breaker = Breaker::new();
        let (first, second, third) = (breaker.asked(), breaker.asked(), breaker.asked());
        assert!(breaker.failed(first, RecogniseError::Late, &LIMITS, 0).is_some());
        assert_eq!(breaker.failed(second, RecogniseError::Late, &LIMITS, 1), None);
        assert!(!breaker.succeeded(third));
        assert!(!breaker.is_ready(1_999));
    }
}
