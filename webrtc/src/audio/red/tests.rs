use proptest::prelude::*;

use super::*;

const NUMBERS: RedNumbers = RedNumbers { red: 63, opus: 111 };

fn frame(fill: u8, bytes: usize) -> Bytes {
    vec![fill; bytes].into()
}

#[test]
fn a_packet_carries_the_one_before_it() {
    let mut packer = Packer::new(NUMBERS);
    let first = packer.pack(1_000, &frame(1, 3)).expect("short enough");
    assert_eq!(first[..], [111, 1, 1, 1], "there is none before the first");
    let second = packer.pack(1_960, &frame(2, 2)).expect("short enough");
    // 960 << 10 | 3 is 0x0f0003.
    assert_eq!(second[..], [0x80 | 111, 0x0f, 0x00, 0x03, 111, 1, 1, 1, 2, 2]);
    let unpacked = Unpacked::read(&second, 111).expect("a packet of ours");
    assert_eq!(unpacked.frame(), frame(2, 2));
    let copy = Copy {
        packets: 1,
        offset_rtp: 960,
        frame: frame(1, 3),
    };
    assert_eq!(unpacked.copies().collect::<Vec<_>>(), [copy]);
}

#[test]
fn a_copy_that_is_too_old_or_too_long_is_left_out() {
    let copies = |then: u32, before: usize, bytes: usize| {
        let mut packer = Packer::new(NUMBERS);
        let _ = packer.pack(then, &frame(1, before));
        let packet = packer.pack(100_000, &frame(2, bytes)).expect("short enough");
        Unpacked::read(&packet, 111)
            .expect("a packet of ours")
            .copies()
            .count()
    };
    assert_eq!(copies(100_000 - 16_383, 80, 80), 1);
    assert_eq!(copies(100_000 - 16_384, 80, 80), 0, "a pause of 341 ms");
    assert_eq!(copies(100_000, 80, 80), 0, "of the same time");
    assert_eq!(copies(100_001, 80, 80), 0, "of another timeline");
    assert_eq!(copies(99_040, 537, 538), 1);
    assert_eq!(copies(99_040, 538, 538), 0, "longer than what fits everywhere");
}

#[test]
fn a_frame_that_is_too_long_goes_as_it_is_and_breaks_the_row() {
    let mut packer = Packer::new(NUMBERS);
    let _ = packer.pack(0, &frame(1, 10));
    assert_eq!(packer.pack(960, &frame(2, 1_024)), None);
    let next = packer.pack(1_920, &frame(3, 10)).expect("short enough");
    assert_eq!(next.len(), 11, "one block");
}

#[test]
fn several_copies_are_counted_backwards() {
    // As LiveKit sends them: 40 and 20 ms back.
    let mut packet = vec![0x80 | 111, 0x1e, 0x00, 1, 0x80 | 111, 0x0f, 0x00, 2, 111];
    packet.extend([1, 2, 2, 3, 3, 3]);
    let packet = Bytes::from(packet);
    let unpacked = Unpacked::read(&packet, 111).expect("a packet");
    let copies = unpacked
        .copies()
        .map(|copy| (copy.packets, copy.offset_rtp, copy.frame));
    assert_eq!(
        copies.collect::<Vec<_>>(),
        [(2, 1_920, frame(1, 1)), (1, 960, frame(2, 2))]
    );
    assert_eq!(unpacked.frame(), frame(3, 3));
}

#[test]
fn what_is_no_packet_is_refused() {
    let wrong: [&[u8]; 7] = [
        &[],
        &[111],                            // no frame
        &[0x80 | 111, 0, 0],               // a header cut short
        &[0x80 | 111, 0x0f, 0, 1],         // no last header
        &[0x80 | 111, 0x0f, 0, 3, 111, 1], // a block longer than the packet
        &[0x80 | 111, 0x0f, 0, 1, 111, 1], // nothing left for the frame
        &[96, 1, 2],                       // not Opus
    ];
    for payload in wrong {
        assert!(
            Unpacked::read(&Bytes::copy_from_slice(payload), 111).is_none(),
            "{payload:?}"
        );
    }
    let mut many = [0x80 | 111, 0x0f, 0, 0].repeat(MAX_BLOCKS);
    many.extend([111, 1]);
    assert!(
        Unpacked::read(&many.clone().into(), 111).is_none(),
        "too many blocks"
    );
    assert!(Unpacked::read(&many.split_off(4).into(), 111).is_some());
}

#[test]
fn blocks_of_another_codec_are_passed_over() {
    let packet = Bytes::from_static(&[0x80 | 13, 0x0f, 0, 1, 0x80 | 111, 0x0f, 0, 0, 111, 9, 7]);
    let unpacked = Unpacked::read(&packet, 111).expect("a packet");
    assert_eq!(unpacked.copies().count(), 0);
    assert_eq!(unpacked.frame(), frame(7, 1));
}

/// Often one of a header.
fn any_byte() -> impl Strategy<Value = u8> {
    prop_oneof![Just(0x80 | 111), Just(111), 0_u8..4, any::<u8>()]
}

proptest! {
    #[test]
    fn what_is_packed_is_unpacked(
        frames in proptest::collection::vec((1_u32..20_000, proptest::collection::vec(any::<u8>(), 1..1_100)), 1..20),
        start in any::<u32>(),
    ) {
        let mut packer = Packer::new(NUMBERS);
        let mut timestamp = start;
        let mut before: Option<(u32, Bytes)> = None;
        for (step, frame) in frames {
            timestamp = timestamp.wrapping_add(step);
            let frame = Bytes::from(frame);
            let Some(packet) = packer.pack(timestamp, &frame) else {
                prop_assert!(frame.len() > MAX_BLOCK_BYTES);
                before = None;
                continue;
            };
            prop_assert!(packet.len() <= MAX_PAYLOAD_BYTES.max(1 + frame.len()));
            let unpacked = Unpacked::read(&packet, 111).expect("a packet of ours");
            prop_assert_eq!(unpacked.frame(), &frame);
            for copy in unpacked.copies() {
                let (then, copied) = before.clone().expect("a frame before");
                prop_assert_eq!((copy.packets, copy.offset_rtp), (1, timestamp.wrapping_sub(then)));
                prop_assert_eq!(copy.frame, copied);
            }
            before = Some((timestamp, frame));
        }
    }

    #[test]
    fn no_bytes_do_harm(payload in proptest::collection::vec(any_byte(), 0..200)) {
        let payload = Bytes::from(payload);
        if let Some(unpacked) = Unpacked::read(&payload, 111) {
            let parts: usize = unpacked.copies().map(|copy| copy.frame.len()).sum();
            prop_assert!(parts + unpacked.frame().len() < payload.len());
        }
    }
}
