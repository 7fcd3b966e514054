//! Organisations: the tenants.

pub mod change;
pub mod create;
pub mod read;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// A tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct Organisation {
    /// Its id.
    pub id: Uuid,
    /// Its name.
    pub name: String,
    /// What participants call the assistant.
    pub assistant_name: String,
    /// Standing instructions for the assistant.
    pub instructions: String,
    /// The recognisers of its rooms, the preferred one first.
    #[schema(value_type = Vec<super::recognisers::RecogniserKind>)]
    pub recognisers: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

impl From<store::Organisation> for Organisation {
    fn from(organisation: store::Organisation) -> Self {
        let store::Organisation {
            id,
            name,
            assistant_name,
            instructions,
            recognisers,
            created_at,
        } = organisation;
        Self {
            id,
            name,
            assistant_name,
            instructions,
            recognisers,
            created_at,
        }
    }
}
