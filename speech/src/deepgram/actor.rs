//! Moves bytes for one stream: requests in, websocket in and out, answers out. Decides nothing.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deepgram::listen::websocket::WebsocketHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::client::Service;
use super::heard::{read, refusal};
use super::stream::{Input, Output, Stream};
use crate::SAMPLES_PER_MS;
use crate::service::{Inbox, Refusal, Told};

/// Audio of one message; the service asks for 20 to 250 ms.
const CHUNK_SAMPLES: usize = 100 * SAMPLES_PER_MS;
/// A connection that does not take what is to be sent within this is lost.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// No timer is set for longer.
const LONGEST_WAIT_MS: u64 = 3_600_000;

type Connecting = Pin<Box<dyn Future<Output = Result<WebsocketHandle, Option<Refusal>>> + Send>>;

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
    stream: Stream,
    connecting: Option<Connecting>,
    handle: Option<WebsocketHandle>,
    /// The number of the connection, which no other of the client has.
    connection: u64,
}

impl Actor {
    pub(super) fn new(service: Arc<Service>, inbox: Inbox) -> Self {
        let options = &service.options;
        let seed = service.seed.wrapping_add(inbox.id().0);
        let stream = Stream::new(options.engine(), options.limits, seed, service.door.now_ms());
        Self {
            service,
            inbox,
            stream,
            connecting: None,
            handle: None,
            connection: 0,
        }
    }

    /// Runs until the stream is over and nobody has just asked for more.
    pub(super) async fn run(mut self) {
        loop {
            let now_ms = self.service.door.now_ms();
            if self.stream.is_over(now_ms) && self.inbox.leave() {
                return;
            }
            let wait_ms = self
                .stream
                .next_tick_ms()
                .saturating_sub(now_ms)
                .min(LONGEST_WAIT_MS);
            let input = tokio::select! {
                biased;
                told = self.inbox.next() => told.into(),
                connected = wait_for(&mut self.connecting) => self.connected(connected),
                heard = receive(&mut self.handle, self.connection) => heard,
                () = sleep_until(Instant::now() + Duration::from_millis(wait_ms)) => Input::Tick,
            };
            self.step(input).await;
        }
    }

    fn connected(&mut self, connected: Result<WebsocketHandle, Option<Refusal>>) -> Input {
        self.connecting = None;
        let stream = self.inbox.id().0;
        match connected {
            Ok(handle) => {
                let request = handle.request_id().map(|id| id.to_string());
                tracing::info!(stream, request, "connected to Deepgram");
                self.service.door.met(Ok(()));
                self.handle = Some(handle);
                self.connection = self.service.connections.fetch_add(1, Ordering::Relaxed);
                Input::Connected
            }
            Err(refusal) => {
                tracing::warn!(stream, ?refusal, "Deepgram cannot be reached");
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
                tracing::info!(stream = self.inbox.id().0, "the connection to Deepgram is over");
                self.handle = None;
            }
            for output in self.stream.handle(input, self.service.door.now_ms()) {
                match output {
                    Output::Answer(ticket, result) => self.inbox.answer(ticket, result),
                    Output::Disconnect => self.handle = None,
                    Output::Connect => match self.service.door.check() {
                        Ok(()) => self.connecting = Some(Box::pin(connect(self.service.clone()))),
                        Err(refusal) => inputs.push_back(Input::NotConnected(Some(refusal))),
                    },
                    wire => {
                        let Some(handle) = &mut self.handle else { continue };
                        if let Output::Send { from, to, .. } = &wire {
                            let audio = Duration::from_millis(((to - from) / SAMPLES_PER_MS) as u64);
                            self.service.meter.sent(self.inbox.id(), audio);
                        }
                        let sent = timeout(SEND_LIMIT, send(handle, wire)).await;
                        if !matches!(sent, Ok(Ok(()))) {
                            self.handle = None;
                            inputs.push_back(Input::Lost);
                        }
                    }
                }
            }
        }
    }
}

async fn connect(service: Arc<Service>) -> Result<WebsocketHandle, Option<Refusal>> {
    let limit = Duration::from_millis(service.options.limits.connect_ms);
    let terms = service.terms.lock().clone();
    let connection = service.options.connection(&service.client, &terms);
    match timeout(limit, connection.handle()).await {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) => Err(refusal(&error)),
        Err(_) => Err(None),
    }
}

async fn wait_for(connecting: &mut Option<Connecting>) -> Result<WebsocketHandle, Option<Refusal>> {
    match connecting {
        Some(connecting) => connecting.await,
        None => std::future::pending().await,
    }
}

async fn receive(handle: &mut Option<WebsocketHandle>, connection: u64) -> Input {
    match handle {
        Some(handle) => match handle.receive().await {
            // The socket broke; what follows would be the same again.
            Some(Err(deepgram::DeepgramError::WsError(_))) | None => Input::Lost,
            Some(message) => Input::Heard(read(message, connection)),
        },
        None => std::future::pending().await,
    }
}

async fn send(handle: &mut WebsocketHandle, output: Output) -> Result<(), deepgram::DeepgramError> {
    match output {
        Output::Send { audio, from, to } => {
            for chunk in audio.range(from..to).chunks(CHUNK_SAMPLES) {
                let bytes = chunk.iter().flat_map(|sample| sample.to_le_bytes());
                handle.send_data(bytes.collect()).await?;
            }
            Ok(())
        }
        Output::Finalize => handle.finalize().await,
        Output::KeepAlive => handle.keep_alive().await,
        Output::CloseStream => handle.close_stream().await,
        Output::Connect | Output::Disconnect | Output::Answer(..) => Ok(()),
    }
}
