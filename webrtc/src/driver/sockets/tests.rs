use super::*;

impl Sockets {
    /// On this address alone, whatever others this host has.
    pub(in crate::driver) fn only_on(address: IpAddr) -> Self {
        let now = Instant::now();
        let mut sockets = Self::closed(IceTransportsType::All, now).expect("sockets");
        sockets.follow([address].into());
        // This host's addresses are looked at no more.
        sockets.looked = now + std::time::Duration::from_secs(3_600);
        sockets
    }
}

fn addresses(texts: &[&str]) -> Addresses {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

#[tokio::test]
async fn sockets_follow_the_addresses_of_the_host() {
    let mut sockets = Sockets::open(IceTransportsType::All).expect("sockets");
    sockets.follow(addresses(&["127.0.0.1"]));
    let kept = sockets.udp[0].local;
    let moved = sockets.follow(addresses(&["127.0.0.1", "127.0.0.2"]));
    assert!(moved.lost.is_empty());
    let [udp, tcp] = moved.gained.as_slice() else {
        panic!("{moved:?}")
    };
    assert!(udp.contains(" udp ") && udp.contains(" 127.0.0.2 "), "{udp}");
    assert!(tcp.contains(" tcp ") && tcp.contains(" 127.0.0.2 9 "), "{tcp}");

    let moved = sockets.follow(addresses(&["127.0.0.2"]));
    assert!(moved.gained.is_empty());
    assert!(
        moved.lost[0].contains(&format!(" {} {} typ host", kept.ip(), kept.port())),
        "{moved:?}"
    );
    assert_eq!(sockets.udp.len(), 1);
    assert!(bind_at(kept).is_ok(), "the socket is closed");
    assert_eq!(sockets.follow(addresses(&["127.0.0.2"])), Moved::default());
}

#[tokio::test]
async fn a_socket_into_which_sound_flows_is_looked_at_with_the_beat() {
    let mut sockets = Sockets::open(IceTransportsType::All).expect("sockets");
    sockets.follow(addresses(&["127.0.0.1"]));
    let own = sockets.udp[0].local;
    let talker = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let says = || talker.send_to(&[0x80, 111, 0, 0], own).expect("a datagram");
    let mut clock = tokio::time::interval(std::time::Duration::from_millis(10));
    let (mut batch, mut said, mut heard) = (Vec::new(), 0, 0);
    while !sockets.has_beat() {
        says();
        said += 1;
        assert!(said < MAX_DATAGRAMS_PER_BATCH, "sound is not noticed");
        std::future::poll_fn(|cx| sockets.poll_receive(cx, &mut batch)).await;
        heard += batch.drain(..).count();
        clock.tick().await;
    }
    says();
    let woken = std::future::poll_fn(|cx| Poll::Ready(sockets.poll_receive(cx, &mut batch))).await;
    assert!(woken.is_pending(), "it waits for the beat");
    sockets.receive_at_beat(&mut batch);
    assert_eq!(heard + batch.len(), said + 1);
    assert!(!sockets.has_more());

    while sockets.has_beat() {
        clock.tick().await;
        sockets.receive_at_beat(&mut batch);
    }
    batch.clear();
    says();
    std::future::poll_fn(|cx| sockets.poll_receive(cx, &mut batch)).await;
    assert_eq!(batch.len(), 1);
    assert_eq!(sockets.udp[0].local, own);
}

/// A STUN server that sees everybody at another address; how often it was asked from each.
async fn translating_stun_server() -> (SocketAddr, Arc<parking_lot::Mutex<Vec<SocketAddr>>>) {
    use rtc::stun::{
        message::{BINDING_SUCCESS, Message},
        xoraddr::XorMappedAddress,
    };
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let address = socket.local_addr().expect("an address");
    let asked = Arc::<parking_lot::Mutex<Vec<SocketAddr>>>::default();
    let by = asked.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 1_500];
        while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
            by.lock().push(from);
            let mut request = Message::new();
            request.raw = buffer[..length].to_vec();
            request.decode().expect("a request");
            let mut answer = Message::new();
            let seen_as = XorMappedAddress {
                ip: "203.0.113.5".parse().expect("an address"),
                port: from.port(),
            };
            answer
                .build(&[
                    Box::new(request.transaction_id),
                    Box::new(BINDING_SUCCESS),
                    Box::new(seen_as),
                ])
                .expect("an answer");
            socket.send_to(&answer.raw, from).await.expect("sent");
        }
    });
    (address, asked)
}

/// What servers give until all that were asked have answered.
async fn found(sockets: &mut Sockets) -> Vec<Found> {
    let mut all = Vec::new();
    let patience = std::time::Duration::from_secs(20);
    tokio::time::timeout(patience, async {
        loop {
            sockets.handle_timeout(Instant::now());
            all.extend(sockets.take_found());
            if matches!(all.last(), Some(Found::Done)) {
                all.pop();
                return;
            }
            let due = sockets
                .poll_timeout()
                .unwrap_or_else(|| Instant::now() + patience);
            let mut batch = Vec::new();
            let arrived = std::future::poll_fn(|cx| sockets.poll_receive(cx, &mut batch));
            let _ = tokio::time::timeout_at(due.into(), arrived).await;
        }
    })
    .await
    .expect("an answer");
    all
}

#[tokio::test]
async fn stun_servers_are_asked_how_a_new_address_looks() {
    let mut sockets = Sockets::open(IceTransportsType::All).expect("sockets");
    sockets.follow(addresses(&["127.0.0.1"]));
    let (server, asked) = translating_stun_server().await;
    let server = IceServer {
        urls: vec![format!("stun:{server}")],
        username: String::new(),
        password: String::new(),
    };
    assert!(sockets.ask(&[server], IceTransportsType::All));
    let first = found(&mut sockets).await;
    let [Found::Candidate(first)] = first.as_slice() else {
        panic!("{first:?}")
    };
    sockets.follow(addresses(&["127.0.0.1", "127.0.0.2"]));
    let second = found(&mut sockets).await;
    let [Found::Candidate(second)] = second.as_slice() else {
        panic!("{second:?}")
    };
    let own = |n: usize| sockets.udp[n].local;
    for (candidate, base) in [(first, own(0)), (second, own(1))] {
        assert!(candidate.contains(" 203.0.113.5 "), "{candidate}");
        let related = format!(" typ srflx raddr {} rport {}", base.ip(), base.port());
        assert!(candidate.contains(&related), "{candidate}");
    }
    assert_eq!(*asked.lock(), [own(0), own(1)], "each once");

    // With the address goes what it looked like; nobody is asked.
    sockets.follow(addresses(&["127.0.0.2"]));
    let lost = sockets.take_found();
    assert!(
        matches!(lost.as_slice(), [Found::Lost(lost)] if lost == first),
        "{lost:?}"
    );
    assert_eq!(asked.lock().len(), 2);

    // Nor where only relays are to be used from now on.
    assert!(!sockets.ask(&[], IceTransportsType::Relay));
    sockets.follow(addresses(&["127.0.0.2", "127.0.0.3"]));
    assert!(sockets.take_found().is_empty());
}

fn bind_at(address: SocketAddr) -> io::Result<std::net::UdpSocket> {
    std::net::UdpSocket::bind(address)
}
