//! Cuts utterances out of one track's audio. Sans-IO: time is the audio itself, so the same samples give the same
//! events at any speed.
//!
//! An utterance begins a little before the first voice (pre-roll), ends with a sentence and a short pause, or after a longer
//! pause, and is cut at its quietest place when it grows too long. No sample of detected speech is outside an utterance.

mod cut;
mod event;
mod growing;
mod options;

use std::collections::VecDeque;

use crate::SAMPLES_PER_MS;
use crate::voice::{Detector, FRAME_MS, FRAME_SAMPLES, Levels, VoiceDetector};
use cut::cut_place;
pub use event::ListenerEvent;
use growing::Growing;
pub use options::ListenerOptions;

/// The window in which voice has to gather before an utterance begins.
const ONSET_WINDOW_MS: u64 = 100;
/// A voice that sinks into noise goes on so long behind where it is last noticed: the end of its last word.
const UNHEARD_IN_NOISE_MS: u64 = 40;
/// How far back from the end of a too long utterance the quietest place is looked for.
const CUT_SEARCH_MS: u64 = 6_000;
/// A hypothesis of a long utterance costs more, so the steps grow: this share of its length.
const STEP_SHARE: u64 = 12;

/// One track's listener.
#[derive(Debug)]
pub struct Listener<D = Detector> {
    options: ListenerOptions,
    detector: D,
    /// Samples that do not make a frame yet.
    partial_frame: Vec<i16>,
    /// Audio from before a possible utterance.
    pre_roll: VecDeque<i16>,
    /// Whether the last frames had voice, the newest last.
    recent: VecDeque<bool>,
    open: Option<Open>,
    next_utterance: u64,
    /// The end of the last whole frame.
    now_ms: u64,
}

#[derive(Debug)]
struct Open {
    number: u64,
    start_ms: u64,
    samples: Growing,
    /// Of all of it.
    levels: Levels,
    /// Where the last voice ended.
    voice_end_ms: u64,
    /// Whether the last frame was without voice.
    is_paused: bool,
    /// Voice since the last hypothesis was asked for.
    fresh_ms: u64,
    /// Whether no hypothesis was asked for yet.
    is_new: bool,
    /// What is known of the pause that lasts.
    pause: Pause,
    /// Where the pauses began that are over and long enough to end a sentence. A look at one may be answered late.
    pauses: Vec<u64>,
    /// A sentence ends with so much of the utterance: the end of the pause behind it.
    sentence_ms: Option<u64>,
}

impl Open {
    /// Whether the utterance may still be found to have ended at the last pause, although its speaker has gone on.
    fn may_end_at_pause(&self, options: &ListenerOptions) -> bool {
        self.pauses.last() == Some(&self.voice_end_ms)
            && self.voice_end_ms - self.start_ms + options.pause_ms >= options.sentence_ms
    }

    /// The samples up to the end of what is said. The pause itself has nothing to recognise; a little of it keeps the last
    /// consonant.
    fn spoken(&self, options: &ListenerOptions) -> usize {
        let keep_ms = (self.voice_end_ms - self.start_ms + options.pause_ms) as usize;
        self.samples.len().min(keep_ms * SAMPLES_PER_MS)
    }
}

/// What the last words before a pause say about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    /// Nobody has looked at them yet.
    Unseen,
    /// A look at them was asked for.
    Asked,
    /// They end a sentence, or they do not.
    Known { is_sentence: bool },
}

impl<D: VoiceDetector> Listener<D> {
    /// A listener for a track that begins now.
    pub fn new(options: ListenerOptions, detector: D) -> Self {
        Self {
            options,
            detector,
            partial_frame: Vec::with_capacity(FRAME_SAMPLES),
            pre_roll: VecDeque::new(),
            recent: VecDeque::new(),
            open: None,
            next_utterance: 0,
            now_ms: 0,
        }
    }

    /// How much audio was heard, in milliseconds.
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Whether an utterance is open.
    pub fn is_speaking(&self) -> bool {
        self.open.is_some()
    }

    /// Hears 16 kHz mono samples, any number of them.
    pub fn push(&mut self, mut samples: &[i16]) -> Vec<ListenerEvent> {
        let mut events = Vec::new();
        while !samples.is_empty() {
            let (taken, rest) = samples.split_at(samples.len().min(FRAME_SAMPLES - self.partial_frame.len()));
            self.partial_frame.extend_from_slice(taken);
            samples = rest;
            if self.partial_frame.len() == FRAME_SAMPLES {
                let frame = std::mem::replace(&mut self.partial_frame, Vec::with_capacity(FRAME_SAMPLES));
                self.frame(&frame, &mut events);
            }
        }
        events
    }

    /// The audio is interrupted (mute, end of track, shutdown): an open utterance is over.
    pub fn flush(&mut self) -> Vec<ListenerEvent> {
        let mut events = Vec::new();
        if let Some(open) = &mut self.open {
            open.samples.extend(&self.partial_frame);
        }
        self.partial_frame.clear();
        self.pre_roll.clear();
        self.recent.clear();
        self.close(&mut events);
        events
    }

    /// Time passed without audio. What was open is over.
    pub fn skip(&mut self, gap_ms: u64) -> Vec<ListenerEvent> {
        let events = self.flush();
        self.now_ms += gap_ms;
        events
    }

    fn frame(&mut self, frame: &[i16], events: &mut Vec<ListenerEvent>) {
        let voice = self.detector.is_voice(frame);
        self.now_ms += FRAME_MS;
        self.recent.push_back(voice);
        while self.recent.len() as u64 * FRAME_MS > ONSET_WINDOW_MS {
            self.recent.pop_front();
        }
        if self.open.is_some() {
            self.grow(frame, voice, events);
        } else {
            self.wait(frame, events);
        }
    }

    fn wait(&mut self, frame: &[i16], events: &mut Vec<ListenerEvent>) {
        self.pre_roll.extend(frame);
        let doubtful_ms = self.detector.doubtful_ms().min(self.options.doubtful_ms);
        let keep_ms = self.options.pre_roll_ms.max(doubtful_ms) + ONSET_WINDOW_MS;
        let keep = keep_ms as usize * SAMPLES_PER_MS;
        let surplus = self.pre_roll.len().saturating_sub(keep);
        self.pre_roll.drain(..surplus);
        let voiced_ms = self.recent.iter().filter(|&&voice| voice).count() as u64 * FRAME_MS;
        if voiced_ms < self.options.onset_ms {
            return;
        }
        // Not kept for later: its room would be held through the whole utterance.
        let mut pre_roll = std::mem::take(&mut self.pre_roll);
        let pre_roll = pre_roll.make_contiguous();
        let samples = Growing::of(pre_roll);
        let start_ms = self.now_ms - (samples.len() / SAMPLES_PER_MS) as u64;
        let number = self.next_utterance;
        self.next_utterance += 1;
        events.push(ListenerEvent::SpeechStarted {
            utterance: number,
            at_ms: start_ms,
        });
        self.open = Some(Open {
            number,
            start_ms,
            samples,
            levels: Levels::of(pre_roll),
            voice_end_ms: self.now_ms,
            is_paused: false,
            fresh_ms: voiced_ms,
            is_new: true,
            pause: Pause::Unseen,
            pauses: Vec::new(),
            sentence_ms: None,
        });
    }

    fn grow(&mut self, frame: &[i16], voice: bool, events: &mut Vec<ListenerEvent>) {
        let Some(open) = &mut self.open else { return };
        open.samples.extend(frame);
        open.levels.hear(frame);
        if voice {
            let paused_ms = self.now_ms - open.voice_end_ms;
            if paused_ms >= self.options.sentence_pause_ms {
                open.pauses.push(open.voice_end_ms);
            }
            let may_end = open.may_end_at_pause(&self.options);
            if may_end && open.pause == (Pause::Known { is_sentence: true }) {
                // It became known in the pause's last moment.
                open.sentence_ms = Some(open.voice_end_ms - open.start_ms + self.options.pause_ms);
            }
            if open.pause == Pause::Asked && !may_end {
                events.push(ListenerEvent::PauseOver {
                    utterance: open.number,
                });
            }
            open.voice_end_ms = self.now_ms;
            open.fresh_ms += FRAME_MS;
            open.pause = Pause::Unseen;
            open.is_paused = false;
        } else if !open.is_paused {
            open.is_paused = true;
            let unheard_ms = if open.levels.are_noisy() {
                UNHEARD_IN_NOISE_MS
            } else {
                0
            };
            open.voice_end_ms =
                (self.now_ms + unheard_ms - self.detector.quiet_ms()).clamp(open.start_ms, self.now_ms);
        }
        let pause_ms = self.now_ms - open.voice_end_ms;
        let options = &self.options;
        let longest_pause_ms = match open.pause {
            Pause::Known { is_sentence: true } if self.now_ms - open.start_ms >= options.sentence_ms => {
                options.sentence_pause_ms
            }
            Pause::Known { is_sentence: true } => options.sentence_silence_ms,
            Pause::Known { is_sentence: false } => options.unfinished_silence_ms,
            Pause::Unseen | Pause::Asked => options.silence_ms,
        };
        let step_ms = if open.is_new {
            options.first_ms
        } else {
            options.step_ms.max((self.now_ms - open.start_ms) / STEP_SHARE)
        };
        let at_pause = open.pause == Pause::Unseen && pause_ms >= options.pause_ms;
        if let Some(sentence_ms) = open.sentence_ms.take() {
            self.end_sentence(sentence_ms, events);
        } else if pause_ms >= longest_pause_ms {
            self.close(events);
        } else if self.now_ms - open.start_ms >= options.longest_ms {
            self.cut(events);
        } else if at_pause || open.fresh_ms >= step_ms {
            self.hypothesise(at_pause, events);
        }
    }

    fn hypothesise(&mut self, at_pause: bool, events: &mut Vec<ListenerEvent>) {
        let Some(open) = &mut self.open else { return };
        open.fresh_ms = 0;
        open.is_new = false;
        // At a pause it hears what the final will hear, even if it comes late.
        let end = if at_pause {
            open.pause = Pause::Asked;
            open.spoken(&self.options)
        } else {
            open.samples.len()
        };
        events.push(ListenerEvent::Hypothesise {
            utterance: open.number,
            audio: open.samples.head(end),
            start_ms: open.start_ms,
            at_pause,
        });
    }

    /// What was asked for at a pause, with so much audio, is recognised: its words end a sentence, or they do not. An
    /// utterance that is long enough is over with its sentence even if the speaker has gone on meanwhile; then it returns
    /// true, so that nobody looks at it again.
    pub fn pause_heard(&mut self, utterance: u64, audio_ms: u64, is_sentence: bool) -> bool {
        let Some(open) = self.open.as_mut().filter(|open| open.number == utterance) else {
            return false;
        };
        let pause_from_ms = (open.start_ms + audio_ms).saturating_sub(self.options.pause_ms);
        if pause_from_ms == open.voice_end_ms {
            open.pause = Pause::Known { is_sentence };
            return false;
        }
        let is_over =
            is_sentence && audio_ms >= self.options.sentence_ms && open.pauses.contains(&pause_from_ms);
        if is_over {
            open.sentence_ms = Some(audio_ms);
        }
        is_over
    }

    /// Ends the utterance with its sentence. What was said since begins the next one.
    fn end_sentence(&mut self, sentence_ms: u64, events: &mut Vec<ListenerEvent>) {
        let Some(open) = self.open.take() else { return };
        let end_ms = (open.start_ms + sentence_ms).saturating_sub(self.options.pause_ms);
        let at = (sentence_ms as usize * SAMPLES_PER_MS).min(open.samples.len());
        events.push(ListenerEvent::Finalise {
            utterance: open.number,
            audio: open.samples.head(at),
            start_ms: open.start_ms,
            end_ms,
        });
        // The last half of the pause is heard again: the next word's first sound may be in it.
        let again_ms = self.options.pause_ms / 2;
        let rest = open
            .samples
            .tail(at.saturating_sub(again_ms as usize * SAMPLES_PER_MS));
        let start_ms = open.start_ms + sentence_ms - again_ms;
        let number = self.next_utterance;
        self.next_utterance += 1;
        events.push(ListenerEvent::SpeechStarted {
            utterance: number,
            at_ms: start_ms,
        });
        self.open = Some(Open {
            number,
            start_ms,
            samples: Growing::of(&rest),
            levels: Levels::of(&rest),
            voice_end_ms: open.voice_end_ms,
            is_paused: open.is_paused,
            fresh_ms: open.voice_end_ms - start_ms - again_ms,
            is_new: true,
            pause: Pause::Unseen,
            pauses: open
                .pauses
                .into_iter()
                .filter(|&from_ms| from_ms > start_ms)
                .collect(),
            sentence_ms: None,
        });
        // The pause that lasts began in the utterance that is over: nobody has looked at what is left of it.
        if self.now_ms - open.voice_end_ms >= self.options.pause_ms {
            self.hypothesise(true, events);
        }
    }

    fn close(&mut self, events: &mut Vec<ListenerEvent>) {
        let Some(open) = self.open.take() else { return };
        let end = open.spoken(&self.options);
        // What is cut off may be the beginning of the next word.
        self.pre_roll.extend(open.samples.tail(end));
        events.push(ListenerEvent::Finalise {
            utterance: open.number,
            audio: open.samples.head(end),
            start_ms: open.start_ms,
            end_ms: open.voice_end_ms,
        });
        events.push(ListenerEvent::SpeechEnded {
            utterance: open.number,
            at_ms: open.voice_end_ms,
        });
    }

    /// Ends a too long utterance at its quietest place and begins the next one there.
    fn cut(&mut self, events: &mut Vec<ListenerEvent>) {
        let Some(open) = self.open.take() else { return };
        let from = open
            .samples
            .len()
            .saturating_sub(CUT_SEARCH_MS as usize * SAMPLES_PER_MS);
        let at = from + cut_place(&open.samples.tail(from));
        let at_ms = open.start_ms + (at / SAMPLES_PER_MS) as u64;
        let tail = open.samples.tail(at);
        events.push(ListenerEvent::Finalise {
            utterance: open.number,
            audio: open.samples.head(at),
            start_ms: open.start_ms,
            end_ms: at_ms.min(open.voice_end_ms),
        });
        let number = self.next_utterance;
        self.next_utterance += 1;
        events.push(ListenerEvent::SpeechStarted {
            utterance: number,
            at_ms,
        });
        let fresh_ms = (tail.len() / SAMPLES_PER_MS) as u64;
        self.open = Some(Open {
            number,
            start_ms: at_ms,
            samples: Growing::of(&tail),
            levels: Levels::of(&tail),
            voice_end_ms: open.voice_end_ms.max(at_ms),
            is_paused: open.is_paused,
            fresh_ms,
            is_new: false,
            pause: Pause::Unseen,
            pauses: Vec::new(),
            sentence_ms: None,
        });
    }
}

#[cfg(test)]
mod tests;
