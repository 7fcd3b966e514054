//! Moves messages for one track: requests in, websocket in and out, answers out. Decides nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::client::Service;
use super::line::{Input, Line, Output};
use super::rate;
use super::wire::{self, Heard};
use crate::service::{Inbox, Refusal, Told};

/// Audio of one message, in samples of 24 kHz: half a second.
const CHUNK_SAMPLES: usize = 12_000;
/// A message of the service beyond this ends the connection.
const MESSAGE_MAX_BYTES: usize = 1024 * 1024;
/// A connection that does not take what is to be sent within this is lost.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// No timer is set for longer.
const LONGEST_WAIT_MS: u64 = 3_600_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;
type Connected = Result<Socket, Option<Refusal>>;
type Connecting = Pin<Box<dyn Future<Output = Connected> + Send>>;

impl From<Told> for Input {
    fn from(told: Told) -> Self {
        match told {
            Told::Request(ticket, request) => Self::Request(ticket, request),
            Told::Forget => Self::Forget,
            Told::Close => Self::Close,
        }
    }
}

pub(super) struct Actor {
    service: Arc<Service>,
    inbox: Inbox,
    line: Line,
    connecting: Option<Connecting>,
    socket: Option<Socket>,
}

impl Actor {
    pub(super) fn new(service: Arc<Service>, inbox: Inbox) -> Self {
        let line = Line::new(
            service.engine.clone(),
            service.options.limits,
            service.door.now_ms(),
        );
        Self {
            service,
            inbox,
            line,
            connecting: None,
            socket: None,
        }
    }

    /// Runs until the track is over and nobody has just asked for more.
    pub(super) async fn run(mut self) {
        loop {
            let now_ms = self.service.door.now_ms();
            if self.line.is_over(now_ms) && self.inbox.leave() {
                return;
            }
            let wait_ms = self.line.next_tick_ms().saturating_sub(now_ms);
            let wake = Instant::now() + Duration::from_millis(wait_ms.min(LONGEST_WAIT_MS));
            let input = tokio::select! {
                biased;
                told = self.inbox.next() => told.into(),
                connected = wait_for(&mut self.connecting) => self.connected(connected),
                heard = receive(&mut self.socket) => heard,
                () = sleep_until(wake) => Input::Tick,
            };
            self.step(input).await;
        }
    }

    fn connected(&mut self, connected: Connected) -> Input {
        self.connecting = None;
        let stream = self.inbox.id().0;
        match connected {
            Ok(socket) => {
                tracing::info!(stream, "connected to the realtime service");
                self.socket = Some(socket);
                Input::Connected
            }
            Err(refusal) => {
                tracing::warn!(stream, ?refusal, "the realtime service cannot be reached");
                if let Some(refusal) = refusal {
                    self.service.door.met(Err(refusal));
                }
                Input::NotConnected(refusal)
            }
        }
    }

    /// Feeds an input in, and does what follows from it.
    async fn step(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            if matches!(input, Input::Lost) {
                tracing::info!(
                    stream = self.inbox.id().0,
                    "the connection to the realtime service is over"
                );
                self.socket = None;
            }
            for output in self.line.handle(input, self.service.door.now_ms()) {
                match output {
                    Output::Answer(ticket, result) => self.inbox.answer(ticket, result),
                    Output::Met(answer) => self.service.door.met(answer),
                    Output::Disconnect => {
                        self.connecting = None;
                        if let Some(mut socket) = self.socket.take() {
                            // A goodbye is polite, and no more.
                            tokio::spawn(async move { timeout(SEND_LIMIT, socket.close(None)).await });
                        }
                    }
                    Output::Connect => match self.service.door.check() {
                        Ok(()) => self.connecting = Some(Box::pin(connect(self.service.clone()))),
                        Err(refusal) => inputs.push_back(Input::NotConnected(Some(refusal))),
                    },
                    wire => {
                        let Some(socket) = &mut self.socket else { continue };
                        if let Output::Append { from, to, .. } = &wire {
                            let audio = rate::length(to - from);
                            self.service.meter.sent(self.inbox.id(), audio);
                        }
                        if !matches!(timeout(SEND_LIMIT, send(socket, wire)).await, Ok(Ok(()))) {
                            self.socket = None;
                            inputs.push_back(Input::Lost);
                        }
                    }
                }
            }
        }
    }
}

/// A connection on which the session has been asked for.
async fn connect(service: Arc<Service>) -> Connected {
    let options = &service.options;
    let url = format!(
        "{}/realtime?intent=transcription",
        options.base_url.trim_end_matches('/')
    );
    let mut request = url
        .into_client_request()
        .map_err(|_| Some(Refusal::Misconfigured))?;
    let key = options.api_key.reveal();
    if !key.is_empty() {
        let value = format!("Bearer {key}")
            .parse()
            .map_err(|_| Some(Refusal::Unauthorised))?;
        request.headers_mut().insert("authorization", value);
    }
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX_BYTES))
        .max_frame_size(Some(MESSAGE_MAX_BYTES));
    let connecting = connect_async_with_config(request, Some(config), true);
    // The line has its own limit; this one is for a system that never answers.
    let limit = Duration::from_millis(options.limits.connect_ms);
    let (mut socket, _) = match timeout(limit, connecting).await {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => return Err(refusal(&error)),
        Err(_) => return Err(None),
    };
    let setup = wire::setup(options, &service.terms.lock());
    say(&mut socket, &setup).await.map_err(|_| None)?;
    Ok(socket)
}

/// The refusal in a failed connection, if it is one.
fn refusal(error: &Error) -> Option<Refusal> {
    let Error::Http(response) = error else { return None };
    match response.status().as_u16() {
        401 | 403 => Some(Refusal::Unauthorised),
        402 => Some(Refusal::PaymentRequired),
        429 => Some(Refusal::RateLimited),
        300..=499 => Some(Refusal::Misconfigured),
        _ => None,
    }
}

async fn wait_for(connecting: &mut Option<Connecting>) -> Connected {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

async fn receive(socket: &mut Option<Socket>) -> Input {
    let Some(socket) = socket else {
        return std::future::pending().await;
    };
    match socket.next().await {
        Some(Ok(Message::Text(text))) => Input::Heard(wire::read(&text)),
        Some(Ok(Message::Binary(_))) => Input::Heard(Heard::Rubbish),
        Some(Ok(Message::Close(_)) | Err(_)) | None => Input::Lost,
        Some(Ok(_)) => Input::Heard(Heard::Other),
    }
}

async fn say(socket: &mut Socket, message: &Value) -> Result<(), Error> {
    socket.send(Message::text(message.to_string())).await
}

async fn send(socket: &mut Socket, output: Output) -> Result<(), Error> {
    match output {
        Output::Append { audio, from, to } => {
            for chunk in rate::convert(&audio.to_vec(), from, to).chunks(CHUNK_SAMPLES) {
                say(socket, &wire::append(chunk)).await?;
            }
            Ok(())
        }
        Output::Commit(ticket) => say(socket, &wire::commit(ticket)).await,
        Output::Clear => say(socket, &wire::clear()).await,
        Output::Connect | Output::Disconnect | Output::Answer(..) | Output::Met(_) => Ok(()),
    }
}
