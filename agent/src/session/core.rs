//! A session as a state machine: inputs and the meeting's time in, outputs out; no I/O, no clock, no randomness.
//! It promises that a caption is final only after it is stored, that what was said is kept or counted as lost,
//! that a fenced session says nothing more to the room and hands in what it still holds, and that every list in it has a
//! limit.

mod ending;
mod storing;

use std::collections::{BTreeMap, VecDeque};

use serde_json::json;
use store::Consents;
use uuid::Uuid;

use self::ending::voices_until_ms;
use speech::{RecogniserLoad, Sent};

use super::address::Name;
use super::asking::Summons;
use super::coverage::{Coverage, Stretch};
use super::declined::Declined;
use super::finals::FinalRequest;
use super::held::Held;
use super::ids::Ids;
use super::io::{Ending, Input, Output, StoreFailure};
use super::lease::Renewals;
use super::order::Order;
use super::outbox::{Outbox, Pressure, Write};
use super::questions::Questions;
use super::track::{Ear, Track};
use super::types::{AgentState, EndReason, EventRow, Line, Segment};
use super::unheard::Unheard;
use super::usage::{Kind, Usage};
use super::vocabulary::Vocabulary;
use super::voices::Voices;

/// A drain that takes longer gives up what is not stored. The worker waits a little longer than this.
pub const DRAIN_LIMIT_MS: u64 = 25_000;
/// Finals that wait for the recogniser before partials stop, and before audio does.
const FINALS_PENDING: (usize, usize) = (16, 64);
/// Finals of all rooms that wait for each place of the recogniser before partials stop, and before there are any again.
const FINALS_QUEUED_EACH: (usize, usize) = (4, 1);
/// A session that was replaced gives up after so long what it still holds.
pub const HAND_IN_LIMIT_MS: u64 = 15_000;
/// So long nothing may be left out before viewers are told that nothing is.
pub const CALM_MS: u64 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    Draining {
        reason: EndReason,
        until_ms: u64,
        answers_until_ms: u64,
    },
    Releasing {
        reason: EndReason,
        until_ms: u64,
    },
    /// Another agent holds the room. What was said before it came is handed in, late.
    HandingIn {
        until_ms: u64,
    },
    Over,
}

/// A session.
#[derive(Debug)]
pub struct Session<E: Ear> {
    pub(super) name: Name,
    /// What recognisers would spell wrongly without a hint.
    pub(super) vocabulary: Vocabulary,
    pub(super) ids: Ids,
    pub(super) tracks: BTreeMap<u64, Track<E>>,
    pub(super) tickets: u64,
    pub(super) finals: BTreeMap<u64, FinalRequest<E::Audio>>,
    pub(super) order: Order<Segment>,
    pub(super) outbox: Outbox,
    pub(super) coverage: Coverage,
    /// Microphones that are open and not heard, by track.
    pub(super) unheard: BTreeMap<String, Unheard>,
    pub(super) held: Held<E::Audio>,
    pub(super) voices: Voices<E::Audio>,
    pub(super) consents: Consents,
    pub(super) declined: Declined,
    pub(super) connected: bool,
    /// When the connection to the room came back, while it is not known who comes back with it.
    pub(super) back_ms: Option<u64>,
    pub(super) began_ms: u64,
    pub(super) usage: Usage,
    pub(super) renewals: Renewals,
    pub(super) questions: Questions,
    pub(super) replies: BTreeMap<Uuid, u64>,
    pub(super) summons: Summons,
    pub(super) lines: VecDeque<Line>,
    pub(super) out: Vec<Output<E::Audio>>,
    shown_state: AgentState,
    shown_pressure: Pressure,
    /// Since when less is left out than viewers are told.
    calm_since_ms: Option<u64>,
    /// More finals wait for it than it recognises in a second or two.
    recogniser_is_late: bool,
    phase: Phase,
}

impl<E: Ear> Session<E> {
    /// A session that holds its lease since `now_ms`. `seed` is where its ids come from; `unheard` are the microphones
    /// that the session before this one left open.
    pub fn new(
        assistant_name: &str,
        seed: u128,
        now_ms: u64,
        unheard: Vec<Stretch>,
        voices: Voices<E::Audio>,
    ) -> Self {
        let mut session = Self {
            name: Name::new(assistant_name),
            vocabulary: Vocabulary::new(assistant_name),
            ids: Ids::new(seed),
            tracks: BTreeMap::new(),
            tickets: 0,
            finals: BTreeMap::new(),
            order: Order::default(),
            outbox: Outbox::new(seed as u64),
            coverage: Coverage::default(),
            unheard: BTreeMap::new(),
            held: Held::default(),
            voices,
            consents: Consents::default(),
            declined: Declined::default(),
            connected: true,
            back_ms: None,
            began_ms: now_ms,
            usage: Usage::default(),
            renewals: Renewals::new(now_ms),
            questions: Questions::default(),
            replies: BTreeMap::new(),
            summons: Summons::default(),
            lines: VecDeque::new(),
            out: vec![Output::State(AgentState::Listening)],
            shown_state: AgentState::Listening,
            shown_pressure: Pressure::None,
            calm_since_ms: None,
            recogniser_is_late: false,
            phase: Phase::Running,
        };
        session.take_over(unheard);
        session
    }

    /// Takes one input and says what to do, in this order.
    pub fn handle(&mut self, input: Input<E>, now_ms: u64) -> Vec<Output<E::Audio>> {
        if self.phase == Phase::Over {
            return Vec::new();
        }
        if matches!(self.phase, Phase::HandingIn { .. }) && !input.is_an_answer() {
            if let Input::Ask { reply, .. } = input {
                let answer = Err(super::reply::ENDING);
                return vec![Output::Reply { reply, answer }];
            }
            return Vec::new();
        }
        match input {
            Input::ParticipantJoined { identity, name } => {
                self.vocabulary.meet(&name);
                self.out.push(Output::Terms(self.vocabulary.terms()));
                self.event(
                    "participant_joined",
                    json!({ "identity": identity, "name": name }),
                );
            }
            Input::Learned(known) => {
                self.vocabulary.learn(known);
                self.out.push(Output::Terms(self.vocabulary.terms()));
            }
            Input::ParticipantLeft { identity } => {
                self.left_unheard(&identity, now_ms);
                self.event("participant_left", json!({ "identity": identity }));
            }
            Input::Corrected { segment_id, text } => {
                let line = self.lines.iter_mut().find(|line| line.segment_id == segment_id);
                if let Some(line) = line {
                    line.text = text;
                }
            }
            Input::TrackStarted { track, speaker, ear } => {
                if self.phase == Phase::Running && self.consents.allow(&speaker.identity) {
                    self.track_started(track, speaker, ear, now_ms);
                }
            }
            Input::Audio { track, samples } => self.audio(track, &samples, now_ms),
            Input::AudioMissing {
                track,
                ago_ms,
                reason,
            } => self.audio_missing(track, ago_ms, reason, now_ms),
            Input::ConnectionLost => self.connection_lost(now_ms),
            Input::ConnectionBack => self.connection_back(now_ms),
            Input::Consents(consents) => self.consents_changed(consents, now_ms),
            Input::Declined { speaker, open } => {
                if self.phase == Phase::Running {
                    self.microphone_declined(speaker, open, now_ms);
                }
            }
            Input::TrackMuted { track, muted } => self.track_muted(track, muted, now_ms),
            Input::TrackEnded { track } => self.track_ended(track, now_ms),
            Input::Recognised { ticket, result, sent } => {
                for Sent { engine, audio } in sent {
                    self.usage
                        .add(Kind::RecogniserAudio, &engine, audio.as_secs_f64());
                }
                self.recognised(ticket, result, now_ms);
            }
            Input::VoicesHeard { identity, heard } => self.voices_heard(&identity, heard),
            Input::VoicePolicy(policy) => self.voices.set_policy(policy),
            Input::Stored { ticket, result } => self.stored(ticket, result, now_ms),
            Input::Renewed(result) => {
                self.renewals.answered(result.is_ok(), now_ms);
                match result {
                    Err(StoreFailure::Fenced) => self.fenced(None, now_ms),
                    // The session was ended over our head: the room is cancelled or over.
                    Err(StoreFailure::Refused) => self.drain(EndReason::DispatchCancelled, now_ms),
                    Ok(()) | Err(StoreFailure::Away) => {}
                }
            }
            Input::Chat { identity, text } => self.chat(identity, &text, now_ms),
            Input::Ask {
                identity,
                text,
                reply,
            } => self.private(identity, &text, reply, now_ms),
            Input::LookedUp { id, answer } => self.looked_up(id, answer, now_ms),
            Input::Given => self.questions.given(),
            Input::Drain(reason) => self.drain(reason, now_ms),
            Input::Released => {
                if let Phase::Releasing { reason, .. } = self.phase {
                    self.finish(Ending::Released(reason));
                }
            }
            Input::Tick => {}
        }
        self.go_on(now_ms);
        std::mem::take(&mut self.out)
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub fn next_tick_ms(&self) -> u64 {
        if self.phase == Phase::Over {
            return u64::MAX;
        }
        let phase_ms = match self.phase {
            Phase::Draining {
                until_ms,
                answers_until_ms,
                ..
            } => {
                let answers_ms = (!self.questions.is_idle()).then_some(answers_until_ms);
                let voices_ms = self.voices.is_hearing().then(|| voices_until_ms(until_ms));
                [Some(until_ms), answers_ms, voices_ms]
                    .into_iter()
                    .flatten()
                    .min()
            }
            Phase::Releasing { until_ms, .. } | Phase::HandingIn { until_ms } => Some(until_ms),
            Phase::Running | Phase::Over => None,
        };
        [
            phase_ms,
            self.hearing_tick_ms(),
            self.order.next_tick_ms(),
            self.outbox.next_tick_ms(),
            self.renewals.next_tick_ms().filter(|_| self.holds_lease()),
            self.questions.next_tick_ms(),
            Some(self.usage.next_tick_ms()),
            self.coverage.next_tick_ms().filter(|_| self.holds_lease()),
            self.declined.next_tick_ms().filter(|_| self.is_running()),
            self.waiting_tick_ms().filter(|_| self.is_running()),
            self.calm_since_ms.map(|since_ms| since_ms + CALM_MS),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(u64::MAX)
    }

    /// How busy the recogniser is with all rooms. Where finals are late, partials would make them later.
    pub fn recogniser_load(&mut self, load: RecogniserLoad) {
        let (late, calm) = FINALS_QUEUED_EACH;
        let bound = if self.recogniser_is_late { calm } else { late };
        self.recogniser_is_late = load.waiting_finals > bound * load.at_once;
    }

    /// What the session still takes in.
    pub fn pressure(&self) -> Pressure {
        let recogniser = match self.finals.len() {
            waiting if waiting >= FINALS_PENDING.1 => Pressure::NoAudio,
            _ if self.coverage.is_full() => Pressure::NoAudio,
            waiting if waiting >= FINALS_PENDING.0 => Pressure::NoPartials,
            _ if self.recogniser_is_late => Pressure::NoPartials,
            _ => Pressure::None,
        };
        self.outbox.pressure().max(recogniser)
    }

    /// Finals that are said and not stored.
    pub fn finals_unstored(&self) -> usize {
        self.order.len() + self.outbox.finals_waiting()
    }

    /// Whether renewals have failed for longer than a lease lasts.
    pub fn lease_is_overdue(&self, now_ms: u64) -> bool {
        self.renewals.is_overdue(now_ms)
    }

    pub(super) fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// Not any more once it is being given back.
    pub(super) fn holds_lease(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Draining { .. })
    }

    pub(super) fn ticket(&mut self) -> u64 {
        self.tickets += 1;
        self.tickets
    }

    pub(super) fn event(&mut self, kind: &'static str, data: serde_json::Value) {
        self.outbox.push(Write::Event(EventRow { kind, data }));
    }

    /// Everything that follows from the state alone.
    fn go_on(&mut self, now_ms: u64) {
        if self.phase == Phase::Over {
            return;
        }
        self.go_on_hearing(now_ms);
        let replaced = matches!(self.phase, Phase::HandingIn { .. });
        for mut segment in self.order.release(now_ms) {
            segment.late |= replaced;
            self.outbox.push(Write::Segment(segment));
        }
        if let Phase::HandingIn { until_ms } = self.phase {
            self.go_on_handing_in(until_ms, now_ms);
            return;
        }
        let draining = self.phase != Phase::Running;
        if !draining {
            self.go_on_waiting(now_ms);
        }
        if let Some(rows) = self.coverage.take(now_ms, draining) {
            self.outbox.push(Write::Coverage(rows));
        }
        self.go_on_declining(now_ms);
        self.go_on_with_voices();
        self.show_pressure(now_ms);
        self.write_usage(now_ms, false);
        self.go_on_asking(now_ms);
        self.go_on_ending(now_ms);
        if let Some((ticket, write)) = self.outbox.next(now_ms) {
            self.out.push(Output::Store { ticket, write });
        }
        if self.holds_lease() && self.renewals.due(now_ms) {
            self.out.push(Output::Renew);
        }
        if self.questions.state() != self.shown_state && self.phase == Phase::Running {
            self.shown_state = self.questions.state();
            self.out.push(Output::State(self.shown_state));
        }
    }

    /// Tells viewers what is left out: more at once, less only after a while, so that it does not flicker.
    fn show_pressure(&mut self, now_ms: u64) {
        let pressure = self.pressure();
        if pressure < self.shown_pressure {
            let since_ms = *self.calm_since_ms.get_or_insert(now_ms);
            if now_ms < since_ms + CALM_MS {
                return;
            }
        }
        self.calm_since_ms = None;
        if pressure != self.shown_pressure {
            self.shown_pressure = pressure;
            self.outbox.push(Write::Pressure(pressure));
        }
    }

    fn write_usage(&mut self, now_ms: u64, at_once: bool) {
        let rows = self.usage.flush(now_ms, at_once, &mut self.ids);
        if !rows.is_empty() {
            self.outbox.push(Write::Usage(rows));
        }
    }
}

#[cfg(test)]
#[path = "core_tests/mod.rs"]
mod tests;
