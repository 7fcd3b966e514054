//! The keys of one participant, and the keys that may come after each.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{
    cipher::{Cipher, Sealed},
    derivation::{Derivation, Secret},
};

/// A secret and its key.
pub(super) struct Key {
    secret: Secret,
    next: Secret,
    cipher: Cipher,
    steps: Mutex<Steps>,
}

/// The keys that ratcheting leads to from one, derived when they are first needed, and once: a wrong
/// key costs its derivations only with the first frame, not with each.
#[derive(Default)]
struct Steps {
    derived: Vec<Arc<Key>>,
    /// Somebody is deriving more.
    deriving: bool,
}

impl Key {
    pub(super) fn new(derivation: &Derivation, secret: Secret) -> Self {
        let (key, next) = derivation.key_and_next(&secret);
        Self {
            cipher: Cipher::new(&key),
            secret,
            next,
            steps: Mutex::default(),
        }
    }

    pub(super) fn secret(&self) -> &Secret {
        &self.secret
    }

    /// The key after this one.
    pub(super) fn ratcheted(&self, derivation: &Derivation) -> Self {
        Self::new(derivation, self.next.clone())
    }

    pub(super) fn cipher(&self) -> &Cipher {
        &self.cipher
    }

    /// The keys after this one that are known by now.
    fn steps(&self, from: usize) -> Vec<Arc<Self>> {
        self.steps.lock().derived.get(from..).unwrap_or_default().to_vec()
    }

    /// Derives the next unknown key; false when there are `window` of them.
    pub(super) fn step(&self, derivation: &Derivation, window: usize) -> bool {
        let (count, last) = {
            let steps = self.steps.lock();
            (steps.derived.len(), steps.derived.last().cloned())
        };
        if count >= window {
            return false;
        }
        let next = Arc::new(last.as_deref().unwrap_or(self).ratcheted(derivation));
        let mut steps = self.steps.lock();
        // Two may have derived the same one.
        if steps.derived.len() == count {
            steps.derived.push(next);
        }
        true
    }

    /// Takes on the task of deriving; false when somebody has it.
    pub(super) fn begin_deriving(&self) -> bool {
        !std::mem::replace(&mut self.steps.lock().deriving, true)
    }

    /// Opens with one of the keys after this one, from the step `from` on.
    pub(super) fn open_ahead(&self, from: usize, sealed: &Sealed<'_>) -> Ahead {
        let steps = self.steps(from);
        let opened = steps
            .iter()
            .find_map(|step| Some((step.clone(), step.cipher.open(sealed)?)));
        Ahead {
            tried: from + steps.len(),
            opened,
        }
    }
}

/// What the keys after one came to.
pub(super) struct Ahead {
    /// How many have been tried by now.
    pub(super) tried: usize,
    /// The one that fits, and what it opened.
    pub(super) opened: Option<(Arc<Key>, Vec<u8>)>,
}

/// A participant's keys by index.
#[derive(Clone)]
pub(super) struct Ring {
    keys: Vec<Option<Arc<Key>>>,
    /// The index that was set last; an index below zero means it.
    current: usize,
    failures: i32,
    /// Too many frames did not open: nothing is tried until there is another key.
    pub(super) given_up: bool,
}

impl Ring {
    pub(super) fn new(size: usize) -> Self {
        Self {
            keys: vec![None; size],
            current: 0,
            failures: 0,
            given_up: false,
        }
    }

    pub(super) fn set(&mut self, index: i32, key: Arc<Key>) {
        if let Ok(index) = usize::try_from(index) {
            self.current = index % self.keys.len();
        }
        self.keys[self.current] = Some(key);
        self.failures = 0;
        self.given_up = false;
    }

    pub(super) fn get(&self, index: i32) -> Option<&Arc<Key>> {
        let index = usize::try_from(index).unwrap_or(self.current);
        self.keys.get(index)?.as_ref()
    }

    /// A frame opened. Where the key had moved on, the new one takes its place, unless somebody has set
    /// another meanwhile.
    pub(super) fn opened(&mut self, index: i32, with: &Arc<Key>, moved_on: Option<Arc<Key>>) {
        self.failures = 0;
        let Some(next) = moved_on else { return };
        let slot = usize::try_from(index)
            .ok()
            .and_then(|index| self.keys.get_mut(index));
        if let Some(slot) = slot
            && slot.as_ref().is_some_and(|key| Arc::ptr_eq(key, with))
        {
            *slot = Some(next);
        }
    }

    /// A frame did not open; whether that is to be told.
    pub(super) fn failed(&mut self, tolerance: i32) -> bool {
        if tolerance < 0 {
            return true;
        }
        self.failures = self.failures.saturating_add(1);
        self.given_up = self.failures > tolerance;
        self.given_up
    }
}
