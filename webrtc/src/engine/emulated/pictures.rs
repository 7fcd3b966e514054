//! Others' pictures: they are let come, and let go.

use rtc::sansio::Protocol as _;

use super::{super::settings, *};
use crate::video_track::RtcVideoTrack;

const VIDEO: usize = 1;
/// As many as a camera of 2.5 Mbit/s sends, for each 10 ms.
const PACKETS_A_TICK: u16 = 3;
const PACKET_BYTES: usize = 1_000;
const TICKS: u16 = 500;

/// A talk in which the caller has a camera beside the microphone.
fn with_a_camera() -> Talk {
    let mut talk = Talk::silent(CALLER, CALLEE, Conditions::default(), 7);
    let send = RtpTransceiverInit {
        direction: RtpTransceiverDirection::SendOnly,
        stream_ids: vec!["camera".to_owned()],
        send_encodings: Vec::new(),
    };
    let camera = RtcVideoTrack::new("camera".to_owned());
    let index = talk
        .caller
        .engine
        .add_transceiver(MediaKind::Video, Some(camera.into()), send)
        .expect("a transceiver");
    assert_eq!(index, VIDEO);
    talk.negotiate(false);
    talk.listen();
    talk.run_until("the connection", Duration::from_secs(15), |talk| {
        talk.caller.is_connected() && talk.callee.is_connected()
    });
    talk
}

/// Pictures that we do not make ourselves.
fn send_picture(talk: &mut Talk, tick: u16) {
    let engine = &mut talk.caller.engine;
    let ssrc = engine.sender_ssrc(VIDEO).expect("a sender");
    for n in 0..PACKETS_A_TICK {
        let packet = rtc::rtp::Packet {
            header: rtc::rtp::header::Header {
                version: 2,
                payload_type: settings::VP8_PAYLOAD_TYPE,
                sequence_number: tick * PACKETS_A_TICK + n,
                timestamp: u32::from(tick) * 900,
                ssrc,
                ..Default::default()
            },
            payload: vec![0x5a; PACKET_BYTES].into(),
        };
        let mut sender = engine.rtc.rtp_sender(VIDEO.into()).expect("a sender");
        sender
            .write_rtp(talk.now, packet)
            .expect("a packet that was negotiated");
    }
}

#[test]
fn a_camera_disturbs_neither_sound_nor_messages() {
    let mut talk = with_a_camera();
    talk.run(Duration::from_secs(2));
    let (before, sent) = (talk.callee.sound(), talk.to_callee.fate.sent);
    talk.callee.pcm.clear();
    for tick in 0..TICKS {
        send_picture(&mut talk, tick);
        talk.run(TICK);
    }
    let pictures = u64::from(TICKS * PACKETS_A_TICK);
    assert!(talk.to_callee.fate.sent - sent > pictures, "they went out");
    let after = talk.callee.sound();
    assert_eq!(after.packets_lost, before.packets_lost);
    assert_eq!(after.playout.concealed_samples, before.playout.concealed_samples);
    assert!(
        after.packets_received - before.packets_received <= u64::from(TICKS) / 2 + 1,
        "only sound is sound"
    );
    assert!(listen_closely(&talk.callee.pcm).clean > 0.99);
    assert!(talk.callee.messages.len() as u32 + 2 >= talk.caller.messages_sent);
    assert!(talk.callee.engine.rtc.poll_read().is_none(), "nothing is kept");
}
