//! Wake-up calls: the reconciler and the document worker sleep until something changed. A call carries nothing;
//! whoever is woken reads the tables.

use sqlx::postgres::PgListener;

use crate::{Result, Store};

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Rooms or agent sessions changed.
    Schedule,
    /// A document waits.
    Documents,
}

/// The wake-up calls of one topic.
#[derive(Debug)]
pub struct ScheduleFeed {
    listener: PgListener,
}

impl Store {
    /// Listens to a topic.
    ///
    /// # Errors
    /// The database is away.
    pub async fn wake_ups(&self, topic: Topic) -> Result<ScheduleFeed> {
        let mut listener = self.listener().await?;
        listener
            .listen(match topic {
                Topic::Schedule => "schedule",
                Topic::Documents => "documents",
            })
            .await?;
        Ok(ScheduleFeed { listener })
    }
}

impl ScheduleFeed {
    /// Waits for the next call. A lost connection counts as a call, since calls may have been missed.
    ///
    /// # Errors
    /// The database is away: call again after a pause.
    pub async fn wait(&mut self) -> Result<()> {
        self.listener.try_recv().await?;
        Ok(())
    }
}
