//! What a flood costs the processor, packet by packet: of strangers, and of a peer who has the keys. Sockets are not in it.
//!
//! `cargo test --workspace --lib flood -- --nocapture`

use rtc::{
    rtcp::{
        payload_feedbacks::picture_loss_indication::PictureLossIndication, receiver_report::ReceiverReport,
    },
    sansio::Protocol as _,
};

use super::{super::settings, *};
use crate::engine::{RTCMessage, TaggedRTCMessage};

const PACKETS: usize = 100_000;
/// As many as the task takes from a socket at most before it looks at the connection, and as few.
const BATCHES: [usize; 2] = [64, 1];
/// What the peer's congestion control lets through at once, when it has warmed up.
const MESSAGES_A_ROUND: usize = 16;
const UNKNOWN_SSRC: u32 = 0x5151_5151;

/// Of the thread, in nanoseconds.
fn processor_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
    let first = text.split_ascii_whitespace().next().expect("a number");
    first.parse().expect("a number")
}

fn connected_talk() -> Talk {
    let mut talk = Talk::begin(Conditions::default(), 7);
    talk.caller.speaks = false;
    talk.callee.speaks = false;
    talk.run_until("the channel", Duration::from_secs(15), |talk| {
        talk.caller.channel_open && talk.callee.channel_open
    });
    talk.run(Duration::from_secs(2));
    talk
}

/// What the caller has to send.
fn from_caller(talk: &mut Talk) -> Vec<Datagram> {
    std::iter::from_fn(|| talk.caller.engine.poll_transmit())
        .map(|transmit| (transmit.path, transmit.data.to_vec()))
        .collect()
}

/// Hands the callee datagrams as the task does, so many at once; what it cost.
fn deliver(talk: &mut Talk, datagrams: &[Datagram], at_once: usize, sound: bool) -> u64 {
    let (caller, callee) = (talk.caller.address, talk.callee.address);
    let mut cost_ns = 0;
    // The processor's time is asked for seldom: that takes as long as a dozen datagrams, and it is counted in milliseconds.
    for group in datagrams.chunks(BATCHES[0]) {
        // A second or so in all: whoever is not told of the time for long is lost.
        talk.now += Duration::from_micros(50);
        let now = talk.now;
        let engine = &mut talk.callee.engine;
        let arrived = |(path, data): &Datagram| {
            let path = Path {
                local: callee,
                peer: path.local,
                tcp: false,
            };
            (path, bytes::BytesMut::from(data.as_slice()))
        };
        let mut group = group.iter().map(arrived).collect::<Vec<_>>().into_iter();
        let (mut answers, mut events) = (Vec::new(), Vec::new());
        let before_ns = processor_ns();
        while group.len() > 0 {
            for (path, data) in group.by_ref().take(at_once) {
                engine.handle_datagram(now, path, data);
            }
            if sound {
                engine.pump_sound();
            } else {
                if engine.poll_timeout().is_some_and(|at| at <= now) {
                    engine.handle_timeout(now);
                }
                engine.pump();
                answers.extend(std::iter::from_fn(|| engine.poll_transmit()));
            }
            events.push(engine.take_events());
        }
        cost_ns += processor_ns() - before_ns;
        for answer in answers {
            let path = Path {
                local: caller,
                peer: callee,
                tcp: false,
            };
            talk.caller.engine.handle_datagram(now, path, answer.data);
        }
        talk.caller.engine.pump();
        drop(talk.caller.engine.take_events());
    }
    cost_ns
}

fn rubbish(n: usize) -> Vec<u8> {
    let first = [0, 1, 20, 22, 23, 63, 64, 128, 144, 191, 200, 255];
    let mut bytes: Vec<u8> = (0..n * 37 % 1_400 + 20)
        .map(|at| (n.wrapping_mul(31).wrapping_add(at * 17) >> 3) as u8)
        .collect();
    bytes[0] = first[n % first.len()];
    if n.is_multiple_of(3) {
        let length = bytes.len() as u16 - 20;
        bytes[2..4].copy_from_slice(&length.to_be_bytes());
        bytes[4..8].copy_from_slice(&[0x21, 0x12, 0xa4, 0x42]);
    }
    bytes
}

fn rtp(ssrc: u32, n: usize) -> RTCMessage {
    let header = rtc::rtp::header::Header {
        version: 2,
        payload_type: settings::OPUS_PAYLOAD_TYPE,
        sequence_number: n as u16,
        timestamp: n as u32 * 960,
        ssrc,
        ..Default::default()
    };
    let payload = vec![0x5a; 80].into();
    RTCMessage::RtpPacket(String::new(), rtc::rtp::Packet { header, payload })
}

/// What the caller's stack makes of messages, encrypted.
fn encrypted(talk: &mut Talk, message: impl Fn(usize) -> RTCMessage) -> Vec<Datagram> {
    let now = talk.now;
    let mut datagrams = Vec::new();
    for n in 0..PACKETS {
        let message = message(n);
        let written = talk
            .caller
            .engine
            .rtc
            .handle_write(TaggedRTCMessage { now, message });
        written.expect("a packet");
        datagrams.extend(from_caller(talk));
    }
    assert!(datagrams.len() >= PACKETS, "{}", datagrams.len());
    datagrams
}

/// Delivers what `make` makes, anew for each size of a batch.
fn measure(talk: &mut Talk, what: &str, sound: bool, make: impl Fn(&mut Talk, usize) -> Vec<Datagram>) {
    let costs_us = BATCHES.map(|at_once| {
        talk.run(Duration::from_secs(2));
        assert!(talk.caller.is_connected() && talk.callee.is_connected());
        let datagrams = make(talk, at_once);
        let cost_ns = deliver(talk, &datagrams, at_once, sound);
        cost_ns as f64 / datagrams.len() as f64 / 1_000.0
    });
    println!(
        "{what}: {:.2} us a packet, {:.2} one by one",
        costs_us[0], costs_us[1]
    );
}

fn rubbish_from(peer: impl Fn(usize) -> SocketAddr) -> impl Fn(&mut Talk, usize) -> Vec<Datagram> {
    move |talk, _| {
        let callee = talk.callee.address;
        let datagram = |n| {
            let path = Path {
                local: peer(n),
                peer: callee,
                tcp: false,
            };
            (path, rubbish(n))
        };
        (0..PACKETS).map(datagram).collect()
    }
}

#[test]
fn what_a_packet_of_a_flood_costs() {
    let mut talk = connected_talk();
    let talk = &mut talk;
    let peer = talk.caller.address;
    let stranger = |n| SocketAddr::from(([10, 3, (n >> 8) as u8, n as u8], 9));
    measure(talk, "rubbish from strangers", false, rubbish_from(stranger));
    measure(talk, "rubbish from the peer", false, rubbish_from(|_| peer));

    let before = talk.callee.sound().packets_received;
    measure(talk, "sound that is listened to", true, |talk, _| {
        let mut datagrams = Vec::new();
        for n in 0..PACKETS {
            let audio = EncodedAudio {
                payload: vec![0x5a; 80].into(),
                timestamp: n as u32 * 960,
                level_dbov: 30,
                voice: true,
                marker: false,
            };
            let now = talk.now;
            talk.caller.engine.send_audio(now, 0, audio);
            datagrams.extend(from_caller(talk));
        }
        datagrams
    });
    let received = talk.callee.sound().packets_received - before;
    assert!(received >= (BATCHES.len() * PACKETS) as u64, "{received}");
    measure(talk, "sound of one unknown source", true, |talk, at_once| {
        encrypted(talk, |n| rtp(UNKNOWN_SSRC + at_once as u32, n))
    });
    measure(talk, "sound of a new source each time", true, |talk, at_once| {
        encrypted(talk, |n| rtp((at_once * PACKETS + n) as u32, n))
    });

    let ssrc = talk.caller.engine.sender_ssrc(0).expect("a sender");
    measure(talk, "receiver reports", false, |talk, _| {
        encrypted(talk, |_| {
            let report = ReceiverReport {
                ssrc,
                ..Default::default()
            };
            RTCMessage::RtcpPacket(String::new(), vec![Box::new(report)])
        })
    });
    measure(talk, "requests for pictures", false, |talk, _| {
        encrypted(talk, |_| {
            let request = PictureLossIndication {
                sender_ssrc: ssrc,
                media_ssrc: UNKNOWN_SSRC,
            };
            RTCMessage::RtcpPacket(String::new(), vec![Box::new(request)])
        })
    });
    for bytes in [1, 1_000] {
        let costs_us = BATCHES.map(|at_once| messages(talk, bytes, at_once));
        let [(a_packet, a_message), (alone, _)] = costs_us;
        println!(
            "messages of {bytes} bytes: {a_packet:.2} us a packet, {alone:.2} one by one, {a_message:.2} a message"
        );
    }
    assert!(talk.callee.is_connected());
}

/// Microseconds for each packet, and for each message.
fn messages(talk: &mut Talk, bytes: usize, at_once: usize) -> (f64, f64) {
    let (mut cost_ns, mut packets, mut messages) = (0, 0, 0);
    let id = talk.caller.channel.expect("a channel");
    talk.run(Duration::from_secs(2));
    for _ in 0..PACKETS / MESSAGES_A_ROUND {
        talk.now += Duration::from_micros(50);
        let now = talk.now;
        let engine = &mut talk.caller.engine;
        for _ in 0..MESSAGES_A_ROUND {
            let sent = engine.send_on_channel(now, id, &vec![7; bytes], true);
            messages += usize::from(sent.is_ok());
        }
        if engine.poll_timeout().is_some_and(|at| at <= now) {
            engine.handle_timeout(now);
        }
        engine.pump();
        let datagrams = from_caller(talk);
        packets += datagrams.len();
        cost_ns += deliver(talk, &datagrams, at_once, false);
    }
    let us = cost_ns as f64 / 1_000.0;
    (us / packets as f64, us / messages as f64)
}
