//! The session's I/O: one loop around the core. It feeds the core what happens, does what the core says, and
//! never waits for anything inside the loop: every call out is a future beside it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::core::{Ending, Input, Output, Session, StoreFailure};
use super::ear::ListenerEar;
use super::hearing::{Recognise, RecogniseError};
use super::outbox::Write;
use super::outgoing::{Outgoing, ToRoom};
use super::room::{AskReply, FromRoom, FromTrack, RPC_PAYLOAD_MAX_BYTES, RoomEvents, RoomLink};
use super::start::Started;
use super::types::{Caption, EndReason};
use super::{answering, lease, reply, rows};
use crate::host::Parts;
use crate::metrics::Metrics;
use crate::worker::link::Stop;
use crate::worker::protocol::StopReason;

/// The room gets this long to take what is on its way before the lease is given back.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);
/// A final that the room does not take is offered again this often, after this wait.
const SEND_ATTEMPTS: u32 = 4;
const SEND_RETRY: Duration = Duration::from_millis(500);

/// What a call out comes back with.
enum Done {
    /// Something for the core.
    Core(Box<Input<ListenerEar>>),
    /// The room took a message, or did not.
    Sent { given: bool },
    /// The live page took a partial, or did not.
    Shown,
}

/// Runs a session that holds its lease and has joined its room, to its end.
pub async fn run(parts: Arc<Parts>, started: Started, stop: Stop) -> Ending {
    let Started {
        dispatch,
        room,
        meeting_ms,
        link,
        events,
    } = started;
    let seed = rand::random();
    let session = Session::new(&room.organisation.assistant_name, seed, meeting_ms);
    let actor = Actor {
        brief: Arc::new(answering::Brief::of(&room)),
        organisation: dispatch.organisation_id,
        room: dispatch.room_id,
        epoch: dispatch.epoch,
        parts,
        session,
        link: link.clone(),
        room_is_there: true,
        outgoing: Outgoing::default(),
        sending: false,
        live: Outgoing::default(),
        showing: false,
        calls: FuturesUnordered::new(),
        replies: HashMap::new(),
        next_reply: 0,
        release: None,
        finals_unstored: 0,
        opened: Instant::now(),
        opened_at_ms: meeting_ms,
    };
    let ending = actor.run(events, stop).await;
    link.leave().await;
    ending
}

struct Actor {
    brief: Arc<answering::Brief>,
    organisation: uuid::Uuid,
    room: uuid::Uuid,
    epoch: i64,
    parts: Arc<Parts>,
    session: Session<ListenerEar>,
    link: RoomLink,
    room_is_there: bool,
    outgoing: Outgoing,
    sending: bool,
    /// Partials on their way to the live page.
    live: Outgoing,
    showing: bool,
    calls: FuturesUnordered<BoxFuture<'static, Done>>,
    replies: HashMap<u64, oneshot::Sender<AskReply>>,
    next_reply: u64,
    /// The lease is to be given back once the room has taken what is on its way, or by then.
    release: Option<(EndReason, Instant)>,
    finals_unstored: usize,
    opened: Instant,
    opened_at_ms: u64,
}

impl Actor {
    async fn run(mut self, mut events: RoomEvents, stop: Stop) -> Ending {
        let mut stopping = false;
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
                Some(event) = events.sound.recv() => Some(self.sound(event)),
                event = events.control.recv(), if self.room_is_there => Some(self.control(event)),
                () = tokio::time::sleep_until(wake) => Some(Input::Tick),
            };
            if let Some(input) = input
                && let Some(ending) = self.step(input)
            {
                return self.end(ending);
            }
            self.send_on();
        }
    }

    fn now_ms(&self) -> u64 {
        self.opened_at_ms + u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wake(&self) -> Instant {
        let tick_ms = self
            .session
            .next_tick_ms()
            .saturating_sub(self.opened_at_ms)
            .min(24 * 3_600_000);
        let tick = self.opened + Duration::from_millis(tick_ms);
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
        let unstored = self.session.finals_unstored();
        let change = unstored as i64 - self.finals_unstored as i64;
        self.finals_unstored = unstored;
        self.parts
            .metrics
            .finals_waiting
            .fetch_add(change, Ordering::Relaxed);
        None
    }

    fn end(&mut self, ending: Ending) -> Ending {
        self.parts
            .metrics
            .finals_waiting
            .fetch_sub(self.finals_unstored as i64, Ordering::Relaxed);
        ending
    }

    fn sound(&mut self, event: FromTrack) -> Input<ListenerEar> {
        match event {
            FromTrack::Started { track, speaker } => Input::TrackStarted {
                track,
                speaker,
                ear: ListenerEar::new(self.parts.listening),
            },
            FromTrack::Samples { track, samples } => Input::Audio { track, samples },
            FromTrack::Muted { track, muted } => Input::TrackMuted { track, muted },
            FromTrack::Ended { track } => Input::TrackEnded { track },
        }
    }

    fn control(&mut self, event: Option<FromRoom>) -> Input<ListenerEar> {
        match event {
            Some(FromRoom::Joined { identity, name }) => Input::ParticipantJoined { identity, name },
            Some(FromRoom::Left { identity }) => Input::ParticipantLeft { identity },
            Some(FromRoom::Chat { identity, text }) => Input::Chat { identity, text },
            Some(FromRoom::Asked {
                identity,
                text,
                reply,
            }) => {
                self.next_reply += 1;
                self.replies.insert(self.next_reply, reply);
                Input::Ask {
                    identity,
                    text,
                    reply: self.next_reply,
                }
            }
            Some(FromRoom::Disconnected(reason)) => self.disconnected(reason),
            None => self.disconnected(EndReason::ConnectionLost),
        }
    }

    fn disconnected(&mut self, reason: EndReason) -> Input<ListenerEar> {
        tracing::info!(room = %self.room, epoch = self.epoch, reason = reason.as_str(), "the room is gone");
        self.room_is_there = false;
        Input::Drain(reason)
    }

    fn done(&mut self, done: Done) -> Option<Input<ListenerEar>> {
        match done {
            Done::Core(input) => Some(*input),
            Done::Sent { given } => {
                self.sending = false;
                given.then_some(Input::Given)
            }
            Done::Shown => {
                self.showing = false;
                None
            }
        }
    }

    /// Starts the next message to the room and to the live page, and gives the lease back when it is time.
    fn send_on(&mut self) {
        if !self.sending
            && let Some(message) = self.outgoing.pop()
        {
            self.sending = true;
            let call = send(
                self.link.clone(),
                message,
                self.room_is_there,
                self.parts.metrics.clone(),
            );
            self.calls.push(Box::pin(call));
        }
        if !self.showing
            && let Some(ToRoom::Caption(caption)) = self.live.pop()
        {
            self.showing = true;
            let (store, room) = (self.parts.store.clone(), self.room);
            self.calls.push(Box::pin(async move {
                if let Err(error) = store.publish_partial(room, &rows::partial(&caption)).await {
                    tracing::debug!(%room, %error, "a partial did not reach the live page");
                }
                Done::Shown
            }));
        }
        if let Some((reason, until)) = self.release
            && ((self.outgoing.is_empty() && !self.sending) || !self.room_is_there || Instant::now() >= until)
        {
            self.release = None;
            let (store, organisation, room, epoch) =
                (self.parts.store.clone(), self.organisation, self.room, self.epoch);
            self.calls.push(Box::pin(async move {
                if let Err(error) = store.release(organisation, room, epoch, reason.as_str()).await {
                    tracing::warn!(%room, epoch, %error, "the lease was not given back; it will run out");
                }
                Done::Core(Box::new(Input::Released))
            }));
        }
    }

    /// Does one thing that the core wants; what follows from it at once comes back as inputs.
    fn act(
        &mut self,
        output: Output<<ListenerEar as super::track::Ear>::Audio>,
        now_ms: u64,
    ) -> Option<Input<ListenerEar>> {
        let metrics = self.parts.metrics.clone();
        match output {
            Output::Recognise(request) => self.recognise(request),
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
            Output::Store { ticket, write } => self.store(ticket, write),
            Output::Renew => self.renew(),
            Output::LookUp { question, lines } => {
                Metrics::count(&metrics.questions);
                let (parts, brief, organisation) =
                    (self.parts.clone(), self.brief.clone(), self.organisation);
                self.calls.push(Box::pin(async move {
                    let id = question.id;
                    let answer = answering::look_up(&parts, organisation, &brief, &question, &lines).await;
                    if let Err(error) = &answer {
                        tracing::warn!(question = %id, %error, "a question was not answered");
                    }
                    Done::Core(Box::new(Input::LookedUp {
                        id,
                        answer: answer.ok(),
                    }))
                }));
            }
            Output::Give { id, answer } => {
                if !self.room_is_there {
                    return Some(Input::Given);
                }
                self.say(ToRoom::Answer {
                    id,
                    text: reply::chat_text(&answer),
                });
            }
            Output::Notice(text) => self.say(ToRoom::Notice {
                text: text.to_owned(),
            }),
            Output::Reply { reply, answer } => {
                if let Some(caller) = self.replies.remove(&reply) {
                    let payload = answer
                        .map(|(id, answer)| super::reply::private_json(id, &answer, RPC_PAYLOAD_MAX_BYTES))
                        .map_err(str::to_owned);
                    // A caller that is gone wants no answer.
                    let _ = caller.send(payload);
                }
            }
            Output::State(state) => self.say(ToRoom::State(state)),
            Output::Release(reason) => self.release = Some((reason, Instant::now() + FLUSH_LIMIT)),
            // `step` has taken it.
            Output::Finished(_) => {}
        }
        None
    }

    fn say(&mut self, message: ToRoom) {
        if self.room_is_there {
            self.outgoing.push(message);
        }
    }

    fn recognise(&mut self, request: Recognise<<ListenerEar as super::track::Ear>::Audio>) {
        let (pool, metrics) = (self.parts.recogniser.clone(), self.parts.metrics.clone());
        let ticket = request.ticket;
        self.calls.push(Box::pin(async move {
            let result = super::ear::recognise(&pool, request).await;
            if result
                .as_ref()
                .is_err_and(|error| *error == RecogniseError::Failed)
            {
                Metrics::count(&metrics.recognition_failures);
            }
            Done::Core(Box::new(Input::Recognised { ticket, result }))
        }));
    }

    fn store(&mut self, ticket: u64, write: Write) {
        let (store, metrics) = (self.parts.store.clone(), self.parts.metrics.clone());
        let (organisation, room, epoch) = (self.organisation, self.room, self.epoch);
        self.calls.push(Box::pin(async move {
            let result = match write {
                Write::Segment(segment) => store
                    .append_segment(organisation, room, epoch, &rows::segment(segment))
                    .await
                    .map(Some),
                Write::Answer(answer) => {
                    let delay_ms = answer.latency_ms;
                    let written = store
                        .record_answer(organisation, room, epoch, &rows::answer(answer))
                        .await;
                    if written.is_ok() {
                        metrics.answer_delay.observe(delay_ms);
                    }
                    written.map(|()| None)
                }
                Write::Usage(usage) => store
                    .record_usage(organisation, room, epoch, &rows::usage(usage))
                    .await
                    .map(|()| None),
                Write::Event(event) => store
                    .record_event(organisation, room, Some(epoch), event.kind, event.data)
                    .await
                    .map(|()| None),
            };
            let result = result.map_err(|error| {
                let failure = rows::failure(&error);
                match failure {
                    StoreFailure::Away => Metrics::count(&metrics.store_retries),
                    StoreFailure::Refused => {
                        tracing::error!(%room, epoch, error = ?error, "the database refused a write");
                        Metrics::count(&metrics.store_refusals);
                    }
                    StoreFailure::Fenced => {}
                }
                failure
            });
            Done::Core(Box::new(Input::Stored { ticket, result }))
        }));
    }

    fn renew(&mut self) {
        let (store, metrics, room, epoch) = (
            self.parts.store.clone(),
            self.parts.metrics.clone(),
            self.room,
            self.epoch,
        );
        self.calls.push(Box::pin(async move {
            let renewed = store
                .renew_lease(room, epoch, Duration::from_millis(lease::LEASE_MS))
                .await;
            let result = renewed.map_err(|error| {
                Metrics::count(&metrics.renewal_failures);
                tracing::warn!(%room, epoch, %error, "the lease was not renewed");
                rows::failure(&error)
            });
            Done::Core(Box::new(Input::Renewed(result)))
        }));
    }
}

/// Sends one message; a final or an answer is offered a few times.
async fn send(link: RoomLink, message: ToRoom, room_is_there: bool, metrics: Arc<Metrics>) -> Done {
    let given = matches!(message, ToRoom::Answer { .. });
    let attempts = match &message {
        ToRoom::Caption(Caption { sequence: None, .. }) | ToRoom::State(_) => 1,
        _ => SEND_ATTEMPTS,
    };
    for attempt in 1..=attempts {
        if !room_is_there {
            break;
        }
        let sent = match &message {
            ToRoom::Caption(caption) => link.publish(caption).await,
            ToRoom::Answer { text, .. } | ToRoom::Notice { text } => link.say(text).await,
            ToRoom::State(state) => link.show(*state).await,
        };
        match sent {
            Ok(()) => break,
            Err(error) => {
                Metrics::count(&metrics.room_send_failures);
                tracing::debug!(%error, attempt, "the room did not take a message");
                if attempt < attempts {
                    tokio::time::sleep(SEND_RETRY).await;
                }
            }
        }
    }
    Done::Sent { given }
}
