//! The worker protocol as a state machine: no socket, no clock, no task. It promises that a job is answered at
//! once, that no more jobs run than there are slots, and that a lost link never touches a running job.

use livekit_protocol as proto;
use proto::server_message::Message;

use super::backoff::Backoff;
use super::dispatch::Dispatch;
use super::io::{Assignment, Input, JobOutcome, Output, StopReason};
use super::jobs::Jobs;
use super::messages;

/// The server closes a link that has not registered by then; so do we when it does not answer.
pub const REGISTER_TIMEOUT_MS: u64 = 10_000;
/// Between two pings, and between two status reports when nothing changes.
pub const PING_INTERVAL_MS: u64 = 10_000;
/// A link without any message for so long is dead.
pub const SILENCE_LIMIT_MS: u64 = 30_000;
/// Load is reported this often at most.
pub const STATUS_INTERVAL_MS: u64 = 1_000;
/// A slot is kept for a job that we said yes to; the server assigns within milliseconds or not at all.
pub const RESERVATION_MS: u64 = 15_000;
/// Jobs get this long to end in order after a drain began.
pub const DRAIN_LIMIT_MS: u64 = 30_000;
/// First and longest wait before connecting again.
const RECONNECT_MS: (u64, u64) = (250, 10_000);

#[derive(Debug, PartialEq, Eq)]
enum Link {
    Down { retry_at_ms: u64 },
    Connecting,
    Registering { until_ms: u64 },
    Registered { worker_id: String },
}

/// The worker's state.
#[derive(Debug)]
pub struct Worker {
    version: String,
    instance: String,
    link: Link,
    backoff: Backoff,
    jobs: Jobs,
    load: f32,
    last_heard_ms: u64,
    next_ping_ms: u64,
    next_status_ms: u64,
    reported: Option<(bool, u32)>,
    status_sequence: u64,
    draining_until_ms: Option<u64>,
    drained: bool,
}

impl Worker {
    /// A worker with room for `slots` jobs. `seed` spreads reconnections.
    pub fn new(version: &str, instance: &str, slots: usize, seed: u64) -> Self {
        Self {
            version: version.to_owned(),
            instance: instance.to_owned(),
            link: Link::Down { retry_at_ms: 0 },
            backoff: Backoff::new(RECONNECT_MS.0, RECONNECT_MS.1, seed),
            jobs: Jobs::new(slots),
            load: 0.0,
            last_heard_ms: 0,
            next_ping_ms: 0,
            next_status_ms: 0,
            reported: None,
            status_sequence: 0,
            draining_until_ms: None,
            drained: false,
        }
    }

    /// Whether the server knows us.
    pub fn is_registered(&self) -> bool {
        matches!(self.link, Link::Registered { .. })
    }

    /// The id that the server gave us.
    pub fn worker_id(&self) -> Option<&str> {
        if let Link::Registered { worker_id } = &self.link {
            Some(worker_id)
        } else {
            None
        }
    }

    /// Jobs that run now.
    pub fn running(&self) -> usize {
        self.jobs.running()
    }

    /// Takes one input and says what to do. `name_of` gives the assistant's name of a room's organisation.
    pub fn handle(
        &mut self,
        input: Input,
        now_ms: u64,
        name_of: &dyn Fn(&Dispatch) -> Option<String>,
    ) -> Vec<Output> {
        let mut outputs = Vec::new();
        match input {
            Input::LinkUp => self.link_up(now_ms, &mut outputs),
            Input::LinkDown => self.link_down(now_ms),
            Input::Received(message) => {
                self.last_heard_ms = now_ms;
                if let Some(message) = message.message {
                    self.received(message, now_ms, name_of, &mut outputs);
                }
            }
            Input::JobEnded { job_id, outcome } => self.job_ended(&job_id, &outcome, &mut outputs),
            Input::Load(load) => self.load = load.clamp(0.0, 1.0),
            Input::Drain => self.drain(now_ms, &mut outputs),
            Input::Tick => {}
        }
        self.timers(now_ms, &mut outputs);
        outputs
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub fn next_tick_ms(&self) -> u64 {
        let link_ms = match self.link {
            Link::Down { retry_at_ms } => retry_at_ms,
            Link::Connecting => u64::MAX,
            Link::Registering { until_ms } => until_ms,
            Link::Registered { .. } => self.next_ping_ms.min(self.next_status_ms),
        };
        let drain_ms = self
            .draining_until_ms
            .filter(|_| !self.drained)
            .unwrap_or(u64::MAX);
        let reserved_ms = self.jobs.next_expiry_ms().unwrap_or(u64::MAX);
        link_ms.min(drain_ms).min(reserved_ms)
    }

    fn link_up(&mut self, now_ms: u64, outputs: &mut Vec<Output>) {
        self.link = Link::Registering {
            until_ms: now_ms + REGISTER_TIMEOUT_MS,
        };
        self.last_heard_ms = now_ms;
        let ping_interval_s = u32::try_from(PING_INTERVAL_MS / 1000).unwrap_or(u32::MAX);
        send(
            outputs,
            messages::register(&self.version, &self.instance, ping_interval_s),
        );
    }

    fn link_down(&mut self, now_ms: u64) {
        // The server forgets an unfinished handshake with the link it was on.
        self.jobs.forget_reserved();
        self.reported = None;
        self.link = Link::Down {
            retry_at_ms: now_ms + self.backoff.next_ms(),
        };
    }

    fn received(
        &mut self,
        message: Message,
        now_ms: u64,
        name_of: &dyn Fn(&Dispatch) -> Option<String>,
        outputs: &mut Vec<Output>,
    ) {
        match message {
            Message::Register(response) => {
                self.link = Link::Registered {
                    worker_id: response.worker_id,
                };
                self.backoff.reset();
                self.next_ping_ms = now_ms + PING_INTERVAL_MS;
                self.next_status_ms = now_ms;
            }
            Message::Availability(request) => {
                let Some(job) = request.job else { return };
                send(outputs, self.answer(&job, now_ms, name_of));
            }
            Message::Assignment(assignment) => self.assigned(assignment, outputs),
            Message::Termination(termination) => {
                self.stop(&termination.job_id, StopReason::Terminated, outputs)
            }
            Message::Pong(_) => {}
            // The server is going away: another one behind the same address takes the registration.
            Message::GoAway(_) => outputs.push(Output::Close),
        }
    }

    /// Yes or no to a job. Always an answer: the server waits ten seconds for one and then gives the job up.
    fn answer(
        &mut self,
        job: &proto::Job,
        now_ms: u64,
        name_of: &dyn Fn(&Dispatch) -> Option<String>,
    ) -> proto::WorkerMessage {
        let ours = job.r#type == proto::JobType::JtRoom as i32;
        let dispatch = Dispatch::parse(&job.metadata);
        if let Err(error) = &dispatch {
            tracing::warn!(job = job.id, %error, "refused a job");
        }
        match dispatch {
            Ok(dispatch) if ours && self.jobs.free() > 0 && self.draining_until_ms.is_none() => {
                self.jobs.reserve(&job.id, now_ms + RESERVATION_MS);
                let name = name_of(&dispatch).unwrap_or_else(|| "Rapporteur".to_owned());
                messages::available(&job.id, &dispatch.identity(), &name)
            }
            _ => messages::unavailable(&job.id),
        }
    }

    fn assigned(&mut self, assignment: proto::JobAssignment, outputs: &mut Vec<Output>) {
        let Some(job) = assignment.job else { return };
        if self.jobs.is_running(&job.id) {
            return;
        }
        let has_slot = self.jobs.claim(&job.id);
        let refusal = match Dispatch::parse(&job.metadata) {
            Err(error) => error.to_string(),
            Ok(_) if self.draining_until_ms.is_some() => "the worker is going away".to_owned(),
            Ok(_) if !has_slot => "no free slot".to_owned(),
            Ok(dispatch) => {
                send(
                    outputs,
                    messages::job_status(&job.id, proto::JobStatus::JsRunning, ""),
                );
                self.jobs.began(&job.id);
                // A taken slot is news that the server should have before it chooses again.
                self.next_status_ms = 0;
                outputs.push(Output::Start(Box::new(Assignment {
                    livekit_room: job.room.map(|room| room.name).unwrap_or_default(),
                    job_id: job.id,
                    dispatch,
                    url: assignment.url.filter(|url| !url.is_empty()),
                    token: assignment.token,
                })));
                return;
            }
        };
        send(
            outputs,
            messages::job_status(&job.id, proto::JobStatus::JsFailed, &refusal),
        );
    }

    fn stop(&mut self, job_id: &str, reason: StopReason, outputs: &mut Vec<Output>) {
        if self.jobs.stop(job_id) {
            outputs.push(Output::Stop {
                job_id: job_id.to_owned(),
                reason,
            });
        }
    }

    fn job_ended(&mut self, job_id: &str, outcome: &JobOutcome, outputs: &mut Vec<Output>) {
        if !self.jobs.ended(job_id) {
            return;
        }
        self.next_status_ms = 0;
        // After a lost link the server no longer knows the job; the database has the session's end anyway.
        if self.is_registered() {
            let (status, error) = match outcome {
                JobOutcome::Success => (proto::JobStatus::JsSuccess, ""),
                JobOutcome::Failed(error) => (proto::JobStatus::JsFailed, error.as_str()),
            };
            send(outputs, messages::job_status(job_id, status, error));
        }
    }

    fn drain(&mut self, now_ms: u64, outputs: &mut Vec<Output>) {
        if self.draining_until_ms.is_some() {
            return;
        }
        self.draining_until_ms = Some(now_ms + DRAIN_LIMIT_MS);
        self.next_status_ms = 0;
        for job_id in self.jobs.ids() {
            self.stop(&job_id, StopReason::Drain, outputs);
        }
    }

    fn timers(&mut self, now_ms: u64, outputs: &mut Vec<Output>) {
        self.jobs.forget_expired(now_ms);
        match self.link {
            Link::Down { retry_at_ms } if now_ms >= retry_at_ms && self.draining_until_ms.is_none() => {
                self.link = Link::Connecting;
                outputs.push(Output::Connect);
            }
            Link::Registering { until_ms } if now_ms >= until_ms => outputs.push(Output::Close),
            Link::Registered { .. } => self.keep_alive(now_ms, outputs),
            _ => {}
        }
        if let Some(until_ms) = self.draining_until_ms
            && !self.drained
            && (self.jobs.running() == 0 || now_ms >= until_ms)
        {
            self.drained = true;
            outputs.push(Output::Drained {
                left: self.jobs.running(),
            });
        }
    }

    fn keep_alive(&mut self, now_ms: u64, outputs: &mut Vec<Output>) {
        if now_ms >= self.last_heard_ms + SILENCE_LIMIT_MS {
            self.last_heard_ms = now_ms;
            outputs.push(Output::Close);
            return;
        }
        if now_ms >= self.next_ping_ms {
            self.next_ping_ms = now_ms + PING_INTERVAL_MS;
            send(outputs, messages::ping(now_ms));
            self.reported = None;
        }
        if now_ms >= self.next_status_ms {
            self.next_status_ms = now_ms + STATUS_INTERVAL_MS;
            let draining = self.draining_until_ms.is_some();
            let full = self.jobs.free() == 0 || draining;
            // Hundredths: a load that only trembles is not worth a message.
            let hundredths = (self.load * 100.0).round().clamp(0.0, 100.0);
            let report = (full, hundredths as u32 + self.jobs.running() as u32 * 1000);
            if self.reported != Some(report) {
                self.reported = Some(report);
                self.status_sequence += 1;
                let jobs = self.jobs.running();
                let load = if draining { 1.0 } else { hundredths / 100.0 };
                send(
                    outputs,
                    messages::worker_status(full, draining, load, jobs, self.status_sequence),
                );
            }
        }
    }
}

fn send(outputs: &mut Vec<Output>, message: proto::WorkerMessage) {
    outputs.push(Output::Send(Box::new(message)));
}

#[cfg(test)]
#[path = "protocol_tests.rs"]
mod tests;
