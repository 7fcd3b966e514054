//! What the session's core speaks about. Plain data: no LiveKit type, no SQL type. All times are milliseconds
//! on the meeting's clock, whose zero is the room's clock origin.

use uuid::Uuid;

/// A recognised word with its place in the meeting.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    /// As written, with punctuation.
    pub text: String,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// Between 0 and 1.
    pub confidence: f32,
    /// Which of the track's voices said it, where the recogniser tells them apart itself.
    pub speaker: Option<speech::SpeakerNumber>,
}

/// A caption's utterance in its last form: what becomes a row of the transcript.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// Chosen when the utterance began; the same in every partial of it.
    pub id: Uuid,
    /// Who spoke.
    pub identity: String,
    /// The speaker's name at that moment.
    pub speaker_name: String,
    /// The track it was heard on.
    pub track_id: String,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends.
    pub end_ms: u64,
    /// The words in one line.
    pub text: String,
    /// The words one by one.
    pub words: Vec<Word>,
    /// What recognised it.
    pub engine: String,
    /// Its stretch in the coverage ledger: from when to when.
    pub heard_ms: (u64, u64),
    /// Whether that stretch had been given up.
    pub late: bool,
    /// What it cost.
    pub usage: Vec<UsageRow>,
}

impl Segment {
    /// As the room sees it: final once it has its sequence number.
    pub fn caption(&self, sequence: Option<i64>) -> Caption {
        Caption {
            segment_id: self.id,
            identity: self.identity.clone(),
            speaker_name: self.speaker_name.clone(),
            track_id: self.track_id.clone(),
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            text: self.text.clone(),
            sequence,
        }
    }

    /// Roughly what it occupies while it waits.
    pub fn weight_bytes(&self) -> usize {
        let words: usize = self
            .words
            .iter()
            .map(|word| word.text.len() + size_of::<Word>())
            .sum();
        size_of::<Self>() + self.identity.len() + self.speaker_name.len() + self.text.len() + words
    }
}

/// A caption as the room sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caption {
    /// The segment's id.
    pub segment_id: Uuid,
    /// Who spoke.
    pub identity: String,
    /// The speaker's name.
    pub speaker_name: String,
    /// The track it was heard on.
    pub track_id: String,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends, as far as is known.
    pub end_ms: u64,
    /// The whole text so far. Empty in a partial: there was nothing after all.
    pub text: String,
    /// The segment's sequence number once it is stored; a caption is final exactly then.
    pub sequence: Option<i64>,
}

impl Caption {
    /// Whether it is settled and stored.
    pub fn is_final(&self) -> bool {
        self.sequence.is_some()
    }
}

/// How a question reached the assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A chat message that names the assistant.
    Chat,
    /// Spoken, with the assistant's name.
    Voice,
    /// The RPC `ask`: only the caller sees the answer.
    Private,
}

/// A question to the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Becomes the answer's id.
    pub id: Uuid,
    /// Who asked.
    pub asked_by: String,
    /// How.
    pub via: Via,
    /// What.
    pub text: String,
    /// When it was complete.
    pub asked_ms: u64,
}

/// One thing that an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Source {
    /// The passage.
    pub passage_id: Uuid,
    /// The document's title.
    pub document_title: String,
    /// The heading above the passage.
    pub heading: String,
    /// The page, where the document has pages.
    pub page: Option<i32>,
    /// The words it rests on.
    pub quote: String,
}

/// An answer with its sources, in the order in which its text points at them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The text with `[n]` markers.
    pub text: String,
    /// Whether the documents carry it.
    pub grounded: bool,
    /// What the markers point at.
    pub sources: Vec<Source>,
    /// What wrote it.
    pub engine: String,
    /// Tokens read by a chat model.
    pub prompt_tokens: u64,
    /// Tokens written by a chat model.
    pub completion_tokens: u64,
}

/// An answer as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerRow {
    /// The question it answers.
    pub question: Question,
    /// The answer.
    pub answer: Answer,
    /// From the question's end to the answer.
    pub latency_ms: u64,
}

/// A line of the usage ledger.
#[derive(Clone, Debug, PartialEq)]
pub struct UsageRow {
    /// Makes writing it twice harmless.
    pub id: Uuid,
    /// What was used.
    pub kind: &'static str,
    /// In which unit.
    pub unit: &'static str,
    /// How much.
    pub quantity: f64,
    /// By which engine; empty where that means nothing.
    pub engine: String,
}

/// Something that happened in the room.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// What.
    pub kind: &'static str,
    /// Its particulars; ids and figures, never what was said.
    pub data: serde_json::Value,
}

/// A participant's last known lines, for the answerer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The segment.
    pub segment_id: Uuid,
    /// The speaker's name.
    pub speaker_name: String,
    /// What they said.
    pub text: String,
}

/// What participants see of the assistant (`lk.agent.state`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Nothing is asked.
    Listening,
    /// An answer is being looked up.
    Thinking,
    /// An answer is being given.
    Speaking,
}

impl AgentState {
    /// The attribute's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Thinking => "thinking",
            Self::Speaking => "speaking",
        }
    }
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// LiveKit closed the room.
    RoomClosed,
    /// LiveKit removed the agent from the room.
    Removed,
    /// The connection to the room was lost for good.
    ConnectionLost,
    /// The dispatch was taken back.
    DispatchCancelled,
    /// This process is going away.
    WorkerDrained,
}

impl EndReason {
    /// As it is written into the session's row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoomClosed => "room_closed",
            Self::Removed => "removed_from_room",
            Self::ConnectionLost => "connection_lost",
            Self::DispatchCancelled => "dispatch_cancelled",
            Self::WorkerDrained => "worker_drained",
        }
    }

    /// Whether the room can still be spoken to.
    pub fn room_is_there(self) -> bool {
        matches!(self, Self::DispatchCancelled | Self::WorkerDrained)
    }
}
