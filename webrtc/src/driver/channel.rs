//! The handle behind a [`DataChannel`](crate::data_channel::DataChannel).

use std::{sync::Weak, time::Instant};

use super::{Connection, callback::Callback};
use crate::data_channel::{
    DataBuffer, DataChannelError, DataChannelState, OnBufferedAmountChange, OnMessage, OnStateChange,
};

/// One data channel of a connection that may be gone already.
pub(crate) struct ChannelHandle {
    connection: Weak<Connection>,
    /// The engine's number of the channel.
    id: usize,
    label: String,
    on_state_change: Callback<OnStateChange>,
    on_message: Callback<OnMessage>,
    on_buffered_amount_change: Callback<OnBufferedAmountChange>,
}

impl ChannelHandle {
    pub(super) fn new(connection: Weak<Connection>, id: usize, label: String) -> Self {
        Self {
            connection,
            id,
            label,
            on_state_change: Callback::default(),
            on_message: Callback::default(),
            on_buffered_amount_change: Callback::default(),
        }
    }

    pub(crate) fn send(&self, data: &[u8], binary: bool) -> Result<(), DataChannelError> {
        let connection = self.connection.upgrade().ok_or(DataChannelError::Send)?;
        connection
            .engine()
            .send_on_channel(Instant::now(), self.id, data, binary)?;
        connection.wake();
        Ok(())
    }

    pub(crate) fn label(&self) -> &str {
        &self.label
    }

    pub(crate) fn stream_id(&self) -> i32 {
        self.connection
            .upgrade()
            .and_then(|connection| connection.engine().channel_stream_id(self.id))
            .map_or(-1, i32::from)
    }

    pub(crate) fn state(&self) -> DataChannelState {
        self.connection
            .upgrade()
            .map_or(DataChannelState::Closed, |connection| {
                connection.engine().channel_state(self.id)
            })
    }

    pub(crate) fn buffered_bytes(&self) -> u64 {
        self.connection.upgrade().map_or(0, |connection| {
            connection.engine().channel_buffered_bytes(self.id)
        })
    }

    pub(crate) fn close(&self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.engine().close_channel(self.id);
            connection.wake();
        }
    }

    pub(crate) fn set_on_state_change(&self, callback: Option<OnStateChange>) {
        self.on_state_change.set(callback);
    }

    pub(crate) fn set_on_message(&self, callback: Option<OnMessage>) {
        self.on_message.set(callback);
    }

    pub(crate) fn set_on_buffered_amount_change(&self, callback: Option<OnBufferedAmountChange>) {
        self.on_buffered_amount_change.set(callback);
    }

    pub(super) fn state_changed(&self, state: DataChannelState) {
        self.on_state_change.call(|callback| callback(state));
    }

    pub(super) fn message(&self, data: &[u8], binary: bool) {
        self.on_message
            .call(|callback| callback(DataBuffer { data, binary }));
    }

    pub(super) fn drained(&self, bytes: u64) {
        self.on_buffered_amount_change.call(|callback| callback(bytes));
    }

    pub(super) fn forget_callbacks(&self) {
        self.on_state_change.end();
        self.on_message.end();
        self.on_buffered_amount_change.end();
    }
}
