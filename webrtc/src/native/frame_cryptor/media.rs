//! One direction of one track: frames in, frames out, and what changed.

use std::{
    fmt,
    sync::atomic::{AtomicBool, AtomicI32, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{
    EncryptionAlgorithm, EncryptionState, KeyProvider, OnStateChange,
    cipher::{self, IV_BYTES, Received},
    keys::Opening,
};
use crate::driver::callback::Callback;

/// Sits in a sender or a receiver.
pub(crate) struct MediaCryptor {
    pub(super) participant_id: String,
    algorithm: EncryptionAlgorithm,
    keys: KeyProvider,
    pub(crate) enabled: AtomicBool,
    pub(super) key_index: AtomicI32,
    pub(super) on_state_change: Callback<OnStateChange>,
    state: Mutex<State>,
}

struct State {
    last: EncryptionState,
    /// Of frames sent, from a random start; goes into the IV.
    count: u32,
}

/// A frame, if one comes out, and the states that were entered, in order.
pub(crate) struct Outcome {
    pub(crate) frame: Option<Bytes>,
    pub(crate) states: Vec<EncryptionState>,
}

impl Outcome {
    fn unchanged(frame: Bytes) -> Self {
        Self {
            frame: Some(frame),
            states: Vec::new(),
        }
    }
}

impl MediaCryptor {
    pub(super) fn new(participant_id: String, algorithm: EncryptionAlgorithm, keys: KeyProvider) -> Self {
        Self {
            participant_id,
            algorithm,
            keys,
            enabled: AtomicBool::new(false),
            key_index: AtomicI32::new(0),
            on_state_change: Callback::default(),
            state: Mutex::new(State {
                last: EncryptionState::New,
                count: rand::random_range(0..0xffff),
            }),
        }
    }

    /// A frame on its way out. No frame comes out when it cannot be encrypted.
    pub(crate) fn encrypt(&self, ssrc: u32, timestamp: u32, frame: Bytes) -> Outcome {
        if frame.is_empty() || !self.enabled.load(Ordering::Relaxed) {
            return Outcome::unchanged(frame);
        }
        if self.algorithm != EncryptionAlgorithm::AesGcm {
            return self.outcome(None, &[EncryptionState::InternalError]);
        }
        let index = self.key_index.load(Ordering::Relaxed);
        let (Some(key), Ok(index)) = (self.keys.key(&self.participant_id, index), u8::try_from(index)) else {
            return self.outcome(None, &[EncryptionState::MissingKey]);
        };
        let iv = self.iv(ssrc, timestamp);
        match cipher::seal_frame(key.cipher(), &iv, index, &frame) {
            Ok(sealed) => self.outcome(Some(sealed), &[EncryptionState::Ok]),
            Err(_) => self.outcome(None, &[EncryptionState::EncryptionFailed]),
        }
    }

    /// A frame that came in. No frame comes out when it cannot be decrypted.
    pub(crate) fn decrypt(&self, frame: Bytes) -> Outcome {
        if frame.is_empty() || !self.enabled.load(Ordering::Relaxed) {
            return Outcome::unchanged(frame);
        }
        if self.algorithm != EncryptionAlgorithm::AesGcm {
            return self.outcome(None, &[EncryptionState::InternalError]);
        }
        let trailer = self.keys.injected_trailer();
        let (sealed, index) = match Received::read(&frame, &trailer) {
            Received::Injected(silence) => return Outcome::unchanged(frame.slice_ref(silence)),
            Received::Malformed => return self.outcome(None, &[EncryptionState::DecryptionFailed]),
            Received::Encrypted { sealed, key_index } => (sealed, i32::from(key_index)),
        };
        match self.keys.open_frame(&self.participant_id, index, &sealed) {
            Opening::Opened { plain, ratcheted } => {
                let states = [EncryptionState::KeyRatcheted, EncryptionState::Ok];
                self.outcome(Some(plain), &states[usize::from(!ratcheted)..])
            }
            Opening::NoKey => self.outcome(None, &[EncryptionState::MissingKey]),
            Opening::Wrong { told: true } => self.outcome(None, &[EncryptionState::DecryptionFailed]),
            Opening::Wrong { told: false } | Opening::Searching => self.outcome(None, &[]),
        }
    }

    /// Tells the program of a new state. Called without any lock held.
    pub(crate) fn tell(&self, state: EncryptionState) {
        self.on_state_change
            .call(|handler| handler(self.participant_id.clone(), state));
    }

    fn outcome(&self, frame: Option<Vec<u8>>, states: &[EncryptionState]) -> Outcome {
        let last = &mut self.state.lock().last;
        let mut entered = Vec::new();
        for state in states {
            if std::mem::replace(last, *state) != *state {
                entered.push(*state);
            }
        }
        Outcome {
            frame: frame.map(Bytes::from),
            states: entered,
        }
    }

    /// Never twice the same under one key: source, time, and time less a count.
    fn iv(&self, ssrc: u32, timestamp: u32) -> [u8; IV_BYTES] {
        let mut state = self.state.lock();
        let count = state.count % 0xffff;
        state.count = state.count.wrapping_add(1);
        let mut iv = [0; IV_BYTES];
        iv[..4].copy_from_slice(&ssrc.to_be_bytes());
        iv[4..8].copy_from_slice(&timestamp.to_be_bytes());
        iv[8..].copy_from_slice(&timestamp.wrapping_sub(count).to_be_bytes());
        iv
    }
}

impl fmt::Debug for MediaCryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaCryptor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
