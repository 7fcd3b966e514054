//! The signalling connection to LiveKit, opened as the `livekit` crate opens it, but with TCP_NODELAY. Without it the
//! subscription to a microphone waits for the server's delayed acknowledgement of the message before it: 40 ms, and often
//! another round of negotiation, which the server puts off by 150 ms. What else the server says late or not at all is said
//! here in its name.

mod farewell;
mod haste;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

pub use farewell::{Stay, joined, leave};

use self::farewell::Whose;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// What is read at once. All of it is written over before each reading, so all of it is memory; longer messages, such as a full
/// room's participants, make it grow.
const READ_BUFFER_BYTES: usize = 4 * 1024;
/// Messages of ours that wait to be heard.
const OWN_QUEUE: usize = 4;
/// Where the way leads through a proxy, the crate's own client knows it.
const PROXIES: [&str; 4] = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"];

/// Has the process's rooms joined without delay. Called once, before the first of them.
pub fn send_at_once() {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if !PROXIES.into_iter().any(set) {
        livekit_net::set_ws_client(client());
    }
}

/// What opens the connections then.
pub fn client() -> Arc<dyn WsClient> {
    Arc::new(Client)
}

struct Client;

#[async_trait]
impl WsClient for Client {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let bearer = headers
            .iter()
            .find(|header| header.name.eq_ignore_ascii_case("authorization"));
        let token = bearer.and_then(|header| header.value.strip_prefix("Bearer "));
        let whose = token.and_then(Whose::of_token);
        let mut request = url.into_client_request().map_err(failure)?;
        for header in headers {
            let bad = || TransportError::Other(format!("the header {} cannot be sent", header.name));
            let name = HeaderName::try_from(&header.name).map_err(|_| bad())?;
            let value = HeaderValue::try_from(&header.value).map_err(|_| bad())?;
            request.headers_mut().insert(name, value);
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER_BYTES);
        let opening = connect_async_with_config(request, Some(config), true);
        let (socket, _) = tokio::time::timeout(Duration::from_millis(timeout_ms), opening)
            .await
            .map_err(|_| TransportError::Timeout)?
            .map_err(failure)?;
        let (writer, reader) = socket.split();
        let (own, own_messages) = mpsc::channel(OWN_QUEUE);
        let connection = Arc::new(Connection {
            writer: Mutex::new(writer),
            incoming: Mutex::new(Incoming {
                socket: reader,
                own: own_messages,
                next: None,
            }),
            own,
            parting: AtomicBool::new(false),
            whose,
        });
        if let Some(whose) = &connection.whose {
            whose.connected(&connection);
        }
        Ok(WsConnectResult { connection })
    }
}

/// The crate looks at the status of a refusal.
fn failure(error: Error) -> TransportError {
    match error {
        Error::Http(response) => TransportError::Http {
            status: response.status().as_u16(),
        },
        other => TransportError::Connection(other.to_string()),
    }
}

struct Connection {
    writer: Mutex<SplitSink<Socket, Message>>,
    incoming: Mutex<Incoming>,
    /// What we say in the server's name.
    own: mpsc::Sender<Vec<u8>>,
    /// The room is being left: who comes or changes now is not heard of any more.
    parting: AtomicBool,
    whose: Option<Whose>,
}

struct Incoming {
    socket: SplitStream<Socket>,
    own: mpsc::Receiver<Vec<u8>>,
    /// Came, and waits for something of ours that has to be heard before.
    next: Option<Vec<u8>>,
}

impl Connection {
    /// Has the crate hear a message as if it came from the server.
    fn hear(&self, frame: Vec<u8>) {
        // A connection that nobody reads any more hears nothing.
        let _ = self.own.try_send(frame);
    }
}

#[async_trait]
impl WsConnection for Connection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        let subscribes = haste::subscribes(&frame);
        let message = Message::Binary(frame.into());
        self.writer.lock().await.send(message).await.map_err(failure)?;
        if subscribes {
            haste::offer_soon(self.own.clone());
        }
        Ok(())
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut incoming = self.incoming.lock().await;
        let Incoming { socket, own, next } = &mut *incoming;
        if let Some(frame) = next.take() {
            return Ok(Some(frame));
        }
        loop {
            let message = tokio::select! {
                biased;
                Some(frame) = own.recv() => return Ok(Some(frame)),
                message = socket.next() => message,
            };
            match message {
                Some(Ok(Message::Binary(frame))) => {
                    let parting = self.parting.load(Ordering::Relaxed);
                    let said = farewell::message(&frame);
                    if parting && farewell::is_about_others(said.as_ref()) {
                        continue;
                    }
                    let Some(whose) = &self.whose else {
                        return Ok(Some(frame.to_vec()));
                    };
                    let before = whose.before(said.as_ref(), parting);
                    // Kept: who stops waiting for this gets it with the next call.
                    *next = Some(frame.to_vec());
                    if before.is_some() {
                        return Ok(before);
                    }
                    whose.may_hear(said.as_ref()).await;
                    return Ok(next.take());
                }
                // Answered with the next write at the latest; this makes one.
                Some(Ok(Message::Ping(payload))) => {
                    let _ = self.writer.lock().await.send(Message::Pong(payload)).await;
                }
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                Some(Ok(_)) => {}
                Some(Err(error)) if is_end(&error) => return Ok(None),
                Some(Err(error)) => return Err(failure(error)),
            }
        }
    }

    async fn close(&self) {
        // A connection that is gone needs no closing.
        let _ = self.writer.lock().await.close().await;
    }
}

/// A server that goes without the closing handshake is gone all the same.
fn is_end(error: &tungstenite::Error) -> bool {
    match error {
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => true,
        Error::Io(error) => error.kind() == std::io::ErrorKind::UnexpectedEof,
        _ => false,
    }
}
