//! One task per peer connection: sockets, clock, callbacks.
//!
//! Calls of the public API lock the [`Engine`] for the moment they need and wake the task; none of
//! them waits for it. The task alone reads and writes the network and runs the callbacks, in order
//! and without any lock held, so a callback may call anything.

use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, MutexGuard};
use tokio::{runtime::Handle, sync::Notify};

use self::{
    callback::Callback,
    channel::ChannelHandle,
    flow::is_sound,
    servers::Found,
    sockets::{Datagram, Moved, Sockets},
};
use crate::{
    RtcError,
    audio::EncodedAudio,
    beat,
    data_channel::{DataChannel, DataChannelInit},
    engine::{AudioSink, Engine, EngineEvent, Transmit},
    ice_candidate::IceCandidate,
    peer_connection::{
        OnConnectionChange, OnDataChannel, OnIceCandidate, OnIceCandidateError, OnIceConnectionChange,
        OnIceGatheringChange, OnNegotiationNeeded, OnSignalingChange, OnTrack, TrackEvent,
    },
    peer_connection_factory::{IceServer, IceTransportsType, RtcConfiguration},
    rtp_transceiver::RtpTransceiver,
};

pub(crate) mod callback;
pub(crate) mod channel;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing {
    pub use super::servers::fuzzing::{stun_answer, turn_client, turn_stream};
}
mod flow;
mod interfaces;
mod servers;
mod sockets;
mod tcp;
mod waiting;

/// How many packets of local tracks wait for the task; the oldest are dropped.
const MAX_WAITING_AUDIO_PACKETS: usize = 256;
/// The task sleeps at least this long: timers of the stack that lie in the past must not spin it.
const MIN_SLEEP: Duration = Duration::from_millis(1);
/// The task looks at the connection at least this often.
const MAX_SLEEP: Duration = Duration::from_secs(5);
/// While nothing but sound arrives, the rest of the stack is looked at this often, and when its time has come.
const LOOK_BEYOND_SOUND_EVERY: Duration = Duration::from_millis(100);

/// The callbacks of a peer connection.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) connection_state: Callback<OnConnectionChange>,
    pub(crate) data_channel: Callback<OnDataChannel>,
    pub(crate) ice_candidate: Callback<OnIceCandidate>,
    pub(crate) ice_candidate_error: Callback<OnIceCandidateError>,
    pub(crate) ice_state: Callback<OnIceConnectionChange>,
    pub(crate) gathering_state: Callback<OnIceGatheringChange>,
    pub(crate) negotiation_needed: Callback<OnNegotiationNeeded>,
    pub(crate) signaling_state: Callback<OnSignalingChange>,
    pub(crate) track: Callback<OnTrack>,
}

impl Callbacks {
    fn forget(&self) {
        self.connection_state.end();
        self.data_channel.end();
        self.ice_candidate.end();
        self.ice_candidate_error.end();
        self.ice_state.end();
        self.gathering_state.end();
        self.negotiation_needed.end();
        self.signaling_state.end();
        self.track.end();
    }
}

/// What the handles of the public API and the task share.
pub(crate) struct Connection {
    engine: Mutex<Engine>,
    outbox: Arc<Outbox>,
    channels: Mutex<HashMap<usize, Arc<ChannelHandle>>>,
    pub(crate) callbacks: Callbacks,
    negotiation_events: AtomicU64,
    /// Our own addresses may be told to the other side.
    hosts: AtomicBool,
    /// Servers that the task has not asked yet.
    servers: Mutex<Option<(Vec<IceServer>, IceTransportsType)>>,
}

impl Connection {
    /// Opens the sockets and starts the task. Must be called within a tokio runtime.
    pub(crate) fn start(config: RtcConfiguration) -> Result<Arc<Self>, RtcError> {
        let runtime = Handle::try_current()
            .map_err(|_| RtcError::invalid_state("a peer connection needs a tokio runtime"))?;
        let sockets = Sockets::open(config.ice_transport_type)?;
        Self::start_with(config, sockets, &runtime)
    }

    fn start_with(
        config: RtcConfiguration,
        sockets: Sockets,
        runtime: &Handle,
    ) -> Result<Arc<Self>, RtcError> {
        let usable = config.ice_transport_type;
        let outbox = Arc::new(Outbox::default());
        let relay_only = usable == IceTransportsType::Relay;
        let mut engine = Engine::new(Instant::now(), outbox.clone(), relay_only)?;
        if usable == IceTransportsType::All {
            engine.add_local_candidates(sockets.candidates());
        }
        let connection = Arc::new(Self {
            engine: Mutex::new(engine),
            outbox,
            channels: Mutex::default(),
            callbacks: Callbacks::default(),
            negotiation_events: AtomicU64::new(0),
            hosts: AtomicBool::new(usable == IceTransportsType::All),
            servers: Mutex::new(None),
        });
        connection.ask(config);
        runtime.spawn(run(connection.clone(), sockets));
        Ok(connection)
    }

    /// Has the task ask servers for further addresses, as far as it has not.
    pub(crate) fn ask(&self, config: RtcConfiguration) {
        let mut engine = self.engine();
        if config.ice_transport_type == IceTransportsType::Relay {
            self.hosts.store(false, Ordering::Relaxed);
            engine.forget_direct_candidates();
        }
        if !config.ice_servers.is_empty() {
            engine.begin_gathering();
            *self.servers.lock() = Some((config.ice_servers, config.ice_transport_type));
        }
        drop(engine);
        self.wake();
    }

    /// The state machine. Hold it for moments only: the task waits for it.
    pub(crate) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// Has the task look at the state machine.
    pub(crate) fn wake(&self) {
        self.outbox.wake.notify_one();
    }

    /// Ends the connection. The task says farewell, closes the sockets and ends.
    pub(crate) fn close(&self) {
        self.engine().close();
        self.wake();
    }

    pub(crate) fn create_channel(
        self: &Arc<Self>,
        label: &str,
        init: DataChannelInit,
    ) -> Result<DataChannel, RtcError> {
        // The engine stays locked until the handle is known, or the channel could open unnoticed.
        let mut engine = self.engine();
        let id = engine.create_channel(label, init)?;
        let handle = self.register_channel(id, label.to_owned());
        drop(engine);
        self.wake();
        Ok(DataChannel { handle })
    }

    fn register_channel(self: &Arc<Self>, id: usize, label: String) -> Arc<ChannelHandle> {
        let handle = Arc::new(ChannelHandle::new(Arc::downgrade(self), id, label));
        self.channels.lock().insert(id, handle.clone());
        handle
    }

    fn channel(&self, id: usize) -> Option<Arc<ChannelHandle>> {
        self.channels.lock().get(&id).cloned()
    }

    fn dispatch(self: &Arc<Self>, event: EngineEvent) {
        let callbacks = &self.callbacks;
        match event {
            EngineEvent::ConnectionState(state) => callbacks.connection_state.call(|f| f(state)),
            EngineEvent::IceState(state) => callbacks.ice_state.call(|f| f(state)),
            EngineEvent::GatheringState(state) => callbacks.gathering_state.call(|f| f(state)),
            EngineEvent::SignalingState(state) => callbacks.signaling_state.call(|f| f(state)),
            EngineEvent::NegotiationNeeded => {
                let count = self.negotiation_events.fetch_add(1, Ordering::Relaxed);
                callbacks.negotiation_needed.call(|f| f(count as u32));
            }
            EngineEvent::LocalCandidate(candidate) => callbacks.ice_candidate.call(|f| {
                // Everything is bundled: the first section's transport is everybody's.
                let mid = self.engine().first_mid();
                f(IceCandidate::new(mid, 0, candidate));
            }),
            EngineEvent::Track(index) => callbacks.track.call(|f| {
                if let Some(event) = track_event(self, index) {
                    f(event);
                }
            }),
            EngineEvent::ChannelFromPeer { id, label } => {
                let handle = self.register_channel(id, label);
                callbacks.data_channel.call(|f| f(DataChannel { handle }));
            }
            EngineEvent::ChannelState { id, state } => {
                if let Some(channel) = self.channel(id) {
                    channel.state_changed(state);
                }
            }
            EngineEvent::ChannelMessage { id, data, binary } => {
                if let Some(channel) = self.channel(id) {
                    channel.message(&data, binary);
                }
            }
            EngineEvent::ChannelDrained { id, bytes } => {
                if let Some(channel) = self.channel(id) {
                    channel.drained(bytes);
                }
            }
            EngineEvent::Encryption(cryptor, state) => cryptor.tell(state),
        }
    }

    fn found(&self, found: Found) {
        match found {
            Found::Candidate(candidate) => self.engine().add_found_candidate(candidate),
            Found::Lost(candidate) => self.engine().lose_candidate(&candidate),
            Found::Done => self.engine().end_gathering(),
            Found::Failed(error) => self.callbacks.ice_candidate_error.call(|f| f(error)),
        }
    }

    /// This host has other addresses than before.
    fn moved(&self, moved: Moved) {
        let mut engine = self.engine();
        for candidate in &moved.lost {
            engine.lose_candidate(candidate);
        }
        if self.hosts.load(Ordering::Relaxed) {
            for candidate in moved.gained {
                engine.add_found_candidate(candidate);
            }
        }
    }

    /// Callbacks hold whatever the program put into them; after the end they are let go.
    fn forget(&self) {
        self.callbacks.forget();
        let channels = std::mem::take(&mut *self.channels.lock());
        for channel in channels.into_values() {
            channel.forget_callbacks();
        }
    }
}

fn track_event(connection: &Arc<Connection>, index: usize) -> Option<TrackEvent> {
    let transceiver = RtpTransceiver::new(connection.clone(), index);
    let receiver = transceiver.receiver();
    let track = receiver.track()?;
    Some(TrackEvent {
        streams: receiver.streams(),
        receiver,
        track,
        transceiver,
    })
}

/// Sound on its way from the encoders to the task.
#[derive(Default)]
struct Outbox {
    packets: Mutex<VecDeque<(usize, EncodedAudio)>>,
    wake: Notify,
}

impl AudioSink for Outbox {
    fn push(&self, transceiver: usize, audio: EncodedAudio) {
        let mut packets = self.packets.lock();
        if packets.len() >= MAX_WAITING_AUDIO_PACKETS {
            tracing::debug!("sound dropped: the connection does not keep up");
            packets.pop_front();
        }
        packets.push_back((transceiver, audio));
        drop(packets);
        self.wake.notify_one();
    }
}

async fn run(connection: Arc<Connection>, mut sockets: Sockets) {
    let mut batch: Vec<Datagram> = Vec::new();
    let mut transmits: Vec<Transmit> = Vec::new();
    let mut look = Look {
        called: true,
        since: Instant::now(),
        deadline: None,
    };
    loop {
        let servers = connection.servers.lock().take();
        let mut found = Vec::new();
        if let Some((servers, usable)) = servers
            && !sockets.ask(&servers, usable)
        {
            found.push(Found::Done);
        }
        let now = Instant::now();
        if let Some(moved) = sockets.follow_interfaces(now) {
            connection.moved(moved);
            look.called = true;
        }
        sockets.handle_timeout(now);
        found.extend(sockets.take_found());
        look.called |= !found.is_empty();
        let found_by = |found| connection.found(found);
        found.into_iter().for_each(found_by);
        let turned = catch_unwind(AssertUnwindSafe(|| {
            turn(&connection, &mut batch, &mut transmits, &mut look)
        }));
        // Datagrams come from strangers; a fault in what reads them ends this connection, as a broken
        // network would, and nothing else.
        let (events, closed) = turned.unwrap_or_else(|_| {
            tracing::error!("a connection failed on what it received and is given up");
            let mut engine = connection.engine();
            engine.abandon();
            (engine.take_events(), true)
        });
        for transmit in transmits.drain(..) {
            sockets.send(transmit);
        }
        if closed {
            // Closed sockets first: a program that hears of the end may look for them.
            drop(sockets);
            for event in events {
                connection.dispatch(event);
            }
            connection.forget();
            connection.engine().release(Instant::now());
            return;
        }
        for event in events {
            connection.dispatch(event);
        }
        look.called = wait(&connection, &mut sockets, &mut batch, look.deadline).await;
    }
}

/// Waits until there is something to do, and takes what has arrived; true when somebody called.
async fn wait(
    connection: &Connection,
    sockets: &mut Sockets,
    batch: &mut Vec<Datagram>,
    deadline: Option<Instant>,
) -> bool {
    let now = Instant::now();
    let has_beat = sockets.has_beat();
    let until = if has_beat && sockets.has_more() {
        now
    } else if has_beat {
        // Whatever else is due waits for it.
        beat::after(now)
    } else {
        let deadline = deadline.into_iter().chain(sockets.poll_timeout()).min();
        let sleep = deadline.map_or(MAX_SLEEP, |at| at.saturating_duration_since(now));
        now + sleep.clamp(MIN_SLEEP, MAX_SLEEP)
    };
    let called = tokio::select! {
        biased;
        () = connection.outbox.wake.notified() => true,
        () = poll_fn(|cx| sockets.poll_receive(cx, batch)) => false,
        () = sleep_until(until) => false,
    };
    if has_beat {
        sockets.receive_at_beat(batch);
    }
    called
}

async fn sleep_until(at: Instant) {
    if at <= Instant::now() {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep_until(at.into()).await;
    }
}

/// When the whole stack has to be looked at, and not only the sound in it.
struct Look {
    /// Somebody wants something of it.
    called: bool,
    /// The last time.
    since: Instant,
    /// The stack's own time.
    deadline: Option<Instant>,
}

/// Everything that needs the engine, under one lock.
fn turn(
    connection: &Connection,
    batch: &mut Vec<Datagram>,
    transmits: &mut Vec<Transmit>,
    look: &mut Look,
) -> (VecDeque<EngineEvent>, bool) {
    let packets = std::mem::take(&mut *connection.outbox.packets.lock());
    let now = Instant::now();
    let mut engine = connection.engine();
    let only_sound = batch.iter().all(|(_, data)| is_sound(data));
    for (path, data) in batch.drain(..) {
        engine.handle_datagram(now, path, data);
    }
    let beyond_sound_at = look.since + LOOK_BEYOND_SOUND_EVERY;
    let is_due = look.deadline.is_some_and(|at| at <= now) || beyond_sound_at <= now;
    if only_sound && packets.is_empty() && !look.called && !is_due && !engine.is_closed() {
        // Each question to the stack goes through all of its layers, and sound leaves nothing to ask for.
        engine.pump_sound();
        look.deadline = look.deadline.into_iter().chain([beyond_sound_at]).min();
        return (engine.take_events(), false);
    }
    for (transceiver, audio) in packets {
        engine.send_audio(now, transceiver, audio);
    }
    if engine.poll_timeout().is_some_and(|at| at <= now) {
        engine.handle_timeout(now);
    }
    if !engine.is_closed() {
        engine.pump();
    }
    while let Some(transmit) = engine.poll_transmit() {
        transmits.push(transmit);
    }
    (look.since, look.deadline) = (now, engine.poll_timeout());
    (engine.take_events(), engine.is_closed())
}

#[cfg(test)]
mod tests;
