//! The jobs of a worker: promised, running, being stopped; no more of them than there are slots.

use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Eq)]
enum State {
    Running,
    Stopping,
}

/// The jobs.
#[derive(Debug)]
pub(super) struct Jobs {
    slots: usize,
    /// Job -> when its slot is no longer kept.
    reserved: BTreeMap<String, u64>,
    running: BTreeMap<String, State>,
}

impl Jobs {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots,
            reserved: BTreeMap::new(),
            running: BTreeMap::new(),
        }
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_running(&self, id: &str) -> bool {
        self.running.contains_key(id)
    }

    pub(super) fn ids(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    /// Slots neither used nor promised.
    pub(super) fn free(&self) -> usize {
        self.slots
            .saturating_sub(self.running.len() + self.reserved.len())
    }

    /// Keeps a slot for a job.
    pub(super) fn reserve(&mut self, id: &str, until_ms: u64) {
        self.reserved.insert(id.to_owned(), until_ms);
    }

    /// Whether there is a slot for a job: the one that was kept for it, which is given up, or a free one.
    pub(super) fn claim(&mut self, id: &str) -> bool {
        self.reserved.remove(id).is_some() || self.free() > 0
    }

    pub(super) fn began(&mut self, id: &str) {
        self.running.insert(id.to_owned(), State::Running);
    }

    /// A job shall end, or not begin; whether it runs and was not yet told.
    pub(super) fn stop(&mut self, id: &str) -> bool {
        self.reserved.remove(id);
        let state = self.running.get_mut(id);
        state.is_some_and(|state| std::mem::replace(state, State::Stopping) == State::Running)
    }

    /// Whether it ran.
    pub(super) fn ended(&mut self, id: &str) -> bool {
        self.running.remove(id).is_some()
    }

    pub(super) fn forget_reserved(&mut self) {
        self.reserved.clear();
    }

    pub(super) fn forget_expired(&mut self, now_ms: u64) {
        self.reserved.retain(|_, until_ms| *until_ms > now_ms);
    }

    /// When the next slot is no longer kept.
    pub(super) fn next_expiry_ms(&self) -> Option<u64> {
        self.reserved.values().copied().min()
    }
}
