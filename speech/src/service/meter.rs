//! What a service is sent, and so what it bills, by track.

use std::collections::HashMap;
use std::time::Duration;

use parking_lot::Mutex;

use crate::{Sent, StreamId};

/// The sums of a client.
#[derive(Debug, Default)]
pub(crate) struct Meter(Mutex<HashMap<StreamId, Duration>>);

impl Meter {
    /// So much of a track's audio goes out.
    pub(crate) fn sent(&self, stream: StreamId, audio: Duration) {
        *self.0.lock().entry(stream).or_default() += audio;
    }

    /// So much of it was not taken after all.
    pub(crate) fn not_taken(&self, stream: StreamId, audio: Duration) {
        if let Some(sum) = self.0.lock().get_mut(&stream) {
            *sum = sum.saturating_sub(audio);
        }
    }

    /// What went out since the last time, by this engine; nothing of a track is kept.
    pub(crate) fn take(&self, stream: StreamId, engine: &str) -> Vec<Sent> {
        let sum = self.0.lock().remove(&stream).filter(|sum| !sum.is_zero());
        sum.into_iter()
            .map(|audio| Sent {
                engine: engine.to_owned(),
                audio,
            })
            .collect()
    }
}
