//! What things cost. A price is of a kind, an engine and a unit, from a moment on; a later one leaves what was used before
//! at the earlier price. Money is whole millionths of a currency: costs are computed when they are asked for, never stored.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{Result, Store, StoreError, storable};

/// A price.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Price {
    /// See [`NewUsage::kind`](crate::NewUsage::kind).
    pub kind: String,
    /// The recogniser or model; empty where usage has none. `whisper:*` is every engine that begins with `whisper:`.
    pub engine: String,
    /// See [`NewUsage::unit`](crate::NewUsage::unit).
    pub unit: String,
    /// Three capital letters (ISO 4217).
    pub currency: String,
    /// Millionths of the currency for one unit.
    pub micros_per_unit: i64,
    /// From when on.
    pub valid_from: DateTime<Utc>,
}

impl Store {
    /// Sets a price. The same kind, engine, unit and moment again replaces it.
    ///
    /// # Errors
    /// A value is outside its limit, there is no such organisation, or the database is away.
    pub async fn set_price(&self, organisation: Uuid, price: &Price) -> Result<()> {
        // Or a price of nobody's would be everybody's.
        self.organisation(organisation).await?;
        let set = sqlx::query(
            "INSERT INTO prices (organisation_id, kind, engine, unit, currency, micros_per_unit, valid_from)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (organisation_id, kind, engine, unit, valid_from)
             DO UPDATE SET currency = $5, micros_per_unit = $6",
        )
        .bind(organisation)
        .bind(storable(&price.kind))
        .bind(storable(&price.engine))
        .bind(storable(&price.unit))
        .bind(&price.currency)
        .bind(price.micros_per_unit)
        .bind(price.valid_from)
        .execute(&self.pool)
        .await?;
        if set.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::Conflict {
                what: "the price was changed at the same time",
            })
        }
    }

    /// The prices of an organisation, the newest of each first, at most `limit`.
    ///
    /// # Errors
    /// The database is away.
    pub async fn prices(&self, organisation: Uuid, limit: i64) -> Result<Vec<Price>> {
        Ok(sqlx::query_as(
            "SELECT kind, engine, unit, currency, micros_per_unit, valid_from FROM prices
             WHERE organisation_id = $1 ORDER BY kind, engine, unit, valid_from DESC LIMIT $2",
        )
        .bind(organisation)
        .bind(limit)
        .fetch_all(&self.pool)
        .await?)
    }
}
