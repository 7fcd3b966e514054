//! What one track sends, hears and answers. Sans-IO: inputs and time in, outputs out.
//!
//! Promises: every request is answered exactly once, in bounded time, whatever the service does; on one connection no
//! sample of an utterance is sent twice and none is left out; a word is in the utterance in which it was spoken.
//!
//! Utterances go out one after another, with a `Finalize` between them, so that no word is made of the end of one and
//! the beginning of the next. A final that is asked for again while the next utterance is going out interrupts that one:
//! a word may be torn there, which is better than a record that waits.

mod answering;
mod asking;
mod hearing;
mod sending;

use std::collections::VecDeque;

use super::heard::{Heard, HeardWord};
use super::options::DeepgramLimits;
use super::tape::Tape;
use super::utterance::Utterance;
use crate::Audio;
use crate::service::Refusal;
use crate::{Recognised, Request, SAMPLES_PER_MS};

/// What happens to a stream.
#[derive(Debug)]
pub(super) enum Input {
    /// Answer under this number.
    Request(u64, Request),
    Connected,
    /// `None`: the network, or the service is not well.
    NotConnected(Option<Refusal>),
    Heard(Heard),
    /// The connection is gone.
    Lost,
    /// The track is over.
    Forget,
    /// Nobody can ask any more.
    Close,
    /// It is `next_tick_ms`.
    Tick,
}

/// What a stream wants done, in this order.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    Connect,
    /// Send these samples.
    Send {
        audio: Audio,
        from: usize,
        to: usize,
    },
    Finalize,
    KeepAlive,
    CloseStream,
    /// Let the connection go, it will not be `Lost`.
    Disconnect,
    Answer(u64, Recognised),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Link {
    Down {
        until_ms: u64,
    },
    Connecting,
    Up,
    /// Said goodbye.
    Closing {
        until_ms: u64,
    },
}

/// Two places on the tape that are nearer to each other are the same: the service rounds.
const SAME: usize = 20 * SAMPLES_PER_MS;
/// How much the service may leave unsettled when it does not confirm a `Finalize`: "no significant amount of audio" in
/// developers.deepgram.com/docs/finalize.
const INSIGNIFICANT: usize = 300 * SAMPLES_PER_MS;
/// A partial is caught up with when so little is unheard.
const NEARLY: usize = 300 * SAMPLES_PER_MS;
/// Finals that may wait in one stream.
const FINALS_MAX: usize = 16;
/// Utterances nobody waits for that are kept, in case their final is asked for.
const KEPT_MAX: usize = 4;
/// Numbers of answered utterances that are remembered.
const DONE_MAX: usize = 64;
/// Messages that are not understood before the connection is given up.
const RUBBISH_MAX: u32 = 8;
/// A stream that is not asked for so many idle times ends, even if nobody said that its track is over.
const IDLE_TIMES: u64 = 30;

#[derive(Debug)]
pub(super) struct Stream {
    limits: DeepgramLimits,
    engine: String,
    seed: u64,
    link: Link,
    tape: Tape,
    /// Positions of `Finalize`s without an answer.
    finalizes: VecDeque<usize>,
    /// Position of the last `Finalize`.
    finalized: usize,
    /// Up to where a `Finalize` was answered.
    confirmed: usize,
    /// Words that may still change, on the tape.
    unsettled: Vec<HeardWord>,
    /// In the order of their numbers.
    utterances: Vec<Utterance>,
    done: VecDeque<u64>,
    next_key: u64,
    failures: u32,
    rubbish: u32,
    connected_ms: u64,
    sent_ms: u64,
    heard_ms: u64,
    asked_ms: u64,
    /// When the stream may end.
    ends_ms: Option<u64>,
    out: Vec<Output>,
}

impl Stream {
    /// A stream that nothing was asked of. `seed` spreads its reconnections.
    pub(super) fn new(engine: String, limits: DeepgramLimits, seed: u64, now_ms: u64) -> Self {
        Self {
            limits,
            engine,
            seed,
            link: Link::Down { until_ms: 0 },
            tape: Tape::default(),
            finalizes: VecDeque::new(),
            finalized: 0,
            confirmed: 0,
            unsettled: Vec::new(),
            utterances: Vec::new(),
            done: VecDeque::new(),
            next_key: 0,
            failures: 0,
            rubbish: 0,
            connected_ms: now_ms,
            sent_ms: now_ms,
            heard_ms: now_ms,
            asked_ms: now_ms,
            ends_ms: None,
            out: Vec::new(),
        }
    }

    /// Takes an input in, and goes on.
    pub(super) fn handle(&mut self, input: Input, now_ms: u64) -> Vec<Output> {
        match input {
            Input::Request(ticket, request) => self.asked(ticket, request, now_ms),
            Input::Connected => self.connected(now_ms),
            Input::NotConnected(None) => self.down(now_ms),
            Input::NotConnected(Some(refusal)) => {
                self.link = Link::Down { until_ms: now_ms };
                self.refuse(refusal.into());
            }
            Input::Heard(Heard::Results(results)) => self.results(results, now_ms),
            Input::Heard(Heard::Rubbish) => {
                self.rubbish += 1;
                if self.rubbish >= RUBBISH_MAX && self.link == Link::Up {
                    self.out.push(Output::Disconnect);
                    self.down(now_ms);
                }
            }
            Input::Heard(Heard::Goodbye | Heard::Other) | Input::Tick => {}
            Input::Lost => match self.link {
                Link::Closing { .. } => self.link = Link::Down { until_ms: now_ms },
                _ => self.down(now_ms),
            },
            Input::Forget => self.ends_ms = Some(now_ms + self.limits.linger_ms),
            Input::Close => self.ends_ms = Some(now_ms),
        }
        self.go_on(now_ms);
        std::mem::take(&mut self.out)
    }

    /// Whether there is nothing left to do, and will not be.
    pub(super) fn is_over(&self, now_ms: u64) -> bool {
        matches!(self.link, Link::Down { .. }) && !self.is_wanted() && now_ms >= self.end_ms()
    }

    /// When to come back with a tick.
    pub(super) fn next_tick_ms(&self) -> u64 {
        let limits = &self.limits;
        let is_up = self.link == Link::Up;
        let mut next_ms = u64::MAX;
        let mut at = |ms: u64| next_ms = next_ms.min(ms);
        for utterance in &self.utterances {
            if let Some(asked) = &utterance.partial {
                at(if is_up {
                    self.late_ms(asked)
                } else {
                    asked.deadline_ms
                });
            }
            if let Some(asked) = &utterance.whole {
                at(asked.deadline_ms);
                if is_up {
                    at(self.stalled_ms(asked));
                }
                if is_up
                    && utterance.finalized.is_none()
                    && let Some(ms) = self.finalize_ms(utterance)
                {
                    at(ms);
                }
                if let Some(finalized) = utterance.finalized
                    && utterance.settled + INSIGNIFICANT >= utterance.audio.len()
                {
                    at(finalized.at_ms + limits.confirm_ms);
                }
            }
        }
        match self.link {
            Link::Down { until_ms } if self.is_wanted() => at(until_ms),
            Link::Down { .. } => at(self.end_ms()),
            Link::Connecting => {}
            Link::Up => {
                at(self.sent_ms + limits.keep_alive_ms);
                if !self.is_wanted() {
                    at(self.quiet_ms());
                }
            }
            Link::Closing { until_ms } => at(until_ms),
        }
        next_ms
    }

    fn is_wanted(&self) -> bool {
        self.utterances.iter().any(Utterance::is_wanted)
    }

    fn end_ms(&self) -> u64 {
        self.ends_ms
            .unwrap_or(self.asked_ms + self.limits.idle_ms * IDLE_TIMES)
    }

    /// When a connection on which nothing is said is closed.
    fn quiet_ms(&self) -> u64 {
        let idle_ms = self.asked_ms + self.limits.idle_ms;
        self.ends_ms.map_or(idle_ms, |ends_ms| ends_ms.min(idle_ms))
    }

    fn connected(&mut self, now_ms: u64) {
        self.link = Link::Up;
        self.tape = Tape::default();
        self.finalizes.clear();
        self.finalized = 0;
        self.confirmed = 0;
        self.rubbish = 0;
        self.connected_ms = now_ms;
        self.sent_ms = now_ms;
    }

    /// There is no connection, for a while.
    fn down(&mut self, now_ms: u64) {
        let (first_ms, longest_ms) = self.limits.reconnect_ms;
        let wait_ms = (first_ms << self.failures.min(16)).min(longest_ms).max(1);
        // Half of it is chance, so that tracks that lost the service together do not come back together.
        let chance = mix(self.seed.wrapping_add(u64::from(self.failures))) % (wait_ms / 2 + 1);
        self.failures += 1;
        self.link = Link::Down {
            until_ms: now_ms + wait_ms - chance,
        };
        self.rewind();
    }

    fn rewind(&mut self) {
        self.unsettled.clear();
        for utterance in &mut self.utterances {
            utterance.rewind();
        }
    }

    fn go_on(&mut self, now_ms: u64) {
        self.give_up(now_ms);
        self.answer_what_is_known(now_ms);
        if let Link::Closing { until_ms } = self.link
            && (now_ms >= until_ms || self.is_wanted())
        {
            self.out.push(Output::Disconnect);
            self.link = Link::Down { until_ms: now_ms };
            self.rewind();
        }
        if let Link::Down { until_ms } = self.link
            && self.is_wanted()
            && now_ms >= until_ms
        {
            self.link = Link::Connecting;
            self.out.push(Output::Connect);
        }
        if self.link == Link::Up {
            self.send(now_ms);
            self.answer_what_is_known(now_ms);
            if !self.is_wanted() && now_ms >= self.quiet_ms() {
                self.out.push(Output::CloseStream);
                self.link = Link::Closing {
                    until_ms: now_ms + self.limits.close_ms,
                };
                self.rewind();
            } else if now_ms >= self.sent_ms + self.limits.keep_alive_ms {
                self.out.push(Output::KeepAlive);
                self.sent_ms = now_ms;
            }
        }
        self.forget_old();
    }

    /// Utterances that nobody waits for, and that are not growing any more, go after a while.
    fn forget_old(&mut self) {
        let newest = self.utterances.last().map(|utterance| utterance.number);
        let is_old = |u: &Utterance| !u.is_wanted() && Some(u.number) != newest;
        let mut surplus = self
            .utterances
            .iter()
            .filter(|u| is_old(u))
            .count()
            .saturating_sub(KEPT_MAX);
        self.utterances.retain(|utterance| {
            let goes = surplus > 0 && is_old(utterance);
            surplus -= usize::from(goes);
            !goes
        });
    }
}

/// A number that looks like chance (SplitMix64, Steele et al. 2014).
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
