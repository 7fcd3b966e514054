//! A fault in what reads datagrams ends its connection and no other; a pair that has nothing but IPv6.

use std::net::{IpAddr, Ipv6Addr};

use tokio::{net::UdpSocket, sync::mpsc};

use super::*;
use crate::{
    data_channel::{DataChannelInit, DataChannelState},
    engine::BREAKS,
    peer_connection::{AnswerOptions, OfferOptions, PeerConnection, PeerConnectionState},
    stats::RtcStats,
};

#[tokio::test]
async fn a_fault_of_the_engine_ends_its_connection_as_failed() {
    let [broken, whole] =
        [(); 2].map(|()| Connection::start(RtcConfiguration::default()).expect("a connection"));
    let (states_of_broken, mut states) = mpsc::unbounded_channel();
    broken.callbacks.connection_state.set(Some(Box::new(move |state| {
        let _ = states_of_broken.send(state);
    })));
    broken
        .create_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let candidate = broken
        .engine()
        .create_offer(&crate::peer_connection::OfferOptions::default())
        .expect("an offer")
        .to_string();
    let port: u16 = candidate
        .lines()
        .filter(|line| {
            line.starts_with("a=candidate:") && line.contains(" udp ") && line.contains(" 127.0.0.1 ")
        })
        .find_map(|line| line.split(' ').nth(5)?.parse().ok())
        .expect("a port on loopback");
    let stranger = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    stranger
        .send_to(BREAKS, ("127.0.0.1", port))
        .await
        .expect("a datagram");
    let state = tokio::time::timeout(Duration::from_secs(20), states.recv()).await;
    assert_eq!(state.expect("to be told"), Some(PeerConnectionState::Failed));
    assert!(broken.engine().is_closed());
    assert!(!whole.engine().is_closed());
    assert!(
        whole
            .engine()
            .create_offer(&crate::peer_connection::OfferOptions::default())
            .is_ok()
    );
}

const PATIENCE: Duration = Duration::from_secs(20);

/// A connection that has no address but this one.
fn only_on(address: IpAddr) -> PeerConnection {
    let sockets = Sockets::only_on(address);
    assert_eq!(sockets.candidates().len(), 2, "UDP and TCP on {address}");
    let connection = Connection::start_with(RtcConfiguration::default(), sockets, &Handle::current());
    PeerConnection::of(connection.expect("a connection"))
}

/// What its statistics say of candidates: ours, and the other side's.
async fn addresses(connection: &PeerConnection) -> Vec<String> {
    let stats = connection.get_stats().await.expect("statistics");
    let addresses = stats.into_iter().filter_map(|stats| match stats {
        RtcStats::LocalCandidate(candidate) => Some(candidate.local_candidate.address),
        RtcStats::RemoteCandidate(candidate) => Some(candidate.remote_candidate.address),
        _ => None,
    });
    addresses.collect()
}

#[tokio::test]
async fn a_pair_connects_over_ipv6_alone() {
    let loopback = IpAddr::V6(Ipv6Addr::LOCALHOST);
    assert!(
        std::net::UdpSocket::bind((loopback, 0)).is_ok(),
        "this host has no {loopback}, and IPv6 cannot be tried"
    );
    let (caller, callee) = (only_on(loopback), only_on(loopback));
    let ours = caller
        .create_data_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let (opened, mut open) = mpsc::unbounded_channel();
    ours.on_state_change(Some(Box::new(move |state| {
        let _ = opened.send(state);
    })));
    let (read, mut messages) = mpsc::unbounded_channel();
    callee.on_data_channel(Some(Box::new(move |theirs| {
        let read = read.clone();
        theirs.on_message(Some(Box::new(move |message| {
            let _ = read.send(message.data.to_vec());
        })));
    })));
    // Descriptions carry the candidates.
    let offer = caller
        .create_offer(OfferOptions::default())
        .await
        .expect("an offer");
    caller
        .set_local_description(offer.clone())
        .await
        .expect("our own offer");
    callee
        .set_remote_description(offer)
        .await
        .expect("the other side's offer");
    let answer = callee
        .create_answer(AnswerOptions::default())
        .await
        .expect("an answer");
    callee
        .set_local_description(answer.clone())
        .await
        .expect("our own answer");
    caller
        .set_remote_description(answer)
        .await
        .expect("the other side's answer");
    let opens = async { while open.recv().await.expect("the channel lives") != DataChannelState::Open {} };
    tokio::time::timeout(PATIENCE, opens)
        .await
        .expect("the channel opens");
    ours.send(b"over IPv6", true).expect("an open channel");
    let message = tokio::time::timeout(PATIENCE, messages.recv()).await;
    assert_eq!(message.expect("a message").as_deref(), Some(&b"over IPv6"[..]));
    for connection in [&caller, &callee] {
        let addresses = addresses(connection).await;
        assert!(
            addresses.len() >= 2 && addresses.iter().all(|address| address == "::1"),
            "{addresses:?}"
        );
    }
}
