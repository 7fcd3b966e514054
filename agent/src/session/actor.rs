//! The session's I/O: one loop around the core. It feeds the core what happens, does what the core says, and
//! never waits for anything inside the loop: every call out is a future beside it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use store::RoomChange;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::answering::Brief;
use super::calls::{Caller, Done};
use super::core::Session;
use super::diarisers::Diarisers;
use super::ear::ListenerEar;
use super::io::{Ending, Input, Output};
use super::outbox::Pressure;
use super::outgoing::{Outgoing, ToRoom};
use super::room::{AskReply, FromRoom, FromTrack, RPC_PAYLOAD_MAX_BYTES, RoomEvents};
use super::start::Started;
use super::types::{AgentState, EndReason};
use super::voices::{VoiceSound, Voices, VoicesHeard};
use super::{recognising, reply};
use crate::host::Parts;
use crate::metrics::Metrics;
use crate::speakers::Heard;
use crate::worker::link::Stop;
use crate::worker::protocol::StopReason;

/// The room gets this long to take what is on its way before the lease is given back.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// The loop looks at its state at least this often.
const IDLE_LIMIT_MS: u64 = 60_000;

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
        events,
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
    let ending = actor.run(events, stop).await;
    link.leave().await;
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
    async fn run(mut self, mut events: RoomEvents, stop: Stop) -> Ending {
        let mut stopping = false;
        let mut changes = self.caller.parts.changes.subscribe();
        // They may have changed since the room was read.
        self.consents_changed = true;
        self.voices_changed = true;
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
            let ending = input.and_then(|input| self.step(input));
            self.count();
            if let Some(ending) = ending {
                return ending;
            }
            self.send_on();
        }
    }

    /// Nobody is heard before it is known who may be.
    fn begin(&mut self, consents: store::Consents) {
        self.step(Input::Consents(consents.clone()));
        self.caller.link.hear(consents);
    }

    /// Somebody else changed something, in this room or another.
    fn changed(&mut self, change: RoomChange) {
        if !change.concerns(self.caller.room) {
            return;
        }
        match change {
            RoomChange::Consents { .. } => self.consents_changed = true,
            RoomChange::Corrected { segment, .. } => {
                self.call(Caller::learn);
                self.call(move |caller| caller.read_corrected(segment));
            }
            RoomChange::Voices { .. } => self.voices_changed = true,
            RoomChange::People { organisation } => {
                self.voices_changed |= organisation == self.caller.organisation;
            }
            RoomChange::Resynchronise => {
                self.consents_changed = true;
                self.voices_changed = true;
                self.call(Caller::learn);
            }
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

    fn sound(&mut self, event: FromTrack) -> Input<ListenerEar> {
        match event {
            FromTrack::Started { track, speaker } => Input::TrackStarted {
                track,
                speaker,
                ear: ListenerEar::new(self.caller.parts.listening, &self.caller.parts.voice),
            },
            FromTrack::Samples { track, samples } => Input::Audio { track, samples },
            FromTrack::Declined { speaker, open } => Input::Declined { speaker, open },
            FromTrack::Shed { track, ms } => Input::AudioShed { track, ms },
            FromTrack::Muted { track, muted } => Input::TrackMuted { track, muted },
            FromTrack::Ended { track } => {
                self.caller.recogniser.forget(speech::StreamId(track));
                Input::TrackEnded { track }
            }
        }
    }

    fn control(&mut self, event: Option<FromRoom>) -> Input<ListenerEar> {
        let reason = match event {
            Some(FromRoom::Joined { identity, name }) => return Input::ParticipantJoined { identity, name },
            Some(FromRoom::Left { identity }) => return Input::ParticipantLeft { identity },
            Some(FromRoom::Chat { identity, text }) => return Input::Chat { identity, text },
            Some(FromRoom::Asked {
                identity,
                text,
                reply,
            }) => {
                self.next_reply += 1;
                self.replies.insert(self.next_reply, reply);
                return Input::Ask {
                    identity,
                    text,
                    reply: self.next_reply,
                };
            }
            Some(FromRoom::ConnectionLost) => return Input::ConnectionLost,
            Some(FromRoom::ConnectionBack) => return Input::ConnectionBack,
            Some(FromRoom::Disconnected(reason)) => reason,
            None => EndReason::ConnectionLost,
        };
        tracing::info!(room = %self.caller.room, epoch = self.caller.epoch, reason = reason.as_str(), "the room is gone");
        self.room_is_there = false;
        self.outgoing = Outgoing::default();
        Input::Drain(reason)
    }

    fn done(&mut self, done: Done) -> Option<Input<ListenerEar>> {
        match done {
            Done::Core(input) => return Some(*input),
            Done::Sent { given } => {
                self.sending = false;
                return given.then_some(Input::Given);
            }
            Done::Shown => self.showing = false,
            Done::StateSet => self.setting_state = false,
            Done::NotRead => {}
            Done::Corrected(caption) => {
                let (segment_id, text) = (caption.segment_id, caption.text.clone());
                self.say(ToRoom::Caption(caption));
                return Some(Input::Corrected { segment_id, text });
            }
            Done::Left => {}
            Done::VoicesHeard { identity, heard } => {
                let heard = heard.map(|heard| self.voices_heard(&identity, heard));
                return Some(Input::VoicesHeard { identity, heard });
            }
            Done::VoicesKnown(known) => {
                self.reading_voices = false;
                match known {
                    Some((known, policy)) => {
                        self.diarisers.learn(known);
                        return Some(Input::VoicePolicy(policy));
                    }
                    None => self.voices_changed = true,
                }
            }
            Done::Consents(read) => {
                self.reading_consents = false;
                match read {
                    // The core first: what comes after this is not taken in.
                    Some(consents) => {
                        self.caller.link.hear(consents.clone());
                        return Some(Input::Consents(consents));
                    }
                    None => self.consents_changed = true,
                }
            }
        }
        None
    }

    /// Does one thing that the core wants; what follows from it at once comes back as an input.
    fn act(&mut self, output: Output<speech::Audio>, now_ms: u64) -> Option<Input<ListenerEar>> {
        let metrics = self.caller.parts.metrics.clone();
        match output {
            Output::Recognise(request) => self.call(|caller| caller.recognise(request)),
            Output::HearVoices(request) => {
                let diariser = self.diarisers.lend(&request.identity);
                self.call(|caller| caller.hear_voices(diariser, request));
            }
            Output::Partial(caption) => {
                Metrics::count(&metrics.partials);
                self.live.push(ToRoom::Caption(caption.clone()));
                self.say(ToRoom::Caption(caption));
            }
            Output::Final(caption) => {
                Metrics::count(&metrics.finals);
                metrics.final_delay.observe(now_ms.saturating_sub(caption.end_ms));
                self.say(ToRoom::Caption(caption));
            }
            Output::Store { ticket, write } => self.call(|caller| caller.store(ticket, write)),
            Output::Renew => self.call(Caller::renew),
            Output::LookUp { question, lines } => {
                Metrics::count(&metrics.questions);
                self.call(|caller| caller.look_up(question, lines));
            }
            Output::Give { .. } if !self.room_is_there => return Some(Input::Given),
            Output::Give { id, answer } => self.say(ToRoom::Answer {
                id,
                text: reply::chat_text(&answer),
            }),
            Output::Notice(text) => self.say(ToRoom::Notice {
                text: text.to_owned(),
            }),
            Output::Reply { reply, answer } => {
                let payload =
                    answer.map(|(id, answer)| reply::private_json(id, &answer, RPC_PAYLOAD_MAX_BYTES));
                if let Some(caller) = self.replies.remove(&reply) {
                    // A caller that is gone wants no answer.
                    let _ = caller.send(payload.map_err(str::to_owned));
                }
            }
            Output::State(state) => self.state = Some(state),
            Output::Leave => {
                self.room_is_there = false;
                self.outgoing = Outgoing::default();
                self.call(Caller::leave);
            }
            Output::Release(reason) => self.release = Some((reason, Instant::now() + FLUSH_LIMIT)),
            // `step` has taken it.
            Output::Finished(_) => {}
        }
        None
    }

    /// The diariser of a participant is back.
    fn voices_heard(&mut self, identity: &str, heard: Heard) -> VoicesHeard {
        let voices = heard.diariser.voices();
        let sound = |label| {
            let (sound, heard_ms) = voices.sound_of(label)?;
            Some(VoiceSound {
                label,
                sound: sound.to_vec(),
                heard_ms,
            })
        };
        let sounds = voices.labels().filter_map(sound).collect();
        self.diarisers.give_back(identity, heard.diariser);
        VoicesHeard {
            turns: heard.turns.turns,
            recognised: self.diarisers.recognised(identity, &heard.events),
            events: heard.events,
            sounds,
            compute_ms: heard.compute_ms,
        }
    }

    fn call<F: Future<Output = Done> + Send + 'static>(&self, call: impl FnOnce(Caller) -> F) {
        self.calls.push(Box::pin(call(self.caller.clone())));
    }

    fn say(&mut self, message: ToRoom) {
        if self.room_is_there {
            self.outgoing.push(message);
        }
    }

    /// Starts what is next on each way out, and gives the lease back when it is time.
    fn send_on(&mut self) {
        if self.consents_changed && !self.reading_consents {
            self.consents_changed = false;
            self.reading_consents = true;
            self.call(Caller::read_consents);
        }
        if self.voices_changed && !self.reading_voices && self.caller.parts.speakers.is_some() {
            self.voices_changed = false;
            self.reading_voices = true;
            self.call(Caller::read_voices);
        }
        if !self.sending
            && let Some(message) = self.outgoing.pop()
        {
            self.sending = true;
            self.call(|caller| caller.send(message));
        }
        if !self.showing
            && let Some(ToRoom::Caption(caption)) = self.live.pop()
        {
            self.showing = true;
            self.call(|caller| caller.show_partial(caption));
        }
        if !self.setting_state
            && self.room_is_there
            && let Some(state) = self.state.take()
        {
            self.setting_state = true;
            self.call(|caller| caller.show_state(state));
        }
        if let Some((reason, until)) = self.release {
            let delivered = self.outgoing.is_empty() && !self.sending;
            if delivered || !self.room_is_there || Instant::now() >= until {
                self.release = None;
                self.call(|caller| caller.release(reason));
            }
        }
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
