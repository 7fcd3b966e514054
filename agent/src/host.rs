//! What all sessions of a process share, and how a job becomes a session.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use knowledge::{Answerer, Embedder};
use speech::{ListenerOptions, VoiceModel};
use store::Store;
use uuid::Uuid;

use crate::changes::Changes;
use crate::engines::Engines;
use crate::metrics::Metrics;
use crate::session::io::Ending;
use crate::session::{actor, start};
use crate::speakers::Speakers;
use crate::worker::dispatch::Dispatch;
use crate::worker::io::{Assignment, JobOutcome};
use crate::worker::link::{Sessions, Stop};
use crate::worker::load::Measured;

/// Assistants' names that are kept at hand.
const NAMES_MAX: usize = 1024;
/// Finals that may wait for each recogniser before captions come noticeably late.
const FINALS_TOLERATED_EACH: usize = 4;

/// What sessions are made of.
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The recognisers of the process.
    pub engines: Engines,
    /// How tracks are cut into utterances.
    pub listening: ListenerOptions,
    /// What tells voice from other sounds.
    pub voice: VoiceModel,
    /// What tells voices at one microphone apart; without it nobody does.
    pub speakers: Option<Speakers>,
    /// The embedding model of the process.
    pub embedder: Embedder,
    /// What writes answers.
    pub answerer: Answerer,
    /// What others change in rooms.
    pub changes: Changes,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// LiveKit's address.
    pub livekit_url: String,
    /// This process, as it is written into session rows.
    pub instance: String,
}

/// Runs jobs as sessions.
pub struct Host {
    parts: Arc<Parts>,
    slots: usize,
    names: Mutex<HashMap<Uuid, String>>,
}

impl Host {
    /// A host with room for `slots` sessions.
    pub fn new(parts: Arc<Parts>, slots: usize) -> Self {
        Self {
            parts,
            slots,
            names: Mutex::default(),
        }
    }

    async fn session(&self, assignment: Assignment, stop: Stop) -> JobOutcome {
        let began = Instant::now();
        let dispatch = assignment.dispatch;
        let (room, epoch, job) = (dispatch.room_id, dispatch.epoch, assignment.job_id.clone());
        // Not cut short by a stop: a lease that was taken has to be given back, and that is what a session does.
        let started = match start::start(&self.parts, &assignment).await {
            Ok(started) => started,
            Err(error) => {
                let error = with_causes(&error);
                tracing::warn!(%room, epoch, job, error, "the session did not begin");
                return JobOutcome::Failed(error);
            }
        };
        let joined_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.parts.metrics.joined.observe(joined_ms);
        self.remember(
            dispatch.organisation_id,
            &started.room.organisation.assistant_name,
        );
        tracing::info!(%room, epoch, job, joined_ms, "the session begins");
        let ending = actor::run(self.parts.clone(), started, stop).await;
        tracing::info!(%room, epoch, job, ?ending, "the session is over");
        match ending {
            Ending::Released(_) => {
                Metrics::count(&self.parts.metrics.sessions_ended);
                JobOutcome::Success
            }
            Ending::Fenced => {
                Metrics::count(&self.parts.metrics.sessions_fenced);
                JobOutcome::Failed("a newer epoch holds the room".to_owned())
            }
            Ending::OutOfTime { finals_lost } => JobOutcome::Failed(format!(
                "the drain took too long; {finals_lost} finals were not stored"
            )),
        }
    }

    fn remember(&self, organisation: Uuid, name: &str) {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX {
            names.clear();
        }
        names.insert(organisation, name.to_owned());
    }
}

/// Counts a session for as long as it lives, however it ends.
struct Counted<'a>(&'a Metrics);

impl<'a> Counted<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        metrics.sessions.fetch_add(1, Ordering::Relaxed);
        Self(metrics)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.sessions.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sessions for Host {
    async fn run(self: Arc<Self>, assignment: Assignment, stop: Stop) -> JobOutcome {
        let _counted = Counted::new(&self.parts.metrics);
        let outcome = self.session(assignment, stop).await;
        if matches!(outcome, JobOutcome::Failed(_)) {
            Metrics::count(&self.parts.metrics.sessions_failed);
        }
        outcome
    }

    fn assistant_name(&self, dispatch: &Dispatch) -> Option<String> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(&dispatch.organisation_id).cloned()
    }

    fn load(&self, jobs: usize) -> f32 {
        let recogniser = self.parts.engines.load();
        let waiting = i64::try_from(recogniser.waiting_finals).unwrap_or(i64::MAX);
        self.parts
            .metrics
            .recogniser_waiting
            .store(waiting, Ordering::Relaxed);
        Measured {
            jobs,
            slots: self.slots,
            finals_waiting: recogniser.waiting_finals,
            finals_tolerated: recogniser.at_once * FINALS_TOLERATED_EACH,
        }
        .load()
    }

    fn registered(&self, worker_id: Option<&str>) {
        self.parts
            .metrics
            .registered
            .store(i64::from(worker_id.is_some()), Ordering::Relaxed);
    }
}

/// An error with its causes in one line.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
