//! What others change in rooms while this process holds them, from the database's one feed to its sessions. A session that
//! cannot be told within moments is told to read again: the database may be away when somebody changes their mind.

use std::time::Duration;

use store::{RoomChange, Store};
use tokio::sync::broadcast;

use crate::worker::backoff::Backoff;

/// Changes that a session may lag behind; then it reads the tables again, as after any gap.
const LAG_MAX: usize = 64;
/// First and longest wait before the feed is opened again.
const RETRY_MS: (u64, u64) = (100, 2_000);

/// Tells sessions what changed.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<RoomChange>);

/// A session's end.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<RoomChange>);

impl Subscription {
    /// The next change, in any room.
    pub async fn next(&mut self) -> RoomChange {
        // Whatever was missed may have been of any room. The sender lives as long as the process.
        self.0.recv().await.unwrap_or(RoomChange::Resynchronise)
    }
}

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::channel(LAG_MAX).0)
    }
}

impl Changes {
    /// Changes from here on.
    pub fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }

    /// Reads the feed for as long as the process lives.
    pub async fn run(self, store: Store) {
        let mut backoff = Backoff::new(RETRY_MS.0, RETRY_MS.1, rand::random());
        loop {
            match store.room_changes().await {
                Ok(mut feed) => {
                    // What changed before is read now.
                    let _ = self.0.send(RoomChange::Resynchronise);
                    loop {
                        match feed.next().await {
                            Ok(change) => {
                                backoff.reset();
                                // Fails when no session runs.
                                let _ = self.0.send(change);
                            }
                            Err(error) => {
                                tracing::warn!(%error, "changes of rooms are not heard");
                                break;
                            }
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "changes of rooms are not heard"),
            }
            tokio::time::sleep(Duration::from_millis(backoff.next_ms())).await;
        }
    }
}
