//! What every recogniser is to its users, wherever the words come from.
//!
//! | engine | words come from | tells voices apart | partials |
//! |---|---|---|---|
//! | [`WhisperPool`](crate::WhisperPool) | this process | no | behind the settled words, the utterance is recognised anew |
//! | [`Deepgram`](crate::deepgram::Deepgram) | a service | if asked to, on each connection anew | the words that are there already |
//! | [`OpenAi`](crate::openai::OpenAi) | a service, or a server of one's own | no | none, unless they are said to cost nothing |
//! | [`Realtime`](crate::realtime::Realtime) | a service | no | the words that are there already |
//! | [`Chain`](crate::Chain) | the first of several that has them | as these do | the first of several that gives them |

use std::time::Duration;

use tokio::sync::oneshot;

use crate::Audio;
use crate::{Hypothesis, Word};

/// A track, as recognisers tell them apart. No two tracks of a process share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// How urgent a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// The utterance is still growing; a newer request replaces this one.
    Partial,
    /// The speaker pauses: the same, but if nothing more is said the answer is the record, so it is recognised as carefully.
    Pause,
    /// The utterance is complete; this is never dropped.
    Final,
}

/// An utterance to recognise.
#[derive(Clone, Debug)]
pub struct Request {
    /// Whose it is.
    pub stream: StreamId,
    /// Its number within the track.
    pub utterance: u64,
    /// How urgent it is.
    pub kind: RequestKind,
    /// 16 kHz mono.
    pub audio: Audio,
    /// Where it begins; the words' times count from the same zero.
    pub start_ms: u64,
    /// What was said just before, and names that may come; empty is fine.
    pub prompt: String,
    /// The utterance's words that are settled already; a partial goes on behind them.
    pub settled: Vec<Word>,
}

/// Why there are no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecogniseError {
    /// A newer request of the same stream made this one pointless.
    #[error("overtaken by a newer request")]
    Overtaken,
    /// Too much waits: ask again later.
    #[error("too many utterances wait: ask again later")]
    Overloaded,
    /// The engine could not be run on it.
    #[error("the engine failed")]
    Failed,
    /// The engine repeats itself or says more than a mouth can in a partial; a final is tried again with more care.
    #[error("the engine lost its way in a partial")]
    Astray,
    /// The service does not accept the key.
    #[error("the recognition service refuses the API key: check the key and what it is allowed to do")]
    Unauthorised,
    /// The service wants to be paid.
    #[error("the recognition service wants to be paid: check the account's balance")]
    PaymentRequired,
    /// The service is asked too often, or on too many tracks at once.
    #[error("the recognition service is asked too often: fewer tracks at once, or a larger contract")]
    RateLimited,
    /// The service does not accept how it is asked.
    #[error("the recognition service refuses the parameters: check address, model and language")]
    Misconfigured,
    /// It was not there in time.
    #[error("the recogniser took too long")]
    Late,
    /// The engine recognises complete utterances only.
    #[error("the recogniser gives no partials")]
    NoPartials,
    /// The recogniser is shut down.
    #[error("the recogniser is shut down")]
    ShutDown,
}

/// What becomes of a request.
pub type Recognised = Result<Hypothesis, RecogniseError>;

/// How busy a recogniser is, with all who ask it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecogniserLoad {
    /// Complete utterances that wait for their words.
    pub waiting_finals: usize,
    /// How many utterances it recognises at once without any having to wait.
    pub at_once: usize,
}

/// Audio that a service was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The service, as [`Recogniser::engine`] names it.
    pub engine: String,
    /// How much.
    pub audio: Duration,
}

/// Audio in, words with times out.
pub trait Recogniser: Send + Sync + std::fmt::Debug {
    /// What recognises, for the record: `kind:model`.
    fn engine(&self) -> &str;

    /// Whether partials are worth asking for; if not, they are refused with [`RecogniseError::NoPartials`].
    fn gives_partials(&self) -> bool {
        true
    }

    /// Asks for an utterance without waiting. The receiver gets the words, or why there are none, exactly once; it is
    /// closed without an answer only when the recogniser is gone.
    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised>;

    /// These names and words are likely to be said from now on, the likeliest first. Services are told when they are connected
    /// next, and take as many as they take; recognisers that have a prompt get them with it.
    fn expect(&self, _terms: &[String]) {}

    /// The pause in an utterance at which [`RequestKind::Pause`] was asked for is over, and was too short to end it: if nobody
    /// has begun to look, it is worth no more than a partial.
    fn pause_over(&self, _stream: StreamId, _utterance: u64) {}

    /// The utterance is over, and what was asked for with [`RequestKind::Pause`] has heard all of it: its answer is the record,
    /// and as urgent as a [`RequestKind::Final`].
    fn awaited(&self, _stream: StreamId, _utterance: u64) {}

    /// What services were sent of a track since this was asked last, whether or not words came of it: what they bill. Second
    /// tries, replays and partials count; what was refused does not. A recogniser of this process sends nothing.
    fn take_sent(&self, _stream: StreamId) -> Vec<Sent> {
        Vec::new()
    }

    /// How busy it is.
    fn load(&self) -> RecogniserLoad;

    /// The track is over: what is kept for it can go once its last finals, which may be asked for a little later, are
    /// answered.
    fn forget(&self, _stream: StreamId) {}
}
