//! What a meeting used and cost: quantities as they happen, each with its own id, so that none is counted twice. What a segment
//! cost is written with the segment; of everything else what an agent had not written when it was killed is missing: it writes
//! every ten seconds.

use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Result, Store, fence, storable};

/// One measured quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct NewUsage {
    /// Made before the first attempt: recording the same id again counts once.
    pub id: Uuid,
    /// `audio_received`, `speech_detected`, `speech_recognised`, `recogniser_audio`, `recogniser_compute`, `answer`, `answer_tokens_prompt`, ...
    pub kind: String,
    /// `seconds`, `tokens`, `count`.
    pub unit: String,
    /// Finite and not negative.
    pub quantity: f64,
    /// The recogniser or model; empty where there is none.
    pub engine: String,
}

/// A sum over a room.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Usage {
    /// See [`NewUsage::kind`].
    pub kind: String,
    /// See [`NewUsage::unit`].
    pub unit: String,
    /// The sum.
    pub quantity: f64,
    /// See [`NewUsage::engine`].
    pub engine: String,
    /// What it cost by the prices that were valid when it was used, in millionths of the currency; `None` without a price.
    pub cost_micros: Option<i64>,
    /// Of the cost. What has no price, or prices of another currency, is a sum of its own.
    pub currency: Option<String>,
}

/// Writes quantities of a session: organisation, room and epoch.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    (organisation, room, epoch): (Uuid, Uuid, i64),
    usage: &[NewUsage],
) -> Result<()> {
    for item in usage {
        sqlx::query(
            "INSERT INTO usage_events (id, organisation_id, room_id, epoch, kind, unit, quantity, engine)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(item.id)
        .bind(organisation)
        .bind(room)
        .bind(epoch)
        .bind(storable(&item.kind))
        .bind(storable(&item.unit))
        .bind(item.quantity)
        .bind(storable(&item.engine))
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

impl Store {
    /// Writes quantities of a session, all or nothing.
    ///
    /// # Errors
    /// A newer epoch was handed out, a quantity is negative or not a number, or the database is away.
    pub async fn record_usage(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        usage: &[NewUsage],
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        fence(&mut transaction, organisation, room, epoch).await?;
        insert(&mut transaction, (organisation, room, epoch), usage).await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The sums of a room by kind, unit and engine, with what they cost.
    ///
    /// # Errors
    /// The database is away.
    pub async fn usage(&self, organisation: Uuid, room: Uuid) -> Result<Vec<Usage>> {
        Ok(sqlx::query_as(
            // An organisation's own price goes before everybody's, one for the engine before one for its family.
            "SELECT u.kind, u.unit, sum(u.quantity) AS quantity, u.engine, p.currency,
                    round(sum(u.quantity::numeric * p.micros_per_unit))::bigint AS cost_micros
             FROM usage_events u LEFT JOIN LATERAL (
                 SELECT currency, micros_per_unit FROM prices
                 WHERE (organisation_id = $1 OR organisation_id IS NULL) AND kind = u.kind AND unit = u.unit
                   AND valid_from <= u.at
                   AND (engine = u.engine OR engine = split_part(u.engine, ':', 1) || ':*' AND strpos(u.engine, ':') > 0)
                 ORDER BY organisation_id IS NULL, engine <> u.engine, valid_from DESC LIMIT 1) AS p ON true
             WHERE u.organisation_id = $1 AND u.room_id = $2
             GROUP BY u.kind, u.unit, u.engine, p.currency ORDER BY u.kind, u.unit, u.engine, p.currency",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }
}
