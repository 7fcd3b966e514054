//! A database of its own for every test, and the few rows that most of them begin with.

use std::time::Duration;

use chrono::Utc;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use store::{
    DocumentFormat, NewDocument, NewOrganisation, NewParticipant, NewPassage, NewRoom, NewSegment,
    ParticipantKind, Room, Store, Word,
};
use uuid::Uuid;

/// Longer than any test.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// What arrives at all arrives within this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A database that is dropped with the test, also when the test fails.
pub(crate) struct Database {
    /// The schema is there already.
    pub store: Store,
    /// Where it is.
    pub url: String,
    name: String,
}

fn server() -> PgConnectOptions {
    std::env::var("DATABASE_URL")
        .expect("DATABASE_URL names a superuser's connection to a Postgres with pgvector")
        .parse()
        .expect("DATABASE_URL is a postgres:// URL")
}

impl Database {
    /// A new database with the schema.
    pub(crate) async fn new() -> Self {
        let database = Self::empty().await;
        database.store.migrate().await.unwrap();
        database
    }

    /// A new database with nothing in it.
    pub(crate) async fn empty() -> Self {
        let name = format!("store_test_{}", Uuid::new_v4().simple());
        let mut admin = server().connect().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "CREATE DATABASE {name} TEMPLATE template0"
        )))
        .execute(&mut admin)
        .await
        .unwrap();
        admin.close().await.unwrap();
        let url = server().database(&name).to_url_lossy().to_string();
        Self {
            store: Store::connect_lazy(&url, 20).unwrap(),
            url,
            name,
        }
    }

    /// A connection without the store's settings, to do what the store never does.
    pub(crate) async fn connection(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// A connection to the server, not to this database.
    pub(crate) async fn server(&self) -> PgConnection {
        server().connect().await.unwrap()
    }

    /// Runs statements past the store.
    pub(crate) async fn run(&self, sql: &str) {
        let mut connection = self.connection().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Runs statements outside this database. `{database}` stands for its name.
    pub(crate) async fn run_outside(&self, sql: &str) {
        let sql = sql.replace("{database}", &self.name);
        let mut connection = self.server().await;
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
    }

    /// Reads one number past the store.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connection().await;
        let number = sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection.close().await.unwrap();
        number
    }

    /// Lets time pass for the leases of a room.
    pub(crate) async fn age_leases(&self, room: Uuid, minutes: i64) {
        self.run(&format!(
            "UPDATE agent_sessions SET lease_expires_at = lease_expires_at - interval '{minutes} minutes'
             WHERE room_id = '{room}'"
        ))
        .await;
    }

    /// Waits until no transaction holds the room's rows: one that ends in an error is rolled back a moment after its caller
    /// has the error.
    pub(crate) async fn undisturbed(&self, room: Uuid) {
        self.run(&format!("SELECT FROM rooms WHERE id = '{room}' FOR UPDATE"))
            .await;
        self.run(&format!(
            "SELECT FROM agent_sessions WHERE room_id = '{room}' FOR UPDATE"
        ))
        .await;
    }

    /// An organisation.
    pub(crate) async fn organisation(&self) -> Uuid {
        let new = NewOrganisation {
            name: "Harbour & Sons".into(),
            assistant_name: "Rapporteur".into(),
            instructions: "Be brief.".into(),
            recognisers: vec!["whisper".into()],
        };
        self.store.create_organisation(&new).await.unwrap().id
    }

    /// A room of a new organisation, running now.
    pub(crate) async fn room(&self) -> Room {
        let organisation = self.organisation().await;
        self.room_of(organisation).await
    }

    /// A room running now.
    pub(crate) async fn room_of(&self, organisation: Uuid) -> Room {
        self.store.create_room(organisation, &new_room()).await.unwrap()
    }

    /// A room that an agent holds for an hour under epoch 1.
    pub(crate) async fn held_room(&self) -> Room {
        let room = self.room().await;
        assert_eq!(
            self.store.begin_dispatch(room.id, 0, HOUR).await.unwrap(),
            Some(1)
        );
        self.store.take_lease(room.id, 1, "worker-1", HOUR).await.unwrap();
        room
    }

    /// A document whose passages can be found.
    pub(crate) async fn ready_document(
        &self,
        organisation: Uuid,
        title: &str,
        passages: &[NewPassage],
    ) -> Uuid {
        let id = self
            .store
            .enqueue_document(organisation, &new_document(title))
            .await
            .unwrap()
            .id;
        let claimed = self.store.claim_document(HOUR).await.unwrap().unwrap();
        assert_eq!(claimed.id, id);
        self.store.finish_document(&claimed, passages, &[]).await.unwrap();
        id
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        // A thread of its own, because a test's runtime may be the one that is unwinding.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut admin = server().connect().await.unwrap();
                sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
                    .execute(&mut admin)
                    .await
                    .unwrap();
            });
        });
        let dropped = dropping.join();
        assert!(
            dropped.is_ok() || std::thread::panicking(),
            "the test's database was not dropped"
        );
    }
}

/// A meeting that runs now.
pub(crate) fn new_room() -> NewRoom {
    let now = Utc::now();
    NewRoom {
        consent: store::ConsentPolicy::Assumed,
        voices: store::VoicePolicy::Detect,
        title: "Quarterly review".into(),
        starts_at: now - Duration::from_secs(60),
        ends_at: now + HOUR,
        capacity: 3,
        instructions: String::new(),
        recognisers: None,
    }
}

/// A client.
pub(crate) fn client(name: &str) -> NewParticipant {
    NewParticipant {
        name: name.into(),
        kind: ParticipantKind::Client,
    }
}

/// A final with a new id.
pub(crate) fn new_segment(text: &str) -> NewSegment {
    NewSegment {
        id: Uuid::new_v4(),
        identity: "p-ada".into(),
        speaker_name: "Ada".into(),
        track_id: "TR_1".into(),
        start_ms: 1_000,
        end_ms: 2_000,
        heard_start_ms: 900,
        heard_end_ms: 2_000,
        late: false,
        usage: Vec::new(),
        text: text.into(),
        words: vec![Word {
            text: text.into(),
            start_ms: 1_000,
            end_ms: 2_000,
            confidence: 0.5,
        }],
        engine: "test".into(),
    }
}

/// An upload whose content is its title.
pub(crate) fn new_document(title: &str) -> NewDocument {
    let mut sha256 = [0; 32];
    for (at, byte) in title.bytes().enumerate() {
        sha256[at % 32] ^= byte.rotate_left(u32::try_from(at / 32).unwrap());
    }
    NewDocument {
        title: title.into(),
        file_name: format!("{title}.md"),
        format: DocumentFormat::Markdown,
        sha256,
        content: title.into(),
    }
}

/// The direction of one axis: every two are unrelated.
pub(crate) fn axis(number: usize) -> Vec<f32> {
    let mut direction = vec![0.0; store::EMBEDDING_DIMENSIONS];
    direction[number] = 1.0;
    direction
}

/// A direction between two axes: 0 is the first, 1 the second.
pub(crate) fn between(first: usize, second: usize, share: f32) -> Vec<f32> {
    let mut direction = axis(first);
    let angle = share * std::f32::consts::FRAC_PI_2;
    direction[first] = angle.cos();
    direction[second] = angle.sin();
    direction
}

/// A passage without a heading.
pub(crate) fn passage(ordinal: i32, text: &str, embedding: Vec<f32>) -> NewPassage {
    NewPassage {
        ordinal,
        heading: String::new(),
        page: None,
        text: text.into(),
        embedding,
    }
}
