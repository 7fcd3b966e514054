//! The sending side of a transceiver.

use std::{fmt, sync::Arc, time::Instant};

use crate::{
    RtcError, driver::Connection, media_stream_track::MediaStreamTrack, rtp_parameters::RtpParameters,
    stats::RtcStats,
};

/// Which video encoder a sender prefers. Video is not encoded; the choice is taken and ignored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VideoEncoderBackend {
    /// Whichever fits.
    #[default]
    Auto,
    /// In software.
    Software,
    /// In hardware.
    Hardware,
    /// NVIDIA's.
    Nvenc,
    /// VA-API.
    Vaapi,
    /// Apple's.
    VideoToolbox,
    /// None: frames come encoded.
    PreEncoded,
}

impl VideoEncoderBackend {
    /// The backends that can be asked for. None of them encodes.
    pub fn list_available() -> impl IntoIterator<Item = VideoEncoderBackend> {
        [Self::Auto, Self::Software]
    }
}

/// Sends a track. Clones are the same sender.
#[derive(Clone)]
pub struct RtpSender {
    pub(crate) connection: Arc<Connection>,
    pub(crate) index: usize,
}

impl RtpSender {
    /// The track that is sent, if any.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.connection.engine().sender_track(self.index)
    }

    /// Statistics of what is sent.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        Ok(self.connection.engine().sender_stats(Instant::now(), self.index))
    }

    /// Sends another track of the same kind, or none, without negotiation.
    pub fn set_track(&self, track: Option<MediaStreamTrack>) -> Result<(), RtcError> {
        self.connection.engine().set_track(self.index, track)
    }

    /// What was negotiated, and the limits set by [`Self::set_parameters`].
    pub fn parameters(&self) -> RtpParameters {
        self.connection.engine().sender_parameters(self.index)
    }

    /// Sets limits of bitrate and the like.
    pub fn set_parameters(&self, parameters: RtpParameters) -> Result<(), RtcError> {
        self.connection
            .engine()
            .set_sender_parameters(self.index, parameters)
    }

    /// Takes the choice and ignores it: video is not encoded.
    pub fn set_video_encoder_backend(&self, _backend: VideoEncoderBackend) {}
}

impl fmt::Debug for RtpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpSender").field("track", &self.track()).finish()
    }
}
