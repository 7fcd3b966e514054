//! What each rule is for, with and without it. Where `rtc` is at fault without it, a release that mends it makes the test
//! fail, and the rule unnecessary.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::prelude::*;
use rand::{Rng, SeedableRng, rngs::SmallRng};

use super::{
    packet::{ABORT, FORWARD_TSN, HEARTBEAT, SACK},
    receiver::{FIRST_TSN, Receiver, chunk, data, hostile_sctp, opening, packet, reset, words},
    streams::{MAX_STREAMS, MAX_WAITING_RESETS},
    *,
};

/// What a peer may make a connection keep, bytes of packets.
const MAX_KEPT: usize = (HARD_WAITING_CHUNKS + MAX_AHEAD as usize) * MAX_PACKET_BYTES;

fn guarded() -> Receiver {
    let receiver = Receiver::new(Some(Guard::default()));
    assert!(receiver.stands());
    receiver
}

fn unguarded() -> Receiver {
    Receiver::new(None)
}

#[test]
fn a_cause_that_is_longer_than_its_chunk_is_not_read() {
    let lie = chunk(ABORT, 0, &[0, 1, 0xff, 0xff]);
    let mut receiver = guarded();
    assert_eq!(receiver.take(&lie), Err("not to be read"));
    assert!(receiver.stands());
    let mut receiver = unguarded();
    assert!(catch_unwind(AssertUnwindSafe(|| receiver.take(&lie))).is_err());
}

#[test]
fn nothing_hides_in_a_chunk_that_is_longer_than_what_is_read_of_it() {
    let mut value = words(&[0, 1 << 20, 0]);
    value.extend(chunk(FORWARD_TSN, 0, &words(&[FIRST_TSN + 100_000])));
    assert_eq!(guarded().take(&chunk(SACK, 0, &value)), Err("not to be read"));
}

#[test]
fn nobody_makes_the_association_count_to_two_billion() {
    let mut receiver = guarded();
    for tsn in [FIRST_TSN + MAX_AHEAD, FIRST_TSN + (1 << 30)] {
        let forward = chunk(FORWARD_TSN, 0, &words(&[tsn]));
        assert_eq!(receiver.take(&forward), Err("a TSN far ahead"));
        assert_eq!(receiver.take(&data(3, tsn, 0, 0, b"far")), Err("a TSN far ahead"));
    }
    assert_eq!(
        receiver.take(&chunk(FORWARD_TSN, 0, &words(&[FIRST_TSN + 4_000]))),
        Ok(())
    );
    receiver.flush();
    // It went along, and goes on from there.
    assert_eq!(receiver.take(&data(3, FIRST_TSN + 8_000, 0, 0, b"on")), Ok(()));
}

/// A message that has no end; `true` if each packet was taken.
fn endless_message(receiver: &mut Receiver, packets: u32) -> bool {
    (0..packets).fold(true, |all, n| {
        let flags = if n == 0 { 2 } else { 0 };
        receiver
            .take(&data(flags, FIRST_TSN + n, 1, 0, &[0; 1_000]))
            .is_ok()
            && all
    })
}

#[test]
fn a_message_without_end_ends() {
    let mut receiver = guarded();
    assert!(!endless_message(&mut receiver, 20_000));
    assert!(receiver.let_through < MAX_KEPT, "{}", receiver.let_through);
    // More than sixteen times the receive window, all of it kept.
    let mut receiver = unguarded();
    assert!(endless_message(&mut receiver, 17_000));
    assert_eq!(receiver.read, 0);
    let acknowledged = receiver.sent.last().and_then(|packet| u32_at(packet, 16));
    assert!(acknowledged.is_some_and(|tsn| tsn > FIRST_TSN + 16_900));
}

#[test]
fn messages_that_wait_for_one_before_them_are_not_kept_without_end() {
    // The first of its stream never comes.
    let mut receiver = guarded();
    let mut refused = 0;
    for n in 0..30_000 {
        let number = (n % 30_000) as u16 + 1;
        refused += u32::from(receiver.take(&data(3, FIRST_TSN + n, 2, number, b"w")).is_err());
    }
    assert_eq!(receiver.read, 0);
    assert_eq!(refused, 30_000 - HARD_WAITING_CHUNKS as u32);
}

#[test]
fn data_without_a_byte_is_not_taken() {
    assert_eq!(
        guarded().take(&data(2, FIRST_TSN + 5, 0, 0, b"")),
        Err("not to be read")
    );
}

#[test]
fn a_peer_has_so_many_streams_and_may_have_others_after_a_reset() {
    let mut receiver = guarded();
    let streams = MAX_STREAMS as u32;
    for n in 0..streams {
        assert_eq!(receiver.take(&data(3, FIRST_TSN + n, n as u16, 0, b"s")), Ok(()));
    }
    let one_more = data(3, FIRST_TSN + streams, streams as u16, 0, b"s");
    assert_eq!(receiver.take(&one_more), Err("too many streams"));
    assert_eq!(receiver.take(&reset(1, FIRST_TSN + streams - 1, &[7])), Ok(()));
    receiver.flush();
    assert_eq!(receiver.take(&one_more), Ok(()));
}

#[test]
fn resets_that_wait_are_few() {
    let mut receiver = guarded();
    for number in 0..10 {
        let taken = receiver.take(&reset(number, FIRST_TSN + 500, &[1]));
        assert_eq!(taken.is_ok(), (number as usize) < MAX_WAITING_RESETS, "{number}");
    }
    // A second time is no other one.
    assert_eq!(receiver.take(&reset(2, FIRST_TSN + 500, &[1])), Ok(()));
    receiver.sent.clear();
    for n in 0..64 {
        let _ = receiver.take(&data(3, FIRST_TSN + n, 1, n as u16, b"d"));
    }
    receiver.flush();
    // Each is answered when DATA comes and when it is read.
    assert!(
        receiver.sent.len() <= 64 * (3 * MAX_WAITING_RESETS + 1),
        "{}",
        receiver.sent.len()
    );
    assert_eq!(
        receiver.take(&reset(99, FIRST_TSN + (1 << 20), &[1])),
        Err("too many resets")
    );
}

#[test]
fn an_association_is_opened_once() {
    let mut receiver = guarded();
    assert_eq!(receiver.take_tagged(0, &opening(8, 9)), Err("opened anew"));
    assert_eq!(
        receiver.take_tagged(12_345, &data(3, FIRST_TSN, 0, 0, b"x")),
        Err("not opened")
    );
    let mut fresh = Receiver::new(Some(Guard::default()));
    fresh.guard = Some(Guard::default());
    let taken = (0..100)
        .filter(|_| fresh.take_tagged(0, &opening(8, 9)).is_ok())
        .count();
    assert_eq!(taken, MAX_OPENINGS);
    let mut fresh = Receiver::new(Some(Guard::default()));
    fresh.guard = Some(Guard::default());
    assert_eq!(fresh.take_tagged(0, &opening(8, 9)), Ok(()));
    assert_eq!(
        fresh.take_tagged(0, &opening(8, 9 + (1 << 30))),
        Err("opened otherwise")
    );
}

#[test]
fn both_sides_may_open_at_once() {
    let mut guard = Guard::default();
    assert_eq!(guard.received(&packet(0, &opening(8, 9))), Ok(()));
    guard.sent(&packet(0, &opening(1, 2)));
    // Theirs is not looked at any more, their answer to ours is, and it counts.
    for _ in 0..100 {
        assert_eq!(guard.received(&packet(0, &opening(8, 9))), Err("opened anew"));
    }
    let answer = chunk(INIT_ACK, 0, &words(&[3, 1 << 20, 0xffff_ffff, 4]));
    assert_eq!(guard.received(&packet(1, &answer)), Ok(()));
    assert_eq!(guard.received(&packet(1, &data(3, 4, 0, 0, b"x"))), Ok(()));
}

#[test]
fn a_packet_is_answered_with_few() {
    let beat = chunk(HEARTBEAT, 0, &[0, 1, 0, 8, 1, 2, 3, 4]);
    let mut receiver = guarded();
    assert_eq!(receiver.take(&beat.repeat(100)), Err("too much to answer"));
    assert_eq!(receiver.take(&beat), Ok(()));
    receiver.flush();
    assert_eq!(receiver.sent.len(), 1);
    let streams: Vec<u32> = (0..200).collect();
    let forward = [words(&[FIRST_TSN + 1]), words(&streams)].concat();
    assert_eq!(
        receiver.take(&chunk(FORWARD_TSN, 0, &forward)),
        Err("too many streams forwarded")
    );
    let blocks = words(&[0x0001_ffff; 4]);
    let sack = [words(&[FIRST_TSN, 1 << 20, 4 << 16]), blocks].concat();
    assert_eq!(receiver.take(&chunk(SACK, 0, &sack)), Err("gaps without end"));
    assert_eq!(
        receiver.take(&data(3, FIRST_TSN, 0, 0, &[0; 4_000])),
        Err("too long")
    );
    assert!(receiver.stands());
}

/// An honest peer on a bad network: a fifth is lost, what is not acknowledged is sent again, packets overtake.
#[test]
fn an_honest_peer_is_not_refused() {
    const MESSAGES: u32 = 20_000;
    let mut random = SmallRng::seed_from_u64(7);
    let mut receiver = guarded();
    let mut acknowledged = FIRST_TSN - 1;
    let mut next = FIRST_TSN;
    for _ in 0..4_000 {
        // As many as the window has room for, and all that is not acknowledged once more.
        let end = (acknowledged + 2_000).min(FIRST_TSN + MESSAGES - 1);
        let mut tsns: Vec<u32> = (acknowledged + 1..=end).collect();
        for _ in 0..tsns.len() / 4 {
            let [a, b] = [(); 2].map(|()| random.random_range(0..tsns.len()));
            tsns.swap(a, b);
        }
        for tsn in tsns {
            if random.random_bool(0.2) {
                continue;
            }
            let number = (tsn - FIRST_TSN) / 2;
            // Each message is of two parts.
            let flags = if (tsn - FIRST_TSN).is_multiple_of(2) { 2 } else { 1 };
            assert_eq!(
                receiver.take(&data(flags, tsn, 3, number as u16, b"honest")),
                Ok(())
            );
            next = next.max(tsn);
        }
        receiver.flush();
        for packet in receiver.sent.drain(..) {
            for sack in chunks(&packet).flatten().filter(|chunk| chunk.kind == SACK) {
                acknowledged = u32_at(sack.value, 0).expect("a TSN").max(acknowledged);
            }
        }
        if acknowledged == FIRST_TSN + MESSAGES - 1 {
            break;
        }
    }
    assert_eq!(acknowledged, next);
    assert_eq!(receiver.read, MESSAGES as usize * b"honest".len());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// No order of packets makes it panic, count for ever or answer without end.
    #[test]
    fn a_hostile_peer_does_no_harm(
        packets in proptest::collection::vec(
            (any::<u8>(), proptest::collection::vec(any::<u8>(), 0..24)),
            1..80,
        ),
    ) {
        let packets: Vec<Vec<u8>> = packets
            .into_iter()
            .map(|(kind, rest)| [vec![kind], rest].concat())
            .collect();
        hostile_sctp(packets.iter().map(Vec::as_slice));
    }
}
