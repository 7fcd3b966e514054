//! Transceivers: one media section each, to send, to receive, or both.

use std::{fmt, sync::Arc};

use crate::{
    RtcError,
    driver::Connection,
    rtp_parameters::{RtpCodecCapability, RtpEncodingParameters},
    rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
};

/// How a transceiver is to be made.
#[derive(Debug, Clone)]
pub struct RtpTransceiverInit {
    /// Which ways media may flow.
    pub direction: RtpTransceiverDirection,
    /// The streams of the track that is sent. The first one is used.
    pub stream_ids: Vec<String>,
    /// Limits of what is sent. One encoding is sent.
    pub send_encodings: Vec<RtpEncodingParameters>,
}

/// Which ways media flows, from our point of view.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtpTransceiverDirection {
    /// Both ways.
    SendRecv,
    /// Out.
    SendOnly,
    /// In.
    RecvOnly,
    /// Not now.
    Inactive,
    /// Never again.
    Stopped,
}

/// One media section. Clones are the same transceiver.
#[derive(Clone)]
pub struct RtpTransceiver {
    connection: Arc<Connection>,
    index: usize,
}

impl RtpTransceiver {
    pub(crate) fn new(connection: Arc<Connection>, index: usize) -> Self {
        Self { connection, index }
    }

    /// The tag of the media section, once one was given.
    pub fn mid(&self) -> Option<String> {
        self.connection.engine().mid(self.index)
    }

    /// The direction that was negotiated last.
    pub fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        self.connection.engine().current_direction(self.index)
    }

    /// The direction that is wanted.
    pub fn direction(&self) -> RtpTransceiverDirection {
        self.connection.engine().direction(self.index)
    }

    /// The sending side.
    pub fn sender(&self) -> RtpSender {
        RtpSender {
            connection: self.connection.clone(),
            index: self.index,
        }
    }

    /// The receiving side.
    pub fn receiver(&self) -> RtpReceiver {
        RtpReceiver {
            connection: self.connection.clone(),
            index: self.index,
        }
    }

    /// Takes an order of codecs. There is one codec of each kind, so the order changes nothing.
    pub fn set_codec_preferences(&self, _codecs: Vec<RtpCodecCapability>) -> Result<(), RtcError> {
        Ok(())
    }

    /// Ends the transceiver.
    pub fn stop(&self) -> Result<(), RtcError> {
        self.connection.engine().stop_transceiver(self.index)?;
        self.connection.wake();
        Ok(())
    }
}

impl fmt::Debug for RtpTransceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpTransceiver")
            .field("mid", &self.mid())
            .field("direction", &self.direction())
            .field("sender", &self.sender())
            .field("receiver", &self.receiver())
            .finish()
    }
}
