//! The beginning of a session: the lease, the room's row and the connection are fetched side by side, because
//! people are waiting. Whatever was got is given back when one of them fails for good.

use std::sync::Arc;
use std::time::Duration;

use store::{Lease, RoomForAgent, StoreError};
use thiserror::Error;
use tokio::time::Instant;

use super::calls::known_voices;
use super::coverage::Stretch;
use super::diarisers::KnownVoices;
use super::lease::LEASE_MS;
use super::room::{self, RoomEvents, RoomFailure, RoomLink};
use super::rows;
use super::vocabulary::Known;
use crate::host::Parts;
use crate::worker::backoff::Backoff;
use crate::worker::dispatch::Dispatch;
use crate::worker::io::Assignment;

/// A database that is away at the start gets this long; the dispatch runs out around then.
const START_LIMIT: Duration = Duration::from_secs(20);
/// First and longest wait between two attempts.
const RETRY_MS: (u64, u64) = (100, 1_000);

/// A session that can begin.
#[derive(Debug)]
pub struct Started {
    /// Which room under which epoch.
    pub dispatch: Dispatch,
    /// The room and its organisation.
    pub room: RoomForAgent,
    /// Names and words that may come.
    pub known: Known,
    /// Voices that are known already.
    pub voices: KnownVoices,
    /// How far the meeting's clock had come a moment ago.
    pub meeting_ms: u64,
    /// Microphones that nobody heard since the session before this one.
    pub unheard: Vec<Stretch>,
    /// For speaking.
    pub link: RoomLink,
    /// For hearing.
    pub events: RoomEvents,
}

/// Why a session cannot begin.
#[derive(Debug, Error)]
pub enum StartError {
    /// The lease was refused: the epoch is old, somebody else holds it, or the meeting is over.
    #[error("the lease was refused")]
    Refused(#[source] StoreError),
    /// The database was away for too long.
    #[error("the database did not answer within {} s", START_LIMIT.as_secs())]
    DatabaseAway(#[source] StoreError),
    /// The room could not be joined.
    #[error(transparent)]
    Room(#[from] RoomFailure),
}

/// Takes the lease and joins the room.
///
/// # Errors
/// One of the two is not to be had.
pub async fn start(parts: &Arc<Parts>, assignment: &Assignment) -> Result<Started, StartError> {
    let dispatch = assignment.dispatch;
    let url = assignment.url.as_deref().unwrap_or(&parts.livekit_url);
    let lease = async {
        let taken = take(parts, &assignment.job_id, dispatch).await?;
        Ok::<_, StartError>((taken, Instant::now()))
    };
    // A refused lease ends the attempt to join at once; a lease without a room is given back.
    let joining = room::join(url, &assignment.token);
    tokio::pin!(lease, joining);
    let (lease, joined) = tokio::select! {
        lease = &mut lease => (lease?, joining.await),
        joined = &mut joining => (match lease.await {
            Ok(lease) => lease,
            Err(error) => {
                if let Ok((link, events)) = joined {
                    link.leave().await;
                    events.over();
                }
                return Err(error);
            }
        }, joined),
    };
    let (link, events) = match joined {
        Ok(joined) => joined,
        Err(error) => {
            let released = parts
                .store
                .release(
                    dispatch.organisation_id,
                    dispatch.room_id,
                    dispatch.epoch,
                    "join_failed",
                )
                .await;
            if let Err(error) = released {
                tracing::warn!(room = %dispatch.room_id, %error, "the lease was not given back; it will run out");
            }
            return Err(error.into());
        }
    };
    let ((lease, room, known, voices), taken) = lease;
    let since_ms = u64::try_from(taken.elapsed().as_millis()).unwrap_or(0);
    let meeting_ms = u64::try_from(lease.meeting_ms).unwrap_or(0) + since_ms;
    Ok(Started {
        dispatch,
        room,
        known,
        voices,
        meeting_ms,
        unheard: lease.unheard.into_iter().map(rows::unheard).collect(),
        link,
        events,
    })
}

async fn take(
    parts: &Arc<Parts>,
    job_id: &str,
    dispatch: Dispatch,
) -> Result<(Lease, RoomForAgent, Known, KnownVoices), StartError> {
    let until = Instant::now() + START_LIMIT;
    let mut backoff = Backoff::new(RETRY_MS.0, RETRY_MS.1, rand::random());
    let worker = format!("{}/{job_id}", parts.instance);
    let length = Duration::from_millis(LEASE_MS);
    loop {
        let taken = tokio::try_join!(
            parts
                .store
                .take_lease(dispatch.room_id, dispatch.epoch, &worker, length),
            parts.store.room_for_agent(dispatch.room_id, dispatch.epoch),
            parts.store.vocabulary(dispatch.organisation_id, dispatch.room_id),
            known_voices(&parts.store, dispatch.organisation_id, dispatch.room_id),
        );
        match taken {
            Ok((lease, room, vocabulary, voices)) => {
                return Ok((lease, room, rows::known(vocabulary), voices));
            }
            Err(error) if !error.is_transient() => return Err(StartError::Refused(error)),
            Err(error) if Instant::now() >= until => return Err(StartError::DatabaseAway(error)),
            Err(_) => tokio::time::sleep(Duration::from_millis(backoff.next_ms())).await,
        }
    }
}
