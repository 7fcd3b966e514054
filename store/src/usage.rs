//! What a meeting cost: quantities as they happen, exact after a crash because each carries its own id.

use uuid::Uuid;

use crate::{Result, Store, fence, storable};

/// One measured quantity.
#[derive(Clone, Debug, PartialEq)]
pub struct NewUsage {
    /// Made before the first attempt: recording the same id again counts once.
    pub id: Uuid,
    /// `audio_received`, `speech_detected`, `speech_recognised`, `recogniser_compute`, `answer`, `answer_tokens_prompt`, ...
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
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// The sums of a room by kind, unit and engine.
    ///
    /// # Errors
    /// The database is away.
    pub async fn usage(&self, organisation: Uuid, room: Uuid) -> Result<Vec<Usage>> {
        Ok(sqlx::query_as(
            "SELECT kind, unit, sum(quantity) AS quantity, engine FROM usage_events
             WHERE organisation_id = $1 AND room_id = $2 GROUP BY kind, unit, engine ORDER BY kind, unit, engine",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }
}
