//! A connection of its own that waits for Postgres notifications on one channel. It never stays silent about a gap:
//! after anything that may have lost notifications, the next thing it says is "some may be missing".

use std::time::Duration;

use serde::Serialize;
use sqlx::PgConnection;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{Instant, timeout, timeout_at};

use crate::{ACQUIRE_TIMEOUT, Result, Store};

/// A connection on which nothing was heard for this long is asked whether it still lives: a network that swallows packets
/// looks like a quiet database.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to answer.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Notices {
    store: Store,
    channel: &'static str,
    /// None after a failure, until the next call connects again.
    listener: Option<PgListener>,
    last_heard: Instant,
}

impl Notices {
    pub(crate) async fn open(store: &Store, channel: &'static str) -> Result<Self> {
        let listener = Some(connect(store, channel).await?);
        Ok(Self {
            store: store.clone(),
            channel,
            listener,
            last_heard: Instant::now(),
        })
    }

    /// The next notification's payload; `None` when some may be missing. May be dropped and called again at any time.
    pub(crate) async fn next(&mut self) -> Result<Option<String>> {
        let Some(listener) = &mut self.listener else {
            self.listener = Some(connect(&self.store, self.channel).await?);
            self.last_heard = Instant::now();
            return Ok(None);
        };
        let outcome = loop {
            match timeout_at(self.last_heard + SILENCE_LIMIT, listener.try_recv()).await {
                Ok(outcome) => break outcome,
                Err(_) => match timeout(PROBE_TIMEOUT, sqlx::query("SELECT 1").execute(&mut *listener)).await
                {
                    Ok(Ok(_)) => self.last_heard = Instant::now(),
                    Ok(Err(error)) => break Err(error),
                    Err(_) => break Err(sqlx::Error::PoolTimedOut),
                },
            }
        };
        self.last_heard = Instant::now();
        match outcome {
            // Nothing: the connection was lost and a new one listens already.
            Ok(notification) => Ok(notification.map(|notification| notification.payload().to_owned())),
            Err(error) => {
                self.listener = None;
                Err(error.into())
            }
        }
    }
}

/// Tells whoever listens on a channel, once the transaction has committed.
pub(crate) async fn send(
    connection: &mut PgConnection,
    channel: &str,
    notice: &impl Serialize,
) -> Result<()> {
    let payload = serde_json::to_string(notice).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(channel)
        .bind(payload)
        .execute(connection)
        .await?;
    Ok(())
}

/// A pool of exactly this connection: the shared pool's connections are for queries.
async fn connect(store: &Store, channel: &str) -> Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_lazy_with(store.options.clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(channel).await?;
    Ok(listener)
}
