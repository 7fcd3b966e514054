//! What can go wrong in the database, in terms of the domain.

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
    Unavailable(#[source] sqlx::Error),
    /// A fault of the program or of the schema.
    #[error("database error")]
    Other(#[source] sqlx::Error),
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
            | sqlx::Error::PoolClosed => Self::Unavailable(error),
            // A connection that was cut in the middle of a message.
            sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::Database(database) => match (database.code().as_deref(), database.constraint()) {
                (_, Some(constraint)) if limit_of(constraint).is_some() => {
                    let (field, limit) = limit_of(constraint).unwrap_or_default();
                    Self::Invalid {
                        field,
                        limit: limit.into(),
                    }
                }
                (Some("23503"), _) => Self::NotFound {
                    what: "organisation or room",
                },
                (Some(code), _) if transient(code) => Self::Unavailable(error),
                _ => Self::Other(error),
            },
            _ => Self::Other(error),
        }
    }
}

/// SQLSTATE classes after which the same statement may succeed.
fn transient(code: &str) -> bool {
    // 08 connection, 53 resources (disk full, too many connections), 57P shutdown and start-up, 40 serialization, 55P03 lock.
    ["08", "53", "57P", "40"]
        .iter()
        .any(|class| code.starts_with(class))
        || code == "55P03"
}

/// The field and the limit behind a check constraint of the schema.
fn limit_of(constraint: &str) -> Option<(&'static str, &'static str)> {
    Some(match constraint {
        "organisations_name_check" => ("name", "1 to 200 characters"),
        "organisations_assistant_name_check" => ("assistant_name", "1 to 40 characters"),
        "organisations_instructions_check" | "rooms_instructions_check" => {
            ("instructions", "at most 8000 characters")
        }
        "rooms_title_check" => ("title", "1 to 200 characters"),
        "rooms_capacity_check" => ("capacity", "2 to 500 participants"),
        "rooms_check" => ("ends_at", "after starts_at"),
        "participants_name_check" => ("name", "1 to 100 characters"),
        "documents_title_check" => ("title", "1 to 300 characters"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_connection_is_worth_another_try_and_a_missing_column_is_not() {
        assert!(StoreError::from(sqlx::Error::PoolTimedOut).is_transient());
        assert!(transient("57P01") && transient("53100") && transient("40001"));
        assert!(!transient("42703") && !transient("23505"));
        assert!(!StoreError::from(sqlx::Error::RowNotFound).is_transient());
    }
}
