//! Looks at the schedule when it changes and when time passes, and runs what the plan says.

use std::sync::Arc;
use std::time::Duration;

use store::{StoreError, Topic};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::bring::{BringError, bring, bring_unless_on_its_way};
use super::close::close;
use super::plan::{Action, Planner, Seen};
use crate::App;
use crate::wake::{self, Backoff};

/// Rooms of each kind that one look takes in; the rest comes with the next.
const ROOMS_A_LOOK: i64 = 200;
/// Actions that run when the process ends get this long.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// A look that takes this long found the database away, or as good as away for the agents too.
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// When rooms are opened and closed.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Before its start a meeting gets its agent.
    pub lead: Duration,
    /// After its end a meeting may run over.
    pub end_grace: Duration,
}

/// Runs until the process ends.
pub async fn run(app: App, timing: Timing) {
    let changed = Arc::new(Notify::new());
    let listening = tokio::spawn(wake::listen(
        app.clone(),
        Topic::Schedule,
        "schedule feed",
        changed.clone(),
    ));
    let mut planner = Planner::new(timing.end_grace);
    // Whatever ended the last dispatcher may have kept the agents from the database as well.
    planner.out_of_reach(app.now());
    let mut actions: JoinSet<(Uuid, Result<(), BringError>)> = JoinSet::new();
    let mut backoff = Backoff::default();
    // Assumed well until a call fails.
    let mut livekit_is_well = true;
    let mut look_at = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = app.shutdown.cancelled() => break,
            Some(ended) = actions.join_next() => {
                // All that have ended by now: many rooms that are due at once are not a look each.
                let mut next = Some(ended);
                while let Some(ended) = next {
                    match ended {
                        Ok((room, result)) => {
                            planner.done(room);
                            livekit_is_well = report(&app, room, &result, livekit_is_well);
                        }
                        Err(error) => {
                            // An action does not panic; should one, its room must not stay busy for ever.
                            tracing::error!(%error, "a reconciler's action was lost");
                            planner = Planner::new(timing.end_grace);
                        }
                    }
                    next = actions.try_join_next();
                }
            }
            () = changed.notified() => {}
            () = tokio::time::sleep_until(look_at) => {}
        }
        let begun = Instant::now();
        let seen = look(&app, timing.lead).await;
        if seen.is_err() || begun.elapsed() > SLOW_LOOK {
            planner.out_of_reach(app.now());
        }
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                app.metrics.failure("database");
                app.health.trouble("reconciler", error.to_string());
                look_at = Instant::now() + backoff.next();
                continue;
            }
        };
        backoff.reset();
        app.health.well("reconciler");
        app.metrics.reconciler_passes.inc();
        app.metrics
            .rooms_due
            .set(i64::try_from(seen.due.len()).unwrap_or(i64::MAX));
        if seen.due.is_empty() && seen.past_end.is_empty() && actions.is_empty() {
            // Whatever failed is no longer wanted.
            app.health.well("dispatch");
        }
        let plan = planner.plan(&seen, app.now());
        look_at = Instant::now() + plan.look_again_in;
        for action in plan.actions {
            let app = app.clone();
            actions.spawn(async move {
                let room = action.room();
                let result = match action {
                    Action::Bring {
                        room,
                        open_for,
                        unless_taken,
                    } => match unless_taken {
                        true => bring_unless_on_its_way(&app, &room, open_for, livekit_is_well).await,
                        false => bring(&app, &room, open_for, livekit_is_well).await,
                    },
                    Action::Close { room } => close(&app, &room).await,
                };
                (room, result)
            });
        }
    }
    listening.abort();
    // What is under way may finish; what does not is done again by whoever starts next.
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, async {
        while actions.join_next().await.is_some() {}
    })
    .await;
}

async fn look(app: &App, lead: Duration) -> Result<Seen, StoreError> {
    let (due, past_end, next_change_ms) = tokio::try_join!(
        app.store.due_rooms(lead, ROOMS_A_LOOK),
        app.store.rooms_past_end(ROOMS_A_LOOK),
        app.store.next_change_ms(lead),
    )?;
    let next_change = next_change_ms.map(|ms| Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    Ok(Seen {
        due,
        past_end,
        next_change,
    })
}

/// Tells readiness and the figures how an action ended; returns whether LiveKit is well.
fn report(app: &App, room: Uuid, result: &Result<(), BringError>, before: bool) -> bool {
    match result {
        Ok(()) => {
            app.health.well("dispatch");
            true
        }
        Err(BringError::LiveKit(error)) => {
            app.metrics.failure("livekit");
            app.health.trouble("dispatch", error.to_string());
            tracing::warn!(%room, %error, "LiveKit failed for this room; trying again");
            false
        }
        Err(BringError::Store(error)) => {
            app.metrics.failure("database");
            tracing::warn!(%room, %error, "the database failed for this room; trying again");
            before
        }
    }
}
