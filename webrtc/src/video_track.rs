//! Video tracks. The stack negotiates video sections, so that rooms with cameras work, but carries
//! no pictures: a local track sends nothing, a remote one yields no frames.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{media_stream_track::RtcTrackState, native::packet_trailer::PacketTrailerHandler};

/// A video track that carries no pictures.
#[derive(Clone)]
pub struct RtcVideoTrack {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    enabled: AtomicBool,
    ended: AtomicBool,
    packet_trailer_handler: Mutex<Option<PacketTrailerHandler>>,
}

impl RtcVideoTrack {
    pub(crate) fn new(id: String) -> Self {
        Self {
            inner: Arc::new(Inner {
                id,
                enabled: AtomicBool::new(true),
                ended: AtomicBool::new(false),
                packet_trailer_handler: Mutex::new(None),
            }),
        }
    }

    /// The track's identifier.
    pub fn id(&self) -> String {
        self.inner.id.clone()
    }

    /// Whether the track's media is used.
    pub fn enabled(&self) -> bool {
        self.inner.enabled.load(Ordering::Relaxed)
    }

    /// Turns the track on or off and says whether that changed anything.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        self.inner.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    /// Whether the track may still carry media.
    pub fn state(&self) -> RtcTrackState {
        if self.inner.ended.load(Ordering::Relaxed) {
            RtcTrackState::Ended
        } else {
            RtcTrackState::Live
        }
    }

    /// Keeps a handler for frame metadata. No frames come, so it is never asked.
    pub fn set_packet_trailer_handler(&self, handler: PacketTrailerHandler) {
        *self.inner.packet_trailer_handler.lock() = Some(handler);
    }

    /// The handler kept by [`Self::set_packet_trailer_handler`].
    pub fn packet_trailer_handler(&self) -> Option<PacketTrailerHandler> {
        self.inner.packet_trailer_handler.lock().clone()
    }

    pub(crate) fn end(&self) {
        self.inner.ended.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for RtcVideoTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtcVideoTrack")
            .field("id", &self.inner.id)
            .field("enabled", &self.enabled())
            .field("state", &self.state())
            .finish()
    }
}
