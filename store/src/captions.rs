//! The way of live captions from the agents to the dispatchers' pages: Postgres notifications on one channel.
//! Partials travel inside the notification and may be lost; finals and answers are only pointed at and are read
//! from their tables, so a viewer never sees one that is not stored.

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::notices::{self, Notices};
use crate::{Result, Store};

const CHANNEL: &str = "captions";
/// Postgres takes less than 8000 bytes a notification. Escaped, text is at most twice as long: control characters, which
/// JSON writes in six bytes, are replaced.
const PARTIAL_TEXT_BYTES: usize = 2000;
/// Of an identity or a name within a notification.
const PARTIAL_NAME_BYTES: usize = 400;

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
    /// A stored segment was corrected.
    Corrected {
        /// The room.
        room: Uuid,
        /// Its number.
        sequence: i64,
        /// Its id.
        segment: Uuid,
    },
    /// An answer was stored.
    Answer {
        /// The room.
        room: Uuid,
        /// Its id.
        answer: Uuid,
    },
    /// Whose words some are of those who share a microphone reads differently.
    Voices {
        /// The room.
        room: Uuid,
        /// Whose microphone.
        identity: String,
        /// Its segments from here on the meeting clock ...
        from_ms: i64,
        /// ... to here.
        to_ms: i64,
    },
    /// What is shown beside the captions changed: gaps, or what is left out under load.
    Record {
        /// The room.
        room: Uuid,
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

pub(crate) async fn notify(connection: &mut PgConnection, notice: &CaptionNotice) -> Result<()> {
    notices::send(connection, CHANNEL, notice).await
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

pub(crate) async fn notify_corrected(
    connection: &mut PgConnection,
    room: Uuid,
    sequence: i64,
    segment: Uuid,
) -> Result<()> {
    notify(
        connection,
        &CaptionNotice::Corrected {
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

pub(crate) async fn notify_record(connection: &mut PgConnection, room: Uuid) -> Result<()> {
    notify(connection, &CaptionNotice::Record { room }).await
}

impl Store {
    /// Shows a partial to whoever watches; nothing is stored.
    ///
    /// # Errors
    /// The database is away: the next partial will do.
    pub async fn publish_partial(&self, room: Uuid, partial: &PartialCaption) -> Result<()> {
        let caption = notifiable(partial);
        let mut connection = self.pool.acquire().await?;
        notify(&mut connection, &CaptionNotice::Partial { room, caption }).await
    }

    /// Listens to all rooms' captions; one a process is enough.
    ///
    /// # Errors
    /// The database is away.
    pub async fn caption_feed(&self) -> Result<CaptionFeed> {
        Ok(CaptionFeed {
            notices: Notices::open(self, CHANNEL).await?,
        })
    }
}

/// A caption that fits one notification, whatever it holds.
fn notifiable(partial: &PartialCaption) -> PartialCaption {
    let cut = |text: &str, limit_bytes| tail(text, limit_bytes).replace(char::is_control, " ");
    PartialCaption {
        segment: partial.segment,
        identity: cut(&partial.identity, PARTIAL_NAME_BYTES),
        name: cut(&partial.name, PARTIAL_NAME_BYTES),
        text: cut(&partial.text, PARTIAL_TEXT_BYTES),
        start_ms: partial.start_ms,
    }
}

/// The notices of all rooms, in order.
#[derive(Debug)]
pub struct CaptionFeed {
    notices: Notices,
}

impl CaptionFeed {
    /// The next notice. After a lost connection it reconnects and says [`CaptionNotice::Resynchronise`]. May be dropped and
    /// called again at any time.
    ///
    /// # Errors
    /// The database is away: call again after a pause.
    pub async fn next(&mut self) -> Result<CaptionNotice> {
        let payload = self.notices.next().await?;
        // A notice that a newer version wrote is no reason to stop; what it points at is in the tables.
        Ok(payload
            .and_then(|payload| serde_json::from_str(&payload).ok())
            .unwrap_or(CaptionNotice::Resynchronise))
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
        fn any_partial_fits_one_notification(
            character in any::<char>(), others in prop::collection::vec(any::<char>(), 0..3000),
        ) {
            for text in [others.into_iter().collect(), character.to_string().repeat(3000)] {
                let caption = notifiable(&PartialCaption {
                    segment: Uuid::max(), identity: text.clone(), name: text.clone(), text, start_ms: i64::MIN,
                });
                let notice = CaptionNotice::Partial { room: Uuid::max(), caption };
                let payload = serde_json::to_string(&notice).unwrap();
                prop_assert!(payload.len() < 8000 && !payload.contains("\\u0000"));
            }
        }
    }

    #[test]
    fn the_characters_that_json_writes_longest_fit() {
        for worst in ["\u{1}", "\0", "\"", "\\", "\u{2028}", "\u{7f}", "🦀"] {
            let text = worst.repeat(4000);
            let caption = notifiable(&PartialCaption {
                segment: Uuid::max(),
                identity: text.clone(),
                name: text.clone(),
                text,
                start_ms: i64::MIN,
            });
            let notice = CaptionNotice::Partial {
                room: Uuid::max(),
                caption,
            };
            assert!(serde_json::to_string(&notice).unwrap().len() < 8000, "{worst:?}");
        }
    }
}
