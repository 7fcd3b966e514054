//! Data channels: messages over SCTP, reliable or not (RFC 8831).

use std::{fmt, str::Utf8Error, sync::Arc};

use serde::Deserialize;
use thiserror::Error;

use crate::{driver::channel::ChannelHandle, rtp_parameters::Priority};

/// How a channel shall behave.
#[derive(Clone, Debug)]
pub struct DataChannelInit {
    /// Whether messages arrive in the order in which they were sent.
    pub ordered: bool,
    /// For how many milliseconds a message is retransmitted.
    pub max_retransmit_time: Option<i32>,
    /// How often a message is retransmitted.
    pub max_retransmits: Option<i32>,
    /// The name of the application's protocol.
    pub protocol: String,
    /// Whether both sides create the channel themselves, with the same `id`.
    pub negotiated: bool,
    /// The SCTP stream, when `negotiated`.
    pub id: i32,
    /// How much it matters beside other channels; carried, not acted upon.
    pub priority: Option<Priority>,
}

impl Default for DataChannelInit {
    fn default() -> Self {
        Self {
            ordered: true,
            max_retransmit_time: None,
            max_retransmits: None,
            protocol: String::new(),
            negotiated: false,
            id: -1,
            priority: None,
        }
    }
}

/// Why a message was not taken.
#[derive(Debug, Error)]
pub enum DataChannelError {
    /// The channel is not open, or too much waits already.
    #[error("failed to send data, dc not open? send buffer is full ?")]
    Send,
    /// A text message that is not UTF-8.
    #[error("only utf8 strings can be sent")]
    Utf8(#[from] Utf8Error),
}

/// Where a channel is in its life.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataChannelState {
    /// Not yet usable.
    Connecting,
    /// Usable.
    Open,
    /// On its way out.
    Closing,
    /// Gone.
    Closed,
}

/// A received message.
#[derive(Debug)]
pub struct DataBuffer<'a> {
    /// The message.
    pub data: &'a [u8],
    /// Whether it is binary rather than text.
    pub binary: bool,
}

/// Called when the channel's state changes.
pub type OnStateChange = Box<dyn FnMut(DataChannelState) + Send + Sync>;
/// Called for each received message.
pub type OnMessage = Box<dyn FnMut(DataBuffer) + Send + Sync>;
/// Called with the number of bytes that have left the send buffer since the last call. The sum of
/// these calls and of [`DataChannel::buffered_amount`] is what was given to [`DataChannel::send`].
pub type OnBufferedAmountChange = Box<dyn FnMut(u64) + Send + Sync>;

/// One data channel. Clones are the same channel.
#[derive(Clone)]
pub struct DataChannel {
    pub(crate) handle: Arc<ChannelHandle>,
}

impl DataChannel {
    /// Queues a message. At most [`MAX_BUFFERED_BYTES`] wait; more is refused.
    ///
    /// [`MAX_BUFFERED_BYTES`]: crate::data_channel::MAX_BUFFERED_BYTES
    pub fn send(&self, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        if !binary {
            std::str::from_utf8(data)?;
        }
        self.handle.send(data, binary)
    }

    /// The SCTP stream, or -1 before it is known.
    pub fn id(&self) -> i32 {
        self.handle.stream_id()
    }

    /// The name given by whoever created the channel.
    pub fn label(&self) -> String {
        self.handle.label().to_owned()
    }

    /// Where the channel is in its life.
    pub fn state(&self) -> DataChannelState {
        self.handle.state()
    }

    /// Closes the channel.
    pub fn close(&self) {
        self.handle.close();
    }

    /// Bytes given to [`Self::send`] that the other side has not acknowledged yet.
    pub fn buffered_amount(&self) -> u64 {
        self.handle.buffered_bytes()
    }

    /// Sets what is called when the state changes.
    pub fn on_state_change(&self, callback: Option<OnStateChange>) {
        self.handle.set_on_state_change(callback);
    }

    /// Sets what is called for each message.
    pub fn on_message(&self, callback: Option<OnMessage>) {
        self.handle.set_on_message(callback);
    }

    /// Sets what is called when bytes leave the send buffer.
    pub fn on_buffered_amount_change(&self, callback: Option<OnBufferedAmountChange>) {
        self.handle.set_on_buffered_amount_change(callback);
    }
}

/// How many bytes may wait in a channel's send buffer.
pub const MAX_BUFFERED_BYTES: u64 = 16 * 1024 * 1024;

impl fmt::Debug for DataChannel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataChannel")
            .field("id", &self.id())
            .field("label", &self.label())
            .field("state", &self.state())
            .finish()
    }
}
