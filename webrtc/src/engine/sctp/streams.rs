//! On which streams the peer sends, and the requests of both sides to reset some (RFC 6525).

use std::collections::{HashMap, HashSet};

use super::packet::{OUTGOING_RESET, RESET_RESPONSE, parameters, u32_at};
use super::{MAX_AHEAD, Refusal, ahead};

/// Streams on which the peer has sent and which it has not reset.
pub(super) const MAX_STREAMS: usize = 2_048;
/// Requests of the peer to reset streams which wait for DATA before them: each DATA is answered with as many packets.
pub(super) const MAX_WAITING_RESETS: usize = 4;
/// Streams in one of them.
const MAX_RESET_STREAMS: usize = 1_024;
/// Requests of ours that the peer has not answered.
const MAX_UNANSWERED_RESETS: usize = 256;
/// What the association answers to a request to reset streams that has to wait.
const RESET_IN_PROGRESS: u32 = 6;

#[derive(Default)]
pub(super) struct Streams {
    used: HashSet<u16>,
    /// Requests of the peer by their number, with the streams.
    waiting: HashMap<u32, Vec<u16>>,
    /// Numbers of our requests.
    unanswered: HashSet<u32>,
}

impl Streams {
    /// Whether the peer may send on one.
    pub(super) fn may_be_used(&self, stream: u16) -> bool {
        self.used.contains(&stream) || self.used.len() < MAX_STREAMS
    }

    /// The peer has sent on one.
    pub(super) fn used(&mut self, stream: u16) {
        self.used.insert(stream);
    }

    /// What of a RECONFIG the peer asks for, and answers.
    pub(super) fn received(&mut self, reconfig: &[u8], acknowledged: u32) -> Result<(), Refusal> {
        for (kind, found) in parameters(reconfig) {
            let number = u32_at(found, 4).ok_or("not to be read")?;
            match kind {
                OUTGOING_RESET => {
                    let last = u32_at(found, 12).ok_or("not to be read")?;
                    let streams = found.get(16..).unwrap_or_default().chunks_exact(2);
                    if streams.len() > MAX_RESET_STREAMS
                        || !self.waiting.contains_key(&number) && self.waiting.len() >= MAX_WAITING_RESETS
                        || self.unanswered.len() >= MAX_UNANSWERED_RESETS
                        || ahead(last, acknowledged).is_some_and(|distance| distance >= MAX_AHEAD)
                    {
                        return Err("too many resets");
                    }
                    let streams = streams.map(|id| u16::from_be_bytes([id[0], id[1]])).collect();
                    self.waiting.insert(number, streams);
                }
                RESET_RESPONSE => {
                    self.unanswered.remove(&number);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// What of a RECONFIG the association asks for, and answers.
    pub(super) fn sent(&mut self, reconfig: &[u8]) {
        for (kind, found) in parameters(reconfig) {
            let Some(number) = u32_at(found, 4) else {
                continue;
            };
            match kind {
                OUTGOING_RESET => {
                    self.unanswered.insert(number);
                }
                RESET_RESPONSE if u32_at(found, 8) != Some(RESET_IN_PROGRESS) => {
                    for stream in self.waiting.remove(&number).into_iter().flatten() {
                        self.used.remove(&stream);
                    }
                }
                _ => {}
            }
        }
    }
}
