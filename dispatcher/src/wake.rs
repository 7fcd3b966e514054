//! Being woken by the database, and trying again when it is away.

use std::sync::Arc;
use std::time::Duration;

use store::Topic;
use tokio::sync::Notify;

use crate::App;

const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Pauses that double up to a limit.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The pause after one more failure: 0.1 s, 0.2 s, ... 5 s.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Duration {
        let pause = PAUSE_FIRST
            .saturating_mul(1 << self.failures.min(16))
            .min(PAUSE_MAX);
        self.failures = self.failures.saturating_add(1);
        pause
    }

    /// It worked.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Passes the database's wake-up calls on until the process ends. A hole in the feed counts as a call. Many calls in a
/// row are one for whoever is slower.
pub async fn listen(app: App, topic: Topic, part: &'static str, wake: Arc<Notify>) {
    let mut backoff = Backoff::default();
    loop {
        let error = match app.store.wake_ups(topic).await {
            Err(error) => error,
            Ok(mut feed) => {
                app.health.well(part);
                wake.notify_one();
                loop {
                    match feed.wait().await {
                        Ok(()) => {
                            backoff.reset();
                            wake.notify_one();
                        }
                        Err(error) => break error,
                    }
                }
            }
        };
        app.metrics.failure("database");
        app.health.trouble(part, error.to_string());
        tokio::select! {
            () = app.shutdown.cancelled() => return,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_five_seconds() {
        let mut backoff = Backoff::default();
        let pauses: Vec<u128> = (0..9).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        backoff.reset();
        assert_eq!(backoff.next().as_millis(), 100);
    }
}
