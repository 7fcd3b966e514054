//! Prices: what a unit of usage costs an organisation.

pub mod list;
pub mod set;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A price. It is valid until the next one of the same kind, engine and unit.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of what, as in the usage: `recogniser_audio`, `answer_tokens_prompt`, ...; 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub kind: String,
    /// The recogniser or model, as in the usage; empty where the usage has none. `deepgram:*` is every engine that begins
    /// with `deepgram:`; a price for the engine itself goes first. At most 200 characters.
    #[serde(default)]
    #[schema(max_length = 200)]
    pub engine: String,
    /// `seconds`, `tokens`, `count`.
    #[schema(min_length = 1, max_length = 100)]
    pub unit: String,
    /// Three capital letters (ISO 4217).
    #[schema(min_length = 3, max_length = 3)]
    pub currency: String,
    /// Millionths of the currency for one unit.
    #[schema(minimum = 0)]
    pub micros_per_unit: i64,
    /// From when on (RFC 3339).
    pub valid_from: DateTime<Utc>,
}

impl From<store::Price> for Price {
    fn from(price: store::Price) -> Self {
        let store::Price {
            kind,
            engine,
            unit,
            currency,
            micros_per_unit,
            valid_from,
        } = price;
        Self {
            kind,
            engine,
            unit,
            currency,
            micros_per_unit,
            valid_from,
        }
    }
}

impl From<Price> for store::Price {
    fn from(price: Price) -> Self {
        let Price {
            kind,
            engine,
            unit,
            currency,
            micros_per_unit,
            valid_from,
        } = price;
        Self {
            kind,
            engine,
            unit,
            currency,
            micros_per_unit,
            valid_from,
        }
    }
}
