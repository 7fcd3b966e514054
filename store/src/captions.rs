//! The way of live captions from the agents to the dispatchers' pages: Postgres notifications on one channel.
//! Partials travel inside the notification and may be lost; finals and answers are only pointed at and are read
//! from their tables, so a viewer never sees one that is not stored.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::{Result, Store};

const CHANNEL: &str = "captions";
/// Postgres takes less than 8000 bytes a notification; this leaves room for names and JSON escapes.
const PARTIAL_TEXT_BYTES: usize = 2000;

/// A caption that is still changing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialCaption {
    /// The id that its final will have.
    pub segment: Uuid,
    /// The speaker's identity in LiveKit.
    pub identity: String,
    /// The speaker's name.
    pub name: String,
    /// The whole text so far; of a very long one the end.
    pub text: String,
    /// On the meeting clock.
    pub start_ms: i64,
}

/// What a live page is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CaptionNotice {
    /// A partial changed.
    Partial {
        /// The room.
        room: Uuid,
        /// The caption.
        #[serde(flatten)]
        caption: PartialCaption,
    },
    /// A segment was stored.
    Final {
        /// The room.
        room: Uuid,
        /// Its number.
        sequence: i64,
        /// Its id: the partial with this id is done.
        segment: Uuid,
    },
    /// An answer was stored.
    Answer {
        /// The room.
        room: Uuid,
        /// Its id.
        answer: Uuid,
    },
    /// Notices may have been missed: read the tables again.
    Resynchronise,
}

/// The end of `text` that fits, on a character boundary.
fn tail(text: &str, limit_bytes: usize) -> &str {
    let mut start = text.len().saturating_sub(limit_bytes);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    &text[start..]
}

async fn notify(connection: &mut PgConnection, notice: &CaptionNotice) -> Result<()> {
    let payload = serde_json::to_string(notice).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(payload)
        .execute(connection)
        .await?;
    Ok(())
}

pub(crate) async fn notify_final(
    connection: &mut PgConnection,
    room: Uuid,
    sequence: i64,
    segment: Uuid,
) -> Result<()> {
    notify(
        connection,
        &CaptionNotice::Final {
            room,
            sequence,
            segment,
        },
    )
    .await
}

pub(crate) async fn notify_answer(connection: &mut PgConnection, room: Uuid, answer: Uuid) -> Result<()> {
    notify(connection, &CaptionNotice::Answer { room, answer }).await
}

impl Store {
    /// Shows a partial to whoever watches; nothing is stored.
    ///
    /// # Errors
    /// The database is away: the next partial will do.
    pub async fn publish_partial(&self, room: Uuid, partial: &PartialCaption) -> Result<()> {
        let caption = PartialCaption {
            text: storable_tail(&partial.text, PARTIAL_TEXT_BYTES),
            name: storable_tail(&partial.name, 400),
            identity: storable_tail(&partial.identity, 400),
            ..partial.clone()
        };
        let mut connection = self.pool.acquire().await?;
        notify(&mut connection, &CaptionNotice::Partial { room, caption }).await
    }

    /// Listens to all rooms' captions; one a process is enough.
    ///
    /// # Errors
    /// The database is away.
    pub async fn caption_feed(&self) -> Result<CaptionFeed> {
        let mut listener = self.listener().await?;
        listener.listen(CHANNEL).await?;
        Ok(CaptionFeed { listener })
    }

    /// A connection of its own for notifications, outside the pool.
    pub(crate) async fn listener(&self) -> Result<PgListener> {
        let pool = sqlx::postgres::PgPoolOptions::new()
            .max_connections(1)
            .connect_with(self.options.clone())
            .await?;
        Ok(PgListener::connect_with(&pool).await?)
    }
}

fn storable_tail(text: &str, limit_bytes: usize) -> String {
    tail(text, limit_bytes).replace('\0', "")
}

/// The notices of all rooms, in order.
#[derive(Debug)]
pub struct CaptionFeed {
    listener: PgListener,
}

impl CaptionFeed {
    /// The next notice. After a lost connection it reconnects and says [`CaptionNotice::Resynchronise`].
    ///
    /// # Errors
    /// The database is away: call again after a pause.
    pub async fn next(&mut self) -> Result<CaptionNotice> {
        match self.listener.try_recv().await? {
            // A notice that a newer version wrote is no reason to stop; what it points at is in the tables.
            Some(notification) => {
                Ok(serde_json::from_str(notification.payload()).unwrap_or(CaptionNotice::Resynchronise))
            }
            None => Ok(CaptionNotice::Resynchronise),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_tail_is_a_suffix_within_the_limit(text in ".{0,200}", limit in 0usize..100) {
            let end = tail(&text, limit);
            prop_assert!(end.len() <= limit && text.ends_with(end));
        }

        #[test]
        fn the_longest_partial_fits_one_notification(text in "\\PC{1900,2100}") {
            let caption = PartialCaption {
                segment: Uuid::nil(), identity: "i".repeat(400), name: "n".repeat(400),
                text: storable_tail(&text, PARTIAL_TEXT_BYTES), start_ms: i64::MAX,
            };
            let notice = CaptionNotice::Partial { room: Uuid::nil(), caption };
            prop_assert!(serde_json::to_string(&notice).unwrap().len() < 8000);
        }
    }
}
