//! The part of the session that hears: tracks, utterances, what is asked of the recogniser and what becomes of
//! its answers.

use serde_json::json;
use speech::Hypothesis;
use uuid::Uuid;

use super::core::Session;
use super::coverage::{Cover, GapReason, Microphone};
use super::io::Output;
use super::outbox::Pressure;
use super::shown::Shown;
use super::track::{AskedPartial, Ear, EarEvent, Look, Speaker, Track, Utterance, partial};
use super::types::{Caption, Segment, Word};
use super::usage::Kind;

/// A final that the recogniser does not give within so many attempts is taken from its last partial.
pub const FINAL_ATTEMPTS: u32 = 12;
/// Wait after the first failed attempt; it doubles up to the second figure.
const FINAL_RETRY_MS: (u64, u64) = (250, 5_000);
/// An attempt without an answer for so long has failed.
pub(super) const FINAL_ANSWER_LIMIT_MS: u64 = 60_000;
/// A pause is long enough for the partial that was asked at its beginning, and that partial heard all there is. If it
/// is still on its way when the utterance is over, it is given so long before the same audio is recognised again.
const ADOPT_WAIT_MS: u64 = 500;
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
    /// It did not work, or there was no place in the queue.
    Failed,
}

/// A final that is asked for.
#[derive(Debug)]
pub(super) struct FinalRequest<A> {
    track: u64,
    pub(super) speaker: Speaker,
    utterance: u64,
    pub(super) segment_id: Uuid,
    audio: A,
    pub(super) start_ms: u64,
    pub(super) end_ms: u64,
    /// Its place in the coverage ledger.
    pub(super) heard_ms: (u64, u64),
    context: String,
    shown: Shown,
    /// On which two partials agreed.
    committed_words: Vec<Word>,
    fallback_words: Vec<Word>,
    fallback_engine: String,
    attempts: u32,
    /// When to ask again, or when to stop waiting for the answer.
    next_ms: u64,
    asked: bool,
    /// A partial of the very same audio: its answer will do.
    adopts: Option<u64>,
}

impl<A: Clone> FinalRequest<A> {
    /// The request to the recogniser.
    pub(super) fn ask(&self, ticket: u64) -> Recognise<A> {
        Recognise {
            ticket,
            track: self.track,
            utterance: self.utterance,
            purpose: Purpose::Final,
            audio: self.audio.clone(),
            start_ms: self.start_ms,
            context: self.context.clone(),
            settled: Vec::new(),
        }
    }

    /// The segment that these words make; none without words.
    pub(super) fn segment(self, words: Vec<Word>, engine: String) -> Option<Segment> {
        let (first, last) = (words.first()?, words.last()?);
        let start_ms = first.start_ms.max(self.start_ms);
        let end_ms = last.end_ms.clamp(start_ms, self.end_ms.max(start_ms));
        Some(Segment {
            id: self.segment_id,
            identity: self.speaker.identity,
            speaker_name: self.speaker.name,
            track_id: self.speaker.track_id,
            start_ms,
            end_ms,
            text: line_of(&words),
            words,
            engine,
            heard_ms: self.heard_ms,
            late: false,
        })
    }
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

    fn ask_partial(&mut self, number: u64, look: Look<E::Audio>) {
        if self.pressure() >= Pressure::NoPartials {
            return;
        }
        let ticket = self.ticket();
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        if track.partial_asked.is_some() {
            track.partial_waiting = Some(look);
            return;
        }
        let Look {
            utterance,
            audio,
            start_ms,
            at_pause,
        } = look;
        track.partial_asked = Some(AskedPartial {
            ticket,
            utterance,
            audio: audio.clone(),
            at_pause,
        });
        let context = track.context(&self.hint, start_ms);
        let purpose = if at_pause {
            Purpose::Pause
        } else {
            Purpose::Partial
        };
        let settled = match &track.open {
            Some(open) if open.number == utterance => open.agreement.committed().to_vec(),
            _ => Vec::new(),
        };
        self.out.push(Output::Recognise(Recognise {
            ticket,
            track: number,
            utterance,
            purpose,
            audio,
            start_ms,
            context,
            settled,
        }));
    }

    fn ask_final(&mut self, number: u64, audio: E::Audio, place: (u64, u64), now_ms: u64) {
        let ticket = self.ticket();
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        let Some(open) = track.open.take() else { return };
        track.partial_waiting = None;
        let (start_ms, end_ms) = (place.0, place.1.max(place.0));
        let context = track.context(&self.hint, start_ms);
        let same = |asked: &AskedPartial<E::Audio>| asked.utterance == open.number && asked.audio == audio;
        let adopts = track
            .partial_asked
            .as_ref()
            .filter(|asked| same(asked))
            .map(|asked| asked.ticket);
        let is_recognised = open.recognised.as_ref() == Some(&audio);
        let request = FinalRequest {
            track: number,
            speaker: track.speaker.clone(),
            utterance: open.number,
            segment_id: open.segment_id,
            audio,
            start_ms,
            end_ms,
            heard_ms: self.coverage.end(open.segment_id, end_ms),
            context,
            shown: open.shown,
            committed_words: words_of(open.agreement.committed()),
            fallback_words: open.words,
            fallback_engine: open.engine,
            attempts: 0,
            next_ms: if adopts.is_some() {
                now_ms + ADOPT_WAIT_MS
            } else {
                now_ms
            },
            asked: false,
            adopts,
        };
        self.order.expect(ticket, number);
        if is_recognised {
            self.settle_as_heard(ticket, request, now_ms);
        } else {
            self.finals.insert(ticket, request);
        }
    }

    pub(super) fn recognised(
        &mut self,
        ticket: u64,
        result: Result<Hypothesis, RecogniseError>,
        now_ms: u64,
    ) {
        if let Ok(hypothesis) = &result {
            self.usage
                .add_ms(Kind::RecogniserCompute, &hypothesis.engine, hypothesis.compute_ms);
        }
        if self.is_held(ticket) {
            self.held_recognised(result, now_ms);
            return;
        }
        if self.finals.contains_key(&ticket) {
            self.final_recognised(ticket, result, now_ms);
            return;
        }
        if let Some((&final_ticket, request)) = self.finals.iter_mut().find(|(_, f)| f.adopts == Some(ticket))
        {
            request.adopts = None;
            match &result {
                Ok(hypothesis) if hypothesis.is_whole => {
                    self.final_recognised(final_ticket, Ok(hypothesis.clone()), now_ms);
                }
                // Nothing, or not everything yet: the record has to be asked for after all.
                _ if !request.asked => request.next_ms = now_ms,
                _ => {}
            }
        }
        let is_this = |track: &Track<E>| {
            track
                .partial_asked
                .as_ref()
                .is_some_and(|asked| asked.ticket == ticket)
        };
        let Some((&number, track)) = self.tracks.iter_mut().find(|(_, track)| is_this(track)) else {
            return;
        };
        let (audio, at_pause) = track
            .partial_asked
            .take()
            .map_or((None, false), |asked| (Some(asked.audio), asked.at_pause));
        if let (Ok(hypothesis), Some(open)) = (result, &mut track.open)
            && hypothesis.utterance == open.number
        {
            let is_sentence = speech::is_sentence(&hypothesis.words);
            if at_pause
                && hypothesis.is_whole
                && track
                    .ear
                    .pause_heard(open.number, hypothesis.audio_ms, is_sentence)
            {
                track.partial_waiting = None;
            }
            let update = open.agreement.update(&hypothesis);
            open.words = words_of(&hypothesis.words);
            open.engine = hypothesis.engine;
            open.recognised = audio.filter(|_| hypothesis.is_whole);
            if let Some(text) = open.shown.update(update.text(), now_ms) {
                let caption = partial(&track.speaker, open, text, now_ms);
                self.out.push(Output::Partial(caption));
            }
        }
        if let Some(look) = track.partial_waiting.take() {
            self.ask_partial(number, look);
        }
    }

    fn final_recognised(&mut self, ticket: u64, result: Result<Hypothesis, RecogniseError>, now_ms: u64) {
        let Some(request) = self.finals.get_mut(&ticket) else {
            return;
        };
        match result {
            Ok(hypothesis) => {
                let Some(request) = self.finals.remove(&ticket) else {
                    return;
                };
                let words = words_of(&hypothesis.words);
                self.settle(ticket, request, words, hypothesis.engine, now_ms);
            }
            Err(_) if request.attempts < FINAL_ATTEMPTS => {
                let doubled_ms = FINAL_RETRY_MS.0 << request.attempts.min(10);
                request.asked = false;
                request.next_ms = now_ms + doubled_ms.min(FINAL_RETRY_MS.1);
            }
            Err(_) => {
                let Some(request) = self.finals.remove(&ticket) else {
                    return;
                };
                let place = json!({ "track": request.speaker.track_id, "start_ms": request.start_ms, "end_ms": request.end_ms });
                self.event("recognition_failed", place);
                self.settle_as_heard(ticket, request, now_ms);
            }
        }
    }

    /// The newest partial's words are the record.
    fn settle_as_heard(&mut self, ticket: u64, mut request: FinalRequest<E::Audio>, now_ms: u64) {
        let words = std::mem::take(&mut request.fallback_words);
        let engine = std::mem::take(&mut request.fallback_engine);
        self.settle(ticket, request, words, engine, now_ms);
    }

    /// The utterance has its words: it becomes a segment, or nothing if there are none.
    fn settle(
        &mut self,
        ticket: u64,
        mut request: FinalRequest<E::Audio>,
        mut words: Vec<Word>,
        engine: String,
        now_ms: u64,
    ) {
        // A recogniser that falls silent at the end does not take back what it heard twice over.
        if words.is_empty() {
            words = std::mem::take(&mut request.committed_words);
        }
        let said_ms = request.end_ms - request.start_ms;
        // Both at once: what is still being recognised would look like a gap.
        self.usage.add_ms(Kind::SpeechDetected, "", said_ms);
        // Without an engine nothing was recognised: every attempt failed.
        if !engine.is_empty() {
            self.usage.add_ms(Kind::SpeechRecognised, &engine, said_ms);
        }
        if words.is_empty() {
            self.order.ready(ticket, None, now_ms);
            if !request.shown.text().is_empty() {
                self.retract(&request);
            }
            if engine.is_empty() {
                let missing = Cover::Gap(GapReason::RecogniserFailed);
                self.coverage.settle(request.segment_id, missing);
                self.hold(request, now_ms);
            } else {
                self.coverage.settle(request.segment_id, Cover::Empty);
            }
            return;
        }
        self.coverage.settle(request.segment_id, Cover::Transcribed);
        let track = request.track;
        let (start_ms, shown) = (request.start_ms, request.shown.text().to_owned());
        let segment = request.segment(words, engine);
        // While it waits to be stored the room sees what it will be.
        if let Some(segment) = segment.as_ref().filter(|segment| segment.text != shown) {
            self.out.push(Output::Partial(Caption {
                segment_id: segment.id,
                identity: segment.identity.clone(),
                speaker_name: segment.speaker_name.clone(),
                track_id: segment.track_id.clone(),
                start_ms,
                end_ms: segment.end_ms,
                text: segment.text.clone(),
                sequence: None,
            }));
        }
        if let (Some(track), Some(segment)) = (self.tracks.get_mut(&track), &segment) {
            track.said(&segment.text, segment.end_ms);
        }
        self.order.ready(ticket, segment, now_ms);
    }

    /// A partial was shown for what turned out to be no speech: an empty partial takes it away.
    fn retract(&mut self, request: &FinalRequest<E::Audio>) {
        let utterance = Utterance {
            number: request.utterance,
            segment_id: request.segment_id,
            start_ms: request.start_ms,
            agreement: speech::Agreement::default(),
            shown: Shown::default(),
            words: Vec::new(),
            engine: String::new(),
            recognised: None::<E::Audio>,
        };
        let caption = partial(&request.speaker, &utterance, String::new(), request.end_ms);
        self.out.push(Output::Partial(caption));
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
        let mut late = Vec::new();
        for (ticket, request) in &mut self.finals {
            if now_ms < request.next_ms {
                continue;
            }
            if request.asked {
                late.push(*ticket);
                continue;
            }
            request.asked = true;
            request.attempts += 1;
            request.next_ms = now_ms + FINAL_ANSWER_LIMIT_MS;
            self.out.push(Output::Recognise(request.ask(*ticket)));
        }
        for ticket in late {
            self.final_recognised(ticket, Err(RecogniseError::Failed), now_ms);
        }
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
        let finals = self.finals.values().map(|request| request.next_ms);
        let held = self.held.next_tick_ms().filter(|_| self.is_running());
        starved.chain(shown).chain(finals).chain(held).min()
    }
}

/// The words that are words: recognisers leave lone marks at the edges of an utterance, and double them.
pub(super) fn words_of(words: &[speech::Word]) -> Vec<Word> {
    let is_word = |word: &&speech::Word| word.text.chars().any(char::is_alphanumeric);
    let word = |word: &speech::Word| Word {
        text: tidy(&word.text),
        start_ms: word.start_ms,
        end_ms: word.end_ms.max(word.start_ms),
        confidence: word.confidence,
    };
    words.iter().filter(is_word).map(word).collect()
}

fn tidy(word: &str) -> String {
    // Postgres takes no NUL in a text.
    let word = word.trim().replace('\0', "");
    match word.strip_suffix('.') {
        Some(asked) if asked.ends_with(['?', '!']) => asked.to_owned(),
        _ => word,
    }
}

fn line_of(words: &[Word]) -> String {
    words
        .iter()
        .map(|word| word.text.as_str())
        .collect::<Vec<_>>()
        .join(" ")
}
