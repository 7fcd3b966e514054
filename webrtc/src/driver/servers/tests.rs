//! A relay over TLS, and what bounds a server that does not behave.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use self::turn_server::{Counts, PASSWORD, USER, serve_stream};
use super::{trust::tls_trusting, *};

#[path = "../../../tests/turn_server/mod.rs"]
mod turn_server;

const PATIENCE: Duration = Duration::from_secs(20);

fn server(url: String) -> IceServer {
    IceServer {
        urls: vec![url],
        username: USER.to_owned(),
        password: PASSWORD.to_owned(),
    }
}

/// The one thing that is found.
async fn found(servers: &mut Servers) -> Found {
    let mut all: Vec<Found> = Vec::new();
    tokio::time::timeout(PATIENCE, async {
        loop {
            all.extend(servers.take_found());
            if matches!(all.last(), Some(Found::Done)) {
                assert_eq!(all.len(), 2, "{all:?}");
                return all.remove(0);
            }
            std::future::poll_fn(|cx| servers.poll_reports(cx, std::iter::empty())).await;
        }
    })
    .await
    .expect("something found")
}

/// A certificate for `localhost`, and who trusts it.
fn certificate() -> (TlsAcceptor, Arc<rustls::ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a usable certificate");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a usable certificate");
    let trusting = tls_trusting(roots).expect("TLS 1.2 and 1.3");
    (TlsAcceptor::from(Arc::new(config)), trusting)
}

async fn serve_tls(acceptor: TlsAcceptor, counts: Arc<Counts>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, from)) = listener.accept().await {
            let (acceptor, counts) = (acceptor.clone(), counts.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    serve_stream(stream, from, counts).await;
                }
            });
        }
    });
    port
}

#[tokio::test]
async fn a_relay_over_tls_carries_datagrams_both_ways() {
    let (acceptor, trusting) = certificate();
    let counts = Arc::new(Counts::default());
    let port = serve_tls(acceptor, counts.clone()).await;
    let mut servers = Servers::trusting(trusting, Proxies::default());
    assert!(servers.ask(&[server(format!("turns:localhost:{port}?transport=tcp"))], true));
    let Found::Candidate(candidate) = found(&mut servers).await else {
        panic!("an address")
    };
    assert!(
        candidate.contains(" typ relay raddr 0.0.0.0 rport 0"),
        "{candidate}"
    );
    let local = servers.asked[0]
        .relay
        .as_ref()
        .and_then(|relay| relay.address)
        .expect("an address");
    let peer = tokio::net::UdpSocket::bind("127.0.0.1:0")
        .await
        .expect("a socket");
    let path = Path {
        local,
        peer: peer.local_addr().expect("an address"),
        tcp: false,
    };
    for n in 0..50_u8 {
        assert!(servers.send(path, Bytes::from(vec![n; 100])));
        let mut buffer = [0; 200];
        let (length, from) = tokio::time::timeout(PATIENCE, peer.recv_from(&mut buffer))
            .await
            .expect("a datagram")
            .expect("a datagram");
        assert_eq!((from, &buffer[..length]), (local, vec![n; 100].as_slice()));
        peer.send_to(&buffer[..length], from).await.expect("a way back");
        let receive = std::future::poll_fn(|cx| servers.poll_receive(cx));
        let (back, data) = tokio::time::timeout(PATIENCE, receive).await.expect("a datagram");
        assert_eq!((back, data.as_ref()), (path, vec![n; 100].as_slice()));
    }
    assert!(counts.relayed_by_channel.load(Ordering::Relaxed) > 0);
    drop(servers);
    tokio::time::timeout(PATIENCE, async {
        while counts.given_back.load(Ordering::Relaxed) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the address to be given back");
}

/// Answers those who ask for the way to `target`: opens it, and counts them, or refuses.
async fn serve_proxy(target: String, refuses: bool, tunnels: Arc<AtomicUsize>) -> proxy::Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(client.read_u8().await.expect("a request"));
            }
            let request = String::from_utf8(request).expect("a request");
            assert!(
                request.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")),
                "{request}"
            );
            assert!(request.contains("\r\nProxy-Authorization: Basic bWU6c2VjcmV0\r\n"));
            tunnels.fetch_add(1, Ordering::Relaxed);
            if refuses {
                let _ = client.write_all(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
                continue;
            }
            let mut server = tokio::net::TcpStream::connect(&target).await.expect("a relay");
            client
                .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                .await
                .expect("a client");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
        }
    });
    proxy::Proxy::parse(&format!("http://me:secret@127.0.0.1:{port}")).expect("a proxy")
}

#[tokio::test]
async fn relays_are_reached_through_the_proxy_and_without_it_where_it_refuses() {
    let (acceptor, trusting) = certificate();
    let counts = Arc::new(Counts::default());
    let secure = format!("localhost:{}", serve_tls(acceptor, counts.clone()).await);
    let plain = turn_server::serve_tcp(counts.clone()).await.to_string();
    for (scheme, target) in [("turns", secure), ("turn", plain)] {
        for refuses in [false, true] {
            let tunnels = Arc::new(AtomicUsize::new(0));
            let proxy = serve_proxy(target.clone(), refuses, tunnels.clone()).await;
            let proxies = match scheme {
                "turns" => Proxies {
                    secure: Some(proxy),
                    plain: None,
                },
                _ => Proxies {
                    plain: Some(proxy),
                    secure: None,
                },
            };
            let mut servers = Servers::trusting(trusting.clone(), proxies);
            servers.ask(&[server(format!("{scheme}:{target}?transport=tcp"))], true);
            let found = found(&mut servers).await;
            assert!(
                matches!(found, Found::Candidate(_)),
                "{scheme}, {refuses}: {found:?}"
            );
            assert_eq!(tunnels.load(Ordering::Relaxed), 1, "{scheme}, {refuses}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_keeps_nobody_from_the_relay() {
    let counts = Arc::new(Counts::default());
    let target = turn_server::serve_tcp(counts).await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let port = gone.local_addr().expect("an address").port();
    drop(gone);
    let proxies = Proxies {
        plain: proxy::Proxy::parse(&format!("http://127.0.0.1:{port}")),
        secure: None,
    };
    let mut servers = Servers::trusting(certificate().1, proxies);
    servers.ask(&[server(format!("turn:{target}?transport=tcp"))], true);
    let found = found(&mut servers).await;
    assert!(matches!(found, Found::Candidate(_)), "{found:?}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let (acceptor, _) = certificate();
    let counts = Arc::new(Counts::default());
    let port = serve_tls(acceptor, counts.clone()).await;
    let mut servers = Servers::new().expect("authorities");
    servers.ask(&[server(format!("turns:localhost:{port}"))], true);
    let found = found(&mut servers).await;
    let Found::Failed(error) = found else {
        panic!("{found:?}")
    };
    assert!(error.error_text.contains("certificate"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_sends_rubbish_or_ends_is_given_up() {
    for answer in [
        b"HTTP/1.1 400 Bad Request\r\n".as_slice(),
        b"\xff\xff\xff\xff",
        b"",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let _ = stream.read(&mut [0; 100]).await;
            let _ = stream.write_all(answer).await;
        });
        let mut servers = Servers::trusting(certificate().1, Proxies::default());
        servers.ask(&[server(format!("turn:{address}?transport=tcp"))], true);
        let found = found(&mut servers).await;
        let Found::Failed(error) = found else {
            panic!("{found:?}")
        };
        assert_eq!(error.error_code, UNREACHABLE_CODE, "{error:?}");
    }
}

#[tokio::test]
async fn no_more_servers_are_asked_than_the_limit_says() {
    let mut servers = Servers::trusting(certificate().1, Proxies::default());
    let urls = (0..50)
        .map(|n| format!("turn:127.0.0.1:{}?transport=tcp", 10 + n))
        .collect();
    let many = IceServer {
        urls,
        ..server(String::new())
    };
    servers.ask(&[many], true);
    assert_eq!(servers.asked.len(), MAX_SERVERS);
}

#[tokio::test]
async fn new_credentials_again_and_again_do_not_pile_up() {
    let counts = Arc::new(Counts::default());
    let address = turn_server::serve_udp(counts.clone()).await;
    let mut servers = Servers::trusting(certificate().1, Proxies::default());
    for generation in 0..20 {
        // Other addresses of the server stand for other credentials here: it knows one user only.
        let mut named = server(format!("turn:{address}?transport=udp"));
        named.username = USER.to_owned();
        servers
            .asked
            .iter_mut()
            .for_each(|asked| asked.username = format!("before {generation}"));
        assert!(servers.ask(&[named], true));
        tokio::time::timeout(PATIENCE, async {
            while !matches!(servers.take_found().pop(), Some(Found::Done)) {
                std::future::poll_fn(|cx| servers.poll_reports(cx, std::iter::empty())).await;
            }
        })
        .await
        .expect("an address");
    }
    assert!(servers.asked.len() <= MAX_SERVERS);
    tokio::time::timeout(PATIENCE, async {
        while counts.given_back.load(Ordering::Relaxed) < 20 - MAX_RELAYS_OF_A_SERVER {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the others to be given back");
}
