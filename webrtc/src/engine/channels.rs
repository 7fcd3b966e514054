//! Data channels of a connection: opening, sending, closing, and counting what has left.

use std::{collections::HashMap, time::Instant};

use bytes::BytesMut;
use rtc::{
    data_channel::{RTCDataChannelInit, RTCDataChannelState},
    peer_connection::event::RTCDataChannelEvent,
};

use super::{Engine, EngineEvent};
use crate::{
    RtcError,
    data_channel::{DataChannelError, DataChannelInit, DataChannelState, MAX_BUFFERED_BYTES},
};

/// How many channels may be open; one more is closed again.
const MAX_CHANNELS: usize = 1_024;

/// What is known of each channel, by `rtc`'s number of it.
pub(super) type Channels = HashMap<usize, Channel>;

#[derive(Debug)]
pub(super) struct Channel {
    state: DataChannelState,
    /// Bytes that were in the send buffer when [`EngineEvent::ChannelDrained`] was last counted.
    buffered_bytes: u64,
}

impl Engine {
    /// Creates a channel and gives its number.
    pub(crate) fn create_channel(&mut self, label: &str, init: DataChannelInit) -> Result<usize, RtcError> {
        self.ensure_open()?;
        let options = channel_options(init)?;
        let id = self
            .rtc
            .create_data_channel(label, Some(options))
            .map_err(RtcError::invalid_state)?
            .id();
        self.channels.insert(
            id,
            Channel {
                state: DataChannelState::Connecting,
                buffered_bytes: 0,
            },
        );
        Ok(id)
    }

    /// Queues a message. Refused when the channel is not open or too much waits already.
    pub(crate) fn send_on_channel(
        &mut self,
        now: Instant,
        id: usize,
        data: &[u8],
        binary: bool,
    ) -> Result<(), DataChannelError> {
        let channel = self.channels.get_mut(&id).ok_or(DataChannelError::Send)?;
        let waiting_bytes = channel.buffered_bytes.saturating_add(data.len() as u64);
        if channel.state != DataChannelState::Open || waiting_bytes > MAX_BUFFERED_BYTES {
            return Err(DataChannelError::Send);
        }
        let mut handle = self.rtc.data_channel(id).ok_or(DataChannelError::Send)?;
        let sent = if binary {
            handle.send(now, BytesMut::from(data))
        } else {
            handle.send_text(now, std::str::from_utf8(data)?)
        };
        match sent {
            Ok(()) => {
                channel.buffered_bytes = waiting_bytes;
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, channel = id, bytes = data.len(), "message refused");
                Err(DataChannelError::Send)
            }
        }
    }

    /// Bytes sent and not acknowledged.
    pub(crate) fn channel_buffered_bytes(&self, id: usize) -> u64 {
        self.channels.get(&id).map_or(0, |channel| channel.buffered_bytes)
    }

    pub(crate) fn channel_state(&self, id: usize) -> DataChannelState {
        self.channels
            .get(&id)
            .map_or(DataChannelState::Closed, |channel| channel.state)
    }

    /// The SCTP stream of a channel, once known.
    pub(crate) fn channel_stream_id(&mut self, id: usize) -> Option<u16> {
        self.rtc.data_channel(id)?.stream_id()
    }

    pub(crate) fn close_channel(&mut self, id: usize) {
        if let Some(mut handle) = self.rtc.data_channel(id)
            && let Err(error) = handle.close()
        {
            tracing::debug!(%error, channel = id, "channel was closed already");
        }
        if self.channel_state(id) != DataChannelState::Closed {
            self.set_channel_state(id, DataChannelState::Closing);
        }
    }

    pub(super) fn close_channels(&mut self) {
        let mut ids: Vec<usize> = self.channels.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.set_channel_state(id, DataChannelState::Closed);
        }
    }

    pub(super) fn handle_channel_event(&mut self, event: RTCDataChannelEvent) {
        match event {
            RTCDataChannelEvent::OnOpen(id) => self.channel_opened(id),
            RTCDataChannelEvent::OnClosing(id) => {
                self.set_channel_state(id, DataChannelState::Closing);
            }
            RTCDataChannelEvent::OnClose(id) => {
                self.set_channel_state(id, DataChannelState::Closed);
            }
            _ => {}
        }
    }

    /// Says how many bytes have left each send buffer since the last time. The sums are exact: what
    /// was taken by `send` is either still buffered or has been reported.
    pub(super) fn report_drained_channels(&mut self) {
        let mut drained = Vec::new();
        for (id, channel) in &mut self.channels {
            if channel.buffered_bytes == 0 {
                continue;
            }
            let outstanding = self
                .rtc
                .data_channel(*id)
                .map_or(0, |handle| handle.outstanding_bytes() as u64);
            let bytes = channel.buffered_bytes.saturating_sub(outstanding);
            if bytes > 0 {
                channel.buffered_bytes -= bytes;
                drained.push(EngineEvent::ChannelDrained { id: *id, bytes });
            }
        }
        for event in drained {
            self.push(event);
        }
    }

    fn channel_opened(&mut self, id: usize) {
        if self.channels.contains_key(&id) {
            self.set_channel_state(id, DataChannelState::Open);
            return;
        }
        let open = |channel: &&Channel| channel.state != DataChannelState::Closed;
        let full = self.channels.values().filter(open).count() >= MAX_CHANNELS;
        let Some(mut handle) = self.rtc.data_channel(id) else {
            return;
        };
        if full {
            tracing::warn!(
                MAX_CHANNELS,
                "the other side opens too many channels: closed again"
            );
            let _ = handle.close();
            return;
        }
        let label = handle.label().to_owned();
        let state = match handle.ready_state() {
            RTCDataChannelState::Closing => DataChannelState::Closing,
            RTCDataChannelState::Closed => DataChannelState::Closed,
            _ => DataChannelState::Open,
        };
        self.channels.insert(
            id,
            Channel {
                state,
                buffered_bytes: 0,
            },
        );
        self.push(EngineEvent::ChannelFromPeer { id, label });
    }

    fn set_channel_state(&mut self, id: usize, state: DataChannelState) {
        let Some(channel) = self.channels.get_mut(&id) else {
            return;
        };
        if channel.state != state {
            channel.state = state;
            self.push(EngineEvent::ChannelState { id, state });
        }
    }
}

fn channel_options(init: DataChannelInit) -> Result<RTCDataChannelInit, RtcError> {
    let limit = |value: Option<i32>, name: &str| {
        value
            .map(u16::try_from)
            .transpose()
            .map_err(|_| RtcError::invalid_state(format!("{name} must lie in 0..=65535")))
    };
    let negotiated = if init.negotiated {
        let id = u16::try_from(init.id)
            .map_err(|_| RtcError::invalid_state("a negotiated channel needs an id"))?;
        Some(id)
    } else {
        None
    };
    Ok(RTCDataChannelInit {
        ordered: init.ordered,
        max_packet_life_time: limit(init.max_retransmit_time, "max_retransmit_time")?,
        max_retransmits: limit(init.max_retransmits, "max_retransmits")?,
        protocol: init.protocol,
        negotiated,
    })
}
