//! What came of a meeting: what was shown and when, how finals came, and what it cost.

use speech::Word;

/// Something that a viewer sees.
pub(crate) struct Shown {
    pub(crate) track: usize,
    pub(crate) at_ms: u64,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) words: Vec<Word>,
    pub(crate) committed: usize,
    pub(crate) is_final: bool,
    /// From the end of the voice, where the final is not of a cut.
    pub(crate) after_speech_ms: Option<u64>,
    /// Of a final.
    pub(crate) way: Option<Way>,
}

/// How a final came, by the times at which it went on.
#[derive(Clone, Default)]
pub(crate) struct Way {
    /// The end of the voice as the listener heard it.
    pub(crate) voice_end_ms: u64,
    /// When the recognition that it is of was asked for, begun and done.
    pub(crate) asked_ms: u64,
    pub(crate) begun_ms: u64,
    pub(crate) done_ms: u64,
    /// When the utterance was over.
    pub(crate) over_ms: u64,
    /// Whether it is of a look at the pause.
    pub(crate) is_look: bool,
}

#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) shown: Vec<Shown>,
    pub(crate) listening_ms: f64,
    /// Processor time and number by kind: partials, looks at pauses, finals.
    pub(crate) spent: [(f64, u32); 3],
    pub(crate) astray: u32,
    pub(crate) overtaken: u32,
}
