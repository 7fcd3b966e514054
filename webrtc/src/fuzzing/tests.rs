//! Each target on inputs that are random, and on true ones with some bytes changed, cut or doubled.

use proptest::{prelude::*, sample::Index};

use super::*;

/// True inputs, one for each protocol that the demultiplexer knows.
fn seeds() -> Vec<Vec<u8>> {
    let now = Instant::now();
    let mut engine = offering(now).expect("a connection");
    let offer = engine
        .create_offer(&OfferOptions::default())
        .expect("an offer")
        .to_string();
    let binding = {
        let mut message = rtc::stun::message::Message::new();
        message
            .build(&[
                Box::new(rtc::stun::message::TransactionId::new()),
                Box::new(rtc::stun::message::BINDING_REQUEST),
                Box::new(rtc::stun::fingerprint::FINGERPRINT),
            ])
            .expect("a request");
        message.raw
    };
    let mut framed_binding = vec![binding.len() as u8];
    framed_binding.extend(&binding);
    let report = vec![
        0x80, 200, 0, 6, 0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 202,
        0, 3, 0, 0, 0, 1, 1, 1, b'a', 15, 1, b'3', 0, 0,
    ];
    // On a stream that is sent: a tenth lost, in answer to a report.
    let received = vec![
        0x81, 201, 0, 7, 0, 0, 0, 9, 0, 0, 0, 1, 25, 0, 0, 40, 0, 0, 0xff, 0xff, 0, 0, 0, 96, 1, 2, 3, 4, 0,
        1, 0, 0,
    ];
    let sound = vec![
        0x90, 0x6f, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0, 0x78, 1, 2, 3,
    ];
    // Hello of a DTLS client: a record, a handshake header, and little in it.
    let hello = vec![
        40, 22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 27, 1, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 15, 0xfe, 0xfd,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    // To open a channel named "talk".
    let open = vec![3, 0, 1, 0, 0, 0, 0, 0, 0, 4, 0, 0, b't', b'a', b'l', b'k'];
    // DATA in order, two gaps, a step forward, and a reset.
    let sctp = [
        &[4, 0x30, 1, 2, 3][..],
        &[3, 2, 5, 0xe9],
        &[6, 4, 0, 0, 0, 1, 0],
        &[4, 0x16, 0, 0, 1],
    ]
    .concat();
    // Three frames in one packet.
    let red = vec![0xef, 0x1e, 0, 1, 0xef, 0x0f, 0, 2, 0x6f, 1, 2, 2, 3, 3, 3];
    let candidate = b"candidate:1 1 udp 2130706431 127.0.0.1 5000 typ host".to_vec();
    vec![
        offer.into_bytes(),
        binding,
        framed_binding,
        report,
        received,
        sound,
        hello,
        open,
        sctp,
        candidate,
        red,
    ]
}

/// A change of an input.
#[derive(Debug, Clone)]
enum Change {
    Set(Index, u8),
    Flip(Index, u8),
    Cut(Index),
    Double(Index),
    Insert(Index, Vec<u8>),
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        any::<Index>().prop_map(Change::Cut),
        any::<Index>().prop_map(Change::Double),
        (any::<Index>(), proptest::collection::vec(any::<u8>(), 1..20))
            .prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn changed(mut data: Vec<u8>, changes: Vec<Change>) -> Vec<u8> {
    for change in changes {
        if data.is_empty() {
            break;
        }
        match change {
            Change::Set(at, value) => *at.get_mut(&mut data) = value,
            Change::Flip(at, bit) => *at.get_mut(&mut data) ^= 1 << bit,
            Change::Cut(at) => data.truncate(at.index(data.len())),
            Change::Double(at) => data.extend_from_within(at.index(data.len())..),
            Change::Insert(at, bytes) => {
                let at = at.index(data.len());
                data.splice(at..at, bytes);
            }
        }
        data.truncate(8_192);
    }
    data
}

fn any_input() -> impl Strategy<Value = Vec<u8>> {
    let changed_seed = (
        proptest::sample::select(seeds()),
        proptest::collection::vec(any_change(), 0..8),
    )
        .prop_map(|(seed, changes)| changed(seed, changes));
    prop_oneof![
        3 => changed_seed,
        1 => proptest::collection::vec(any::<u8>(), 0..600),
    ]
}

#[test]
fn the_known_fault_of_rtc_is_still_there() {
    let message = [0, 0];
    assert!(is_known_fault(&message));
    let read = std::panic::catch_unwind(|| {
        rtc::datachannel::message::Message::unmarshal(&mut Bytes::copy_from_slice(&message)).is_ok()
    });
    assert!(
        read.is_err(),
        "a release that mends it makes the exception in `channel_message` unnecessary"
    );
}

macro_rules! targets {
    ($($name:ident: $cases:literal,)*) => {$(
        proptest! {
            #![proptest_config(ProptestConfig::with_cases($cases))]
            #[test]
            fn $name(data in any_input()) {
                super::$name(&data);
            }
        }
    )*};
}

targets! {
    description: 300,
    candidate: 200,
    datagrams: 300,
    reports: 1_000,
    sound_packet: 1_000,
    red: 1_000,
    sound: 300,
    tcp_stream: 500,
    channel_message: 1_000,
    sctp: 500,
    turn_stream: 500,
    turn_client: 300,
    stun_answer: 500,
    encrypted: 500,
}
