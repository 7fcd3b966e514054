//! The clock of the crowd: everybody's next packet every 20 ms, not all at once.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{MissedTickBehavior, interval};

use crate::pattern::Pattern;
use crate::sound::{FRAME_MS, Microphone, Speech};
use crate::transport::Transport;

/// The crowd sends in so many groups, one after the other: nobody's microphones are in step.
const PHASES: u64 = 4;

/// What a participant sends with.
pub(crate) struct Voice {
    pub(crate) socket: UdpSocket,
    pub(crate) transport: RefCell<Transport>,
}

impl Voice {
    pub(crate) fn new(socket: UdpSocket, transport: RefCell<Transport>) -> Self {
        Self { socket, transport }
    }

    /// Sends what the transport has to say. What the socket does not take is lost, as it would be on the way.
    pub(crate) fn flush(&self) {
        let mut transport = self.transport.borrow_mut();
        while let Some((to, datagram)) = transport.outgoing() {
            let _ = self.socket.try_send_to(&datagram, to);
        }
    }

    /// Sends a packet; whether the socket took it.
    fn send(&self, packet: &[u8]) -> bool {
        let protected = self.transport.borrow_mut().protected(packet);
        protected.is_some_and(|(to, datagram)| self.socket.try_send_to(&datagram, to).is_ok())
    }
}

/// Somebody who is heard in a room.
pub(crate) struct Talker {
    pub(crate) room: String,
    pub(crate) number: usize,
    pub(crate) of: usize,
    pub(crate) pattern: Pattern,
    pub(crate) microphone: Microphone,
    pub(crate) voice: Rc<Voice>,
    /// Frames since it began.
    pub(crate) frames: u64,
}

/// Everybody, and what was sent.
#[derive(Default)]
pub(crate) struct Crowd {
    talkers: RefCell<Vec<Talker>>,
    sent_packets: RefCell<Counted>,
}

/// Since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counted {
    /// Packets that the sockets took.
    pub(crate) sent_packets: u64,
    /// Packets that they did not.
    pub(crate) refused_packets: u64,
}

impl Crowd {
    pub(crate) fn add(&self, talker: Talker) {
        self.talkers.borrow_mut().push(talker);
    }

    pub(crate) fn forget(&self, room: &str) {
        self.talkers.borrow_mut().retain(|talker| talker.room != room);
    }

    pub(crate) fn counted(&self) -> Counted {
        *self.sent_packets.borrow()
    }

    /// Sends for ever.
    pub(crate) async fn pace(&self, speech: &Speech) {
        let mut ticks = interval(Duration::from_millis(FRAME_MS / PHASES));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut phase = 0;
        loop {
            ticks.tick().await;
            self.step(speech, phase);
            phase = (phase + 1) % PHASES;
        }
    }

    fn step(&self, speech: &Speech, phase: u64) {
        let mut counted = self.sent_packets.borrow_mut();
        let mut talkers = self.talkers.borrow_mut();
        let group = talkers.iter_mut().skip(phase as usize).step_by(PHASES as usize);
        for talker in group {
            let at_ms = talker.frames * FRAME_MS;
            talker.frames += 1;
            let speaks = talker.pattern.speaks(talker.number, talker.of, at_ms);
            let Some(packet) = talker.microphone.packet(speech, speaks) else {
                continue;
            };
            if talker.voice.send(&packet) {
                counted.sent_packets += 1;
            } else {
                counted.refused_packets += 1;
            }
        }
    }
}
