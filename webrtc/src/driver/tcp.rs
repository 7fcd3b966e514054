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

use super::sockets::Datagram;
use crate::engine::Path;

/// How many peers are connected to.
const MAX_LINKS: usize = 8;
/// How many datagrams wait to be written; more are dropped, as a full UDP socket would.
const MAX_WAITING_DATAGRAMS: usize = 256;
/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
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
    outgoing: mpsc::Sender<Bytes>,
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
            let (outgoing, waiting) = mpsc::channel(MAX_WAITING_DATAGRAMS);
            let task = tokio::spawn(run(path, waiting, self.received_by_tasks.clone()));
            self.links.insert(key, Link { outgoing, task });
        }
        if let Some(link) = self.links.get(&key)
            && link.outgoing.try_send(Bytes::from(frame_packet(data))).is_err()
        {
            tracing::trace!(peer = %path.peer, "TCP connection is full");
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

async fn run(path: Path, outgoing: mpsc::Receiver<Bytes>, received: mpsc::Sender<Datagram>) {
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
    socket.bind(SocketAddr::new(path.local.ip(), 0))?;
    let stream = socket.connect(path.peer).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn exchange(
    mut stream: TcpStream,
    path: Path,
    mut outgoing: mpsc::Receiver<Bytes>,
    received: mpsc::Sender<Datagram>,
) -> std::io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let write = async {
        while let Some(frame) = outgoing.recv().await {
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
