//! A bad network on this machine, between LiveKit's clients and its server: it loses a share of the sound that goes to the
//! server, it carries nothing of some clients for a while, and it translates addresses, which it may forget. Which packets are lost follows from a seed and the order of the
//! packets alone.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;
use tokio::sync::Notify;
use tokio::task::JoinSet;

const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
/// No packet of WebRTC is longer.
const PACKET_MAX_BYTES: usize = 2_048;
/// Clients that are connected at the same time.
const CLIENTS_LIMIT: usize = 256;
const SEED: u64 = 5;

/// What went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Packets of sound from clients.
    pub media: u64,
    /// Of these, lost.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Shared {
    loss_percent: AtomicU32,
    cut: Mutex<HashSet<u16>>,
    forget: Notify,
    media: AtomicU64,
    lost: AtomicU64,
}

/// The running network; it ends when dropped.
#[derive(Debug)]
pub struct BadNetwork {
    shared: Arc<Shared>,
    // Aborts its task.
    _task: JoinSet<()>,
}

impl BadNetwork {
    /// Where clients find the server: another address of this machine than the one on which the server listens.
    pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    /// Passes on what comes to the port of this number, without loss.
    ///
    /// # Errors
    /// The port is taken.
    pub async fn start(port: u16) -> Result<Self> {
        let front = UdpSocket::bind((Self::ADDRESS, port))
            .await
            .with_context(|| format!("relaying {}:{port}", Self::ADDRESS))?;
        let shared = Arc::new(Shared::default());
        let mut task = JoinSet::new();
        let server = SocketAddr::from((SERVER, port));
        task.spawn(relay(Arc::new(front), server, shared.clone()));
        Ok(Self { shared, _task: task })
    }

    /// From now on this share of the sound is lost.
    pub fn lose(&self, percent: u32) {
        self.shared.loss_percent.store(percent, Ordering::Relaxed);
    }

    /// Carries nothing to and from these ports of clients, and everything of all others.
    pub fn cut(&self, ports: impl IntoIterator<Item = u16>) {
        *locked(&self.shared.cut) = ports.into_iter().collect();
    }

    /// The translator forgets everybody: nothing comes back to them on the old way, and the server sees what they send next
    /// come from other addresses.
    pub fn forget_addresses(&self) {
        self.shared.forget.notify_one();
    }

    /// What went through so far.
    pub fn count(&self) -> Count {
        Count {
            media: self.shared.media.load(Ordering::Relaxed),
            lost: self.shared.lost.load(Ordering::Relaxed),
        }
    }
}

async fn relay(front: Arc<UdpSocket>, server: SocketAddr, shared: Arc<Shared>) {
    let mut clients: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut backward = JoinSet::new();
    let mut packet = [0; PACKET_MAX_BYTES];
    loop {
        let received = tokio::select! {
            biased;
            () = shared.forget.notified() => {
                clients.clear();
                backward = JoinSet::new();
                continue;
            }
            received = front.recv_from(&mut packet) => received,
        };
        // An error is about one packet: a client that is gone.
        let Ok((size, client)) = received else {
            continue;
        };
        if !clients.contains_key(&client) {
            if clients.len() >= CLIENTS_LIMIT {
                continue;
            }
            let Ok(back) = UdpSocket::bind((SERVER, 0)).await else {
                continue;
            };
            let back = Arc::new(back);
            clients.insert(client, back.clone());
            backward.spawn(return_packets(back, front.clone(), client, shared.clone()));
        }
        if is_cut(&shared, client) {
            continue;
        }
        if is_media(&packet[..size]) && is_lost(&shared) {
            continue;
        }
        if let Some(back) = clients.get(&client) {
            // A full buffer loses packets, as networks do.
            let _ = back.send_to(&packet[..size], server).await;
        }
    }
}

async fn return_packets(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    shared: Arc<Shared>,
) {
    let mut packet = [0; PACKET_MAX_BYTES];
    loop {
        if let Ok((size, _)) = back.recv_from(&mut packet).await
            && !is_cut(&shared, client)
        {
            let _ = front.send_to(&packet[..size], client).await;
        }
    }
}

fn locked(ports: &Mutex<HashSet<u16>>) -> MutexGuard<'_, HashSet<u16>> {
    ports.lock().unwrap_or_else(PoisonError::into_inner)
}

fn is_cut(shared: &Shared, client: SocketAddr) -> bool {
    locked(&shared.cut).contains(&client.port())
}

fn is_lost(shared: &Shared) -> bool {
    let number = shared.media.fetch_add(1, Ordering::Relaxed);
    let lost = percent_of(number) < shared.loss_percent.load(Ordering::Relaxed);
    shared.lost.fetch_add(u64::from(lost), Ordering::Relaxed);
    lost
}

/// 0 to 99 for each number (SplitMix64, Steele et al. 2014).
fn percent_of(number: u64) -> u32 {
    let mut mixed = (number + SEED).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((mixed ^ (mixed >> 31)) % 100) as u32
}

/// Whether a packet is RTP: told from STUN and DTLS by its first byte (RFC 7983), from RTCP by its second (RFC 5761).
fn is_media(packet: &[u8]) -> bool {
    matches!(packet, [128..=191, kind, ..] if !matches!(kind & 0x7f, 64..=95))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_sound_is_media() {
        assert!(is_media(&[0x80, 111, 0, 1])); // Opus
        assert!(is_media(&[0x90, 0x80 | 111, 0, 1])); // with an extension and the marker
        assert!(!is_media(&[0x80, 200, 0, 1])); // sender report
        assert!(!is_media(&[0x81, 205, 0, 1])); // feedback
        assert!(!is_media(&[0x00, 0x01, 0, 1])); // STUN
        assert!(!is_media(&[22, 254, 253])); // DTLS
        assert!(!is_media(&[0x80]) && !is_media(&[]));
    }

    #[test]
    fn a_tenth_is_lost_and_always_the_same() {
        let lost = (0..100_000).filter(|&number| percent_of(number) < 10).count();
        assert!((9_700..10_300).contains(&lost), "{lost}");
    }

    /// A server, the network before it, and a client.
    async fn connected() -> (UdpSocket, BadNetwork, UdpSocket) {
        let server = UdpSocket::bind((SERVER, 0)).await.unwrap();
        let port = server.local_addr().unwrap().port();
        let network = BadNetwork::start(port).await.unwrap();
        let client = UdpSocket::bind((SERVER, 0)).await.unwrap();
        client.connect((BadNetwork::ADDRESS, port)).await.unwrap();
        (server, network, client)
    }

    #[tokio::test]
    async fn sound_is_lost_as_asked_and_everything_else_arrives() {
        let (server, network, client) = connected().await;
        let mut packet = [0; 16];
        network.lose(100);
        for _ in 0..50 {
            client.send(&[0x80, 111, 1]).await.unwrap();
        }
        client.send(&[0x80, 200, 2]).await.unwrap();
        let (size, from) = server.recv_from(&mut packet).await.unwrap();
        assert_eq!(packet[..size], [0x80, 200, 2]);
        assert_eq!(network.count(), Count { media: 50, lost: 50 });
        // Backwards nothing is lost.
        server.send_to(&[0x80, 111, 3], from).await.unwrap();
        let back = tokio::time::timeout(Duration::from_secs(5), client.recv(&mut packet)).await;
        assert_eq!(packet[..back.unwrap().unwrap()], [0x80, 111, 3]);
        network.lose(0);
        client.send(&[0x80, 111, 4]).await.unwrap();
        let (size, _) = server.recv_from(&mut packet).await.unwrap();
        assert_eq!(packet[..size], [0x80, 111, 4]);
    }

    #[tokio::test]
    async fn who_is_cut_off_reaches_nobody_and_others_go_on() {
        let (server, network, client) = connected().await;
        let other = UdpSocket::bind((SERVER, 0)).await.unwrap();
        other.connect(client.peer_addr().unwrap()).await.unwrap();
        let mut packet = [0; 16];
        client.send(&[1]).await.unwrap();
        let (_, from_client) = server.recv_from(&mut packet).await.unwrap();
        network.cut([client.local_addr().unwrap().port()]);
        client.send(&[2]).await.unwrap();
        server.send_to(&[3], from_client).await.unwrap();
        other.send(&[4]).await.unwrap();
        let (_, from_other) = server.recv_from(&mut packet).await.unwrap();
        assert_eq!(packet[0], 4, "the other's is the first that arrives");
        server.send_to(&[5], from_other).await.unwrap();
        other.recv(&mut packet).await.unwrap();
        assert_eq!(packet[0], 5);
        network.cut([]);
        server.send_to(&[6], from_client).await.unwrap();
        client.recv(&mut packet).await.unwrap();
        assert_eq!(packet[0], 6);
    }

    #[tokio::test]
    async fn who_is_forgotten_comes_from_another_address_and_gets_nothing_sent_to_the_old_one() {
        let (server, network, client) = connected().await;
        let mut packet = [0; 16];
        let limit = Duration::from_secs(5);
        client.send(&[1]).await.unwrap();
        let (_, old) = server.recv_from(&mut packet).await.unwrap();
        network.forget_addresses();
        // Free when it is forgotten; kept, so that nobody is given it again.
        let _kept = loop {
            match UdpSocket::bind(old).await {
                Ok(kept) => break kept,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        client.send(&[2]).await.unwrap();
        let received = tokio::time::timeout(limit, server.recv_from(&mut packet)).await;
        let (_, new) = received.unwrap().unwrap();
        assert_ne!(old, new);
        server.send_to(&[3], old).await.unwrap();
        server.send_to(&[4], new).await.unwrap();
        let size = tokio::time::timeout(limit, client.recv(&mut packet)).await;
        assert_eq!(packet[..size.unwrap().unwrap()], [4]);
    }
}
