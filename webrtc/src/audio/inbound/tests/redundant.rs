//! Packets that carry earlier ones (RFC 2198).

use bytes::{BufMut, BytesMut};

use super::*;

const OPUS: u8 = 111;
const LISTENED: Duration = Duration::from_millis(4_000);

/// The packet with this index, with so many before it.
fn with_copies(packets: &[EncodedAudio], index: usize, copies: usize) -> RtpAudio {
    let own = &packets[index];
    let earlier = &packets[index.saturating_sub(copies)..index];
    let mut payload = BytesMut::new();
    for packet in earlier {
        let offset = own.timestamp - packet.timestamp;
        payload.put_u8(0x80 | OPUS);
        payload.put_uint(u64::from(offset << 10 | packet.payload.len() as u32), 3);
    }
    payload.put_u8(OPUS);
    earlier
        .iter()
        .for_each(|packet| payload.put_slice(&packet.payload));
    payload.put_slice(&own.payload);
    RtpAudio {
        payload: payload.freeze(),
        ..rtp(own, index)
    }
}

/// What becomes of a tone whose packets carry so many copies and arrive, or do not, as `delay` says.
fn heard(copies: usize, delay: impl Fn(usize) -> Option<Duration>) -> InboundAudioStats {
    let track = track();
    let queue = FrameQueue::new(MONO, 0);
    track.add_listener(&queue);
    let start = Instant::now();
    let ticks = LISTENED.as_millis() as u32 / 10;
    let packets = encoded(ticks, start);
    let mut arrivals: Vec<(Duration, usize)> = (0..packets.len())
        .filter_map(|index| Some((Duration::from_millis(20) * index as u32 + delay(index)?, index)))
        .collect();
    arrivals.sort();
    let mut arrivals = arrivals.into_iter().peekable();
    for tick in 0..ticks {
        let now = start + Duration::from_millis(10) * tick;
        while let Some((after, index)) = arrivals.next_if(|(after, _)| start + *after <= now) {
            let packet = with_copies(&packets, index, copies);
            track.count(&packet, start + after);
            track.push_red(&packet, OPUS, start + after);
        }
        if tick % 2 == 1 {
            play(&track, now);
        }
    }
    track.stats()
}

/// What is made up before the first packet is due is none of the network's doing.
const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

#[test]
fn a_packet_lost_alone_is_heard_from_the_next() {
    let stats = heard(1, |index| if index % 5 == 4 { None } else { AT_ONCE });
    let playout = stats.playout;
    // The last one lost has nobody behind it.
    assert_eq!(
        (stats.packets_lost, playout.packets_recovered),
        (39, 39),
        "{stats:?}"
    );
    assert_eq!(
        (playout.concealed_samples, playout.packets_discarded),
        (0, 0),
        "{stats:?}"
    );
}

#[test]
fn two_in_a_row_are_heard_from_two_copies() {
    let lost = |index| matches!(index % 10, 4 | 5);
    let stats = heard(2, |index| if lost(index) { None } else { AT_ONCE });
    assert_eq!(
        (stats.packets_lost, stats.playout.packets_recovered),
        (40, 40),
        "{stats:?}"
    );
}

#[test]
fn what_has_come_is_not_taken_twice() {
    let stats = heard(2, |_| AT_ONCE);
    let playout = stats.playout;
    assert_eq!(
        (playout.packets_recovered, playout.packets_discarded),
        (0, 0),
        "{stats:?}"
    );
}

#[test]
fn who_comes_behind_his_copy_is_no_double() {
    let late = Some(Duration::from_millis(30));
    let stats = heard(1, |index| if index % 5 == 4 { late } else { AT_ONCE });
    let playout = stats.playout;
    assert_eq!(
        (stats.packets_lost, playout.concealed_samples),
        (0, 0),
        "{stats:?}"
    );
    assert_eq!(
        playout.packets_recovered + playout.packets_discarded,
        0,
        "{stats:?}"
    );
}

#[test]
fn what_does_not_agree_with_itself_is_dropped_and_counted() {
    let track = track();
    let queue = FrameQueue::new(MONO, 0);
    track.add_listener(&queue);
    let now = Instant::now();
    let packets = encoded(20, now);
    for cut in [0, 1, 3, 4, 6] {
        let mut packet = with_copies(&packets, 2, 1);
        packet.payload.truncate(cut);
        track.push_red(&packet, OPUS, now);
    }
    play(&track, now);
    assert_eq!(track.stats().playout.packets_discarded, 5);
    assert_eq!(track.stats().playout.packets_decoded, 0);
}
