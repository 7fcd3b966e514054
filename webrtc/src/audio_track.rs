//! An audio track, local or remote.

use std::{
    fmt::{Debug, Formatter},
    sync::Arc,
};

use crate::{
    audio::{InboundAudio, OutboundAudio, queue::FrameQueue},
    audio_source::native::NativeAudioSource,
    media_stream_track::RtcTrackState,
};

/// A track of sound. Clones are the same track.
#[derive(Clone)]
pub struct RtcAudioTrack {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    side: Side,
}

enum Side {
    Remote(InboundAudio),
    Local(OutboundAudio),
}

impl RtcAudioTrack {
    pub(crate) fn remote(id: String, inbound: InboundAudio) -> Self {
        Self {
            inner: Arc::new(Inner {
                id,
                side: Side::Remote(inbound),
            }),
        }
    }

    pub(crate) fn local(id: String, source: NativeAudioSource) -> Self {
        let outbound = OutboundAudio::new(source.queue);
        Self {
            inner: Arc::new(Inner {
                id,
                side: Side::Local(outbound),
            }),
        }
    }

    /// The track's identifier.
    pub fn id(&self) -> String {
        self.inner.id.clone()
    }

    /// Whether the track's sound is used; a disabled track is silent.
    pub fn enabled(&self) -> bool {
        match &self.inner.side {
            Side::Remote(inbound) => inbound.enabled(),
            Side::Local(outbound) => outbound.enabled(),
        }
    }

    /// Turns the track on or off and says whether that changed anything.
    pub fn set_enabled(&self, enabled: bool) -> bool {
        match &self.inner.side {
            Side::Remote(inbound) => inbound.set_enabled(enabled),
            Side::Local(outbound) => outbound.set_enabled(enabled),
        }
    }

    /// Whether the track may still carry sound. A local track always may.
    pub fn state(&self) -> RtcTrackState {
        match &self.inner.side {
            Side::Remote(inbound) if inbound.is_closed() => RtcTrackState::Ended,
            _ => RtcTrackState::Live,
        }
    }

    /// The receiving side, of a remote track.
    pub(crate) fn inbound(&self) -> Option<&InboundAudio> {
        match &self.inner.side {
            Side::Remote(inbound) => Some(inbound),
            Side::Local(_) => None,
        }
    }

    /// The sending side, of a local track.
    pub(crate) fn outbound(&self) -> Option<&OutboundAudio> {
        match &self.inner.side {
            Side::Remote(_) => None,
            Side::Local(outbound) => Some(outbound),
        }
    }

    /// Has the queue filled with this track's sound until it is abandoned.
    pub(crate) fn add_listener(&self, queue: &Arc<FrameQueue>) {
        match &self.inner.side {
            Side::Remote(inbound) => inbound.add_listener(queue),
            Side::Local(outbound) => outbound.add_listener(queue),
        }
    }
}

impl Debug for RtcAudioTrack {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtcAudioTrack")
            .field("id", &self.inner.id)
            .field("enabled", &self.enabled())
            .field("state", &self.state())
            .finish()
    }
}
