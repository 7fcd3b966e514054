//! A fault in what reads datagrams ends its connection and no other.

use tokio::{net::UdpSocket, sync::mpsc};

use super::*;
use crate::{data_channel::DataChannelInit, engine::BREAKS, peer_connection::PeerConnectionState};

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
