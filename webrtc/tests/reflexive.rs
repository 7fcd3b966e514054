//! Two connections behind translators of addresses, who know one another only as a STUN server sees them.

mod pair;
mod sound;

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use libwebrtc::{prelude::*, stats::RtcStats};
use pair::{Side, negotiate, opens, within};
use rtc::stun::{
    message::{BINDING_REQUEST, BINDING_SUCCESS, Message},
    xoraddr::XorMappedAddress,
};
use sound::{hear, hum, received};
use tokio::{
    net::UdpSocket,
    sync::mpsc::{self, Sender},
};

type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// Who asks it gets another address, and reaches others at theirs only: nobody sees where anybody really is.
struct Translator {
    server: SocketAddr,
    /// Datagrams from and to addresses of its own.
    translated: Arc<AtomicUsize>,
}

impl Translator {
    /// Runs until the runtime ends.
    async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let server = socket.local_addr().expect("an address");
        let translated = Arc::<AtomicUsize>::default();
        tokio::spawn(translate(socket, translated.clone()));
        Self { server, translated }
    }
}

async fn translate(stun: UdpSocket, translated: Arc<AtomicUsize>) {
    // What it is known as, by where somebody really is, and the other way round.
    let mut known_as: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut real: HashMap<SocketAddr, SocketAddr> = HashMap::new();
    let (datagrams, mut arriving) = mpsc::channel::<Datagram>(256);
    let mut buffer = [0; 2_048];
    loop {
        tokio::select! {
            Ok((length, from)) = stun.recv_from(&mut buffer) => {
                let socket = match known_as.entry(from) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(unknown) => {
                        let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a socket"));
                        real.insert(address_of(&socket), from);
                        tokio::spawn(listen(socket.clone(), datagrams.clone()));
                        unknown.insert(socket)
                    }
                };
                if let Some(answer) = answer_to(&buffer[..length], address_of(socket)) {
                    stun.send_to(&answer, from).await.expect("an answer");
                }
            }
            Some((from, to, data)) = arriving.recv() => {
                // Strangers are let in by nobody.
                if let (Some(sender), Some(receiver)) = (known_as.get(&from), real.get(&to)) {
                    translated.fetch_add(1, Ordering::Relaxed);
                    let _ = sender.send_to(&data, receiver).await;
                }
            }
        }
    }
}

fn address_of(socket: &UdpSocket) -> SocketAddr {
    socket.local_addr().expect("an address")
}

async fn listen(socket: Arc<UdpSocket>, datagrams: Sender<Datagram>) {
    let own = address_of(&socket);
    let mut buffer = [0; 2_048];
    loop {
        if let Ok((length, from)) = socket.recv_from(&mut buffer).await
            && datagrams
                .send((from, own, buffer[..length].to_vec()))
                .await
                .is_err()
        {
            return;
        }
    }
}

fn answer_to(request: &[u8], seen_as: SocketAddr) -> Option<Vec<u8>> {
    let mut asked = Message::new();
    asked.raw = request.to_vec();
    asked.decode().ok()?;
    if asked.typ != BINDING_REQUEST {
        return None;
    }
    let seen_as = XorMappedAddress {
        ip: seen_as.ip(),
        port: seen_as.port(),
    };
    let mut answer = Message::new();
    answer
        .build(&[
            Box::new(asked.transaction_id),
            Box::new(BINDING_SUCCESS),
            Box::new(seen_as),
        ])
        .ok()?;
    Some(answer.raw)
}

/// A side that says of itself only what the server says.
fn side(translator: &Translator) -> Side {
    let mut config = RtcConfiguration::default();
    config.ice_servers = vec![IceServer {
        urls: vec![format!("stun:{}", translator.server)],
        username: String::new(),
        password: String::new(),
    }];
    config.ice_transport_type = IceTransportsType::NoHost;
    Side::with(config)
}

/// Hands candidates over as they come until both are connected.
async fn connect(caller: &mut Side, callee: &mut Side) {
    negotiate(caller, callee, OfferOptions::default()).await;
    let hand_over = async |to: &PeerConnection, candidate: IceCandidate| {
        assert!(
            candidate.candidate().contains(" typ srflx "),
            "{}",
            candidate.candidate()
        );
        to.add_ice_candidate(candidate).await.expect("a usable candidate");
    };
    let mut connected = [false; 2];
    within("the connection", async {
        while connected != [true; 2] {
            tokio::select! {
                Some(candidate) = caller.candidates.recv() => hand_over(&callee.connection, candidate).await,
                Some(candidate) = callee.candidates.recv() => hand_over(&caller.connection, candidate).await,
                Some(state) = caller.states.recv() => connected[0] = state == PeerConnectionState::Connected,
                Some(state) = callee.states.recv() => connected[1] = state == PeerConnectionState::Connected,
            }
        }
    })
    .await;
}

#[tokio::test]
async fn two_behind_translators_hear_and_read_one_another() {
    let translator = Translator::start().await;
    let (mut caller, mut callee) = (side(&translator), side(&translator));
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
    assert!(translator.translated.load(Ordering::Relaxed) > 0);
    for side in [&caller, &callee] {
        let stats = side.connection.get_stats().await.expect("statistics");
        let kinds: Vec<String> = stats
            .iter()
            .filter_map(|stats| match stats {
                RtcStats::LocalCandidate(candidate) => candidate.local_candidate.candidate_type,
                RtcStats::RemoteCandidate(candidate) => candidate.remote_candidate.candidate_type,
                _ => None,
            })
            .map(|kind| format!("{kind:?}"))
            .collect();
        assert!(
            kinds.len() >= 2 && kinds.iter().all(|kind| kind == "Srflx"),
            "{kinds:?}"
        );
    }
    feeder.abort();
}
