//! The end of a connection: calls are refused, callbacks are told, no socket stays.

mod pair;

use libwebrtc::{RtcErrorType, prelude::*};
use pair::{connected, within};
use tokio::sync::mpsc::{self, UnboundedReceiver};

/// The UDP ports that this host listens on, in the kernel's words.
fn open_udp_ports() -> Vec<u16> {
    ["/proc/net/udp", "/proc/net/udp6"]
        .into_iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|table| {
            table
                .lines()
                .skip(1)
                .filter_map(|line| {
                    let local = line.split_whitespace().nth(1)?;
                    u16::from_str_radix(local.rsplit(':').next()?, 16).ok()
                })
                .collect::<Vec<u16>>()
        })
        .collect()
}

fn states(channel: &DataChannel) -> UnboundedReceiver<DataChannelState> {
    let (tx, rx) = mpsc::unbounded_channel();
    channel.on_state_change(Some(Box::new(move |state| {
        let _ = tx.send(state);
    })));
    rx
}

fn ports_of(connection: &PeerConnection) -> Vec<u16> {
    let text = connection
        .current_local_description()
        .expect("a description")
        .to_string();
    let mut ports: Vec<u16> = text
        .lines()
        .filter(|line| line.starts_with("a=candidate:") && line.contains(" udp "))
        .filter_map(|line| line.split(' ').nth(5)?.parse().ok())
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

#[tokio::test]
async fn nothing_stays_open_after_close() {
    let (mut caller, _callee, ours, theirs) = connected().await;
    let mut their_states = states(&theirs);
    let ports = ports_of(&caller.connection);
    assert!(!ports.is_empty());
    let open = open_udp_ports();
    assert!(
        ports.iter().all(|port| open.contains(port)),
        "{ports:?} should be open"
    );

    let mut our_states = states(&ours);
    caller.connection.close();
    assert_eq!(caller.connection.connection_state(), PeerConnectionState::Closed);
    assert_eq!(caller.connection.signaling_state(), SignalingState::Closed);
    caller.reaches(PeerConnectionState::Closed).await;
    let open = open_udp_ports();
    assert!(
        ports.iter().all(|port| !open.contains(port)),
        "{ports:?} should be closed"
    );
    let state = within("our channel to close", our_states.recv()).await;
    assert_eq!(state, Some(DataChannelState::Closed));
    // The other side is told by the farewell and need not wait for a timeout.
    let state = within("their channel to close", their_states.recv()).await;
    assert_eq!(state, Some(DataChannelState::Closed));
}

#[tokio::test]
async fn a_closed_connection_refuses_calls() {
    let (caller, _callee, ours, _theirs) = connected().await;
    caller.connection.close();
    caller.connection.close();
    assert!(matches!(
        ours.send(b"too late", true),
        Err(DataChannelError::Send)
    ));
    let refused = caller.connection.create_offer(OfferOptions::default()).await;
    assert_eq!(
        refused.expect_err("closed").error_type,
        RtcErrorType::InvalidState
    );
    let refused = caller
        .connection
        .create_data_channel("more", DataChannelInit::default());
    assert_eq!(
        refused.expect_err("closed").error_type,
        RtcErrorType::InvalidState
    );
}

#[tokio::test]
async fn dropping_the_last_handle_closes() {
    let (caller, _callee, _ours, _theirs) = connected().await;
    let pair::Side {
        connection,
        mut states,
        ..
    } = caller;
    let copy = connection.clone();
    drop(connection);
    assert_eq!(copy.connection_state(), PeerConnectionState::Connected);
    drop(copy);
    within("the end", async {
        while states.recv().await.expect("the end is told") != PeerConnectionState::Closed {}
    })
    .await;
}
