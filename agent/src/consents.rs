//! Who may be recognised, from the database's one feed to the sessions of this process. A session that cannot be told
//! within moments asks by itself: the database may be away when somebody changes their mind.

use std::time::Duration;

use store::Store;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::worker::backoff::Backoff;

/// Changes that a session may lag behind; then it reads the table again, as after any gap.
const LAG_MAX: usize = 64;
/// First and longest wait before the feed is opened again.
const RETRY_MS: (u64, u64) = (100, 2_000);

/// Tells sessions that consent changed in a room; `None`: perhaps in any.
#[derive(Clone, Debug)]
pub struct ConsentChanges(broadcast::Sender<Option<Uuid>>);

impl Default for ConsentChanges {
    fn default() -> Self {
        Self(broadcast::channel(LAG_MAX).0)
    }
}

impl ConsentChanges {
    /// Changes from here on.
    pub fn subscribe(&self) -> broadcast::Receiver<Option<Uuid>> {
        self.0.subscribe()
    }

    /// Reads the feed for as long as the process lives.
    pub async fn run(self, store: Store) {
        let mut backoff = Backoff::new(RETRY_MS.0, RETRY_MS.1, rand::random());
        loop {
            match store.consent_feed().await {
                Ok(mut feed) => {
                    // What changed before is read now.
                    let _ = self.0.send(None);
                    loop {
                        match feed.next().await {
                            Ok(room) => {
                                backoff.reset();
                                // Fails when no session runs.
                                let _ = self.0.send(room);
                            }
                            Err(error) => {
                                tracing::warn!(%error, "changes of consent are not heard");
                                break;
                            }
                        }
                    }
                }
                Err(error) => tracing::warn!(%error, "changes of consent are not heard"),
            }
            tokio::time::sleep(Duration::from_millis(backoff.next_ms())).await;
        }
    }
}
