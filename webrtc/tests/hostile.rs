//! Strangers who flood a connection's port, and a peer who lies about lengths: the connection goes on
//! and its memory stays bounded.

mod pair;

use std::{
    net::UdpSocket,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use libwebrtc::prelude::*;
use pair::{Side, connected, messages, opens, within};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// What a flood may leave behind: pages that the allocator keeps, and bounded queues.
const MAX_GROWTH_BYTES: usize = 48 * 1_024 * 1_024;
const FLOOD_DATAGRAMS: usize = 150_000;
/// Each from a source of its own, which would cost 200 bytes.
const MADE_UP_SOURCES: u32 = 800_000;
const FLOOD_TCP_BYTES: usize = 64 * 1_024 * 1_024;

/// Memory that is the process's own, as the kernel counts it; none elsewhere than on Linux.
fn resident_bytes() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: usize = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * 4_096)
}

fn assert_bounded(before: Option<usize>) {
    if let (Some(before), Some(after)) = (before, resident_bytes()) {
        let growth = after.saturating_sub(before);
        assert!(growth < MAX_GROWTH_BYTES, "{growth} bytes more than before");
    }
}

/// The loopback port of a connection's UDP candidates.
fn loopback_port(connection: &PeerConnection) -> u16 {
    let text = connection
        .current_local_description()
        .expect("a description")
        .to_string();
    text.lines()
        .filter(|line| {
            line.starts_with("a=candidate:") && line.contains(" udp ") && line.contains(" 127.0.0.1 ")
        })
        .find_map(|line| line.split(' ').nth(5)?.parse().ok())
        .expect("a port on loopback")
}

/// Something that begins like STUN, DTLS, SRTP or nothing known, of any length.
fn rubbish(n: usize, buffer: &mut [u8; 2_000]) -> &[u8] {
    let length = n * 37 % buffer.len();
    let first = [0, 1, 20, 22, 23, 63, 64, 128, 144, 191, 200, 255];
    buffer[0] = first[n % first.len()];
    for (at, byte) in buffer.iter_mut().enumerate().skip(1) {
        *byte = (n.wrapping_mul(31).wrapping_add(at * 17) >> 3) as u8;
    }
    if n.is_multiple_of(3) {
        // The cookie of STUN, and a length that may be true.
        buffer[2..8].copy_from_slice(&[0, length.saturating_sub(20) as u8, 0x21, 0x12, 0xa4, 0x42]);
    }
    &buffer[..length]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_rubbish_at_the_port_stops_nothing() {
    let (caller, callee, ours, theirs) = connected().await;
    let port = loopback_port(&callee.connection);
    let mut received = messages(&theirs);
    let before = resident_bytes();
    let over = Arc::new(AtomicBool::new(false));
    let flood = tokio::task::spawn_blocking({
        let over = over.clone();
        move || {
            let sockets: Vec<UdpSocket> = (0..8)
                .map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket"))
                .collect();
            let mut buffer = [0; 2_000];
            for n in 0..FLOOD_DATAGRAMS {
                let _ = sockets[n % sockets.len()].send_to(rubbish(n, &mut buffer), ("127.0.0.1", port));
            }
            over.store(true, Ordering::Relaxed);
        }
    });
    let mut sent = 0_u32;
    while !over.load(Ordering::Relaxed) {
        ours.send(&sent.to_be_bytes(), true).expect("an open channel");
        sent += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    within("the flood", flood).await.expect("a flood");
    for expected in 0..sent {
        let (message, _) = within("a message", received.recv()).await.expect("a message");
        assert_eq!(message, expected.to_be_bytes());
    }
    assert_bounded(before);
    for side in [&caller, &callee] {
        assert_eq!(side.connection.connection_state(), PeerConnectionState::Connected);
    }
}

/// SRTP or SRTCP that is nobody's, from the source of this number.
fn made_up(n: u32) -> [u8; 40] {
    let mut packet = [0x80; 40];
    packet[1] = if n.is_multiple_of(2) { 111 } else { 200 };
    let source = n.wrapping_mul(2_654_435_761).to_be_bytes();
    packet[4..8].copy_from_slice(&source);
    packet[8..12].copy_from_slice(&source);
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_strangers_make_up_are_not_kept() {
    let (_caller, callee, ours, theirs) = connected().await;
    let port = loopback_port(&callee.connection);
    let mut received = messages(&theirs);
    let before = resident_bytes();
    let flood = tokio::task::spawn_blocking(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        for n in 0..MADE_UP_SOURCES {
            let _ = socket.send_to(&made_up(n), ("127.0.0.1", port));
        }
    });
    within("the flood", flood).await.expect("a flood");
    ours.send(b"still here", true).expect("an open channel");
    let (message, _) = within("a message", received.recv()).await.expect("a message");
    assert_eq!(message, b"still here");
    assert_bounded(before);
}

/// A description without the addresses in it.
fn without_candidates(description: &SessionDescription) -> SessionDescription {
    let text: String = description
        .to_string()
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("a=candidate:"))
        .collect();
    SessionDescription::parse(&text, description.sdp_type()).expect("a description")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tcp_peer_that_lies_about_lengths_costs_bounded_memory() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    let (mut caller, mut callee) = (Side::new(), Side::new());
    let channel = caller
        .connection
        .create_data_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let mut opened = opens(&channel);
    let offer = caller.connection.create_offer(OfferOptions::default()).await;
    let offer = offer.expect("an offer");
    let (from, to) = (&caller.connection, &callee.connection);
    from.set_local_description(offer.clone())
        .await
        .expect("our own offer");
    to.set_remote_description(without_candidates(&offer))
        .await
        .expect("the other side's offer");
    let answer = to
        .create_answer(AnswerOptions::default())
        .await
        .expect("an answer");
    to.set_local_description(answer.clone())
        .await
        .expect("our own answer");
    from.set_remote_description(without_candidates(&answer))
        .await
        .expect("the other side's answer");

    // The only way that is known so far leads to the liar.
    let before = resident_bytes();
    let tcp = format!("candidate:9 1 tcp 2105458943 127.0.0.1 {port} typ host tcptype passive");
    from.add_ice_candidate(IceCandidate::parse("0", 0, &tcp).expect("a candidate"))
        .await
        .expect("a usable candidate");
    let (mut stream, _) = within("somebody to lie to", listener.accept())
        .await
        .expect("a connection");
    let mut request = [0; 64];
    let length = within("a check", stream.read(&mut request))
        .await
        .expect("a check");
    assert!(length > 0);
    // Frames of the greatest length, full; empty ones; and one that never ends.
    let mut frame = vec![0x55; 2 + 0xffff];
    frame[..2].copy_from_slice(&[0xff, 0xff]);
    frame.extend([0; 64]);
    within("the flood to be read", async {
        for _ in 0..FLOOD_TCP_BYTES / frame.len() {
            stream.write_all(&frame).await.expect("somebody who reads");
        }
        stream
            .write_all(&[0xff, 0xff, 1])
            .await
            .expect("somebody who reads");
    })
    .await;
    assert_bounded(before);

    for candidate in std::iter::from_fn(|| callee.candidates.try_recv().ok()) {
        from.add_ice_candidate(candidate)
            .await
            .expect("a usable candidate");
    }
    for candidate in std::iter::from_fn(|| caller.candidates.try_recv().ok()) {
        to.add_ice_candidate(candidate).await.expect("a usable candidate");
    }
    within("the channel", opened.recv()).await.expect("the channel");
    let theirs = within("the channel", callee.channels.recv())
        .await
        .expect("the channel");
    let mut received = messages(&theirs);
    channel.send(b"still here", true).expect("an open channel");
    let (message, _) = within("a message", received.recv()).await.expect("a message");
    assert_eq!(message, b"still here");
}
