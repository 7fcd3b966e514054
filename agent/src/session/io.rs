//! What goes into a session's core and what comes out of it.

use speech::{Hypothesis, Sent};
use store::{Consents, VoicePolicy};
use uuid::Uuid;

use super::coverage::GapReason;
use super::hearing::{Recognise, RecogniseError};
use super::outbox::Write;
use super::track::{Ear, Speaker};
use super::types::{AgentState, Answer, Caption, EndReason, Line, Question};
use super::vocabulary::Known;
use super::voices::{HearVoices, VoicesHeard};

/// What happened.
#[derive(Debug)]
pub enum Input<E: Ear> {
    /// Somebody is in the room.
    ParticipantJoined {
        /// Who.
        identity: String,
        /// Their name.
        name: String,
    },
    /// Somebody is gone.
    ParticipantLeft {
        /// Who.
        identity: String,
    },
    /// The words that the meeting may need were read, for the first time or again.
    Learned(Known),
    /// A stored segment reads differently now: somebody has corrected it.
    Corrected {
        /// Which.
        segment_id: Uuid,
        /// How it reads.
        text: String,
    },
    /// A track is heard from now on.
    TrackStarted {
        /// Its number, never used twice.
        track: u64,
        /// Whose it is.
        speaker: Speaker,
        /// What listens to it.
        ear: E,
    },
    /// 16 kHz mono samples.
    Audio {
        /// The track.
        track: u64,
        /// The samples.
        samples: Vec<i16>,
    },
    /// A track was muted or unmuted.
    TrackMuted {
        /// The track.
        track: u64,
        /// Which of the two.
        muted: bool,
    },
    /// A track is gone; all of its audio was handed in before.
    TrackEnded {
        /// The track.
        track: u64,
    },
    /// Samples of a track found no place in the session's queue, or were lost on their way to us.
    AudioMissing {
        /// The track.
        track: u64,
        /// From how long ago until how long ago.
        ago_ms: (u64, u64),
        /// Which of the two.
        reason: GapReason,
    },
    /// The connection to the room was lost; it is being made anew.
    ConnectionLost,
    /// The connection to the room is there again.
    ConnectionBack,
    /// Who may be recognised, as it is now.
    Consents(Consents),
    /// A microphone of somebody who has not agreed is open, or is not any more.
    Declined {
        /// Whose it is.
        speaker: Speaker,
        /// Which of the two.
        open: bool,
    },
    /// The recogniser answered.
    Recognised {
        /// Which request.
        ticket: u64,
        /// Its words.
        result: Result<Hypothesis, RecogniseError>,
        /// What services were sent of the track since the last answer.
        sent: Vec<Sent>,
    },
    /// An utterance's voices were heard.
    VoicesHeard {
        /// Whose microphone.
        identity: String,
        /// Whose its turns are; nothing when the networks broke off.
        heard: Option<VoicesHeard>,
    },
    /// The room says anew whether people who share a microphone are told apart.
    VoicePolicy(VoicePolicy),
    /// The database answered a write.
    Stored {
        /// Which write.
        ticket: u64,
        /// A segment's sequence number; nothing for other writes.
        result: Result<Option<i64>, StoreFailure>,
    },
    /// The database answered a renewal.
    Renewed(Result<(), StoreFailure>),
    /// Somebody wrote into the chat.
    Chat {
        /// Who.
        identity: String,
        /// What.
        text: String,
    },
    /// Somebody called the RPC `ask`.
    Ask {
        /// Who.
        identity: String,
        /// What.
        text: String,
        /// Under which number the reply is awaited.
        reply: u64,
    },
    /// A question was looked up.
    LookedUp {
        /// Which.
        id: Uuid,
        /// The answer; `None`: the lookup failed.
        answer: Option<Answer>,
    },
    /// An answer has reached the room, or never will.
    Given,
    /// End in order.
    Drain(EndReason),
    /// The lease was given back, or could not be.
    Released,
    /// Time passed.
    Tick,
}

impl<E: Ear> Input<E> {
    /// Whether it is what a session asked for itself: recogniser, database, time.
    pub(super) fn is_an_answer(&self) -> bool {
        matches!(
            self,
            Self::Recognised { .. } | Self::Stored { .. } | Self::Renewed(_) | Self::Tick
        )
    }
}

/// Why a write did not happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreFailure {
    /// A newer epoch exists.
    Fenced,
    /// The database is not there just now.
    Away,
    /// The database will never take it.
    Refused,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Output<A> {
    /// Recognise an utterance.
    Recognise(Recognise<A>),
    /// Tell the recogniser that the pause is over at which it was asked to look.
    PauseOver {
        /// The track.
        track: u64,
        /// The utterance's number within the track.
        utterance: u64,
    },
    /// Tell the recogniser that a final waits for the look it was asked for.
    Awaited {
        /// The track.
        track: u64,
        /// The utterance's number within the track.
        utterance: u64,
    },
    /// Tell the recogniser what is likely to be said from now on.
    Terms(Vec<String>),
    /// Hear an utterance once more, for voices.
    HearVoices(HearVoices<A>),
    /// Show a partial caption, in the room and on the live page.
    Partial(Caption),
    /// Publish a final caption; it is stored.
    Final(Caption),
    /// Write to the database.
    Store {
        /// The number to answer with.
        ticket: u64,
        /// What.
        write: Write,
    },
    /// Renew the lease.
    Renew,
    /// Look a question up.
    LookUp {
        /// The question.
        question: Question,
        /// What was said last.
        lines: Vec<Line>,
    },
    /// Write an answer into the chat.
    Give {
        /// The answer's id.
        id: Uuid,
        /// The answer.
        answer: Answer,
    },
    /// Write something into the chat that is no answer.
    Notice(&'static str),
    /// Answer a private caller.
    Reply {
        /// The number that the call came with.
        reply: u64,
        /// The question's id and its answer, or what to say instead.
        answer: Result<(Uuid, Answer), &'static str>,
    },
    /// Show the assistant's state.
    State(AgentState),
    /// Leave the room, which is another agent's now. The session goes on for a while without it.
    Leave,
    /// Give the lease back.
    Release(EndReason),
    /// The session is over; nothing comes after this.
    Finished(Ending),
}

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// In order.
    Released(EndReason),
    /// Another agent holds the room.
    Fenced,
    /// The drain took too long.
    OutOfTime {
        /// Finals that were not stored.
        finals_lost: usize,
    },
}
