//! The frame's format, with bytes from strangers.

use proptest::{collection::vec, prelude::*};

use super::*;

const IV: [u8; IV_BYTES] = [7; IV_BYTES];

fn cipher(byte: u8) -> Cipher {
    Cipher::new(&[byte; KEY_BYTES])
}

fn open(cipher: &Cipher, frame: &[u8]) -> Option<Vec<u8>> {
    match Received::read(frame, b"") {
        Received::Encrypted { sealed, .. } => cipher.open(&sealed),
        Received::Injected(_) | Received::Malformed => None,
    }
}

#[test]
fn an_encrypted_frame_has_the_parts_that_others_expect() {
    let sealed = seal_frame(&cipher(1), &IV, 3, b"\x78opus").unwrap();
    assert_eq!(sealed.len(), 5 + 16 + 12 + 2);
    assert_eq!(sealed[0], 0x78, "the header is in the clear");
    assert_ne!(&sealed[1..5], b"opus");
    assert_eq!(&sealed[21..33], &IV);
    assert_eq!(&sealed[33..], &[12, 3]);
}

#[test]
fn a_known_frame_opens() {
    // AES-128-GCM, key, nonce and text all zero, without additional data: test case 2 of the
    // specification (McGrew and Viega).
    let sealed = Sealed {
        header: &[],
        text_and_tag: &[
            0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78,
            0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf,
        ],
        iv: &[0; IV_BYTES],
    };
    assert_eq!(cipher(0).open(&sealed).unwrap(), [0; 16]);
}

#[test]
fn the_servers_own_frames_are_believed_if_they_are_silence() {
    let trailer = b"trailer";
    let injected = |frame: &[u8]| {
        let frame = [frame, trailer].concat();
        match Received::read(&frame, trailer) {
            Received::Injected(frame) => Some(frame.to_vec()),
            _ => None,
        }
    };
    let mut silence = SILENCE.to_vec();
    silence.resize(80, 0);
    assert_eq!(injected(&silence), Some(silence.clone()));
    silence[40] = 1;
    assert_eq!(injected(&silence), None, "somebody else's sound");
    assert_eq!(injected(b""), None);
    // Without a trailer nothing is the server's.
    let frame = [SILENCE.as_slice(), &[0; 77]].concat();
    assert!(matches!(Received::read(&frame, b""), Received::Malformed));
}

proptest! {
    #[test]
    fn what_was_encrypted_comes_back(
        frame in vec(any::<u8>(), 1..2_000), iv in any::<[u8; IV_BYTES]>(), index in any::<u8>(),
    ) {
        let sealed = seal_frame(&cipher(1), &iv, index, &frame).unwrap();
        let Received::Encrypted { sealed: parts, key_index } = Received::read(&sealed, b"") else {
            panic!("not recognised")
        };
        prop_assert_eq!(key_index, index);
        prop_assert_eq!(cipher(1).open(&parts), Some(frame));
        prop_assert_eq!(cipher(2).open(&parts), None);
    }

    #[test]
    fn a_changed_frame_stays_closed(
        frame in vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let mut sealed = seal_frame(&cipher(1), &IV, 0, &frame).unwrap();
        let at = at.index(sealed.len() - 1);
        sealed[at] ^= 1 << bit;
        prop_assert_eq!(open(&cipher(1), &sealed), None);
    }

    #[test]
    fn a_cut_frame_stays_closed(frame in vec(any::<u8>(), 1..200), cut in 1..200_usize) {
        let sealed = seal_frame(&cipher(1), &IV, 0, &frame).unwrap();
        let kept = sealed.len().saturating_sub(cut);
        prop_assert_eq!(open(&cipher(1), &sealed[..kept]), None);
    }

    #[test]
    fn no_bytes_do_any_harm(
        frame in vec(any::<u8>(), 0..100), trailer in vec(any::<u8>(), 0..4), twelve in any::<bool>(),
    ) {
        let mut frame = frame;
        if twelve && frame.len() > 1 {
            let at = frame.len() - 2;
            frame[at] = IV_BYTES as u8;
        }
        if let Received::Encrypted { sealed, .. } = Received::read(&frame, &trailer) {
            prop_assert_eq!(cipher(1).open(&sealed), None);
        }
    }
}
