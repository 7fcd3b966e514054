//! The worker's I/O: one websocket, one task a job, one loop that feeds [`Worker`] and does what it
//! says. A lost link is opened again with bounded waits while the jobs go on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use livekit_api::access_token::{AccessToken, AccessTokenError, VideoGrants};
use livekit_protocol as proto;
use prost::Message as _;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

use super::dispatch::Dispatch;
use super::io::{Assignment, Input, JobOutcome, Output, StopReason};
use super::protocol::Worker;

/// The server's own limit for a frame of this protocol.
const FRAME_MAX_BYTES: usize = 2 * 1024 * 1024;
/// Opening the websocket may take so long.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Messages that wait for the socket; a socket that takes none of them for so long is dead.
const SEND_QUEUE: usize = 64;
/// The load is measured this often.
const LOAD_INTERVAL: Duration = Duration::from_millis(500);
/// The worker's token is made anew for every link and only has to outlive the handshake.
const TOKEN_TTL: Duration = Duration::from_secs(60);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Where the server is and how we prove who we are.
#[derive(Clone)]
pub struct Server {
    /// ws:// or wss://, without the path.
    pub url: String,
    /// The API key.
    pub api_key: String,
    /// Its secret.
    pub api_secret: String,
}

/// Why a link could not be opened.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The token could not be signed.
    #[error("signing the worker's token: {0}")]
    Token(#[from] AccessTokenError),
    /// The address is not one, or the server refused.
    #[error("opening the worker's websocket: {0}")]
    Socket(#[from] Box<tungstenite::Error>),
    /// The server did not answer in time.
    #[error("the server did not answer within {} s", CONNECT_TIMEOUT.as_secs())]
    TimeOut,
}

/// What runs the jobs.
pub trait Sessions: Send + Sync + 'static {
    /// Runs one session to its end; `stop` asks it to end in order.
    fn run(
        self: Arc<Self>,
        assignment: Assignment,
        stop: Stop,
    ) -> impl Future<Output = JobOutcome> + Send + 'static;
    /// The assistant's name in a dispatch's organisation, if it is at hand.
    fn assistant_name(&self, dispatch: &Dispatch) -> Option<String>;
    /// The load to report, given the jobs that run.
    fn load(&self, jobs: usize) -> f32;
    /// The registration changed.
    fn registered(&self, worker_id: Option<&str>);
}

/// Asks a session to end, and says why.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    token: CancellationToken,
    reason: Arc<std::sync::OnceLock<StopReason>>,
}

impl Stop {
    /// A session that nobody has asked to stop.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks; the first reason counts.
    pub fn ask(&self, reason: StopReason) {
        let _ = self.reason.set(reason);
        self.token.cancel();
    }

    /// Waits until it is asked.
    pub async fn asked(&self) -> StopReason {
        self.token.cancelled().await;
        self.reason.get().copied().unwrap_or(StopReason::Drain)
    }
}

/// Runs the worker until `drain` is cancelled and every session has ended or used up its time. Returns how
/// many sessions had to be given up.
pub async fn run<S: Sessions>(
    server: Server,
    mut worker: Worker,
    sessions: Arc<S>,
    drain: CancellationToken,
) -> usize {
    let started = Instant::now();
    let now_ms = || u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let mut link = Link::none();
    let mut jobs: JoinSet<JobOutcome> = JoinSet::new();
    let mut running: HashMap<tokio::task::Id, (String, Stop)> = HashMap::new();
    let mut load_timer = tokio::time::interval(LOAD_INTERVAL);
    load_timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut was_registered = false;
    loop {
        let wake = started + Duration::from_millis(worker.next_tick_ms().min(now_ms() + 60_000));
        let draining = drain.is_cancelled();
        let input = tokio::select! {
            biased;
            () = drain.cancelled(), if !draining => Input::Drain,
            Some(ended) = jobs.join_next_with_id() => match ended {
                Ok((id, outcome)) => job_ended(&mut running, id, outcome),
                // A session that panicked ends as failed; the others do not notice.
                Err(error) => job_ended(&mut running, error.id(), JobOutcome::Failed("the session panicked".to_owned())),
            },
            event = link.next() => event,
            _ = load_timer.tick() => Input::Load(sessions.load(worker.running())),
            () = tokio::time::sleep_until(wake) => Input::Tick,
        };
        if matches!(input, Input::LinkDown) {
            link = Link::none();
        }
        let outputs = worker.handle(input, now_ms(), &|dispatch| sessions.assistant_name(dispatch));
        for output in outputs {
            match output {
                Output::Connect => link = Link::open(server.clone()),
                Output::Send(message) => link.send(&message),
                Output::Close => link.close(),
                Output::Start(assignment) => {
                    let stop = Stop::new();
                    let job_id = assignment.job_id.clone();
                    let task = jobs.spawn(sessions.clone().run(*assignment, stop.clone()));
                    running.insert(task.id(), (job_id, stop));
                }
                Output::Stop { job_id, reason } => {
                    if let Some((_, stop)) = running.values().find(|(running_id, _)| *running_id == job_id) {
                        stop.ask(reason);
                    }
                }
                Output::Drained { left } => {
                    link.close();
                    jobs.abort_all();
                    // The last words of this link are on their way: let them out before the process goes.
                    link.flushed().await;
                    return left;
                }
            }
        }
        if worker.is_registered() != was_registered {
            was_registered = worker.is_registered();
            tracing::info!(
                worker = worker.worker_id(),
                registered = was_registered,
                "registration changed"
            );
            sessions.registered(worker.worker_id());
        }
    }
}

fn job_ended(
    running: &mut HashMap<tokio::task::Id, (String, Stop)>,
    id: tokio::task::Id,
    outcome: JobOutcome,
) -> Input {
    let job_id = running.remove(&id).map(|(job_id, _)| job_id).unwrap_or_default();
    if let JobOutcome::Failed(error) = &outcome {
        tracing::warn!(job = job_id, error, "a job failed");
    }
    Input::JobEnded { job_id, outcome }
}

/// The socket's task and the two queues to it.
struct Link {
    inputs: Option<mpsc::Receiver<Input>>,
    outgoing: Option<mpsc::Sender<proto::WorkerMessage>>,
    task: Option<tokio::task::JoinHandle<()>>,
    lost: bool,
}

impl Link {
    fn none() -> Self {
        Self {
            inputs: None,
            outgoing: None,
            task: None,
            lost: false,
        }
    }

    fn open(server: Server) -> Self {
        let (to_worker, inputs) = mpsc::channel(SEND_QUEUE);
        let (outgoing, messages) = mpsc::channel(SEND_QUEUE);
        let task = tokio::spawn(drive(server, to_worker, messages));
        Self {
            inputs: Some(inputs),
            outgoing: Some(outgoing),
            task: Some(task),
            lost: false,
        }
    }

    async fn next(&mut self) -> Input {
        if std::mem::take(&mut self.lost) {
            return Input::LinkDown;
        }
        match &mut self.inputs {
            Some(inputs) => inputs.recv().await.unwrap_or(Input::LinkDown),
            None => std::future::pending().await,
        }
    }

    fn send(&mut self, message: &proto::WorkerMessage) {
        let Some(outgoing) = &self.outgoing else { return };
        if outgoing.try_send(message.clone()).is_err() {
            tracing::warn!("the worker's link takes no messages: closing it");
            self.close();
        }
    }

    fn close(&mut self) {
        // Dropping the sender lets the task write what is queued, close the socket and end.
        if self.outgoing.take().is_some() {
            self.lost = true;
        }
    }

    async fn flushed(&mut self) {
        if let Some(task) = self.task.take() {
            let _ = tokio::time::timeout(Duration::from_secs(1), task).await;
        }
    }
}

/// One link from its opening to its end.
async fn drive(
    server: Server,
    to_worker: mpsc::Sender<Input>,
    mut messages: mpsc::Receiver<proto::WorkerMessage>,
) {
    let mut socket = match open(&server).await {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!(%error, "no link to the server");
            let _ = to_worker.send(Input::LinkDown).await;
            return;
        }
    };
    if to_worker.send(Input::LinkUp).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            biased;
            message = messages.recv() => match message {
                Some(message) => {
                    let frame = Message::Binary(message.encode_to_vec().into());
                    if tokio::time::timeout(CONNECT_TIMEOUT, socket.send(frame)).await.is_ok_and(|sent| sent.is_ok()) {
                        continue;
                    }
                    break;
                }
                None => break,
            },
            frame = socket.next() => match frame {
                Some(Ok(Message::Binary(frame))) => match proto::ServerMessage::decode(frame.as_ref()) {
                    Ok(message) => {
                        if to_worker.send(Input::Received(Box::new(message))).await.is_err() {
                            break;
                        }
                    }
                    Err(error) => tracing::warn!(%error, "a message of the server could not be read"),
                },
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
        }
    }
    let _ = tokio::time::timeout(Duration::from_millis(500), socket.close(None)).await;
    let _ = to_worker.send(Input::LinkDown).await;
}

async fn open(server: &Server) -> Result<Socket, LinkError> {
    let token = AccessToken::with_api_key(&server.api_key, &server.api_secret)
        .with_ttl(TOKEN_TTL)
        .with_grants(VideoGrants {
            agent: true,
            ..Default::default()
        })
        .to_jwt()?;
    let address = format!("{}/agent?protocol=1", server.url.trim_end_matches('/'));
    let mut request = address.into_client_request().map_err(Box::new)?;
    let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
        .map_err(|error| Box::new(tungstenite::Error::HttpFormat(error.into())))?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .max_message_size(Some(FRAME_MAX_BYTES))
        .max_frame_size(Some(FRAME_MAX_BYTES));
    let connecting = tokio_tungstenite::connect_async_with_config(request, Some(config), true);
    let (socket, _) = tokio::time::timeout(CONNECT_TIMEOUT, connecting)
        .await
        .map_err(|_| LinkError::TimeOut)?
        .map_err(Box::new)?;
    Ok(socket)
}
