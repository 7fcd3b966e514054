//! From the database's one feed to the viewers of each room.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use store::CaptionNotice;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use uuid::Uuid;

use crate::App;
use crate::wake::Backoff;

/// Open pages of the process.
pub const VIEWERS_MAX: usize = 2000;
/// Notices that a viewer may lag behind; then it reads the tables again.
const LAG_MAX: usize = 64;

/// All rooms that are watched; clones share them.
#[derive(Clone)]
pub struct CaptionHub {
    rooms: Arc<Mutex<HashMap<Uuid, broadcast::Sender<CaptionNotice>>>>,
    seats: Arc<Semaphore>,
}

impl Default for CaptionHub {
    fn default() -> Self {
        Self {
            rooms: Arc::default(),
            seats: Arc::new(Semaphore::new(VIEWERS_MAX)),
        }
    }
}

/// No seat is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VIEWERS_MAX} captions pages are open already")]
pub struct TooManyViewers;

/// A viewer's end of a room.
#[derive(Debug)]
pub struct Subscription {
    notices: broadcast::Receiver<CaptionNotice>,
    _seat: OwnedSemaphorePermit,
}

impl Subscription {
    /// The next notice. A viewer that was too slow is told to resynchronise. `None` does not happen while the hub lives.
    pub async fn next(&mut self) -> Option<CaptionNotice> {
        match self.notices.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(CaptionNotice::Resynchronise),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl CaptionHub {
    /// Takes a seat in a room. Notices from here on are seen.
    ///
    /// # Errors
    /// No seat is free.
    pub fn subscribe(&self, room: Uuid) -> Result<Subscription, TooManyViewers> {
        let seat = self
            .seats
            .clone()
            .try_acquire_owned()
            .map_err(|_| TooManyViewers)?;
        let mut rooms = self.rooms.lock();
        rooms.retain(|_, sender| sender.receiver_count() > 0);
        let sender = rooms.entry(room).or_insert_with(|| broadcast::channel(LAG_MAX).0);
        Ok(Subscription {
            notices: sender.subscribe(),
            _seat: seat,
        })
    }

    /// Passes a notice to whoever watches its room; nobody waits for a slow one.
    pub fn publish(&self, notice: CaptionNotice) {
        let rooms = self.rooms.lock();
        match &notice {
            CaptionNotice::Partial { room, .. }
            | CaptionNotice::Final { room, .. }
            | CaptionNotice::Corrected { room, .. }
            | CaptionNotice::Answer { room, .. }
            | CaptionNotice::Voices { room, .. }
            | CaptionNotice::Record { room } => {
                if let Some(sender) = rooms.get(room) {
                    // Fails when nobody watches any more.
                    let _ = sender.send(notice);
                }
            }
            CaptionNotice::Resynchronise => {
                for sender in rooms.values() {
                    let _ = sender.send(CaptionNotice::Resynchronise);
                }
            }
        }
    }
}

/// Reads the feed until the process ends.
pub async fn run(app: App) {
    let mut backoff = Backoff::default();
    loop {
        let error = match app.store.caption_feed().await {
            Err(error) => error,
            Ok(mut feed) => {
                app.health.well("captions feed");
                app.captions.publish(CaptionNotice::Resynchronise);
                loop {
                    tokio::select! {
                        biased;
                        () = app.shutdown.cancelled() => return,
                        next = feed.next() => match next {
                            Ok(notice) => {
                                backoff.reset();
                                app.captions.publish(notice);
                            }
                            Err(error) => break error,
                        },
                    }
                }
            }
        };
        app.metrics.failure("database");
        app.health.trouble("captions feed", error.to_string());
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(room: u128, sequence: i64) -> CaptionNotice {
        CaptionNotice::Final {
            room: Uuid::from_u128(room),
            sequence,
            segment: Uuid::nil(),
        }
    }

    #[tokio::test]
    async fn a_notice_reaches_the_viewers_of_its_room_alone() {
        let hub = CaptionHub::default();
        let mut first = hub.subscribe(Uuid::from_u128(1)).unwrap();
        let mut second = hub.subscribe(Uuid::from_u128(2)).unwrap();
        hub.publish(stored(2, 7));
        hub.publish(stored(1, 8));
        assert_eq!(first.next().await, Some(stored(1, 8)));
        assert_eq!(second.next().await, Some(stored(2, 7)));
    }

    #[tokio::test]
    async fn a_slow_viewer_is_told_to_read_again_instead_of_being_waited_for() {
        let hub = CaptionHub::default();
        let mut slow = hub.subscribe(Uuid::from_u128(1)).unwrap();
        for sequence in 0..=LAG_MAX as i64 {
            hub.publish(stored(1, sequence));
        }
        assert_eq!(slow.next().await, Some(CaptionNotice::Resynchronise));
        assert_eq!(slow.next().await, Some(stored(1, 1)));
    }

    #[test]
    fn rooms_that_nobody_watches_are_forgotten() {
        let hub = CaptionHub::default();
        drop(hub.subscribe(Uuid::from_u128(1)).unwrap());
        let _second = hub.subscribe(Uuid::from_u128(2)).unwrap();
        assert_eq!(hub.rooms.lock().len(), 1);
    }
}
