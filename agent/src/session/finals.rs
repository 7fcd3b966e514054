//! Finals: what is asked of the recogniser once an utterance is over, asked again when it fails, and what becomes of
//! the answer: a segment, nothing, or a gap.

use serde_json::json;
use speech::Hypothesis;
use uuid::Uuid;

use super::core::Session;
use super::coverage::{Cover, GapReason};
use super::hearing::{Purpose, Recognise, RecogniseError};
use super::io::Output;
use super::shown::Shown;
use super::track::{AskedPartial, Ear, Speaker, Utterance, partial};
use super::types::{Caption, Segment, Word};
use super::usage::{Kind, Usage};
use super::voices::Spoken;
use super::words::{line_of, words_of};

/// A final that the recogniser does not give within so many attempts is taken from its last partial.
pub const FINAL_ATTEMPTS: u32 = 12;
/// Wait after the first failed attempt; it doubles up to the second figure.
const FINAL_RETRY_MS: (u64, u64) = (250, 5_000);
/// Between two attempts where too many wait.
const OVERLOADED_RETRY_MS: u64 = 1_000;
/// An attempt without an answer for so long has failed.
pub(super) const FINAL_ANSWER_LIMIT_MS: u64 = 60_000;
/// A pause is long enough for the partial that was asked at its beginning, and that partial heard all there is. If it
/// is still on its way when the utterance is over, it is given so long before the same audio is recognised again: under load
/// a second recognition would only make everybody later.
const ADOPT_WAIT_MS: u64 = 1_000;

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

    /// The same audio, for those who listen to voices.
    pub(super) fn spoken(&self) -> Spoken<A> {
        Spoken {
            identity: self.speaker.identity.clone(),
            audio: self.audio.clone(),
            start_ms: self.start_ms,
            end_ms: self.end_ms,
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
            usage: Vec::new(),
        })
    }
}

impl<E: Ear> Session<E> {
    /// An utterance is over: its final is asked for, unless its words are there already.
    pub(super) fn ask_final(&mut self, number: u64, audio: E::Audio, place: (u64, u64), now_ms: u64) {
        let ticket = self.ticket();
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        let Some(open) = track.open.take() else { return };
        track.partial_waiting = None;
        let (start_ms, end_ms) = (place.0, place.1.max(place.0));
        let context = track.context(&self.vocabulary.prompt(), start_ms);
        let same = |asked: &AskedPartial<E::Audio>| asked.utterance == open.number && asked.audio == audio;
        let adopts = track
            .asked
            .iter()
            .find(|asked| same(asked))
            .map(|asked| asked.ticket);
        if adopts.is_some() {
            self.out.push(Output::Awaited {
                track: number,
                utterance: open.number,
            });
        }
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
        self.order.expect(ticket, number, (start_ms, end_ms));
        if is_recognised {
            self.settle_as_heard(ticket, request, now_ms);
        } else {
            self.finals.insert(ticket, request);
        }
    }

    /// A partial came back whose audio may be that of a final.
    pub(super) fn adopted(&mut self, ticket: u64, result: &Result<Hypothesis, RecogniseError>, now_ms: u64) {
        if let Some((&final_ticket, request)) = self.finals.iter_mut().find(|(_, f)| f.adopts == Some(ticket))
        {
            request.adopts = None;
            match result {
                Ok(hypothesis) if hypothesis.is_whole => {
                    self.final_recognised(final_ticket, Ok(hypothesis.clone()), now_ms);
                }
                // Nothing, or not everything yet: the record has to be asked for after all.
                _ if !request.asked => request.next_ms = now_ms,
                _ => {}
            }
        }
    }

    pub(super) fn final_recognised(
        &mut self,
        ticket: u64,
        result: Result<Hypothesis, RecogniseError>,
        now_ms: u64,
    ) {
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
            // Nothing is wrong with it: its turn will come. That too many wait is what pressure is about.
            Err(RecogniseError::Overloaded) => {
                request.attempts = request.attempts.saturating_sub(1);
                request.asked = false;
                request.next_ms = now_ms + OVERLOADED_RETRY_MS;
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
        if words.is_empty() {
            // Both at once: what is still being recognised would look like a gap.
            self.usage.add_ms(Kind::SpeechDetected, "", said_ms);
            // Without an engine nothing was recognised: every attempt failed.
            if !engine.is_empty() {
                self.usage.add_ms(Kind::SpeechRecognised, &engine, said_ms);
            }
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
        let spoken = request.spoken();
        let (start_ms, shown) = (request.start_ms, request.shown.text().to_owned());
        let usage = [(Kind::SpeechDetected, ""), (Kind::SpeechRecognised, &*engine)]
            .map(|(kind, engine)| Usage::line_ms(kind, engine, said_ms, &mut self.ids));
        let segment = request.segment(words, engine).map(|segment| Segment {
            usage: usage.into(),
            ..segment
        });
        // While it waits to be stored the room sees what it will be.
        if let Some(segment) = segment.as_ref().filter(|segment| segment.text != shown) {
            self.out.push(Output::Partial(Caption {
                start_ms,
                ..segment.caption(None)
            }));
        }
        if let Some(segment) = &segment {
            if let Some(track) = self.tracks.get_mut(&track) {
                track.said(&segment.text, segment.end_ms);
            }
            self.hear_voices(spoken, &segment.words);
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

    pub(super) fn go_on_with_finals(&mut self, now_ms: u64) {
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
    }

    pub(super) fn finals_tick_ms(&self) -> Option<u64> {
        self.finals.values().map(|request| request.next_ms).min()
    }
}
