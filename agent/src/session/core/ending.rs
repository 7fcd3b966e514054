//! The ways in which a session ends: it is drained and gives its lease back, runs out of time, or was replaced and hands in
//! what it still holds.

use super::super::coverage::Microphone;
use super::super::hearing::Purpose;
use super::super::io::{Ending, Output};
use super::super::reply;
use super::super::track::Ear;
use super::super::types::EndReason;
use super::{DRAIN_LIMIT_MS, HAND_IN_LIMIT_MS, Phase, Session};

/// Questions that are being looked up when a drain begins get this long.
const DRAIN_ANSWERS_MS: u64 = 5_000;
/// The voices of the last words get this long.
const DRAIN_VOICES_MS: u64 = 5_000;
/// Giving the lease back may take so long.
const RELEASE_LIMIT_MS: u64 = 3_000;

impl<E: Ear> Session<E> {
    /// Another agent holds the room. This one leaves it, and still hands in what was said before the other came.
    pub(super) fn fenced(&mut self, ticket: Option<u64>, now_ms: u64) {
        if matches!(self.phase, Phase::HandingIn { .. }) {
            // The verdict on a late segment: its time is accounted for otherwise.
            if let Some(ticket) = ticket {
                self.outbox.finished(ticket);
            }
            return;
        }
        let numbers: Vec<u64> = self.tracks.keys().copied().collect();
        for number in numbers {
            self.interrupt(number, now_ms);
        }
        self.tracks.clear();
        self.outbox.keep_finals(ticket);
        // Whatever else this call had decided belongs to a session that no longer exists.
        let is_final = |output: &Output<E::Audio>| matches!(output, Output::Recognise(request) if request.purpose == Purpose::Final);
        self.out.retain(is_final);
        self.out.push(Output::Leave);
        self.close_replies();
        self.phase = Phase::HandingIn {
            until_ms: now_ms + HAND_IN_LIMIT_MS,
        };
    }

    pub(super) fn finish(&mut self, ending: Ending) {
        self.phase = Phase::Over;
        self.close_replies();
        self.out.push(Output::Finished(ending));
    }

    pub(super) fn close_replies(&mut self) {
        for reply in std::mem::take(&mut self.replies).into_values() {
            self.out.push(Output::Reply {
                reply,
                answer: Err(reply::ENDING),
            });
        }
    }

    pub(super) fn drain(&mut self, reason: EndReason, now_ms: u64) {
        if let Phase::Draining {
            reason: so_far,
            answers_until_ms,
            ..
        } = &mut self.phase
            && !reason.room_is_there()
        {
            // LiveKit takes the job back a moment before it says that the room is closed.
            *so_far = reason;
            *answers_until_ms = now_ms;
        }
        if self.phase != Phase::Running {
            return;
        }
        let tracks: Vec<u64> = self.tracks.keys().copied().collect();
        for number in tracks {
            let last_sound_ms = self
                .tracks
                .get(&number)
                .map_or(now_ms, |track| track.last_sound_ms);
            let left = match reason {
                EndReason::RoomClosed | EndReason::DispatchCancelled => Microphone::Closed,
                EndReason::Removed | EndReason::WorkerDrained => Microphone::HeardUntil(now_ms),
                EndReason::ConnectionLost => Microphone::HeardUntil(last_sound_ms),
            };
            self.track_left(number, left, now_ms);
        }
        self.give_up_unheard(now_ms, |_| true);
        self.close_all_declined(now_ms);
        self.abandon_questions_not_begun();
        self.voices.drain();
        self.phase = Phase::Draining {
            reason,
            until_ms: now_ms + DRAIN_LIMIT_MS,
            answers_until_ms: if reason.room_is_there() {
                now_ms + DRAIN_ANSWERS_MS
            } else {
                now_ms
            },
        };
    }

    pub(super) fn go_on_handing_in(&mut self, until_ms: u64, now_ms: u64) {
        let done = self.order.is_empty() && self.outbox.waiting() == 0;
        if done || now_ms >= until_ms {
            self.finish(Ending::Fenced);
        } else if let Some((ticket, write)) = self.outbox.next(now_ms) {
            self.out.push(Output::Store { ticket, write });
        }
    }

    pub(super) fn go_on_ending(&mut self, now_ms: u64) {
        match self.phase {
            Phase::Draining {
                reason,
                until_ms,
                answers_until_ms,
            } => {
                if now_ms >= answers_until_ms {
                    self.abandon_questions();
                }
                if now_ms >= voices_until_ms(until_ms) {
                    self.voices.give_up_all();
                }
                let done = self.order.is_empty()
                    && self.questions.is_idle()
                    && self.outbox.waiting() == 0
                    && self.coverage.is_empty()
                    && !self.voices.is_hearing()
                    && !self.voices.has_news();
                if now_ms >= until_ms {
                    self.finish(Ending::OutOfTime {
                        finals_lost: self.finals_unstored(),
                    });
                } else if done && !self.usage.is_empty() {
                    self.write_usage(now_ms, true);
                } else if done {
                    self.phase = Phase::Releasing {
                        reason,
                        until_ms: now_ms + RELEASE_LIMIT_MS,
                    };
                    self.out.push(Output::Release(reason));
                }
            }
            Phase::Releasing { reason, until_ms } if now_ms >= until_ms => {
                self.finish(Ending::Released(reason))
            }
            _ => {}
        }
    }
}

/// Until when a drain that ends at `until_ms` waits for voices.
pub(super) fn voices_until_ms(until_ms: u64) -> u64 {
    until_ms - DRAIN_LIMIT_MS + DRAIN_VOICES_MS
}
