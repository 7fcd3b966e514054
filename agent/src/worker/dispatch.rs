//! What a dispatch says: which room, whose, and under which epoch. The dispatcher writes it as JSON into the
//! dispatch's metadata; everything else is read from the database.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

/// The agent name that dispatches ask for.
pub const AGENT_NAME: &str = "rapporteur";

/// Metadata beyond this is not ours.
const METADATA_MAX_BYTES: usize = 4096;

/// The content of a dispatch's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// The room's row.
    pub room_id: Uuid,
    /// The organisation that the room belongs to.
    pub organisation_id: Uuid,
    /// The epoch that this job may take the lease for.
    pub epoch: i64,
}

/// Why a job's metadata was not accepted.
#[derive(Debug, Error)]
pub enum DispatchError {
    /// Longer than any dispatch of ours.
    #[error("the metadata has {bytes} bytes, more than {METADATA_MAX_BYTES}")]
    TooLong {
        /// Its size.
        bytes: usize,
    },
    /// Not JSON, or a field is missing.
    #[error("the metadata is not a dispatch: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Epochs count from one.
    #[error("the epoch {epoch} is not positive")]
    Epoch {
        /// What was given.
        epoch: i64,
    },
}

impl Dispatch {
    /// Reads a job's metadata.
    ///
    /// # Errors
    /// It is too long, not JSON of the agreed shape, or its epoch is not positive.
    pub fn parse(metadata: &str) -> Result<Self, DispatchError> {
        if metadata.len() > METADATA_MAX_BYTES {
            return Err(DispatchError::TooLong {
                bytes: metadata.len(),
            });
        }
        let dispatch: Self = serde_json::from_str(metadata)?;
        if dispatch.epoch <= 0 {
            return Err(DispatchError::Epoch {
                epoch: dispatch.epoch,
            });
        }
        Ok(dispatch)
    }

    /// The identity under which the agent joins: one per epoch, so that a zombie and its successor never
    /// throw each other out of the room.
    pub fn identity(&self) -> String {
        format!("agent-{}-{}", self.room_id, self.epoch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_the_dispatcher_writes_is_read() {
        let dispatch = Dispatch {
            room_id: Uuid::from_u128(1),
            organisation_id: Uuid::from_u128(2),
            epoch: 3,
        };
        let written = serde_json::to_string(&dispatch).unwrap();
        assert_eq!(Dispatch::parse(&written).unwrap(), dispatch);
        assert_eq!(
            dispatch.identity(),
            "agent-00000000-0000-0000-0000-000000000001-3"
        );
    }

    #[test]
    fn other_metadata_is_refused_with_its_reason() {
        assert!(matches!(Dispatch::parse(""), Err(DispatchError::Malformed(_))));
        assert!(matches!(
            Dispatch::parse("{\"room_id\":1}"),
            Err(DispatchError::Malformed(_))
        ));
        assert!(matches!(
            Dispatch::parse(&" ".repeat(5000)),
            Err(DispatchError::TooLong { bytes: 5000 })
        ));
        let zero = format!(
            "{{\"room_id\":\"{0}\",\"organisation_id\":\"{0}\",\"epoch\":0}}",
            Uuid::nil()
        );
        assert!(matches!(
            Dispatch::parse(&zero),
            Err(DispatchError::Epoch { epoch: 0 })
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = Dispatch::parse(&text);
        }
    }
}
