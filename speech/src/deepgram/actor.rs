//! Moves bytes for one stream: commands in, websocket in and out, answers out. Decides nothing.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use deepgram::listen::websocket::WebsocketHandle;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

use super::client::{Service, Streams};
use super::heard::{read, refusal};
use super::stream::{Input, Output, Stream};
use crate::listener::Audio;
use crate::service::Refusal;
use crate::{Recognised, Request, RequestKind, SAMPLES_PER_MS, StreamId};

/// What a stream is told.
pub(super) enum Command {
    Ask(Request, oneshot::Sender<Recognised>),
    Forget,
}

/// Audio of one message; the service asks for 20 to 250 ms.
const CHUNK_SAMPLES: usize = 100 * SAMPLES_PER_MS;
/// A connection that does not take what is to be sent within this is lost.
const SEND_LIMIT: Duration = Duration::from_secs(5);
/// No timer is set for longer.
const LONGEST_WAIT_MS: u64 = 3_600_000;

type Connecting = Pin<Box<dyn Future<Output = Result<WebsocketHandle, Option<Refusal>>> + Send>>;

struct Waiting {
    answer: oneshot::Sender<Recognised>,
    is_final: bool,
}

pub(super) struct Actor {
    service: Arc<Service>,
    id: StreamId,
    stream: Stream,
    connecting: Option<Connecting>,
    handle: Option<WebsocketHandle>,
    waiting: HashMap<u64, Waiting>,
    next_ticket: u64,
}

impl Actor {
    pub(super) fn new(service: Arc<Service>, id: StreamId) -> Self {
        let options = &service.options;
        let seed = service.seed.wrapping_add(id.0);
        let stream = Stream::new(options.engine(), options.limits, seed, service.now_ms());
        Self {
            service,
            id,
            stream,
            connecting: None,
            handle: None,
            waiting: HashMap::new(),
            next_ticket: 0,
        }
    }

    /// Runs until the stream is over and nobody has just asked for more.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        streams: std::sync::Weak<Streams>,
    ) {
        let mut is_open = true;
        loop {
            let now_ms = self.service.now_ms();
            if self.stream.is_over(now_ms) && leave(&commands, &streams, self.id) {
                return;
            }
            let wait_ms = self
                .stream
                .next_tick_ms()
                .saturating_sub(now_ms)
                .min(LONGEST_WAIT_MS);
            let input = tokio::select! {
                biased;
                command = commands.recv(), if is_open => match command {
                    Some(command) => self.command(command),
                    None => {
                        is_open = false;
                        Input::Close
                    }
                },
                connected = wait_for(&mut self.connecting) => self.connected(connected),
                heard = receive(&mut self.handle) => heard,
                () = sleep_until(Instant::now() + Duration::from_millis(wait_ms)) => Input::Tick,
            };
            self.step(input).await;
        }
    }

    fn command(&mut self, command: Command) -> Input {
        match command {
            Command::Forget => Input::Forget,
            Command::Ask(request, answer) => {
                self.next_ticket += 1;
                let is_final = request.kind == RequestKind::Final;
                self.waiting
                    .insert(self.next_ticket, Waiting { answer, is_final });
                Input::Request(self.next_ticket, request)
            }
        }
    }

    fn connected(&mut self, connected: Result<WebsocketHandle, Option<Refusal>>) -> Input {
        self.connecting = None;
        let stream = self.id.0;
        match connected {
            Ok(handle) => {
                let request = handle.request_id().map(|id| id.to_string());
                tracing::info!(stream, request, "connected to Deepgram");
                self.service.gate.lock().accepted();
                self.handle = Some(handle);
                Input::Connected
            }
            Err(refusal) => {
                tracing::warn!(stream, ?refusal, "Deepgram cannot be reached");
                if let Some(refusal) = refusal {
                    let refusal_ms = self.service.options.limits.refusal_ms;
                    let now_ms = self.service.now_ms();
                    self.service.gate.lock().refused(refusal, refusal_ms, now_ms);
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
                tracing::info!(stream = self.id.0, "the connection to Deepgram is over");
                self.handle = None;
            }
            for output in self.stream.handle(input, self.service.now_ms()) {
                match output {
                    Output::Answer(ticket, result) => self.answer(ticket, result),
                    Output::Disconnect => self.handle = None,
                    Output::Connect => {
                        let check = self.service.gate.lock().check(self.service.now_ms());
                        match check {
                            Ok(()) => self.connecting = Some(Box::pin(connect(self.service.clone()))),
                            Err(refusal) => inputs.push_back(Input::NotConnected(Some(refusal))),
                        }
                    }
                    wire => {
                        let Some(handle) = &mut self.handle else { continue };
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

    fn answer(&mut self, ticket: u64, result: Recognised) {
        let Some(waiting) = self.waiting.remove(&ticket) else {
            return;
        };
        if waiting.is_final {
            self.service.waiting_finals.fetch_sub(1, Ordering::Relaxed);
        }
        // Whoever asked may be gone: their session ended.
        let _ = waiting.answer.send(result);
    }
}

/// Takes the stream off the list, unless something was asked of it in this moment.
fn leave(commands: &mpsc::Receiver<Command>, streams: &std::sync::Weak<Streams>, id: StreamId) -> bool {
    let Some(streams) = streams.upgrade() else {
        return commands.is_empty();
    };
    let mut streams = streams.lock();
    let may_leave = commands.is_empty();
    if may_leave {
        streams.remove(&id);
    }
    may_leave
}

async fn connect(service: Arc<Service>) -> Result<WebsocketHandle, Option<Refusal>> {
    let limit = Duration::from_millis(service.options.limits.connect_ms);
    let connection = service.options.connection(&service.client);
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

async fn receive(handle: &mut Option<WebsocketHandle>) -> Input {
    match handle {
        Some(handle) => match handle.receive().await {
            // The socket broke; what follows would be the same again.
            Some(Err(deepgram::DeepgramError::WsError(_))) | None => Input::Lost,
            Some(message) => Input::Heard(read(message)),
        },
        None => std::future::pending().await,
    }
}

async fn send(handle: &mut WebsocketHandle, output: Output) -> Result<(), deepgram::DeepgramError> {
    match output {
        Output::Send { audio, from, to } => {
            for chunk in chunks(&audio, from, to) {
                handle.send_data(chunk).await?;
            }
            Ok(())
        }
        Output::Finalize => handle.finalize().await,
        Output::KeepAlive => handle.keep_alive().await,
        Output::CloseStream => handle.close_stream().await,
        Output::Connect | Output::Disconnect | Output::Answer(..) => Ok(()),
    }
}

/// Little-endian bytes, in pieces that the service likes.
fn chunks(audio: &Audio, from: usize, to: usize) -> impl Iterator<Item = Vec<u8>> {
    audio[from..to]
        .chunks(CHUNK_SAMPLES)
        .map(|chunk| chunk.iter().flat_map(|sample| sample.to_le_bytes()).collect())
}
