//! Goodbyes that are left unsaid: the signalling connection is closed without the word that says so, as when a process dies.
//! The media server finds out by itself.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use agent::session::room::signal;
use async_trait::async_trait;
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection};
use livekit_protocol as proto;
use prost::Message as _;

/// By the token that opened it.
static CONNECTIONS: Mutex<Option<HashMap<String, Weak<Connection>>>> = Mutex::new(None);

/// Has the process's rooms joined as agents join them, and able to fall silent. Called once, before the first of them.
pub fn be_able() {
    livekit_net::set_ws_client(Arc::new(Client(signal::client())));
}

/// From now on nothing is said any more on the connection that this token opened last.
pub(super) fn fall(token: &str) {
    let connection = with_connections(|connections| connections.get(token).and_then(Weak::upgrade));
    if let Some(connection) = connection {
        connection.silent.store(true, Ordering::Relaxed);
    }
}

fn with_connections<T>(with: impl FnOnce(&mut HashMap<String, Weak<Connection>>) -> T) -> T {
    let mut connections = CONNECTIONS.lock().unwrap_or_else(PoisonError::into_inner);
    with(connections.get_or_insert_default())
}

struct Client(Arc<dyn WsClient>);

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
            .find_map(|header| header.value.strip_prefix("Bearer "));
        let token = bearer.unwrap_or_default().to_owned();
        let opened = self.0.connect(url, headers, timeout_ms).await?;
        let connection = Arc::new(Connection {
            inner: opened.connection,
            silent: AtomicBool::new(false),
        });
        with_connections(|connections| {
            connections.retain(|_, connection| connection.strong_count() > 0);
            connections.insert(token, Arc::downgrade(&connection));
        });
        Ok(WsConnectResult { connection })
    }
}

struct Connection {
    inner: Arc<dyn WsConnection>,
    silent: AtomicBool,
}

#[async_trait]
impl WsConnection for Connection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        if self.silent.load(Ordering::Relaxed) && is_goodbye(&frame) {
            return Ok(());
        }
        self.inner.send(frame).await
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        self.inner.recv().await
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

fn is_goodbye(frame: &[u8]) -> bool {
    let request = proto::SignalRequest::decode(frame);
    matches!(
        request.ok().and_then(|request| request.message),
        Some(proto::signal_request::Message::Leave(_))
    )
}
