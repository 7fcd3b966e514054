//! ICE over TCP: connections that we open to a peer's passive candidate (RFC 6544), each datagram
//! preceded by its length (RFC 4571).

use std::{
    collections::HashMap,
    net::SocketAddr,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use rtc::shared::tcp_framing::{TcpFrameDecoder, frame_packet};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use super::{
    sockets::Datagram,
    waiting::{self, Waiting, Writes},
};
use crate::engine::Path;

/// How many peers are connected to.
const MAX_LINKS: usize = 8;
/// How many datagrams that were read wait for the connection; the peer waits when there are more.
const MAX_WAITING_DATAGRAMS: usize = 256;
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How much the system keeps that the network has not taken yet: what is in it cannot be passed over any more. A second of sound
/// and the beginning of a long message.
const SEND_BUFFER_BYTES: u32 = 16 * 1024;
/// How much is read at once: two packets or three. Every link that is open holds it, and most are never used.
const READ_CHUNK_BYTES: usize = 4 * 1024;
/// No longer datagram is written.
const MAX_FRAME_BYTES: usize = u16::MAX as usize;

/// The TCP connections of a peer connection, by path. Dropping it ends them.
pub(super) struct TcpLinks {
    links: HashMap<(SocketAddr, SocketAddr), Link>,
    received: mpsc::Receiver<Datagram>,
    received_by_tasks: mpsc::Sender<Datagram>,
}

struct Link {
    outgoing: Waiting,
    task: JoinHandle<()>,
}

impl Default for TcpLinks {
    fn default() -> Self {
        let (received_by_tasks, received) = mpsc::channel(MAX_WAITING_DATAGRAMS);
        Self {
            links: HashMap::new(),
            received,
            received_by_tasks,
        }
    }
}

impl Drop for TcpLinks {
    fn drop(&mut self) {
        for link in self.links.values() {
            link.task.abort();
        }
    }
}

impl TcpLinks {
    /// Sends on the path's connection, which is opened at the first datagram.
    pub(super) fn send(&mut self, path: Path, data: &[u8]) {
        if data.len() > MAX_FRAME_BYTES {
            return;
        }
        self.links.retain(|_, link| !link.task.is_finished());
        let key = (path.local, path.peer);
        if !self.links.contains_key(&key) {
            if self.links.len() >= MAX_LINKS {
                tracing::debug!(peer = %path.peer, "too many TCP connections");
                return;
            }
            let (outgoing, writes) = waiting::queue(|_| false);
            let task = tokio::spawn(run(path, writes, self.received_by_tasks.clone()));
            self.links.insert(key, Link { outgoing, task });
        }
        if let Some(link) = self.links.get(&key) {
            link.outgoing.push(Bytes::from(frame_packet(data)));
        }
    }

    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Datagram> {
        match self.received.poll_recv(cx) {
            Poll::Ready(Some(datagram)) => Poll::Ready(datagram),
            // Never ready without a datagram: this struct holds a sender itself.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

async fn run(path: Path, outgoing: Writes, received: mpsc::Sender<Datagram>) {
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, connect(path)).await;
    let result = match connected {
        Ok(Ok(stream)) => exchange(stream, path, outgoing, received).await,
        Ok(Err(error)) => Err(error),
        Err(_) => Err(std::io::ErrorKind::TimedOut.into()),
    };
    if let Err(error) = result {
        tracing::debug!(peer = %path.peer, %error, "TCP connection ended");
    }
}

async fn connect(path: Path) -> std::io::Result<TcpStream> {
    let socket = if path.peer.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(SocketAddr::new(path.local.ip(), 0))?;
    let stream = socket.connect(path.peer).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn exchange(
    mut stream: TcpStream,
    path: Path,
    mut outgoing: Writes,
    received: mpsc::Sender<Datagram>,
) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let write = async {
        while let Some(frame) = outgoing.next().await {
            writer.write_all(&frame).await?;
        }
        Ok(())
    };
    let read = async {
        let mut decoder = TcpFrameDecoder::new();
        let mut chunk = vec![0; READ_CHUNK_BYTES];
        loop {
            let length = reader.read(&mut chunk).await?;
            if length == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            decoder.extend_from_slice(&chunk[..length]);
            while let Some(packet) = decoder.next_packet() {
                if received
                    .send((path, BytesMut::from(packet.as_slice())))
                    .await
                    .is_err()
                {
                    return Ok(());
                }
            }
        }
    };
    tokio::select! {
        result = write => result,
        result = read => result,
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::TcpListener;

    use super::*;

    /// A stretch of datagrams, long enough to fill everything between us and a peer who does not read.
    const STRETCH: u32 = 1_000;

    fn datagram(number: u32) -> Vec<u8> {
        [&number.to_be_bytes()[..], &[0; 1_000]].concat()
    }

    #[tokio::test]
    async fn a_peer_that_reads_again_after_a_stall_gets_what_is_new() {
        // Else the system takes some megabytes for it.
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(16 * 1_024).expect("a buffer");
        socket
            .bind("127.0.0.1:0".parse().expect("an address"))
            .expect("a port");
        let listener = socket.listen(1).expect("a port");
        let path = Path {
            local: "127.0.0.1:0".parse().expect("an address"),
            peer: listener.local_addr().expect("an address"),
            tcp: true,
        };
        let mut links = TcpLinks::default();
        links.send(path, &datagram(0));
        let (mut peer, _) = listener.accept().await.expect("a connection");
        let mut decoder = TcpFrameDecoder::new();
        assert_eq!(next(&mut peer, &mut decoder).await, 0);

        for number in 1..=STRETCH {
            links.send(path, &datagram(number));
            tokio::task::yield_now().await;
        }
        // What is tested is that time passes.
        tokio::time::sleep(waiting::MAX_AGE + Duration::from_millis(50)).await;
        let fresh = STRETCH + 1;
        links.send(path, &datagram(fresh));
        let mut last_old = 0;
        loop {
            match next(&mut peer, &mut decoder).await {
                number if number == fresh => break,
                number => last_old = number,
            }
        }
        assert!(
            last_old < STRETCH - 100,
            "{last_old} of {STRETCH} was on its way, what waited behind it was not passed over"
        );
    }

    #[tokio::test]
    async fn a_peer_is_heard_and_a_connection_that_ended_is_opened_anew() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let path = Path {
            local: "127.0.0.1:0".parse().expect("an address"),
            peer: listener.local_addr().expect("an address"),
            tcp: true,
        };
        let mut links = TcpLinks::default();
        for number in [1, 2] {
            links.send(path, &datagram(number));
            let (mut peer, _) = listener.accept().await.expect("a connection");
            assert_eq!(next(&mut peer, &mut TcpFrameDecoder::new()).await, number);
            peer.write_all(&frame_packet(b"heard")).await.expect("room");
            let (from, data) = poll_fn(|cx| links.poll_receive(cx)).await;
            assert_eq!((from.peer, &data[..]), (path.peer, &b"heard"[..]));
            drop(peer);
            while links.links.values().any(|link| !link.task.is_finished()) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The number of the next datagram.
    async fn next(peer: &mut TcpStream, decoder: &mut TcpFrameDecoder) -> u32 {
        let mut chunk = vec![0; 64 * 1_024];
        loop {
            if let Some(packet) = decoder.next_packet() {
                return u32::from_be_bytes(packet[..4].try_into().expect("four bytes"));
            }
            let length = peer.read(&mut chunk).await.expect("bytes");
            assert!(length > 0, "the connection ended");
            decoder.extend_from_slice(&chunk[..length]);
        }
    }
}
