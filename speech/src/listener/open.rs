//! The utterance that is open: what is known of its pauses, and how long the next one has to last.

use super::ListenerOptions;
use super::growing::Growing;
use crate::SAMPLES_PER_MS;
use crate::voice::{FRAME_MS, Levels};

/// A voice that sinks into noise goes on so long behind where it is last noticed: the end of its last word.
pub(super) const UNHEARD_IN_NOISE_MS: u64 = 40;
/// A hypothesis of a long utterance costs more, so the steps grow: this share of its length.
const STEP_SHARE: u64 = 12;

#[derive(Debug)]
pub(super) struct Open {
    pub(super) number: u64,
    pub(super) start_ms: u64,
    pub(super) samples: Growing,
    /// Of all of it.
    pub(super) levels: Levels,
    /// Where the last voice ended.
    pub(super) voice_end_ms: u64,
    /// Whether the last frame was without voice.
    pub(super) is_paused: bool,
    /// Voice since the last hypothesis was asked for.
    pub(super) fresh_ms: u64,
    /// Whether no hypothesis was asked for yet.
    pub(super) is_new: bool,
    /// What is known of the pause that lasts.
    pub(super) pause: Pause,
    /// Where the pauses began that are over and long enough to end a sentence. A look at one may be answered late.
    pub(super) pauses: Vec<u64>,
    /// A sentence ends with so much of the utterance: the end of the pause behind it.
    pub(super) sentence_ms: Option<u64>,
}

/// What the last words before a pause say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// Nobody has looked at them yet.
    Unseen,
    /// A look at them was asked for.
    Asked,
    /// They end a sentence, or they do not.
    Known { is_sentence: bool },
}

impl Open {
    /// One that begins with these samples.
    pub(super) fn of(number: u64, start_ms: u64, samples: &[i16]) -> Self {
        Self {
            number,
            start_ms,
            samples: Growing::of(samples),
            levels: Levels::of(samples),
            voice_end_ms: start_ms,
            is_paused: false,
            fresh_ms: 0,
            is_new: true,
            pause: Pause::Unseen,
            pauses: Vec::new(),
            sentence_ms: None,
        }
    }

    /// A frame of voice. Returns whether a look was asked for at a pause that is over with it, and cannot end the utterance any
    /// more.
    pub(super) fn go_on(&mut self, now_ms: u64, options: &ListenerOptions) -> bool {
        let paused_ms = now_ms - self.voice_end_ms;
        if paused_ms >= options.sentence_pause_ms {
            self.pauses.push(self.voice_end_ms);
        }
        let may_end = self.may_end_at_pause(options);
        if may_end && self.pause == (Pause::Known { is_sentence: true }) {
            // It became known in the pause's last moment.
            self.sentence_ms = Some(self.voice_end_ms - self.start_ms + options.pause_ms);
        }
        let is_stale = self.pause == Pause::Asked && !may_end;
        self.voice_end_ms = now_ms;
        self.fresh_ms += FRAME_MS;
        self.pause = Pause::Unseen;
        self.is_paused = false;
        is_stale
    }

    /// A frame without voice; with the first one, voice ended so long before its end.
    pub(super) fn fall_silent(&mut self, now_ms: u64, quiet_ms: u64) {
        if self.is_paused {
            return;
        }
        self.is_paused = true;
        let unheard_ms = if self.levels.are_noisy() {
            UNHEARD_IN_NOISE_MS
        } else {
            0
        };
        self.voice_end_ms = (now_ms + unheard_ms - quiet_ms).clamp(self.start_ms, now_ms);
    }

    /// Whether the utterance may still be found to have ended at the last pause, although its speaker has gone on.
    fn may_end_at_pause(&self, options: &ListenerOptions) -> bool {
        self.pauses.last() == Some(&self.voice_end_ms)
            && self.voice_end_ms - self.start_ms + options.pause_ms >= options.sentence_ms
    }

    /// A pause of this length ends it.
    pub(super) fn longest_pause_ms(&self, now_ms: u64, options: &ListenerOptions) -> u64 {
        match self.pause {
            Pause::Known { is_sentence: true } if now_ms - self.start_ms >= options.sentence_ms => {
                options.sentence_pause_ms
            }
            Pause::Known { is_sentence: true } => options.sentence_silence_ms,
            Pause::Known { is_sentence: false } => options.unfinished_silence_ms,
            Pause::Unseen | Pause::Asked => options.silence_ms,
        }
    }

    /// So much fresh voice is worth a hypothesis.
    pub(super) fn step_ms(&self, now_ms: u64, options: &ListenerOptions) -> u64 {
        if self.is_new {
            options.first_ms
        } else {
            options.step_ms.max((now_ms - self.start_ms) / STEP_SHARE)
        }
    }

    /// The samples up to the end of what is said. The pause itself has nothing to recognise; a little of it keeps the last
    /// consonant.
    pub(super) fn spoken(&self, options: &ListenerOptions) -> usize {
        let keep_ms = (self.voice_end_ms - self.start_ms + options.pause_ms) as usize;
        self.samples.len().min(keep_ms * SAMPLES_PER_MS)
    }
}
