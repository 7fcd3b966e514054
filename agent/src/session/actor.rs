//! The session's I/O: one loop around the core. It feeds the core what happens, does what the core says, and
//! never waits for anything inside the loop: every call out is a future beside it.

mod inputs;
mod outputs;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answering::Brief;
use super::calls::{Caller, Done};
use super::core::Session;
use super::diarisers::Diarisers;
use super::ear::ListenerEar;
use super::io::{Ending, Input, Output};
use super::outbox::Pressure;
use super::outgoing::Outgoing;
use super::recognising;
use super::room::{AskReply, RoomEvents};
use super::start::Started;
use super::types::{AgentState, EndReason};
use super::voices::Voices;
use crate::host::Parts;
use crate::worker::io::StopReason;
use crate::worker::link::Stop;

/// The room gets this long to take what is on its way before the lease is given back.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// The loop looks at its state at least this often.
const IDLE_LIMIT_MS: u64 = 60_000;

/// How often the session looks at how busy the recogniser is.
const LOAD_READ_EVERY: Duration = Duration::from_millis(100);

/// Runs a session that holds its lease and has joined its room, to its end.
pub async fn run(parts: Arc<Parts>, started: Started, stop: Stop) -> Ending {
    let recogniser = recognising::recogniser(&parts, &started);
    let Started {
        dispatch,
        room,
        known,
        voices,
        meeting_ms,
        unheard,
        link,
        mut events,
    } = started;
    let speakers = parts.speakers.clone();
    let label = |label: i32| speech::VoiceLabel::try_from(label).ok();
    let in_use = voices.voices.iter();
    let in_use = in_use.filter_map(|voice| Some((voice.identity.as_str(), label(voice.label)?)));
    let given = voices.labels_given.iter();
    let given = given.filter_map(|(identity, last)| Some((identity.as_str(), label(*last)?)));
    let mut actor = Actor {
        session: Session::new(
            &room.organisation.assistant_name,
            rand::random(),
            meeting_ms,
            unheard,
            Voices::new(room.room.voices, speakers.is_some(), in_use, given),
        ),
        diarisers: Diarisers::new(speakers, voices),
        caller: Caller {
            parts,
            recogniser,
            brief: Arc::new(Brief::of(&room)),
            link: link.clone(),
            organisation: dispatch.organisation_id,
            room: dispatch.room_id,
            epoch: dispatch.epoch,
        },
        calls: FuturesUnordered::new(),
        room_is_there: true,
        outgoing: Outgoing::default(),
        sending: false,
        live: Outgoing::default(),
        showing: false,
        state: None,
        setting_state: false,
        consents_changed: false,
        reading_consents: false,
        voices_changed: false,
        reading_voices: false,
        replies: HashMap::new(),
        next_reply: 0,
        release: None,
        finals_counted: 0,
        pressure_counted: Pressure::None,
        opened: Instant::now(),
        opened_at_ms: meeting_ms,
    };
    actor.begin(room.consents);
    actor.step(Input::Learned(known));
    let ending = actor.run(&mut events, stop).await;
    link.leave().await;
    events.over();
    ending
}

struct Actor {
    session: Session<ListenerEar>,
    diarisers: Diarisers,
    caller: Caller,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    room_is_there: bool,
    /// Captions and chat on their way to the room, one at a time.
    outgoing: Outgoing,
    sending: bool,
    /// Partials on their way to the live page, one at a time.
    live: Outgoing,
    showing: bool,
    /// The state that participants should see. A way of its own: the server answers each change in its own time.
    state: Option<AgentState>,
    setting_state: bool,
    /// Somebody may have changed their mind about being recognised.
    consents_changed: bool,
    reading_consents: bool,
    /// Voices may have other names, or the organisation other people.
    voices_changed: bool,
    reading_voices: bool,
    replies: HashMap<u64, oneshot::Sender<AskReply>>,
    next_reply: u64,
    /// The lease is to be given back once the room has taken what is on its way, or by then.
    release: Option<(EndReason, Instant)>,
    /// What this session has added to the gauge of finals that are not stored.
    finals_counted: i64,
    /// As it is in the gauge of sessions under load.
    pressure_counted: Pressure,
    opened: Instant,
    opened_at_ms: u64,
}

impl Actor {
    async fn run(mut self, events: &mut RoomEvents, stop: Stop) -> Ending {
        let mut stopping = false;
        let mut changes = self.caller.parts.changes.subscribe();
        // They may have changed since the room was read.
        self.consents_changed = true;
        self.voices_changed = true;
        let mut load_read = Instant::now();
        loop {
            let wake = self.wake();
            let input = tokio::select! {
                biased;
                reason = stop.asked(), if !stopping => {
                    stopping = true;
                    Some(Input::Drain(match reason {
                        StopReason::Terminated => EndReason::DispatchCancelled,
                        StopReason::Drain => EndReason::WorkerDrained,
                    }))
                }
                Some(done) = self.calls.next(), if !self.calls.is_empty() => self.done(done),
                change = changes.next() => {
                    self.changed(change);
                    None
                }
                Some(event) = events.sound.recv() => Some(self.sound(event)),
                event = events.control.recv(), if self.room_is_there => Some(self.control(event)),
                () = tokio::time::sleep_until(wake) => Some(Input::Tick),
            };
            if load_read.elapsed() >= LOAD_READ_EVERY {
                load_read = Instant::now();
                self.session.recogniser_load(self.caller.recogniser.load());
            }
            let ending = input.and_then(|input| self.step(input));
            self.count();
            if let Some(ending) = ending {
                return ending;
            }
            self.send_on();
        }
    }

    /// The meeting's time.
    fn now_ms(&self) -> u64 {
        self.opened_at_ms + u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wake(&self) -> Instant {
        let tick_ms = self.session.next_tick_ms().min(self.now_ms() + IDLE_LIMIT_MS);
        let tick = self.opened + Duration::from_millis(tick_ms.saturating_sub(self.opened_at_ms));
        self.release.map_or(tick, |(_, until)| tick.min(until))
    }

    /// Feeds the core one input and does what it says; its ending, if this was the last.
    fn step(&mut self, input: Input<ListenerEar>) -> Option<Ending> {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let now_ms = self.now_ms();
            for output in self.session.handle(input, now_ms) {
                if let Output::Finished(ending) = output {
                    return Some(ending);
                }
                inputs.extend(self.act(output, now_ms));
            }
        }
        None
    }

    fn count(&mut self) {
        for (cover, ms) in self.session.coverage.take_settled() {
            self.caller.parts.metrics.covered(cover, ms);
        }
        for (outcome, ms) in self.session.voices.take_counted() {
            self.caller.parts.metrics.voices_heard(outcome, ms);
        }
        let pressure = self.session.pressure();
        if pressure != self.pressure_counted {
            self.caller
                .parts
                .metrics
                .pressure(self.pressure_counted, pressure);
            self.pressure_counted = pressure;
        }
        let unstored = i64::try_from(self.session.finals_unstored()).unwrap_or(i64::MAX);
        let gauge = &self.caller.parts.metrics.finals_waiting;
        gauge.fetch_add(unstored - self.finals_counted, Ordering::Relaxed);
        self.finals_counted = unstored;
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let metrics = &self.caller.parts.metrics;
        metrics.pressure(self.pressure_counted, Pressure::None);
        metrics
            .finals_waiting
            .fetch_sub(self.finals_counted, Ordering::Relaxed);
    }
}
