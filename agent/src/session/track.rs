//! One heard track: its listener, its clock, its open utterance. A track knows nothing of the others.

use uuid::Uuid;

use super::clock::TrackClock;
use super::coverage::GapReason;
use super::shown::Shown;
use super::types::{Caption, Word};

/// A track without frames for so long is silent on the wire: what was being said is over.
pub const STARVED_MS: u64 = 1_000;
/// The recogniser is told this much of what the speaker said just before.
const CONTEXT_MAX_CHARS: usize = 200;
/// What was said longer ago does not help any more.
const CONTEXT_MAX_AGE_MS: u64 = 10_000;

/// What a listener reports; times are milliseconds of the track's own audio.
#[derive(Clone, Debug, PartialEq)]
pub enum EarEvent<A> {
    /// Somebody began to speak.
    SpeechStarted {
        /// The utterance's number within the track.
        utterance: u64,
        /// Where it begins.
        start_ms: u64,
    },
    /// The open utterance is worth a partial.
    Hypothesise {
        /// Its number within the track.
        utterance: u64,
        /// All of it so far.
        audio: A,
        /// Where it begins.
        start_ms: u64,
        /// The speaker pauses: these may have been the last words.
        at_pause: bool,
    },
    /// The speaker has gone on after the pause at which the newest partial was asked for, before it could end the utterance.
    PauseOver {
        /// The utterance's number within the track.
        utterance: u64,
    },
    /// An utterance is over.
    Finalise {
        /// Its number within the track.
        utterance: u64,
        /// All of it.
        audio: A,
        /// Where it begins.
        start_ms: u64,
        /// Where it ends.
        end_ms: u64,
    },
    /// Nobody speaks any more.
    SpeechEnded,
}

/// What cuts a track's audio into utterances: [`speech::Listener`], or a script in tests.
pub trait Ear {
    /// An utterance's audio, cheap to clone.
    type Audio: Clone + PartialEq;
    /// Hears 16 kHz mono samples.
    fn push(&mut self, samples: &[i16]) -> Vec<EarEvent<Self::Audio>>;
    /// The audio is interrupted: what is open is over.
    fn flush(&mut self) -> Vec<EarEvent<Self::Audio>>;
    /// What was asked for at a pause, with so much audio, is recognised: its words end a sentence, or the speaker will go
    /// on. Returns whether the utterance is over.
    fn pause_heard(&mut self, utterance: u64, audio_ms: u64, is_sentence: bool) -> bool;
    /// How much of the track's audio its times count so far.
    fn heard_ms(&self) -> u64;
}

/// Who is heard on a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Speaker {
    /// The participant.
    pub identity: String,
    /// Their name.
    pub name: String,
    /// LiveKit's id of the track.
    pub track_id: String,
}

/// An utterance whose final is not asked for yet.
#[derive(Debug)]
pub(super) struct Utterance<A> {
    pub(super) number: u64,
    pub(super) segment_id: Uuid,
    pub(super) start_ms: u64,
    pub(super) agreement: speech::Agreement,
    pub(super) shown: Shown,
    /// The newest words, kept for the case that the final pass fails.
    pub(super) words: Vec<Word>,
    pub(super) engine: String,
    /// The audio that the newest words were recognised from.
    pub(super) recognised: Option<A>,
}

/// A partial that is being recognised.
#[derive(Debug)]
pub(super) struct AskedPartial<A> {
    pub(super) ticket: u64,
    pub(super) utterance: u64,
    pub(super) audio: A,
    /// The record may come from it.
    pub(super) at_pause: bool,
    /// The pause that it looks at was over before that could be: a newer one may take its place.
    pub(super) is_stale: bool,
}

/// A growing utterance that is to be looked at.
#[derive(Debug)]
pub(super) struct Look<A> {
    pub(super) utterance: u64,
    pub(super) audio: A,
    pub(super) start_ms: u64,
    pub(super) at_pause: bool,
}

/// A heard track.
#[derive(Debug)]
pub(super) struct Track<E: Ear> {
    pub(super) speaker: Speaker,
    pub(super) ear: E,
    pub(super) clock: TrackClock,
    pub(super) speaking: bool,
    pub(super) muted: bool,
    /// When it was subscribed to, or unmuted for the last time.
    pub(super) open_since_ms: u64,
    pub(super) last_audio_ms: u64,
    /// When the track was not quite silent for the last time. A lost connection sounds like perfect silence.
    pub(super) last_sound_ms: u64,
    pub(super) open: Option<Utterance<E::Audio>>,
    /// What is being recognised, in the order of its audio: at most a partial, and a look at a pause behind it.
    pub(super) asked: Vec<AskedPartial<E::Audio>>,
    /// The next one, while it has to wait.
    pub(super) partial_waiting: Option<Look<E::Audio>>,
    /// Audio is not taken in: since when and why.
    pub(super) deaf_since: Option<(u64, GapReason)>,
    context: String,
    context_end_ms: u64,
}

impl<E: Ear> Track<E> {
    pub(super) fn new(speaker: Speaker, ear: E, now_ms: u64) -> Self {
        Self {
            speaker,
            ear,
            clock: TrackClock::default(),
            speaking: false,
            muted: false,
            open_since_ms: now_ms,
            last_audio_ms: now_ms,
            last_sound_ms: now_ms,
            open: None,
            asked: Vec::new(),
            partial_waiting: None,
            deaf_since: None,
            context: String::new(),
            context_end_ms: 0,
        }
    }

    /// Whether the recogniser can be asked for this now. What a speaker says meanwhile is asked for together when the answer
    /// is there; a look at a pause does not wait for a partial, because the record may come from it, and nothing waits for a
    /// look at a pause that is over.
    pub(super) fn takes(&self, look: &Look<E::Audio>) -> bool {
        let mut asked = self.asked.iter().filter(|asked| !asked.is_stale);
        asked.all(|asked| look.at_pause && !asked.at_pause)
    }

    /// The pause in an utterance is over and has not ended it. Returns whether a look at it is asked for.
    pub(super) fn pause_over(&mut self, utterance: u64) -> bool {
        if let Some(look) = self
            .partial_waiting
            .as_mut()
            .filter(|look| look.utterance == utterance)
        {
            look.at_pause = false;
        }
        let mut is_asked = false;
        for asked in self
            .asked
            .iter_mut()
            .filter(|asked| asked.utterance == utterance && asked.at_pause)
        {
            asked.is_stale = true;
            is_asked = true;
        }
        is_asked
    }

    /// What was asked for with this ticket. What is still asked for with older audio has nothing new to say any more.
    pub(super) fn answered(&mut self, ticket: u64) -> Option<AskedPartial<E::Audio>> {
        let at = self.asked.iter().position(|asked| asked.ticket == ticket)?;
        self.asked.drain(..=at).next_back()
    }

    /// Whether an open utterance gets no more audio.
    pub(super) fn is_starved(&self, now_ms: u64) -> bool {
        self.speaking && now_ms >= self.last_audio_ms + STARVED_MS
    }

    /// What the recogniser should have in its ear: names that may come, and what this speaker said just before.
    pub(super) fn context(&self, vocabulary: &str, start_ms: u64) -> String {
        let said = if start_ms <= self.context_end_ms + CONTEXT_MAX_AGE_MS {
            self.context.as_str()
        } else {
            ""
        };
        format!("{vocabulary} {said}").trim().to_owned()
    }

    /// Remembers what was said until `end_ms`.
    pub(super) fn said(&mut self, text: &str, end_ms: u64) {
        if end_ms > self.context_end_ms + CONTEXT_MAX_AGE_MS {
            self.context.clear();
        }
        self.context.push(' ');
        self.context.push_str(text);
        let chars = self.context.chars().count();
        self.context = self
            .context
            .chars()
            .skip(chars.saturating_sub(CONTEXT_MAX_CHARS))
            .collect();
        self.context_end_ms = end_ms;
    }
}

/// A partial caption of an utterance.
pub(super) fn partial<A>(speaker: &Speaker, utterance: &Utterance<A>, text: String, now_ms: u64) -> Caption {
    let end_ms = utterance.words.last().map_or(now_ms, |word| word.end_ms);
    Caption {
        segment_id: utterance.segment_id,
        identity: speaker.identity.clone(),
        speaker_name: speaker.name.clone(),
        track_id: speaker.track_id.clone(),
        start_ms: utterance.start_ms,
        end_ms: end_ms.max(utterance.start_ms),
        text,
        sequence: None,
    }
}
