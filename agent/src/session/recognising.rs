//! The recogniser of a session: the room's choice, and what becomes of it as events of the room.

use std::sync::Arc;

use serde_json::{Value, json};
use speech::{ChainNotice, Recogniser};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::start::Started;
use crate::host::Parts;
use crate::metrics::Metrics;

/// Writes events of a session beside it: they are rare, and losing one in an outage of the database loses no words.
#[derive(Clone)]
struct Teller {
    parts: Arc<Parts>,
    organisation: Uuid,
    room: Uuid,
    epoch: i64,
    runtime: Handle,
}

impl Teller {
    fn tell(&self, kind: &'static str, data: Value) {
        let teller = self.clone();
        self.runtime.spawn(async move {
            let store = &teller.parts.store;
            let (organisation, room, epoch) = (teller.organisation, teller.room, Some(teller.epoch));
            if let Err(error) = store.record_event(organisation, room, epoch, kind, data).await {
                tracing::warn!(%room, kind, %error, "an event was not stored");
            }
        });
    }

    fn notice(&self, notice: &ChainNotice) {
        match notice {
            ChainNotice::Rested {
                engine,
                error,
                rest_ms,
            } => {
                Metrics::count(&self.parts.metrics.recognisers_rested);
                let reason = error.to_string();
                self.tell(
                    "recogniser_rested",
                    json!({ "engine": engine, "reason": reason, "rest_ms": rest_ms }),
                );
            }
            ChainNotice::Back { engine } => {
                Metrics::count(&self.parts.metrics.recognisers_back);
                self.tell("recogniser_back", json!({ "engine": engine }));
            }
        }
    }
}

/// The recogniser that the session's room asks for.
pub(super) fn recogniser(parts: &Arc<Parts>, started: &Started) -> Arc<dyn Recogniser> {
    let room = &started.room;
    let teller = Teller {
        parts: parts.clone(),
        organisation: started.dispatch.organisation_id,
        room: started.dispatch.room_id,
        epoch: started.dispatch.epoch,
        runtime: Handle::current(),
    };
    let chosen = parts.engines.choose(room.recognisers(), {
        let teller = teller.clone();
        move |notice| teller.notice(&notice)
    });
    let engine = chosen.recogniser.engine();
    tracing::info!(room = %teller.room, epoch = teller.epoch, engine, "the room's recogniser");
    for name in &chosen.missing {
        tracing::warn!(room = %teller.room, recogniser = name, "the room asks for a recogniser that is not configured");
        teller.tell(
            "recogniser_missing",
            json!({ "recogniser": name, "engine": engine }),
        );
    }
    chosen.recogniser
}
