//! What can go wrong in the database, in terms of the domain.

use std::fmt;

use uuid::Uuid;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such row in this organisation.
    #[error("{what} not found")]
    NotFound {
        /// The kind of row.
        what: &'static str,
    },
    /// The row exists already, or its state does not allow the change.
    #[error("{what}")]
    Conflict {
        /// What stands in the way.
        what: &'static str,
    },
    /// A newer session holds the room: the writer has to stop.
    #[error("epoch {epoch} of room {room} was superseded by {current}")]
    Fenced {
        /// The room.
        room: Uuid,
        /// The writer's epoch.
        epoch: i64,
        /// The newest epoch.
        current: i64,
    },
    /// A value is outside its limit.
    #[error("{field} must be {limit}")]
    Invalid {
        /// The field's name in the API.
        field: &'static str,
        /// What is allowed, as the rest of the sentence "must be ...".
        limit: String,
    },
    /// The database is away or busy; the same call may work later.
    #[error("the database is unavailable")]
    Unavailable(#[source] DatabaseFault),
    /// A fault of the program or of the schema.
    #[error("database error")]
    Other(#[source] DatabaseFault),
    /// The schema could not be brought up to date.
    #[error("migration failed")]
    Migration(#[source] sqlx::migrate::MigrateError),
}

impl StoreError {
    /// Whether the same call may work later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

/// The driver's error. Its debugging output is its short form: Postgres puts the refused row into the details of some
/// errors, and what people said must not reach a log.
pub struct DatabaseFault(sqlx::Error);

impl fmt::Display for DatabaseFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_database_error() {
            Some(error) => {
                let code = error.code().unwrap_or_default();
                write!(formatter, "{} (SQLSTATE {code})", error.message())
            }
            None => self.0.fmt(formatter),
        }
    }
}

impl fmt::Debug for DatabaseFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "DatabaseFault({self})")
    }
}

// No source: it would bring the details back.
impl std::error::Error for DatabaseFault {}

impl From<sqlx::migrate::MigrateError> for StoreError {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        match error {
            sqlx::migrate::MigrateError::Execute(inner) => inner.into(),
            other => Self::Migration(other),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            // A connection that was cut in the middle of a message.
            | sqlx::Error::Protocol(_) => Self::Unavailable(DatabaseFault(error)),
            sqlx::Error::Database(refusal) => {
                let code = refusal.code().unwrap_or_default().into_owned();
                match of_the_domain(&code, refusal.constraint()) {
                    Some(meaning) => meaning,
                    None if transient(&code) => Self::Unavailable(DatabaseFault(error)),
                    None => Self::Other(DatabaseFault(error)),
                }
            }
            _ => Self::Other(DatabaseFault(error)),
        }
    }
}

/// The meaning of a refusal that the caller caused.
fn of_the_domain(code: &str, constraint: Option<&str>) -> Option<StoreError> {
    Some(match code {
        CHECK => {
            let (field, limit) = limit_of(constraint?)?;
            StoreError::Invalid {
                field,
                limit: limit.into(),
            }
        }
        FOREIGN_KEY if constraint.is_some_and(|name| name.ends_with("_organisation_id_fkey")) => {
            StoreError::NotFound { what: "organisation" }
        }
        FOREIGN_KEY => StoreError::NotFound { what: "room" },
        UNIQUE => StoreError::Conflict {
            what: "a row with this id exists already",
        },
        _ => return None,
    })
}

const FOREIGN_KEY: &str = "23503";
const UNIQUE: &str = "23505";
const CHECK: &str = "23514";

/// SQLSTATEs after which the same statement may succeed.
fn transient(code: &str) -> bool {
    // Classes: 08 connection, 40 serialization and deadlock, 53 resources (disk full, too many connections).
    let class = ["08", "40", "53"].iter().any(|class| code.starts_with(class));
    // Idle in a transaction for too long, lock not available, statement timed out, shutdown, crash, start-up.
    class || ["25P03", "55P03", "57014", "57P01", "57P02", "57P03"].contains(&code)
}

/// The field and the limit behind a check constraint of the schema. The other checks are on words that only this crate
/// writes.
fn limit_of(constraint: &str) -> Option<(&'static str, &'static str)> {
    Some(match constraint {
        "organisations_name_check" => ("name", "1 to 200 characters"),
        "organisations_assistant_name_check" => ("assistant_name", "1 to 40 characters"),
        "organisations_instructions_check" | "rooms_instructions_check" => {
            ("instructions", "at most 8000 characters")
        }
        "organisations_recognisers_check" | "rooms_recognisers_check" => (
            "recognisers",
            "1 to 4 of deepgram, openai, openai_realtime, whisper",
        ),
        "rooms_title_check" => ("title", "1 to 200 characters"),
        "rooms_capacity_check" => ("capacity", "2 to 500 participants"),
        "rooms_ends_after_start_check" => ("ends_at", "after starts_at"),
        "participants_name_check" => ("name", "1 to 100 characters"),
        "segments_start_ms_check" => ("start_ms", "0 or more"),
        "segments_ends_after_start_check" => ("end_ms", "start_ms or more"),
        "corrections_text_check" => ("text", "at most 4000 characters"),
        "corrections_words_check" => ("words", "given with the text"),
        "corrections_author_check" => ("author", "1 to 100 characters"),
        "consents_author_check" => ("author", "1 to 200 characters"),
        "prices_kind_check" => ("kind", "1 to 100 characters"),
        "prices_engine_check" => ("engine", "at most 200 characters"),
        "prices_unit_check" => ("unit", "1 to 100 characters"),
        "prices_currency_check" => ("currency", "three capital letters"),
        "prices_micros_per_unit_check" => ("micros_per_unit", "0 or more"),
        "coverage_start_ms_check" => ("heard_start_ms", "0 or more"),
        "coverage_ends_after_start_check" => ("heard_end_ms", "heard_start_ms or more"),
        "coverage_gap_has_a_reason_check" => ("reason", "of a gap, and only of one"),
        "people_name_check" | "voices_name_check" => ("name", "1 to 100 characters"),
        "people_consent_by_check" => ("consent_by", "1 to 200 characters"),
        "people_heard_ms_check" => ("heard_ms", "more than 0"),
        "voices_label_check" => ("label", "1 to 1000"),
        "voices_named_by_check" => ("author", "1 to 200 characters"),
        "voices_named_check" => ("author", "given with the name"),
        "voices_merged_check" => ("into", "another label than from"),
        "voices_heard_ms_check" => ("heard_ms", "0 or more"),
        "voice_turns_start_ms_check" => ("start_ms", "0 or more"),
        "voice_turns_ends_after_start_check" => ("end_ms", "start_ms or more"),
        "voice_turns_length_check" => ("end_ms", "at most 60000 after start_ms"),
        "usage_events_quantity_check" => ("quantity", "a finite number that is not negative"),
        "documents_title_check" => ("title", "1 to 300 characters"),
        "documents_content_check" => ("file", "at most 64 MiB"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_connection_is_worth_another_try_and_a_missing_column_is_not() {
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_transient());
        for code in [
            "57P01", "57P03", "53100", "40001", "40P01", "55P03", "57014", "25P03", "08006",
        ] {
            assert!(transient(code), "{code}");
        }
        for code in ["42703", "23505", "22P02", "57P04", "54000"] {
            assert!(!transient(code), "{code}");
        }
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_transient());
    }
}
