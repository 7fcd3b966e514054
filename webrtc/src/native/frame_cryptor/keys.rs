//! The keys of everybody in a room.

use std::{collections::HashMap, sync::Arc, thread};

use parking_lot::Mutex;
use zeroize::Zeroizing;

use super::{
    KeyProviderOptions,
    cipher::{IV_BYTES, Sealed},
    derivation::Derivation,
    ring::{Key, Ring},
};

const DEFAULT_RING_SIZE: usize = 16;
/// A key's index has one byte.
const MAX_RING_SIZE: usize = 256;
/// Each step costs two derivations and memory for a key.
const MAX_RATCHET_WINDOW: usize = 256;
/// Of so many participants keys are kept; more have none.
const MAX_PARTICIPANTS: usize = 10_000;

/// Keeps keys, wiped when the last handle and cryptor are gone. Clones are the same provider.
#[derive(Clone)]
pub struct KeyProvider {
    inner: Arc<Inner>,
}

struct Inner {
    shared_key: bool,
    ring_size: usize,
    window: usize,
    failure_tolerance: i32,
    derivation: Derivation,
    rings: Mutex<Rings>,
}

#[derive(Default)]
struct Rings {
    /// What a participant begins with where the key is shared. Each then goes on for himself, as not
    /// everybody ratchets at the same moment.
    shared: Option<Ring>,
    participants: HashMap<String, Ring>,
    injected_trailer: Vec<u8>,
}

/// What became of something encrypted.
pub(super) enum Opening {
    Opened {
        plain: Vec<u8>,
        /// With a key that ours was ratcheted to.
        ratcheted: bool,
    },
    NoKey,
    /// Not with the key that we have; ratcheted keys are being derived.
    Searching,
    /// With no key that we have or can have.
    Wrong {
        /// Whether it is worth a word.
        told: bool,
    },
}

impl KeyProvider {
    /// An empty provider.
    pub fn new(options: KeyProviderOptions) -> Self {
        let ring_size = usize::try_from(options.key_ring_size)
            .ok()
            .filter(|size| *size > 0)
            .map_or(DEFAULT_RING_SIZE, |size| size.min(MAX_RING_SIZE));
        let window = usize::try_from(options.ratchet_window_size).unwrap_or(0);
        let inner = Inner {
            shared_key: options.shared_key,
            ring_size,
            window: window.min(MAX_RATCHET_WINDOW),
            failure_tolerance: options.failure_tolerance,
            derivation: Derivation {
                algorithm: options.key_derivation_algorithm,
                salt: options.ratchet_salt,
            },
            rings: Mutex::default(),
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Keeps everybody's key; `false` when this provider is not for a shared one. Deriving takes some
    /// hundredths of a second.
    pub fn set_shared_key(&self, key_index: i32, key: Vec<u8>) -> bool {
        let secret = Zeroizing::new(key);
        if !self.inner.shared_key {
            return false;
        }
        let key = Arc::new(Key::new(&self.inner.derivation, secret));
        self.inner.share(key_index, &key);
        true
    }

    /// Moves everybody's key on, and returns its secret; none when there is none.
    pub fn ratchet_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        let current = self.inner.rings.lock().shared.as_ref()?.get(key_index)?.clone();
        let next = Arc::new(current.ratcheted(&self.inner.derivation));
        self.inner.share(key_index, &next);
        Some(next.secret().to_vec())
    }

    /// The secret of everybody's key.
    pub fn get_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        let rings = self.inner.rings.lock();
        Some(rings.shared.as_ref()?.get(key_index)?.secret().to_vec())
    }

    /// Keeps a participant's key; `false` when there are keys of too many participants. Deriving takes
    /// some hundredths of a second.
    pub fn set_key(&self, participant_id: String, key_index: i32, key: Vec<u8>) -> bool {
        let key = Arc::new(Key::new(&self.inner.derivation, Zeroizing::new(key)));
        let mut rings = self.inner.rings.lock();
        let full = rings.participants.len() >= MAX_PARTICIPANTS;
        if full && !rings.participants.contains_key(&participant_id) {
            return false;
        }
        let ring = rings
            .participants
            .entry(participant_id)
            .or_insert_with(|| Ring::new(self.inner.ring_size));
        ring.set(key_index, key);
        true
    }

    /// Moves a participant's key on, and returns its secret; none when there is none.
    pub fn ratchet_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        let of_participant = |rings: &Rings| rings.participants.get(&participant_id)?.get(key_index).cloned();
        let current = of_participant(&self.inner.rings.lock())?;
        let next = Arc::new(current.ratcheted(&self.inner.derivation));
        let mut rings = self.inner.rings.lock();
        rings
            .participants
            .get_mut(&participant_id)?
            .set(key_index, next.clone());
        Some(next.secret().to_vec())
    }

    /// The secret of a participant's key.
    pub fn get_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        let rings = self.inner.rings.lock();
        let key = rings.participants.get(&participant_id)?.get(key_index)?;
        Some(key.secret().to_vec())
    }

    /// Says what the server's own frames end with, which nobody encrypts.
    pub fn set_sif_trailer(&self, trailer: Vec<u8>) {
        self.inner.rings.lock().injected_trailer = trailer;
    }

    /// What the server's own frames end with.
    pub(super) fn injected_trailer(&self) -> Vec<u8> {
        self.inner.rings.lock().injected_trailer.clone()
    }

    /// A participant's key.
    pub(super) fn key(&self, participant_id: &str, index: i32) -> Option<Arc<Key>> {
        let mut rings = self.inner.rings.lock();
        self.inner.ring(&mut rings, participant_id)?.get(index).cloned()
    }

    /// Opens a frame. Returns at once: keys are derived on a thread of their own.
    pub(super) fn open_frame(&self, participant_id: &str, index: i32, sealed: &Sealed<'_>) -> Opening {
        self.open(participant_id, index, sealed, Inner::derive_aside)
    }

    /// Opens a data packet. Waits for keys to be derived: a packet that is lost would not come again.
    pub(super) fn open_packet(
        &self,
        participant_id: &str,
        index: i32,
        iv: &[u8; IV_BYTES],
        data: &[u8],
    ) -> Opening {
        let sealed = Sealed {
            header: &[],
            text_and_tag: data,
            iv,
        };
        self.open(participant_id, index, &sealed, |inner, key| {
            key.step(&inner.derivation, inner.window)
        })
    }

    /// `derive` makes more keys to try, or has them made; it returns whether there is another one now.
    fn open(
        &self,
        participant_id: &str,
        index: i32,
        sealed: &Sealed<'_>,
        derive: impl Fn(&Arc<Inner>, &Arc<Key>) -> bool,
    ) -> Opening {
        let inner = &self.inner;
        let key = {
            let mut rings = inner.rings.lock();
            let Some(ring) = inner.ring(&mut rings, participant_id) else {
                return Opening::NoKey;
            };
            match ring.get(index) {
                None => return Opening::NoKey,
                Some(_) if ring.given_up => return Opening::Wrong { told: false },
                Some(key) => key.clone(),
            }
        };
        // Without the lock: opening takes a while, and the others need their keys.
        if let Some(plain) = key.cipher().open(sealed) {
            inner.opened(participant_id, index, &key, None);
            return Opening::Opened {
                plain,
                ratcheted: false,
            };
        }
        let mut tried = 0;
        loop {
            let ahead = key.open_ahead(tried, sealed);
            tried = ahead.tried;
            if let Some((next, plain)) = ahead.opened {
                inner.opened(participant_id, index, &key, Some(next));
                return Opening::Opened {
                    plain,
                    ratcheted: true,
                };
            }
            if tried >= inner.window {
                break;
            }
            if !derive(inner, &key) {
                return Opening::Searching;
            }
        }
        let mut rings = inner.rings.lock();
        let told = inner
            .ring(&mut rings, participant_id)
            .is_some_and(|ring| ring.failed(inner.failure_tolerance));
        Opening::Wrong { told }
    }
}

impl Inner {
    /// A participant's keys. Where the key is shared, everybody has some.
    fn ring<'a>(&self, rings: &'a mut Rings, participant_id: &str) -> Option<&'a mut Ring> {
        let full = rings.participants.len() >= MAX_PARTICIPANTS;
        if self.shared_key && !full && !rings.participants.contains_key(participant_id) {
            let ring = rings.shared.clone()?;
            rings.participants.insert(participant_id.to_owned(), ring);
        }
        rings.participants.get_mut(participant_id)
    }

    fn share(&self, index: i32, key: &Arc<Key>) {
        let mut rings = self.rings.lock();
        let rings = &mut *rings;
        let shared = rings.shared.get_or_insert_with(|| Ring::new(self.ring_size));
        for ring in rings.participants.values_mut().chain([shared]) {
            ring.set(index, key.clone());
        }
    }

    fn opened(&self, participant_id: &str, index: i32, with: &Arc<Key>, moved_on: Option<Arc<Key>>) {
        if let Some(ring) = self.ring(&mut self.rings.lock(), participant_id) {
            ring.opened(index, with, moved_on);
        }
    }

    /// Has the keys after this one derived on a thread of their own, once; says that there is none yet.
    fn derive_aside(self: &Arc<Self>, key: &Arc<Key>) -> bool {
        if !key.begin_deriving() {
            return false;
        }
        let (inner, weak_key) = (Arc::clone(self), Arc::downgrade(key));
        let derive = move || {
            // A key that nobody has any more needs no successors.
            while weak_key
                .upgrade()
                .is_some_and(|key| key.step(&inner.derivation, inner.window))
            {}
        };
        if let Err(error) = thread::Builder::new().name("key-ratchet".into()).spawn(derive) {
            tracing::error!(%error, "no thread to ratchet a key on: what was ratcheted stays closed");
        }
        false
    }
}

#[cfg(test)]
mod tests;
