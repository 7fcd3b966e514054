//! A proxy that opens tunnels on request (RFC 9110, section 9.3.6), as offices have them.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const MAX_REQUEST_BYTES: usize = 8 * 1_024;

/// A proxy on loopback, until it is dropped.
pub struct Proxy {
    /// As `HTTP_PROXY` names it.
    pub url: String,
    targets: Arc<Mutex<Vec<String>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Starts one.
    ///
    /// # Errors
    /// There is no port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let targets = Arc::<Mutex<Vec<String>>>::default();
        let opened = targets.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let opened = opened.clone();
                tokio::spawn(async move { tunnel(client, &opened).await });
            }
        });
        Ok(Self {
            url,
            targets,
            accepting,
        })
    }

    /// Where to it has opened tunnels, `HOST:PORT`, in this order.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn tunnel(mut client: TcpStream, opened: &Mutex<Vec<String>>) -> Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        ensure!(request.len() < MAX_REQUEST_BYTES, "a request without end");
        request.push(client.read_u8().await?);
    }
    let request = String::from_utf8_lossy(&request);
    let to = request.strip_prefix("CONNECT ").context("another request")?;
    let to = to.split_whitespace().next().context("no target")?;
    let mut server = TcpStream::connect(to).await?;
    opened.lock().push(to.to_owned());
    client
        .write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
        .await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
