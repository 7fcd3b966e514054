//! Two connections on an emulated network in virtual time: a talk of a minute takes a second.
//!
//! Each side says 440 Hz in syllables and a numbered message every 200 ms on a reliable channel;
//! what the other side hears and reads is measured. Everything of the engine and the sound is real
//! but the clock, the sockets and the thread that paces tracks.

use std::{
    net::SocketAddr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use self::link::{Conditions, Link};
use super::{AudioSink, Engine, EngineEvent, MediaKind, Path, stun};
use crate::{
    audio::{
        EncodedAudio, EncoderOptions, InboundAudio, InboundAudioStats,
        encode::{Frame, FrameEncoder, MediaClock},
        format::PcmFormat,
        queue::FrameQueue,
        test_tone::{amplitude_at, pitch_hz, tone_from},
    },
    audio_source::{AudioSourceOptions, native::NativeAudioSource},
    audio_track::RtcAudioTrack,
    data_channel::{DataChannelInit, DataChannelState},
    media_stream_track::MediaStreamTrack,
    native::frame_cryptor::EncryptionState,
    peer_connection::{OfferOptions, PeerConnectionState},
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    session_description::SessionDescription,
};

mod beginning;
mod encryption;
mod flood;
pub(crate) mod link;
mod loss;
mod parameters;
mod pictures;
mod redundancy;
mod tests;
mod ways;

pub(crate) const RATE_HZ: u32 = 16_000;
pub(crate) const TONE_HZ: f64 = 440.0;
const AMPLITUDE: f64 = 8_000.0;
const TICK: Duration = Duration::from_millis(10);
/// The clock moves at least this much.
const MIN_STEP: Duration = Duration::from_micros(500);
const MESSAGE_EVERY_TICKS: u64 = 20;
/// A reliable channel with this much outstanding takes no more messages.
const MAX_OUTSTANDING_BYTES: u64 = 64 * 1_024;

const CALLER: &str = "10.1.0.1:1000";
const CALLEE: &str = "10.2.0.2:2000";

type Datagram = (Path, Vec<u8>);

/// Sound of local tracks is put in by hand.
struct NoSink;

impl AudioSink for NoSink {
    fn push(&self, _transceiver: usize, _audio: EncodedAudio) {}
}

/// One of the two.
pub(crate) struct Peer {
    pub(crate) engine: Engine,
    pub(crate) address: SocketAddr,
    /// States of the connection and when each was reached.
    pub(crate) states: Vec<(Duration, PeerConnectionState)>,
    /// What its cryptors told.
    pub(crate) encryption: Vec<EncryptionState>,
    /// Numbers of the messages read, in order of arrival.
    pub(crate) messages: Vec<u32>,
    pub(crate) messages_sent: u32,
    /// Length of what is sent, its number included.
    pub(crate) message_bytes: usize,
    /// All sound heard since listening began, 10 ms for each tick.
    pub(crate) pcm: Vec<i16>,
    heard: Option<(InboundAudio, Arc<FrameQueue>)>,
    /// Payload of the sound sent.
    pub(crate) sound_bytes: u64,
    /// The tone goes out. Otherwise the test sends sound itself.
    speaks: bool,
    encoder: FrameEncoder,
    clock: MediaClock,
    spoken_samples: usize,
    channel: Option<usize>,
    channel_open: bool,
}

impl Peer {
    fn new(now: Instant, address: SocketAddr) -> Self {
        let mut engine = Engine::new(now, Arc::new(NoSink), false).expect("an engine");
        engine.add_local_candidates(vec![host_candidate(address)]);
        let source = NativeAudioSource::new(AudioSourceOptions::default(), RATE_HZ, 1, 0);
        let track = RtcAudioTrack::local("voice".to_owned(), source);
        let both_ways = RtpTransceiverInit {
            direction: RtpTransceiverDirection::SendRecv,
            stream_ids: vec!["talk".to_owned()],
            send_encodings: Vec::new(),
        };
        engine
            .add_transceiver(MediaKind::Audio, Some(track.into()), both_ways)
            .expect("a transceiver");
        Self {
            engine,
            address,
            states: Vec::new(),
            encryption: Vec::new(),
            messages: Vec::new(),
            messages_sent: 0,
            message_bytes: 4,
            pcm: Vec::new(),
            heard: None,
            sound_bytes: 0,
            speaks: true,
            encoder: encoder(true),
            clock: MediaClock::starting_at(4_000_000_000),
            spoken_samples: 0,
            channel: None,
            channel_open: false,
        }
    }

    /// Jitter buffer, losses and the like of what is heard.
    pub(crate) fn sound(&self) -> InboundAudioStats {
        let (inbound, _) = self.heard.as_ref().expect("a track");
        inbound.stats()
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.engine.connection_state() == PeerConnectionState::Connected
    }

    fn listen(&mut self) {
        let Some(MediaStreamTrack::Audio(track)) = self.engine.receiver_track(0) else {
            panic!("a transceiver for sound");
        };
        let inbound = track.inbound().expect("a remote track").clone();
        inbound.pace_by_hand();
        let queue = FrameQueue::new(mono(), 0);
        inbound.add_listener(&queue);
        self.heard = Some((inbound, queue));
    }

    fn speak(&mut self, now: Instant) {
        let samples = RATE_HZ as usize / 100;
        let pcm = syllables(self.spoken_samples, samples);
        self.spoken_samples += samples;
        self.encoder.expect_loss(self.engine.expected_loss_percent(0));
        if let Some(Frame::Packet(audio)) = self.encoder.push(&mut self.clock, now, &pcm) {
            self.sound_bytes += audio.payload.len() as u64;
            self.engine.send_audio(now, 0, audio);
        }
    }

    fn tick(&mut self, now: Instant, ticks: u64) {
        if self.speaks {
            self.speak(now);
        }
        if let Some((inbound, queue)) = &self.heard {
            inbound.tick_by_hand(now);
            while let Poll::Ready(Some(frame)) = queue.poll_next(&mut Context::from_waker(Waker::noop())) {
                self.pcm.extend_from_slice(&frame.data);
            }
        }
        if let Some(id) = self.channel.filter(|_| self.channel_open)
            && ticks.is_multiple_of(MESSAGE_EVERY_TICKS)
            && self.engine.channel_buffered_bytes(id) < MAX_OUTSTANDING_BYTES
        {
            let mut message = vec![0; self.message_bytes];
            message[..4].copy_from_slice(&self.messages_sent.to_be_bytes());
            self.engine
                .send_on_channel(now, id, &message, true)
                .expect("an open channel");
            self.messages_sent += 1;
        }
    }

    fn take_events(&mut self, at: Duration) {
        self.engine.pump();
        for event in self.engine.take_events() {
            match event {
                EngineEvent::ConnectionState(state) => self.states.push((at, state)),
                EngineEvent::ChannelFromPeer { id, .. } => {
                    self.channel = Some(id);
                    self.channel_open = true;
                }
                EngineEvent::ChannelState { id, state } if Some(id) == self.channel => {
                    self.channel_open = state == DataChannelState::Open;
                }
                EngineEvent::ChannelMessage { data, .. } => {
                    let number = data[..4].try_into().expect("a number");
                    self.messages.push(u32::from_be_bytes(number));
                }
                EngineEvent::Encryption(_, state) => self.encryption.push(state),
                _ => {}
            }
        }
    }
}

/// With copies against loss, if it is reported, or without.
fn encoder(fec: bool) -> FrameEncoder {
    let options = EncoderOptions {
        fec,
        ..EncoderOptions::default()
    };
    FrameEncoder::new(mono(), options).expect("an encoder")
}

fn host_candidate(address: SocketAddr) -> String {
    format!(
        "candidate:1 1 udp 2130706431 {} {} typ host",
        address.ip(),
        address.port()
    )
}

/// An offer that lists RED first. The answer keeps the order.
fn preferring_red(offer: &SessionDescription) -> SessionDescription {
    let text = offer.to_string();
    let preferring = text.replace("SAVPF 111 63\r\n", "SAVPF 63 111\r\n");
    assert_ne!(preferring, text, "RED is offered");
    SessionDescription::parse(&preferring, offer.sdp_type()).expect("an offer")
}

fn mono() -> PcmFormat {
    PcmFormat {
        rate_hz: RATE_HZ,
        channels: 1,
    }
}

/// A tone, louder and softer four times a second: the encoder takes a steady one for music and adds no
/// copies against loss.
fn syllables(start: usize, samples: usize) -> Vec<i16> {
    syllables_at(RATE_HZ, start, samples)
}

fn syllables_at(rate_hz: u32, start: usize, samples: usize) -> Vec<i16> {
    let loudness =
        |n: usize| 0.55 - 0.45 * (std::f64::consts::TAU * 4.0 * n as f64 / f64::from(rate_hz)).cos();
    let tone = tone_from(rate_hz, TONE_HZ, AMPLITUDE, start, samples);
    tone.iter()
        .enumerate()
        .map(|(n, sample)| (f64::from(*sample) * loudness(start + n)) as i16)
        .collect()
}

/// What stands in a stretch of sound that should be the tone.
#[derive(Debug)]
pub(crate) struct Tone {
    pub(crate) pitch_hz: f64,
    /// The share of the 250 ms stretches (one syllable each) in which the tone stands nearly alone.
    pub(crate) clean: f64,
}

pub(crate) fn listen_closely(pcm: &[i16]) -> Tone {
    let syllables: Vec<&[i16]> = pcm.chunks_exact(RATE_HZ as usize / 4).collect();
    let clean = syllables.iter().filter(|pcm| {
        // Loudness changes within: the tone's two neighbours at 4 Hz belong to it.
        let parts = [-4.0, 0.0, 4.0].map(|offset| amplitude_at(pcm, RATE_HZ, TONE_HZ + offset));
        let tone = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
        let square = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / pcm.len() as f64;
        let all = (2.0 * square).sqrt();
        all > 0.3 * AMPLITUDE && tone > 0.9 * all
    });
    Tone {
        pitch_hz: pitch_hz(pcm, RATE_HZ),
        clean: clean.count() as f64 / syllables.len().max(1) as f64,
    }
}

/// Both, and what lies between them.
pub(crate) struct Talk {
    pub(crate) caller: Peer,
    pub(crate) callee: Peer,
    pub(crate) to_callee: Link<Datagram>,
    pub(crate) to_caller: Link<Datagram>,
    /// Both are told that the other side prefers RED.
    pub(crate) redundant: bool,
    /// Changes one byte of one datagram in ten towards the callee.
    pub(crate) corrupting: bool,
    /// What the callee sees the caller's packets come from: a translator of addresses may stand
    /// between.
    pub(crate) caller_seen_as: SocketAddr,
    /// Connectivity checks that the caller has sent, and answers to the callee's.
    pub(crate) checks: usize,
    pub(crate) answers: usize,
    start: Instant,
    now: Instant,
    ticks: u64,
}

impl Talk {
    /// Offer and answer are exchanged beside the network, as a signalling server would do it.
    pub(crate) fn begin(conditions: Conditions, seed: u64) -> Self {
        Self::between(CALLER, CALLEE, conditions, seed)
    }

    /// The same, where both send RED.
    pub(crate) fn begin_redundant(conditions: Conditions, seed: u64) -> Self {
        let mut talk = Self::silent(CALLER, CALLEE, conditions, seed);
        talk.redundant = true;
        talk.negotiate(false);
        talk.listen();
        talk
    }

    /// The same between other addresses.
    pub(crate) fn between(caller: &str, callee: &str, conditions: Conditions, seed: u64) -> Self {
        let mut talk = Self::silent(caller, callee, conditions, seed);
        talk.negotiate(false);
        talk.listen();
        talk
    }

    /// Nothing is negotiated yet.
    pub(crate) fn silent(caller: &str, callee: &str, conditions: Conditions, seed: u64) -> Self {
        let start = Instant::now();
        let address = |text: &str| text.parse().expect("an address");
        let mut caller = Peer::new(start, address(caller));
        let callee = Peer::new(start, address(callee));
        let channel = caller
            .engine
            .create_channel("talk", DataChannelInit::default())
            .expect("a channel");
        caller.channel = Some(channel);
        Self {
            redundant: false,
            corrupting: false,
            caller_seen_as: caller.address,
            checks: 0,
            answers: 0,
            caller,
            callee,
            to_callee: Link::new(conditions, seed),
            to_caller: Link::new(conditions, seed.wrapping_add(1)),
            start,
            now: start,
            ticks: 0,
        }
    }

    pub(crate) fn listen(&mut self) {
        self.caller.listen();
        self.callee.listen();
    }

    /// Runs offer and answer from the caller to the callee.
    pub(crate) fn negotiate(&mut self, ice_restart: bool) {
        let answer = self.offer(ice_restart);
        self.take_answer(answer);
        self.tell_candidate_of_callee();
    }

    /// The caller offers; the callee knows its candidate too and answers.
    pub(crate) fn offer(&mut self, ice_restart: bool) -> SessionDescription {
        let (from, to) = (&mut self.caller.engine, &mut self.callee.engine);
        let options = OfferOptions {
            ice_restart,
            ..OfferOptions::default()
        };
        let offer = from.create_offer(&options).expect("an offer");
        from.set_local_description(self.now, offer.clone())
            .expect("our own offer");
        let offer = if self.redundant {
            preferring_red(&offer)
        } else {
            offer
        };
        to.set_remote_description(self.now, offer)
            .expect("the other side's offer");
        let answer = to.create_answer().expect("an answer");
        to.set_local_description(self.now, answer.clone())
            .expect("our own answer");
        let candidate = host_candidate(self.caller.address);
        to.add_remote_candidate(&candidate).expect("a usable candidate");
        answer
    }

    /// The caller has the answer.
    pub(crate) fn take_answer(&mut self, answer: SessionDescription) {
        self.caller
            .engine
            .set_remote_description(self.now, answer)
            .expect("the other side's answer");
        let at = self.now - self.start;
        for peer in [&mut self.caller, &mut self.callee] {
            peer.take_events(at);
        }
    }

    /// And the address of who answered.
    pub(crate) fn tell_candidate_of_callee(&mut self) {
        let candidate = host_candidate(self.callee.address);
        self.caller
            .engine
            .add_remote_candidate(&candidate)
            .expect("a usable candidate");
    }

    /// Lets so much time pass.
    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.step(end);
        }
    }

    /// Lets time pass until something is so; panics after `patience`.
    pub(crate) fn run_until(&mut self, what: &str, patience: Duration, done: impl Fn(&Self) -> bool) {
        let end = self.now + patience;
        while !done(self) {
            assert!(self.now < end, "waited {patience:?} for {what}");
            self.step(end);
        }
    }

    fn step(&mut self, end: Instant) {
        let now = self.now;
        let next_tick = self.start + TICK * u32::try_from(self.ticks).expect("hours at most");
        if next_tick <= now {
            self.caller.tick(now, self.ticks);
            self.callee.tick(now, self.ticks);
            self.ticks += 1;
        }
        while let Some((path, data)) = self.to_callee.receive(now) {
            let path = Path {
                local: self.callee.address,
                peer: path.local,
                tcp: false,
            };
            self.callee
                .engine
                .handle_datagram(now, path, data.as_slice().into());
        }
        while let Some((path, data)) = self.to_caller.receive(now) {
            // Whoever still sends to an address that is no more reaches nobody.
            if path.peer == self.caller_seen_as {
                let path = Path {
                    local: self.caller.address,
                    peer: path.local,
                    tcp: false,
                };
                self.caller
                    .engine
                    .handle_datagram(now, path, data.as_slice().into());
            }
        }
        let at = self.now - self.start;
        let mut wanted = end.min(self.start + TICK * u32::try_from(self.ticks).expect("hours at most"));
        for peer in [&mut self.caller, &mut self.callee] {
            if peer.engine.poll_timeout().is_some_and(|at| at <= now) {
                peer.engine.handle_timeout(now);
            }
            peer.take_events(at);
        }
        while let Some(mut transmit) = self.caller.engine.poll_transmit() {
            // From an address that leads nowhere, or that this host has no more.
            if transmit.path.local != self.caller.address {
                continue;
            }
            let is = |kind| usize::from(stun::transaction(&transmit.data, kind).is_some());
            self.checks += is(stun::REQUEST);
            self.answers += is(stun::SUCCESS);
            transmit.path.local = self.caller_seen_as;
            if transmit.path.peer == self.callee.address {
                let mut packet = (transmit.path, transmit.data.to_vec());
                let count = self.to_callee.fate.sent as usize;
                if self.corrupting && count.is_multiple_of(10) {
                    let at = count * 7 % packet.1.len();
                    packet.1[at] ^= 1 << (count / 10 % 8);
                }
                self.to_callee.send(now, transmit.data.len(), &packet);
            }
        }
        while let Some(transmit) = self.callee.engine.poll_transmit() {
            let packet = (transmit.path, transmit.data.to_vec());
            self.to_caller.send(now, transmit.data.len(), &packet);
        }
        let deadlines = [
            self.caller.engine.poll_timeout(),
            self.callee.engine.poll_timeout(),
            self.to_callee.next_at(),
            self.to_caller.next_at(),
        ];
        for deadline in deadlines.into_iter().flatten() {
            wanted = wanted.min(deadline);
        }
        self.now = wanted.max(now + MIN_STEP);
    }
}
