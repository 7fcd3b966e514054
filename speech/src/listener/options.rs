//! When utterances begin, are looked at, and end.

/// How utterances are cut. The defaults are for conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListenerOptions {
    /// Audio kept from before the first voice, so that the first word survives.
    pub pre_roll_ms: u64,
    /// As much as this while there may be voice: the network misses what is said quietly, or far from the
    /// microphone, until somebody speaks up.
    pub doubtful_ms: u64,
    /// A pause at which a hypothesis is asked for: a word has just ended, and it may be the last one. So much of a pause belongs
    /// to the utterance before it, so that hypothesis has heard all of it.
    pub pause_ms: u64,
    /// A pause that ends an utterance of which nothing is known.
    pub silence_ms: u64,
    /// A pause that ends a short utterance whose last words end a sentence.
    pub sentence_silence_ms: u64,
    /// An utterance of this length ends with its sentence
    pub sentence_ms: u64,
    /// behind which there is a pause of this, even if the speaker has gone on before that is known.
    pub sentence_pause_ms: u64,
    /// A pause that ends an utterance whose last words do not: the speaker is looking for the next one.
    pub unfinished_silence_ms: u64,
    /// Voice within the last 100 ms that begins an utterance.
    pub onset_ms: u64,
    /// Voice after which the first hypothesis is worth its price.
    pub first_ms: u64,
    /// New voice after which another one is.
    pub step_ms: u64,
    /// An utterance that gets longer is cut at its quietest place.
    pub longest_ms: u64,
}

impl Default for ListenerOptions {
    fn default() -> Self {
        Self {
            pre_roll_ms: 300,
            doubtful_ms: 800,
            pause_ms: 40,
            silence_ms: 600,
            sentence_silence_ms: 500,
            sentence_ms: 2_000,
            sentence_pause_ms: 260,
            unfinished_silence_ms: 900,
            onset_ms: 60,
            first_ms: 400,
            step_ms: 720,
            longest_ms: 20_000,
        }
    }
}
