//! The receiving side of a transceiver.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    RtcError, driver::Connection, media_stream::MediaStream, media_stream_track::MediaStreamTrack,
    rtp_parameters::RtpParameters, stats::RtcStats,
};

/// Receives a track. Clones are the same receiver.
#[derive(Clone)]
pub struct RtpReceiver {
    pub(crate) connection: Arc<Connection>,
    pub(crate) index: usize,
}

impl RtpReceiver {
    /// The track that is received. When the other side puts another one in its place, this becomes
    /// a new track and the old one ends.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.connection.engine().receiver_track(self.index)
    }

    /// The names of [`Self::streams`].
    pub fn stream_ids(&self) -> Vec<String> {
        self.streams().iter().map(MediaStream::id).collect()
    }

    /// The streams of the track; none while the other side does not send.
    pub fn streams(&self) -> Vec<MediaStream> {
        self.connection.engine().receiver_streams(self.index)
    }

    /// Statistics of what is received.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        Ok(self
            .connection
            .engine()
            .receiver_stats(Instant::now(), self.index))
    }

    /// What was negotiated.
    pub fn parameters(&self) -> RtpParameters {
        self.connection.engine().receiver_parameters(self.index)
    }
}

impl fmt::Debug for RtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpReceiver")
            .field("track", &self.track())
            .finish()
    }
}
