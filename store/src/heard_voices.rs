//! A room's voices as its agent deals with them: the labels that were given so far, and names that voices have because they
//! sound like one at another microphone.

use serde_json::json;
use uuid::Uuid;

use crate::changes::{self, RoomChange};
use crate::voices::{current_label, notify_renamed};
use crate::{Result, Store, events, fence, storable};

/// In place of the person who names a voice.
const NAMED_BY: &str = "agent";

impl Store {
    /// The highest label that was given at each microphone of a room, those that were merged included: no new voice may get
    /// one of them.
    ///
    /// # Errors
    /// The database is away.
    pub async fn voice_labels_given(&self, organisation: Uuid, room: Uuid) -> Result<Vec<(String, i32)>> {
        Ok(sqlx::query_as(
            "SELECT identity, max(label) FROM (
                 SELECT identity, label FROM voices WHERE organisation_id = $1 AND room_id = $2
                 UNION ALL
                 SELECT identity, label FROM voice_turns WHERE organisation_id = $1 AND room_id = $2 AND label IS NOT NULL
             ) given GROUP BY identity ORDER BY identity",
        )
        .bind(organisation)
        .bind(room)
        .fetch_all(&self.pool)
        .await?)
    }

    /// Gives a voice the name of one at another microphone, as the session of `epoch` heard it. A voice that somebody named, or
    /// whose name somebody took back, stays as it is, and so does one that is a known person's. An event; agent and viewers
    /// are told.
    ///
    /// # Errors
    /// A newer epoch was handed out, there is no such voice there, the name is outside its limit (1 to 100 characters), or
    /// the database is away.
    pub async fn name_heard_voice(
        &self,
        organisation: Uuid,
        room: Uuid,
        epoch: i64,
        identity: &str,
        label: i32,
        name: &str,
    ) -> Result<()> {
        let mut transaction = self.pool.begin().await?;
        fence(&mut transaction, organisation, room, epoch).await?;
        let label = current_label(&mut transaction, organisation, room, identity, label).await?;
        let named = sqlx::query(
            "UPDATE voices SET name = $5, named_by = $6, updated_at = now()
             WHERE organisation_id = $1 AND room_id = $2 AND identity = $3 AND label = $4
               AND named_by IS NULL AND person_id IS NULL",
        )
        .bind(organisation)
        .bind(room)
        .bind(storable(identity))
        .bind(label)
        .bind(storable(name))
        .bind(NAMED_BY)
        .execute(&mut *transaction)
        .await?;
        if named.rows_affected() == 1 {
            let data = json!({ "identity": identity, "label": label });
            events::insert(
                &mut transaction,
                organisation,
                room,
                Some(epoch),
                "voice_named",
                data,
            )
            .await?;
            changes::notify(&mut transaction, RoomChange::Voices { room }).await?;
            notify_renamed(&mut transaction, room, identity).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}
