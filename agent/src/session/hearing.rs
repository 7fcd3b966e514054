//! The part of the session that hears: tracks and what is said on them.

use serde_json::json;

use super::core::Session;
use super::coverage::{GapReason, Microphone};
use super::io::Output;
use super::outbox::Pressure;
use super::shown::Shown;
use super::track::{Ear, EarEvent, Look, Speaker, Track, Utterance, partial};
use super::usage::Kind;

const SAMPLES_PER_MS: u64 = 16;

/// What a recognition is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A caption that may be lost or overtaken.
    Partial,
    /// The same at a pause: the record, if nothing more is said.
    Pause,
    /// The record.
    Final,
}

/// A request to the recogniser.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognise<A> {
    /// The number to answer with.
    pub ticket: u64,
    /// The track, by which the recogniser tells newer partials from older ones.
    pub track: u64,
    /// The utterance's number within the track.
    pub utterance: u64,
    /// What it is for.
    pub purpose: Purpose,
    /// The utterance so far.
    pub audio: A,
    /// Where it begins in the meeting.
    pub start_ms: u64,
    /// What the speaker said just before.
    pub context: String,
    /// The utterance's words that are settled already.
    pub settled: Vec<speech::Word>,
}

/// Why there are no words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecogniseError {
    /// A newer request made this one pointless.
    Overtaken,
    /// It did not work.
    Failed,
    /// There was no place in the queue.
    Overloaded,
}

impl<E: Ear> Session<E> {
    pub(super) fn track_started(&mut self, track: u64, speaker: Speaker, ear: E, now_ms: u64) {
        self.event(
            "track_subscribed",
            json!({ "identity": speaker.identity, "track": speaker.track_id }),
        );
        if let Some(until_ms) = self.close_declined(&speaker.track_id, now_ms) {
            self.coverage.accounted(track, until_ms);
        }
        self.coverage.microphone(&speaker, Microphone::Heard);
        self.tracks.insert(track, Track::new(speaker, ear, now_ms));
    }

    pub(super) fn audio(&mut self, number: u64, samples: &[i16], now_ms: u64) {
        let pressure = self.pressure();
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        self.usage
            .add_ms(Kind::AudioReceived, "", samples.len() as u64 / SAMPLES_PER_MS);
        let gap = now_ms >= track.last_audio_ms + super::track::STARVED_MS;
        track.last_audio_ms = now_ms;
        if pressure == Pressure::NoAudio {
            if track.deaf_since.is_none() {
                let reason = if self.outbox.pressure() == Pressure::NoAudio {
                    GapReason::OutboxFull
                } else {
                    GapReason::Overload
                };
                track.deaf_since = Some((now_ms, reason));
                self.interrupt(number, now_ms);
            }
            return;
        }
        let piece_ms = samples.len() as u64 / SAMPLES_PER_MS;
        if !self.undeafen(number, now_ms.saturating_sub(piece_ms)) && gap {
            self.interrupt(number, now_ms);
        }
        self.heard_again(number, now_ms.saturating_sub(piece_ms));
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        if samples.iter().any(|sample| *sample != 0) {
            track.last_sound_ms = now_ms;
        }
        let events = track.ear.push(samples);
        track.clock.heard(track.ear.heard_ms(), now_ms, track.speaking);
        let heard_ms = track.clock.meeting_ms(track.ear.heard_ms());
        self.ear_events(number, events, now_ms);
        self.coverage.grow(number, heard_ms);
    }

    pub(super) fn track_muted(&mut self, number: u64, muted: bool, now_ms: u64) {
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        if track.muted != muted {
            track.muted = muted;
            let speaker = track.speaker.clone();
            if muted {
                self.interrupt(number, now_ms);
                self.undeafen(number, now_ms);
                self.give_up_unheard(now_ms, |unheard| *unheard == speaker);
                self.coverage.microphone(&speaker, Microphone::Closed);
            } else {
                track.open_since_ms = now_ms;
                self.coverage.microphone(&speaker, Microphone::Heard);
            }
        }
    }

    pub(super) fn track_ended(&mut self, number: u64, now_ms: u64) {
        let last_sound_ms = self.tracks.get(&number).map_or(0, |track| track.last_sound_ms);
        self.track_left(number, self.left_behind(last_sound_ms), now_ms);
    }

    /// A track is heard no more; `open` says how its microphone is left, if it is not muted.
    pub(super) fn track_left(&mut self, number: u64, open: Microphone, now_ms: u64) {
        self.interrupt(number, now_ms);
        self.undeafen(number, now_ms);
        if let Some(track) = self.tracks.remove(&number) {
            if !track.muted {
                self.coverage.microphone(&track.speaker, open);
            }
            let ids = json!({ "identity": track.speaker.identity, "track": track.speaker.track_id });
            self.event("track_unsubscribed", ids);
        }
    }

    /// The audio breaks off here: what is being said is over and is kept.
    pub(super) fn interrupt(&mut self, number: u64, now_ms: u64) {
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        let events = track.ear.flush();
        self.ear_events(number, events, now_ms);
        if let Some(track) = self.tracks.get_mut(&number) {
            track.speaking = false;
            track.clock.resynchronise();
        }
    }

    fn ear_events(&mut self, number: u64, events: Vec<EarEvent<E::Audio>>, now_ms: u64) {
        for event in events {
            let Some(track) = self.tracks.get_mut(&number) else {
                return;
            };
            match event {
                EarEvent::SpeechStarted { utterance, start_ms } => {
                    track.speaking = true;
                    let start_ms = track.clock.meeting_ms(start_ms);
                    self.open(number, utterance, start_ms);
                }
                EarEvent::SpeechEnded => track.speaking = false,
                EarEvent::Hypothesise {
                    utterance,
                    audio,
                    start_ms,
                    at_pause,
                } => {
                    let start_ms = track.clock.meeting_ms(start_ms);
                    self.open(number, utterance, start_ms);
                    let look = Look {
                        utterance,
                        audio,
                        start_ms,
                        at_pause,
                    };
                    self.ask_partial(number, look);
                }
                EarEvent::PauseOver { utterance } => {
                    if track.pause_over(utterance) {
                        self.out.push(Output::PauseOver {
                            track: number,
                            utterance,
                        });
                    }
                }
                EarEvent::Finalise {
                    utterance,
                    audio,
                    start_ms,
                    end_ms,
                } => {
                    let place = (track.clock.meeting_ms(start_ms), track.clock.meeting_ms(end_ms));
                    self.open(number, utterance, place.0);
                    self.ask_final(number, audio, place, now_ms);
                }
            }
        }
    }

    fn open(&mut self, number: u64, utterance: u64, start_ms: u64) {
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        if track.open.as_ref().is_none_or(|open| open.number != utterance) {
            let segment_id = self.ids.fresh();
            self.coverage.begin(number, segment_id, &track.speaker, start_ms);
            track.open = Some(Utterance {
                number: utterance,
                segment_id,
                start_ms,
                agreement: speech::Agreement::default(),
                shown: Shown::default(),
                words: Vec::new(),
                engine: String::new(),
                recognised: None,
            });
        }
    }

    pub(super) fn go_on_hearing(&mut self, now_ms: u64) {
        let starved: Vec<u64> = self
            .tracks
            .iter()
            .filter(|(_, track)| track.is_starved(now_ms))
            .map(|(number, _)| *number)
            .collect();
        for number in starved {
            self.interrupt(number, now_ms);
        }
        for track in self.tracks.values_mut() {
            if let Some(open) = &mut track.open
                && let Some(text) = open.shown.due(now_ms)
            {
                let caption = partial(&track.speaker, open, text, now_ms);
                self.out.push(Output::Partial(caption));
            }
        }
        self.go_on_with_finals(now_ms);
        if self.is_running() {
            self.go_on_with_held(now_ms);
        }
    }

    pub(super) fn hearing_tick_ms(&self) -> Option<u64> {
        let starved = self
            .tracks
            .values()
            .filter(|t| t.speaking)
            .map(|t| t.last_audio_ms + super::track::STARVED_MS);
        let shown = self
            .tracks
            .values()
            .filter_map(|t| t.open.as_ref()?.shown.next_tick_ms());
        let held = self.held.next_tick_ms().filter(|_| self.is_running());
        starved
            .chain(shown)
            .chain(self.finals_tick_ms())
            .chain(held)
            .min()
    }
}
