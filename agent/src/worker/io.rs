//! What goes into the worker's state machine, and what comes out of it.

use livekit_protocol as proto;

use super::dispatch::Dispatch;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The websocket is open.
    LinkUp,
    /// The websocket could not be opened or is gone.
    LinkDown,
    /// A message came.
    Received(Box<proto::ServerMessage>),
    /// A job's session ended by itself or because it was told to.
    JobEnded {
        /// The job.
        job_id: String,
        /// How it ended.
        outcome: JobOutcome,
    },
    /// The load was measured anew: 0 is idle, 1 is all that we can carry.
    Load(f32),
    /// Take no new job, end the running ones in order.
    Drain,
    /// Time passed.
    Tick,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobOutcome {
    /// In order, everything committed.
    Success,
    /// Not in order; the text is for the operator.
    Failed(String),
}

/// A job to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// LiveKit's id of the job.
    pub job_id: String,
    /// Which room under which epoch.
    pub dispatch: Dispatch,
    /// The room's name at LiveKit.
    pub livekit_room: String,
    /// Where to connect, if not the usual address.
    pub url: Option<String>,
    /// The join token that the server made.
    pub token: String,
}

/// Why a job has to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// The server took the job back: its dispatch was deleted or the room is gone.
    Terminated,
    /// This process is going away.
    Drain,
}

/// What to do.
#[derive(Debug, PartialEq)]
pub enum Output {
    /// Open the websocket.
    Connect,
    /// Send a message.
    Send(Box<proto::WorkerMessage>),
    /// Close the websocket; answer with [`Input::LinkDown`].
    Close,
    /// Run a session.
    Start(Box<Assignment>),
    /// End a session in order; answer with [`Input::JobEnded`].
    Stop {
        /// The job.
        job_id: String,
        /// Why.
        reason: StopReason,
    },
    /// Nothing runs any more, or the drain took too long: `left` jobs are given up.
    Drained {
        /// Jobs that did not end in time.
        left: usize,
    },
}
