//! The way to a service, for all tracks and requests of a client: its clock, and a gate that remembers refusals.

use parking_lot::Mutex;
use tokio::time::Instant;

use super::{Gate, Refusal};

/// A client's gate with the time that it is asked by.
#[derive(Debug)]
pub(crate) struct Door {
    began: Instant,
    gate: Mutex<Gate>,
    refusal_ms: u64,
}

impl Door {
    /// Open. A refusal that is not about how often is believed for `refusal_ms`.
    pub(crate) fn new(refusal_ms: u64) -> Self {
        Self {
            began: Instant::now(),
            gate: Mutex::default(),
            refusal_ms,
        }
    }

    /// Since the client began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Whether the service may be asked.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        self.gate.lock().check(self.now_ms())
    }

    /// The service accepted or refused: what one track or request learns is true for all.
    pub(crate) fn met(&self, answer: Result<(), Refusal>) {
        self.gate.lock().met(answer, self.refusal_ms, self.now_ms());
    }

    /// The service asks for so much time.
    pub(crate) fn wait(&self, wait_ms: u64) {
        self.gate.lock().wait(wait_ms, self.now_ms());
    }
}
