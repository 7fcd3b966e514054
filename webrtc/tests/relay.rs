//! Two connections that may use nothing but relays hear one another; servers that refuse or are not
//! there are told and hold nothing up.

mod pair;
mod sound;
mod turn_server;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use libwebrtc::{peer_connection::IceCandidateError, prelude::*, stats::RtcStats};
use pair::{Side, negotiate, opens, within};
use sound::{hear, hum, received};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use turn_server::{Counts, PASSWORD, USER, serve_tcp, serve_udp};

fn server(url: String, password: &str) -> IceServer {
    IceServer {
        urls: vec![url],
        username: USER.to_owned(),
        password: password.to_owned(),
    }
}

fn asking(servers: Vec<IceServer>, ice_transport_type: IceTransportsType) -> RtcConfiguration {
    let mut config = RtcConfiguration::default();
    config.ice_servers = servers;
    config.ice_transport_type = ice_transport_type;
    config
}

fn errors(side: &Side) -> UnboundedReceiver<IceCandidateError> {
    let (tx, rx) = mpsc::unbounded_channel();
    side.connection
        .on_ice_candidate_error(Some(Box::new(move |error| {
            let _ = tx.send(error);
        })));
    rx
}

/// Hands candidates over as they come, until the connection is made.
async fn connect(caller: &mut Side, callee: &mut Side) {
    negotiate(caller, callee, OfferOptions::default()).await;
    within("the connection", async {
        loop {
            tokio::select! {
                Some(candidate) = caller.candidates.recv() => {
                    assert!(callee.connection.add_ice_candidate(candidate).await.is_ok());
                }
                Some(candidate) = callee.candidates.recv() => {
                    assert!(caller.connection.add_ice_candidate(candidate).await.is_ok());
                }
                Some(state) = caller.states.recv() => {
                    if state == PeerConnectionState::Connected {
                        return;
                    }
                }
            }
        }
    })
    .await;
}

fn relay_url(address: SocketAddr, transport: &str) -> String {
    format!("turn:{address}?transport={transport}")
}

/// Sound and a message each way, each side by a relay of its own.
async fn talk_through_relays(caller_url: String, callee_url: String, counts: &Counts) {
    let relays = |url| asking(vec![server(url, PASSWORD)], IceTransportsType::Relay);
    let mut caller = Side::with(relays(caller_url));
    let mut callee = Side::with(relays(callee_url));
    let channel = caller
        .connection
        .create_data_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let mut opened = opens(&channel);
    let (_, feeder) = hum(&caller, "voice");
    connect(&mut caller, &mut callee).await;
    let (heard, _) = received(&callee).expect("a track");
    hear(heard).await;
    within("the channel", opened.recv()).await.expect("the channel");
    for side in [&caller, &callee] {
        let stats = side.connection.get_stats().await.expect("statistics");
        let kinds: Vec<String> = stats
            .iter()
            .filter_map(|stats| match stats {
                RtcStats::LocalCandidate(candidate) => candidate
                    .local_candidate
                    .candidate_type
                    .map(|kind| format!("{kind:?}")),
                _ => None,
            })
            .collect();
        assert!(
            !kinds.is_empty() && kinds.iter().all(|kind| kind == "Relay"),
            "{kinds:?}"
        );
    }
    assert_eq!(counts.allocations.load(Ordering::Relaxed), 2);
    feeder.abort();
    caller.connection.close();
    callee.connection.close();
    within("the addresses to be given back", async {
        while counts.given_back.load(Ordering::Relaxed) < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn sound_goes_through_a_relay_over_udp_and_moves_to_channels() {
    let counts = Arc::new(Counts::default());
    let address = serve_udp(counts.clone()).await;
    let url = relay_url(address, "udp");
    talk_through_relays(url.clone(), url, &counts).await;
    assert!(counts.relayed_by_channel.load(Ordering::Relaxed) > 0);
}

#[tokio::test]
async fn sound_goes_through_a_relay_over_tcp() {
    let counts = Arc::new(Counts::default());
    let (tcp, udp) = (serve_tcp(counts.clone()).await, serve_udp(counts.clone()).await);
    talk_through_relays(relay_url(tcp, "tcp"), relay_url(udp, "udp"), &counts).await;
}

#[tokio::test]
async fn a_server_that_changes_its_nonce_goes_on_serving() {
    let counts = Arc::new(Counts::default());
    counts.stale_after.store(1, Ordering::Relaxed);
    let address = serve_udp(counts.clone()).await;
    let url = relay_url(address, "udp");
    talk_through_relays(url.clone(), url, &counts).await;
    // Each allocation is refused once for want of credentials; more than that is for the nonce.
    assert!(counts.refused.load(Ordering::Relaxed) > 2);
}

#[tokio::test]
async fn servers_that_refuse_or_are_not_there_hold_nothing_up() {
    let counts = Arc::new(Counts::default());
    let refusing = serve_udp(counts.clone()).await;
    // Nobody listens there: the port was free a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port");
    let servers = vec![
        server(relay_url(refusing, "udp"), "a wrong password"),
        server(relay_url(nobody, "tcp"), PASSWORD),
        server("turn:".to_owned(), PASSWORD),
    ];
    let mut caller = Side::with(asking(servers, IceTransportsType::All));
    let mut told = errors(&caller);
    let mut callee = Side::new();
    let channel = caller
        .connection
        .create_data_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let mut opened = opens(&channel);
    connect(&mut caller, &mut callee).await;
    within("the channel", opened.recv()).await.expect("the channel");

    let mut codes = Vec::new();
    for _ in 0..3 {
        let error = within("an error", told.recv()).await.expect("an error");
        assert!(!error.error_text.contains("password"), "{error:?}");
        codes.push((error.error_code, error.url));
    }
    codes.sort();
    assert_eq!(
        codes.iter().map(|(code, _)| *code).collect::<Vec<_>>(),
        [401, 701, 701],
        "{codes:?}"
    );
    assert_eq!(counts.allocations.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn servers_named_later_are_asked_then() {
    let counts = Arc::new(Counts::default());
    let address = serve_udp(counts.clone()).await;
    let mut caller = Side::with(asking(Vec::new(), IceTransportsType::Relay));
    let mut callee = Side::new();
    let channel = caller
        .connection
        .create_data_channel("talk", DataChannelInit::default())
        .expect("a channel");
    let mut opened = opens(&channel);
    negotiate(&mut caller, &mut callee, OfferOptions::default()).await;
    let servers = vec![server(relay_url(address, "udp"), PASSWORD)];
    caller
        .connection
        .set_configuration(asking(servers, IceTransportsType::Relay))
        .expect("an open connection");
    let relay = within("a relay", caller.candidates.recv())
        .await
        .expect("a candidate");
    assert!(relay.candidate().contains("typ relay"), "{}", relay.candidate());
    callee
        .connection
        .add_ice_candidate(relay)
        .await
        .expect("a usable candidate");
    within("the channel", opened.recv()).await.expect("the channel");
}
