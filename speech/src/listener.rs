//! Cuts utterances out of one track's audio. Sans-IO: time is the audio itself, so the same samples give the same
//! events at any speed.
//!
//! An utterance begins a little before the first voice (pre-roll), ends with a sentence and a short pause, or after a longer
//! pause, and is cut at its quietest place when it grows too long. No sample of detected speech is outside an utterance.

mod cut;
mod event;
mod growing;
mod open;
mod options;

use std::collections::VecDeque;

use crate::SAMPLES_PER_MS;
use crate::voice::{Detector, FRAME_MS, FRAME_SAMPLES, VoiceDetector};
use cut::cut_place;
pub use event::ListenerEvent;
use open::{Open, Pause};
pub use options::ListenerOptions;

/// The window in which voice has to gather before an utterance begins.
const ONSET_WINDOW_MS: u64 = 100;
/// How far back from the end of a too long utterance the quietest place is looked for.
const CUT_SEARCH_MS: u64 = 6_000;

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
        let start_ms = self.now_ms - (pre_roll.len() / SAMPLES_PER_MS) as u64;
        let number = self.begin(start_ms, events);
        self.open = Some(Open {
            voice_end_ms: self.now_ms,
            fresh_ms: voiced_ms,
            ..Open::of(number, start_ms, pre_roll)
        });
    }

    /// Another utterance begins; returns its number.
    fn begin(&mut self, at_ms: u64, events: &mut Vec<ListenerEvent>) -> u64 {
        let utterance = self.next_utterance;
        self.next_utterance += 1;
        events.push(ListenerEvent::SpeechStarted { utterance, at_ms });
        utterance
    }

    fn grow(&mut self, frame: &[i16], voice: bool, events: &mut Vec<ListenerEvent>) {
        let Some(open) = &mut self.open else { return };
        open.samples.extend(frame);
        open.levels.hear(frame);
        if voice {
            if open.go_on(self.now_ms, &self.options) {
                events.push(ListenerEvent::PauseOver {
                    utterance: open.number,
                });
            }
        } else {
            open.fall_silent(self.now_ms, self.detector.quiet_ms());
        }
        let pause_ms = self.now_ms - open.voice_end_ms;
        let at_pause = open.pause == Pause::Unseen && pause_ms >= self.options.pause_ms;
        if let Some(sentence_ms) = open.sentence_ms.take() {
            self.end_sentence(sentence_ms, events);
        } else if pause_ms >= open.longest_pause_ms(self.now_ms, &self.options) {
            self.close(events);
        } else if self.now_ms - open.start_ms >= self.options.longest_ms {
            self.cut(events);
        } else if at_pause || open.fresh_ms >= open.step_ms(self.now_ms, &self.options) {
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
        let number = self.begin(start_ms, events);
        self.open = Some(Open {
            voice_end_ms: open.voice_end_ms,
            is_paused: open.is_paused,
            fresh_ms: open.voice_end_ms - start_ms - again_ms,
            pauses: open
                .pauses
                .into_iter()
                .filter(|&from_ms| from_ms > start_ms)
                .collect(),
            ..Open::of(number, start_ms, &rest)
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
        let number = self.begin(at_ms, events);
        self.open = Some(Open {
            voice_end_ms: open.voice_end_ms.max(at_ms),
            is_paused: open.is_paused,
            fresh_ms: (tail.len() / SAMPLES_PER_MS) as u64,
            is_new: false,
            ..Open::of(number, at_ms, &tail)
        });
    }
}

#[cfg(test)]
mod tests;
