//! A dispatcher of the test's own: its own database, its own LiveKit, an API client. Strict: it fails when a background
//! part dies or outlives it.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{DateTime, TimeDelta, Utc};
use dispatcher::app::{Parts, Setup, router};
use dispatcher::links::Links;
use dispatcher::livekit::{DispatchMetadata, LiveKit};
use dispatcher::reconciler::actor::{self, Timing};
use dispatcher::{App, captions, knowledge_base};
use knowledge::Embedder;
use livekit_protocol as proto;
use prost::Message as _;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use store::Store;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

/// Nothing here takes longer unless something is broken.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const API_KEY: &str = "the-api-key-of-the-tests";
pub(crate) const LIVEKIT_KEY: &str = "testkey";
pub(crate) const LIVEKIT_SECRET: &str = "a-secret-for-tests-of-more-than-32-characters";
/// What the tests' dispatcher is set to.
pub(crate) const TIMING: Timing = Timing {
    lead: Duration::from_secs(60),
    end_grace: Duration::from_millis(200),
};

static EMBEDDER: LazyLock<Embedder> = LazyLock::new(|| {
    let folder = std::env::var("RAPPORTEUR_EMBEDDING_MODEL")
        .expect("RAPPORTEUR_EMBEDDING_MODEL names the embedding model's folder; `cargo verify` sets it");
    Embedder::load(folder.as_ref()).unwrap()
});

/// A database that exists as long as the test.
pub(crate) struct Database {
    pub url: String,
    admin_url: String,
    name: String,
}

impl Database {
    async fn create() -> Self {
        let admin_url = std::env::var("DATABASE_URL")
            .expect("DATABASE_URL is a superuser's connection to a test Postgres; `cargo verify` sets it");
        let name = format!("dispatcher_{}", Uuid::new_v4().simple());
        let mut admin = PgConnection::connect(&admin_url).await.unwrap();
        admin
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .unwrap();
        let mut url = Url::parse(&admin_url).unwrap();
        url.set_path(&name);
        Self {
            url: url.into(),
            admin_url,
            name,
        }
    }

    /// Runs a statement behind the dispatcher's back.
    pub(crate) async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        connection
            .execute(sqlx::AssertSqlSafe(statement.to_owned()))
            .await
            .unwrap();
    }

    async fn drop(&self) {
        let mut admin = PgConnection::connect(&self.admin_url).await.unwrap();
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        admin.execute(sqlx::AssertSqlSafe(statement)).await.unwrap();
    }
}

/// What LiveKit was asked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Asked {
    CreateRoom(Box<proto::CreateRoomRequest>),
    Dispatch(String, DispatchMetadata),
    DeleteRoom(String),
}

/// A LiveKit that does what it is asked, or is away.
#[derive(Default)]
pub(crate) struct PlayedLiveKit {
    asked: Mutex<Vec<Asked>>,
    away: Mutex<bool>,
    /// The next dispatch happens, but its answer is lost.
    lose_answer: Mutex<bool>,
    /// A worker takes every dispatch.
    has_worker: Mutex<bool>,
    changed: Notify,
}

impl PlayedLiveKit {
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn dispatches(&self) -> Vec<DispatchMetadata> {
        let dispatch = |asked| match asked {
            Asked::Dispatch(_, metadata) => Some(metadata),
            _ => None,
        };
        self.asked().into_iter().filter_map(dispatch).collect()
    }

    pub(crate) fn set_away(&self, away: bool) {
        *self.away.lock().unwrap() = away;
    }

    pub(crate) fn lose_next_answer(&self) {
        *self.lose_answer.lock().unwrap() = true;
    }

    pub(crate) fn set_worker(&self, has_worker: bool) {
        *self.has_worker.lock().unwrap() = has_worker;
    }

    /// Waits until what it was asked looks like this.
    pub(crate) async fn wait_until(&self, what: &str, found: impl Fn(&[Asked]) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if found(&self.asked()) {
                    return;
                }
                changed.await;
            }
        };
        if timeout(LIMIT, waiting).await.is_err() {
            panic!("LiveKit was not asked for {what}, but: {:?}", self.asked());
        }
    }

    fn note(&self, asked: Asked) {
        self.asked.lock().unwrap().push(asked);
        self.changed.notify_waiters();
    }
}

fn encoded(message: &impl prost::Message) -> Response {
    message.encode_to_vec().into_response()
}

fn failed(code: &str) -> Response {
    (
        StatusCode::SERVICE_UNAVAILABLE,
        axum::Json(json!({"code": code, "msg": "played"})),
    )
        .into_response()
}

async fn twirp(State(played): State<Arc<PlayedLiveKit>>, Path(call): Path<String>, body: Bytes) -> Response {
    if *played.away.lock().unwrap() {
        return failed("unavailable");
    }
    match call.as_str() {
        "livekit.RoomService/CreateRoom" => {
            let request = proto::CreateRoomRequest::decode(body).unwrap();
            let room = proto::Room {
                name: request.name.clone(),
                ..Default::default()
            };
            played.note(Asked::CreateRoom(Box::new(request)));
            encoded(&room)
        }
        "livekit.RoomService/ListRooms" => encoded(&proto::ListRoomsResponse::default()),
        "livekit.RoomService/DeleteRoom" => {
            played.note(Asked::DeleteRoom(
                proto::DeleteRoomRequest::decode(body).unwrap().room,
            ));
            encoded(&proto::DeleteRoomResponse::default())
        }
        "livekit.AgentDispatchService/CreateDispatch" => {
            let request = proto::CreateAgentDispatchRequest::decode(body).unwrap();
            assert_eq!(request.agent_name, "rapporteur");
            played.note(Asked::Dispatch(
                request.room,
                serde_json::from_str(&request.metadata).unwrap(),
            ));
            if std::mem::take(&mut *played.lose_answer.lock().unwrap()) {
                return failed("unavailable");
            }
            encoded(&proto::AgentDispatch::default())
        }
        "livekit.AgentDispatchService/ListDispatch" => {
            let job = proto::Job {
                state: Some(proto::JobState {
                    status: proto::JobStatus::JsRunning.into(),
                    worker_id: "AW_played".into(),
                    ..Default::default()
                }),
                ..Default::default()
            };
            let state = proto::AgentDispatchState {
                jobs: match *played.has_worker.lock().unwrap() {
                    true => vec![job],
                    false => Vec::new(),
                },
                ..Default::default()
            };
            let dispatch = |metadata: DispatchMetadata| proto::AgentDispatch {
                metadata: serde_json::to_string(&metadata).unwrap(),
                state: Some(state.clone()),
                ..Default::default()
            };
            let agent_dispatches = played.dispatches().into_iter().map(dispatch).collect();
            encoded(&proto::ListAgentDispatchResponse { agent_dispatches })
        }
        other => panic!("LiveKit was asked for {other}"),
    }
}

/// A dispatcher that serves.
pub(crate) struct TestApp {
    pub app: App,
    pub database: Database,
    pub livekit: Arc<PlayedLiveKit>,
    pub base: String,
    http: reqwest::Client,
    tasks: JoinSet<&'static str>,
}

impl TestApp {
    /// API and pages alone: no background part runs.
    pub(crate) async fn start() -> Self {
        Self::start_at(Utc::now).await
    }

    /// The same, by another clock.
    pub(crate) async fn start_at(now: fn() -> DateTime<Utc>) -> Self {
        // Only the first test of the process has to.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let database = Database::create().await;
        let livekit = Arc::new(PlayedLiveKit::default());
        let twirp = Router::new()
            .route("/twirp/{*call}", post(twirp))
            .with_state(livekit.clone());
        let livekit_address = serve(twirp).await;
        let store = Store::connect(&database.url, 5).await.unwrap();
        store.migrate().await.unwrap();
        let app = Parts::new(Setup {
            store,
            livekit: LiveKit::new(
                &format!("ws://{livekit_address}"),
                "wss://livekit.example",
                LIVEKIT_KEY,
                LIVEKIT_SECRET,
            ),
            embedder: EMBEDDER.clone(),
            links: Links::new(API_KEY, LIVEKIT_SECRET),
            api_key: API_KEY.to_owned(),
            public_url: "https://meet.example".to_owned(),
            livekit_client: None,
            now,
            shutdown: CancellationToken::new(),
        });
        app.health.migrated();
        let address = serve(router(app.clone())).await;
        let base = format!("http://{address}");
        Self {
            app,
            database,
            livekit,
            base,
            http: reqwest::Client::new(),
            tasks: JoinSet::new(),
        }
    }

    /// Starts the reconciler.
    pub(crate) fn reconcile(&mut self) {
        let app = self.app.clone();
        self.tasks.spawn(async move {
            actor::run(app, TIMING).await;
            "reconciler"
        });
    }

    /// Starts the document worker.
    pub(crate) fn read_documents(&mut self) {
        let app = self.app.clone();
        self.tasks.spawn(async move {
            knowledge_base::run(app).await;
            "documents"
        });
    }

    /// Starts the captions feed.
    pub(crate) fn feed_captions(&mut self) {
        let app = self.app.clone();
        self.tasks.spawn(async move {
            captions::run(app).await;
            "captions"
        });
    }

    /// Ends everything; fails when a background part has died or does not end.
    pub(crate) async fn stop(mut self) {
        if let Some(early) = self.tasks.try_join_next() {
            panic!("{} ended early", early.unwrap());
        }
        self.app.shutdown.cancel();
        let ended = async {
            while let Some(part) = self.tasks.join_next().await {
                part.unwrap();
            }
        };
        timeout(LIMIT, ended)
            .await
            .expect("every part ends when it is told to");
        self.app.store.close().await;
        self.database.drop().await;
    }

    /// A request with the key.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.anonymous(method, path).bearer_auth(API_KEY)
    }

    /// A request without it.
    pub(crate) fn anonymous(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let path = path.strip_prefix("https://meet.example").unwrap_or(path);
        self.http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.request("POST", path).json(&body)).await
    }

    /// The body of a request that succeeds.
    pub(crate) async fn made(&self, path: &str, body: Value) -> Value {
        let (status, body) = self.post(path, body).await;
        assert!((200..300).contains(&status), "{path}: {status}: {body}");
        body
    }

    pub(crate) async fn upload(&self, organisation: Uuid, file_name: &str, content: &[u8]) -> (u16, Value) {
        let part = reqwest::multipart::Part::bytes(content.to_vec()).file_name(file_name.to_owned());
        let form = reqwest::multipart::Form::new().part("file", part);
        let path = format!("/v1/organisations/{organisation}/documents");
        answer(self.request("POST", &path).multipart(form)).await
    }

    pub(crate) async fn organisation(&self) -> Uuid {
        id(&self
            .made(
                "/v1/organisations",
                json!({"name": "Clinic", "assistant_name": "Robin"}),
            )
            .await)
    }

    /// A room that begins so many seconds from now and lasts an hour.
    pub(crate) async fn room(&self, organisation: Uuid, in_seconds: i64) -> Uuid {
        let starts_at = Utc::now() + TimeDelta::seconds(in_seconds);
        let body =
            json!({"title": "Visit", "starts_at": starts_at, "ends_at": starts_at + TimeDelta::hours(1)});
        id(&self
            .made(&format!("/v1/organisations/{organisation}/rooms"), body)
            .await)
    }

    /// An organisation with a room that is due.
    pub(crate) async fn due_room(&self) -> (Uuid, Uuid) {
        let organisation = self.organisation().await;
        (organisation, self.room(organisation, 0).await)
    }

    /// Asks again until the answer looks like this.
    pub(crate) async fn wait_for(&self, path: &str, found: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + LIMIT;
        loop {
            let (_, body) = self.get(path).await;
            if found(&body) {
                return body;
            }
            assert!(Instant::now() < until, "{path}: not as expected: {body}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Serves until the test's runtime ends.
async fn serve(router: Router) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// Status and JSON body.
pub(crate) async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.timeout(LIMIT).send().await.unwrap();
    let status = response.status().as_u16();
    let body = response.bytes().await.unwrap();
    (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
}

pub(crate) fn id(value: &Value) -> Uuid {
    value["id"]
        .as_str()
        .unwrap_or_else(|| panic!("no id in {value}"))
        .parse()
        .unwrap()
}

/// The fields that a problem names.
pub(crate) fn wrong_fields(problem: &Value) -> Vec<&str> {
    problem["errors"]
        .as_array()
        .map(|errors| {
            errors
                .iter()
                .filter_map(|error| error["field"].as_str())
                .collect()
        })
        .unwrap_or_default()
}
