//! The receiving side of one remote track. The driver drops packets into an inbox and goes on; the
//! ticker takes them from there, runs one jitter buffer for each format that is listened to, and fills
//! the streams' queues. A track nobody listens to costs nothing but its counters.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Instant,
};

use parking_lot::Mutex;

use super::{
    RtpAudio,
    convert::Converter,
    format::PcmFormat,
    playout::Playout,
    playout_stats::PlayoutStats,
    queue::FrameQueue,
    receive::ReceiveStats,
    red::Unpacked,
    ticker::{self, Pace, Paced},
};
use crate::beat;

/// Packets the driver may leave between two steps; beyond that the oldest are dropped. Four seconds of
/// sound: more than the jitter buffer takes.
const MAX_INBOX_PACKETS: usize = 200;
/// So many packets with copies are remembered by their timestamps: more than copies reach back.
const MAX_REMEMBERED_PACKETS: usize = 16;
/// After the track has ended, what is still buffered is played for this many slots at most.
const MAX_DRAIN_SLOTS: usize = 100;

/// Counters since the track was made.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct InboundAudioStats {
    pub packets_received: u64,
    /// Payload only.
    pub bytes_received: u64,
    /// Expected less received (RFC 3550).
    pub packets_lost: i64,
    pub jitter_s: f64,
    pub last_packet: Option<Instant>,
    /// What the jitter buffer did for the first format listened to.
    pub playout: PlayoutStats,
}

/// The receiving side of one remote track. Clones are the same side.
#[derive(Clone)]
pub(crate) struct InboundAudio {
    inner: Arc<Inbound>,
}

struct Inbound {
    this: Weak<Self>,
    enabled: AtomicBool,
    closed: AtomicBool,
    /// Locked before `inbox` where both are.
    listening: Mutex<Listening>,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    packets: Vec<(RtpAudio, Instant)>,
    received: ReceiveStats,
    dropped: u64,
    /// Timestamps of packets that came with copies of others.
    recent: VecDeque<u32>,
    /// The ticker calls, so somebody listens.
    paced: bool,
}

impl Inbox {
    fn push(&mut self, packet: RtpAudio, arrival: Instant) {
        if self.packets.len() >= MAX_INBOX_PACKETS {
            self.packets.remove(0);
            self.dropped += 1;
        }
        self.packets.push((packet, arrival));
    }
}

#[derive(Default)]
struct Listening {
    players: Vec<Player>,
    stats: PlayoutStats,
    arrivals: Vec<(RtpAudio, Instant)>,
    drain_slots: usize,
}

/// One format with all who listen in it.
struct Player {
    format: PcmFormat,
    playout: Playout,
    converter: Converter,
    queues: Vec<Arc<FrameQueue>>,
    decoded: Vec<i16>,
    delivered: Vec<i16>,
}

impl InboundAudio {
    pub(crate) fn new() -> Self {
        let inner = Arc::new_cyclic(|this| Inbound {
            this: Weak::clone(this),
            enabled: AtomicBool::new(true),
            closed: AtomicBool::new(false),
            listening: Mutex::default(),
            inbox: Mutex::default(),
        });
        Self { inner }
    }

    /// Counts a packet from the network, also one that cannot be played.
    pub(crate) fn count(&self, packet: &RtpAudio, arrival: Instant) {
        self.inner.inbox.lock().received.observe(packet, arrival);
    }

    /// Takes a packet that has been counted; returns at once.
    pub(crate) fn push(&self, packet: RtpAudio, arrival: Instant) {
        let mut inbox = self.inner.inbox.lock();
        if !inbox.paced || self.is_closed() {
            return;
        }
        inbox.push(packet, arrival);
    }

    /// Takes a packet that has been counted and carries earlier ones (RFC 2198): those that have not come are pushed before it.
    pub(crate) fn push_red(&self, packet: &RtpAudio, opus: u8, arrival: Instant) {
        let mut inbox = self.inner.inbox.lock();
        if !inbox.paced || self.is_closed() {
            return;
        }
        let Some(unpacked) = Unpacked::read(&packet.payload, opus) else {
            inbox.dropped += 1;
            return;
        };
        // Before the first packet nothing is missed.
        let has_begun = !inbox.recent.is_empty();
        for copy in unpacked.copies().filter(|_| has_begun) {
            let timestamp = packet.timestamp.wrapping_sub(copy.offset_rtp);
            if inbox.recent.contains(&timestamp) {
                continue;
            }
            let missed = RtpAudio {
                sequence: packet.sequence.wrapping_sub(copy.packets),
                timestamp,
                payload: copy.frame,
                level_dbov: None,
                marker: false,
                copy: true,
            };
            inbox.push(missed, arrival);
        }
        if inbox.recent.len() >= MAX_REMEMBERED_PACKETS {
            inbox.recent.pop_front();
        }
        inbox.recent.push_back(packet.timestamp);
        let packet = RtpAudio {
            payload: unpacked.frame(),
            ..packet.clone()
        };
        inbox.push(packet, arrival);
    }

    /// The track has ended: streams get what is buffered, then their end.
    pub(crate) fn close(&self) {
        self.inner.closed.store(true, Ordering::Release);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.inner.closed.load(Ordering::Acquire)
    }

    pub(crate) fn stats(&self) -> InboundAudioStats {
        let playout = self.inner.listening.lock().stats;
        let inbox = self.inner.inbox.lock();
        InboundAudioStats {
            packets_received: inbox.received.packets,
            bytes_received: inbox.received.payload_bytes,
            packets_lost: inbox.received.lost(),
            jitter_s: inbox.received.jitter_s(),
            last_packet: inbox.received.last_arrival(),
            playout: PlayoutStats {
                packets_discarded: playout.packets_discarded + inbox.dropped,
                ..playout
            },
        }
    }

    pub(crate) fn enabled(&self) -> bool {
        self.inner.enabled.load(Ordering::Relaxed)
    }

    /// A track that is not enabled is heard as silence. True when that is a change.
    pub(crate) fn set_enabled(&self, enabled: bool) -> bool {
        self.inner.enabled.swap(enabled, Ordering::Relaxed) != enabled
    }

    /// Fills the queue from the next step on.
    pub(crate) fn add_listener(&self, queue: &Arc<FrameQueue>) {
        let mut listening = self.inner.listening.lock();
        let format = queue.format();
        if let Some(player) = listening
            .players
            .iter_mut()
            .find(|player| player.format == format)
        {
            player.queues.push(Arc::clone(queue));
            return;
        }
        match Playout::new(format.opus()) {
            Ok(playout) if !self.is_closed() => listening.players.push(Player {
                format,
                playout,
                converter: Converter::new(format.opus(), format),
                queues: vec![Arc::clone(queue)],
                decoded: Vec::new(),
                delivered: Vec::new(),
            }),
            Ok(_) => return queue.finish(),
            Err(error) => {
                tracing::error!(%error, "no decoder: the stream ends");
                return queue.finish();
            }
        }
        let mut inbox = self.inner.inbox.lock();
        if !inbox.paced {
            inbox.paced = true;
            ticker::join(Pace::Beat, Weak::clone(&self.inner.this) as Weak<dyn Paced>);
        }
    }
}

#[cfg(test)]
impl InboundAudio {
    /// Keeps the ticker away: the test calls [`Self::tick_by_hand`].
    pub(crate) fn pace_by_hand(&self) {
        self.inner.inbox.lock().paced = true;
    }

    pub(crate) fn tick_by_hand(&self, slot: Instant) -> bool {
        let mut readers = Vec::new();
        let stays = self.inner.play(&[slot], &mut readers);
        readers.into_iter().for_each(Waker::wake);
        stays
    }
}

impl Paced for Inbound {
    fn tick(&self, slot: Instant, readers: &mut Vec<Waker>) -> bool {
        self.play(&[slot.checked_sub(beat::SLOT).unwrap_or(slot), slot], readers)
    }
}

impl Inbound {
    /// Plays 10 ms for each slot; false when nobody listens any more.
    fn play(&self, slots: &[Instant], readers: &mut Vec<Waker>) -> bool {
        let mut listening = self.listening.lock();
        let listening = &mut *listening;
        std::mem::swap(&mut listening.arrivals, &mut self.inbox.lock().packets);
        let muted = !self.enabled.load(Ordering::Relaxed);
        for (index, player) in listening.players.iter_mut().enumerate() {
            for (packet, arrival) in &listening.arrivals {
                player.playout.insert(packet, *arrival);
            }
            for (step, slot) in slots.iter().enumerate() {
                player.step(*slot, muted);
                let last = step + 1 == slots.len();
                let delivered = &player.delivered;
                player.queues.retain(|queue| queue.push(delivered, last, readers));
            }
            let counted = std::mem::take(&mut player.playout.stats);
            if index == 0 {
                listening.stats += counted;
            }
        }
        listening.arrivals.clear();
        if self.closed.load(Ordering::Acquire) {
            listening.drain_slots += slots.len();
            let drained = listening.players.iter().all(|player| player.playout.is_drained());
            if drained || listening.drain_slots > MAX_DRAIN_SLOTS {
                listening.finish();
            }
        }
        listening.players.retain(|player| !player.queues.is_empty());
        if listening.players.is_empty() {
            let mut inbox = self.inbox.lock();
            inbox.packets = Vec::new();
            inbox.recent = VecDeque::new();
            inbox.paced = false;
            return false;
        }
        true
    }
}

impl Drop for Inbound {
    fn drop(&mut self) {
        self.listening.get_mut().finish();
    }
}

impl Listening {
    fn finish(&mut self) {
        for queue in std::mem::take(&mut self.players)
            .into_iter()
            .flat_map(|player| player.queues)
        {
            queue.finish();
        }
    }
}

impl Player {
    fn step(&mut self, slot: Instant, muted: bool) {
        self.decoded.clear();
        self.delivered.clear();
        self.playout.pull(slot, &mut self.decoded);
        if muted {
            self.decoded.fill(0);
        }
        self.converter.convert(&self.decoded, &mut self.delivered);
    }
}

#[cfg(test)]
mod tests;
