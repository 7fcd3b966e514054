//! A livekit-server of the test's own, and sessions that only report what is asked of them.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use agent::worker::dispatch::Dispatch;
use agent::worker::io::{Assignment, JobOutcome, StopReason};
use agent::worker::link::{self, Server, Sessions, Stop};
use agent::worker::protocol::Worker;
use livekit_api::access_token::{Claims, TokenVerifier};
use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::RoomClient;
use livekit_protocol as proto;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Nothing here takes longer unless something is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
/// A job that has not come within this is lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
const API_KEY: &str = "testkey";
const API_SECRET: &str = "a-secret-for-tests-of-more-than-32-characters";

/// A running livekit-server; it ends with the value.
pub(crate) struct LiveKit {
    port: u16,
    config: PathBuf,
    child: Child,
}

impl LiveKit {
    /// Starts a server on ports of its own and waits until it answers.
    pub(crate) async fn start() -> Self {
        let port = free_port();
        let config = std::env::temp_dir().join(format!("agent-test-{}.yaml", Uuid::new_v4()));
        let text = format!(
            "port: {port}\nbind_addresses: [127.0.0.1]\nkeys:\n  {API_KEY}: {API_SECRET}\nrtc:\n  tcp_port: {}\n  \
             udp_port: {}\n  node_ip: 127.0.0.1\n  enable_loopback_candidate: true\n  interfaces:\n    includes: [lo]\n",
            free_port(),
            free_port(),
        );
        std::fs::write(&config, text).expect("the folder for temporary files takes a file");
        let child = spawn(&config);
        let livekit = Self { port, config, child };
        livekit.answers().await;
        livekit
    }

    /// Kills the server and starts it again on the same ports.
    pub(crate) async fn restart(&mut self) {
        self.child.kill().expect("the server runs");
        self.child.wait().expect("the server ends");
        self.child = spawn(&self.config);
        self.answers().await;
    }

    /// How a worker reaches it.
    pub(crate) fn server(&self) -> Server {
        Server {
            url: format!("ws://127.0.0.1:{}", self.port),
            api_key: API_KEY.to_owned(),
            api_secret: API_SECRET.to_owned(),
        }
    }

    /// Asks for an agent in a room.
    async fn dispatch(&self, dispatch: &Dispatch) -> proto::AgentDispatch {
        let request = proto::CreateAgentDispatchRequest {
            agent_name: "rapporteur".to_owned(),
            room: room_name(dispatch),
            metadata: serde_json::to_string(dispatch).expect("a dispatch is JSON"),
            ..Default::default()
        };
        self.dispatches()
            .create_dispatch(request)
            .await
            .expect("the server takes a dispatch")
    }

    /// Takes a dispatch back.
    pub(crate) async fn delete(&self, created: &proto::AgentDispatch) {
        self.dispatches()
            .delete_dispatch(created.id.clone(), created.room.clone())
            .await
            .expect("the server takes a dispatch back");
    }

    /// The API for dispatches.
    fn dispatches(&self) -> AgentDispatchClient {
        AgentDispatchClient::with_api_key(&self.http(), API_KEY, API_SECRET)
    }

    /// The API for rooms.
    pub(crate) fn rooms(&self) -> RoomClient {
        RoomClient::with_api_key(&self.http(), API_KEY, API_SECRET)
    }

    /// What a join token says.
    pub(crate) fn verify(&self, token: &str) -> Claims {
        TokenVerifier::with_api_key(API_KEY, API_SECRET)
            .verify(token)
            .expect("the server signed the token")
    }

    fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    async fn answers(&self) {
        let until = Instant::now() + LIMIT;
        while self.rooms().list_rooms(Vec::new()).await.is_err() {
            assert!(Instant::now() < until, "livekit-server does not answer");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for LiveKit {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.config);
    }
}

fn spawn(config: &PathBuf) -> Child {
    let program = std::env::var("RAPPORTEUR_LIVEKIT_SERVER")
        .expect("RAPPORTEUR_LIVEKIT_SERVER names the livekit-server program; `cargo verify` sets it");
    Command::new(program)
        .arg("--config")
        .arg(config)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("livekit-server starts")
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}

/// A dispatch for a room that nobody else uses.
pub(crate) fn new_dispatch(epoch: i64) -> Dispatch {
    Dispatch {
        room_id: Uuid::new_v4(),
        organisation_id: Uuid::new_v4(),
        epoch,
    }
}

/// The name of a dispatch's room at LiveKit.
pub(crate) fn room_name(dispatch: &Dispatch) -> String {
    format!("rapporteur-{}", dispatch.room_id)
}

/// What the worker did.
#[derive(Debug)]
pub(crate) enum Did {
    /// It registered.
    Registered,
    /// It lost its registration.
    Unregistered,
    /// It started a session.
    Started(Box<Assignment>),
    /// It asked a session to stop.
    Stopped(String, StopReason),
}

/// Sessions that run until they are asked to stop.
pub(crate) struct Reporting {
    did: mpsc::UnboundedSender<Did>,
}

impl Sessions for Reporting {
    async fn run(self: Arc<Self>, assignment: Assignment, stop: Stop) -> JobOutcome {
        let job_id = assignment.job_id.clone();
        let _ = self.did.send(Did::Started(Box::new(assignment)));
        let reason = stop.asked().await;
        let _ = self.did.send(Did::Stopped(job_id, reason));
        JobOutcome::Success
    }

    fn assistant_name(&self, _: &Dispatch) -> Option<String> {
        Some("Ada".to_owned())
    }

    fn load(&self, _: usize) -> f32 {
        0.0
    }

    fn registered(&self, worker_id: Option<&str>) {
        let _ = self.did.send(if worker_id.is_some() {
            Did::Registered
        } else {
            Did::Unregistered
        });
    }
}

/// A worker at a server, and what it does.
pub(crate) struct TestWorker {
    did: mpsc::UnboundedReceiver<Did>,
    /// Ends it in order.
    pub(crate) drain: CancellationToken,
    task: JoinHandle<usize>,
}

impl TestWorker {
    /// Starts a worker and waits until it is registered.
    pub(crate) async fn start(server: Server, slots: usize) -> Self {
        let (did_sender, did) = mpsc::unbounded_channel();
        let drain = CancellationToken::new();
        let sessions = Arc::new(Reporting { did: did_sender });
        let worker = Worker::new("test", "test-instance", slots, 1);
        let task = tokio::spawn(link::run(server, worker, sessions, drain.clone()));
        let mut worker = Self { did, drain, task };
        assert!(matches!(worker.next().await, Did::Registered));
        worker
    }

    /// What it does next.
    pub(crate) async fn next(&mut self) -> Did {
        timeout(LIMIT, self.did.recv())
            .await
            .expect("the worker does something")
            .expect("the worker runs")
    }

    /// Asks for an agent until a session starts. On a busy machine LiveKit's own parts answer each other too late and a job
    /// is lost without a word; asking again is up to whoever wants the agent, as the reconciler does.
    pub(crate) async fn placed(
        &mut self,
        livekit: &LiveKit,
        dispatch: &Dispatch,
    ) -> (proto::AgentDispatch, Assignment) {
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            let created = livekit.dispatch(dispatch).await;
            match timeout(LOST_AFTER, self.did.recv()).await {
                Ok(Some(Did::Started(assignment))) => return (created, *assignment),
                Ok(other) => panic!("{other:?}"),
                Err(_) => livekit.delete(&created).await,
            }
        }
        panic!("no session started");
    }

    /// Whether it has done anything so far that nobody has looked at.
    pub(crate) fn is_quiet(&self) -> bool {
        self.did.is_empty()
    }

    /// Waits for its end; the sessions that it gave up.
    pub(crate) async fn ended(self) -> usize {
        timeout(LIMIT, self.task)
            .await
            .expect("the worker ends")
            .expect("the worker did not panic")
    }
}
