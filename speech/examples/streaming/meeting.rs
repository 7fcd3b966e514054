//! A meeting in virtual time, with what a session does around the speech crate: one partial of a track at a time, the newest
//! one next, a look at a pause becomes the record if nothing more was said, captions 200 ms apart.

use speech::{
    Agreement, Audio, Detector, Hypothesis, Listener, ListenerEvent, ListenerOptions, Queue, Recognised,
    Request, RequestKind, StreamId, VoiceModel, Word,
};

use crate::clips::{Track, text};
use crate::heard::{Heard, Shown, Way};
use crate::recognition::{Recognition, processor_ms};

const WORKERS: usize = 2;
const FRAME_MS: u64 = 10;
const ADOPT_WAIT_MS: u64 = 1_000;
const CAPTIONS_APART_MS: u64 = 200;
const PROMPT_CHARS: usize = 200;
/// After the end of the audio everything has to be answered.
const LATEST_MS: u64 = 60_000;

struct Utterance {
    number: u64,
    agreement: Agreement,
    recognised: Option<(Audio, Vec<Word>)>,
    shown_ms: u64,
}

struct Final {
    id: u64,
    request: Request,
    end_ms: u64,
    is_cut: bool,
    over_ms: u64,
    adopts: Option<u64>,
    ask_ms: Option<u64>,
    committed: Vec<Word>,
}

struct Ear {
    listener: Listener<Detector>,
    open: Option<Utterance>,
    /// With whether it looks at a pause that is over.
    asked: Vec<(u64, Request, bool)>,
    waiting: Option<(u64, Audio, u64, bool)>,
    finals: Vec<Final>,
    prompt: String,
}

/// A careful recognition: of what, whether a look, when asked for, begun and done.
struct Careful {
    id: u64,
    audio: Audio,
    is_look: bool,
    asked_ms: u64,
    begun_ms: u64,
    done_ms: u64,
}

struct Busy {
    until_ms: u64,
    id: u64,
    track: usize,
    answer: Recognised,
}

pub(crate) fn hold(
    tracks: &[Track],
    voice: &VoiceModel,
    recognition: &mut Recognition,
    slower: f64,
    trace: bool,
) -> Heard {
    let mut meeting = Meeting {
        ears: tracks.iter().map(|_| Ear::new(voice)).collect(),
        queue: Queue::default(),
        heard: Heard::default(),
        next: 0,
        now_ms: 0,
        careful: Vec::new(),
        trace,
    };
    let mut workers: Vec<Option<Busy>> = (0..WORKERS).map(|_| None).collect();
    let samples = tracks
        .iter()
        .map(|track| track.samples.len())
        .max()
        .unwrap_or_default() as u64;
    for now_ms in 0..samples / 16 + LATEST_MS {
        meeting.now_ms = now_ms;
        if now_ms % FRAME_MS == 0 {
            for (number, track) in tracks.iter().enumerate() {
                let at = now_ms as usize * 16;
                let Some(frame) = track.samples.get(at..at + FRAME_MS as usize * 16) else {
                    continue;
                };
                let begun = processor_ms();
                let events = meeting.ears[number].listener.push(frame);
                meeting.heard.listening_ms += processor_ms() - begun;
                meeting.listen(number, events);
            }
        }
        for worker in &mut workers {
            if worker.as_ref().is_some_and(|busy| busy.until_ms <= now_ms)
                && let Some(busy) = worker.take()
            {
                meeting.answered(busy.track, busy.id, busy.answer);
            }
        }
        meeting.ask_due_finals();
        for worker in &mut workers {
            if worker.is_none()
                && let Some((request, id)) = meeting.queue.pop()
            {
                let (answer, ms) = recognition.of(&request);
                let kind = match request.kind {
                    RequestKind::Partial => 0,
                    RequestKind::Pause => 1,
                    RequestKind::Final => 2,
                };
                meeting.heard.spent[kind].0 += ms;
                meeting.heard.spent[kind].1 += 1;
                if trace {
                    println!(
                        "{now_ms} {} {:?} {} ms for {} ms",
                        request.stream.0,
                        request.kind,
                        ms as u64,
                        request.audio.len() / 16
                    );
                }
                if let Some(careful) = meeting.careful.iter_mut().find(|careful| careful.id == id) {
                    careful.begun_ms = now_ms;
                }
                *worker = Some(Busy {
                    until_ms: now_ms + (ms * slower).round() as u64,
                    id,
                    track: request.stream.0 as usize,
                    answer,
                });
            }
        }
    }
    meeting.heard
}

impl Ear {
    fn new(voice: &VoiceModel) -> Self {
        Self {
            listener: Listener::new(ListenerOptions::default(), voice.detector()),
            open: None,
            asked: Vec::new(),
            waiting: None,
            finals: Vec::new(),
            prompt: String::new(),
        }
    }
}

struct Meeting {
    ears: Vec<Ear>,
    queue: Queue<u64>,
    heard: Heard,
    next: u64,
    now_ms: u64,
    careful: Vec<Careful>,
    trace: bool,
}

impl Meeting {
    fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn listen(&mut self, number: usize, events: Vec<ListenerEvent>) {
        let mut finals = Vec::new();
        for event in events {
            let ear = &mut self.ears[number];
            match event {
                ListenerEvent::SpeechStarted { .. } => {}
                ListenerEvent::PauseOver { utterance } => self.pause_over(number, utterance),
                ListenerEvent::SpeechEnded { .. } => {
                    for last in finals.drain(..) {
                        ear.finals
                            .iter_mut()
                            .filter(|f| f.id == last)
                            .for_each(|f| f.is_cut = false);
                    }
                }
                ListenerEvent::Hypothesise {
                    utterance,
                    audio,
                    start_ms,
                    at_pause,
                } => {
                    ear.open(utterance);
                    self.ask_partial(number, utterance, audio, start_ms, at_pause);
                }
                ListenerEvent::Finalise {
                    utterance,
                    audio,
                    start_ms,
                    end_ms,
                } => {
                    ear.open(utterance);
                    finals.push(self.ask_final(number, audio, start_ms, end_ms));
                }
            }
        }
        self.settle_known(number);
    }

    fn ask_partial(&mut self, number: usize, utterance: u64, audio: Audio, start_ms: u64, at_pause: bool) {
        let id = self.id();
        let ear = &mut self.ears[number];
        let mut asked = ear.asked.iter().filter(|(.., is_stale)| !is_stale);
        if !asked.all(|(_, asked, _)| at_pause && asked.kind == RequestKind::Partial) {
            ear.waiting = Some((utterance, audio, start_ms, at_pause));
            return;
        }
        let settled = match &ear.open {
            Some(open) if open.number == utterance => open.agreement.committed().to_vec(),
            _ => Vec::new(),
        };
        let request = Request {
            stream: StreamId(number as u64),
            utterance,
            kind: if at_pause {
                RequestKind::Pause
            } else {
                RequestKind::Partial
            },
            audio,
            start_ms,
            prompt: ear.prompt.clone(),
            settled,
        };
        ear.asked.push((id, request.clone(), false));
        self.push(request, id);
    }

    fn pause_over(&mut self, number: usize, utterance: u64) {
        let ear = &mut self.ears[number];
        if let Some(waiting) = ear.waiting.as_mut().filter(|waiting| waiting.0 == utterance) {
            waiting.3 = false;
        }
        for (_, asked, is_stale) in &mut ear.asked {
            *is_stale |= (asked.utterance, asked.kind) == (utterance, RequestKind::Pause);
        }
        self.queue.pause_over(StreamId(number as u64), utterance);
    }

    fn push(&mut self, request: Request, id: u64) {
        let track = request.stream.0 as usize;
        if request.kind != RequestKind::Partial {
            self.careful.push(Careful {
                id,
                audio: request.audio.clone(),
                is_look: request.kind == RequestKind::Pause,
                asked_ms: self.now_ms,
                begun_ms: 0,
                done_ms: 0,
            });
        }
        if let Some((overtaken, error)) = self.queue.push(request, id) {
            self.heard.overtaken += 1;
            self.answered(track, overtaken, Err(error));
        }
    }

    fn ask_final(&mut self, number: usize, audio: Audio, start_ms: u64, end_ms: u64) -> u64 {
        let id = self.id();
        let now_ms = self.now_ms;
        let ear = &mut self.ears[number];
        let open = ear.open.take().unwrap();
        ear.waiting = None;
        let same =
            |(_, asked, _): &&(u64, Request, bool)| asked.utterance == open.number && asked.audio == audio;
        let adopts = ear.asked.iter().find(same).map(|(id, ..)| *id);
        if adopts.is_some() {
            self.queue.awaited(StreamId(number as u64), open.number);
        }
        let known = open.recognised.filter(|(recognised, _)| *recognised == audio);
        ear.finals.push(Final {
            id,
            request: Request {
                stream: StreamId(number as u64),
                utterance: open.number,
                kind: RequestKind::Final,
                audio,
                start_ms,
                prompt: ear.prompt.clone(),
                settled: known.as_ref().map(|(_, words)| words.clone()).unwrap_or_default(),
            },
            end_ms,
            is_cut: true,
            over_ms: now_ms,
            adopts,
            ask_ms: match (&known, adopts) {
                (Some(_), _) => None,
                (None, Some(_)) => Some(now_ms + ADOPT_WAIT_MS),
                (None, None) => Some(now_ms),
            },
            committed: open.agreement.committed().to_vec(),
        });
        id
    }

    /// What the last look has heard whole is the record.
    fn settle_known(&mut self, number: usize) {
        let is_known = |f: &Final| f.ask_ms.is_none() && f.adopts.is_none();
        while let Some(index) = self.ears[number].finals.iter().position(is_known) {
            let words = std::mem::take(&mut self.ears[number].finals[index].request.settled);
            self.settle(number, index, words);
        }
    }

    fn ask_due_finals(&mut self) {
        for number in 0..self.ears.len() {
            let mut due = Vec::new();
            for last in &mut self.ears[number].finals {
                if last.ask_ms.is_some_and(|ms| ms <= self.now_ms) {
                    // It is waited for until it is there: finals are never dropped.
                    last.ask_ms = Some(u64::MAX);
                    due.push((last.request.clone(), last.id));
                }
            }
            for (request, id) in due {
                self.push(request, id);
            }
        }
    }

    fn answered(&mut self, number: usize, id: u64, answer: Recognised) {
        if answer == Err(speech::RecogniseError::Astray) {
            self.heard.astray += 1;
        }
        if let Some(careful) = self.careful.iter_mut().find(|careful| careful.id == id) {
            careful.done_ms = self.now_ms;
        }
        let ear = &mut self.ears[number];
        if let Some(index) = ear.finals.iter().position(|f| f.id == id) {
            let words = answer.map(|hypothesis| hypothesis.words).unwrap_or_default();
            self.settle(number, index, words);
            return;
        }
        if let Some(index) = ear.finals.iter().position(|f| f.adopts == Some(id)) {
            ear.finals[index].adopts = None;
            match &answer {
                Ok(hypothesis) => {
                    let words = hypothesis.words.clone();
                    self.settle(number, index, words);
                }
                Err(_) if ear.finals[index].ask_ms != Some(u64::MAX) => {
                    ear.finals[index].ask_ms = Some(self.now_ms)
                }
                Err(_) => {}
            }
        }
        let ear = &mut self.ears[number];
        let Some(at) = ear.asked.iter().position(|(asked, ..)| *asked == id) else {
            return;
        };
        let request = ear.asked.drain(..=at).next_back().unwrap().1;
        if let Ok(hypothesis) = answer {
            self.look(number, &request, &hypothesis);
        }
        if let Some((utterance, audio, start_ms, at_pause)) = self.ears[number].waiting.take() {
            self.ask_partial(number, utterance, audio, start_ms, at_pause);
        }
    }

    fn look(&mut self, number: usize, request: &Request, hypothesis: &Hypothesis) {
        let ear = &mut self.ears[number];
        let Some(open) = ear
            .open
            .as_mut()
            .filter(|open| open.number == hypothesis.utterance)
        else {
            return;
        };
        if request.kind == RequestKind::Pause {
            let is_sentence = speech::is_sentence(&hypothesis.words);
            if ear
                .listener
                .pause_heard(open.number, hypothesis.audio_ms, is_sentence)
            {
                ear.waiting = None;
            }
        }
        let update = open.agreement.update(hypothesis);
        open.recognised = hypothesis
            .is_whole
            .then(|| (request.audio.clone(), hypothesis.words.clone()));
        let at_ms = self.now_ms.max(open.shown_ms + CAPTIONS_APART_MS);
        open.shown_ms = at_ms;
        if self.trace {
            println!(
                "{} {number}   {} | {}",
                self.now_ms,
                text(&update.committed),
                text(&update.tentative)
            );
        }
        self.heard.shown.push(Shown {
            track: number,
            at_ms,
            from_ms: request.start_ms,
            to_ms: request.start_ms + request.audio.len() as u64 / 16,
            committed: update.committed.len(),
            words: [update.committed, update.tentative].concat(),
            is_final: false,
            after_speech_ms: None,
            way: None,
        });
    }

    fn settle(&mut self, number: usize, index: usize, mut words: Vec<Word>) {
        let ear = &mut self.ears[number];
        let last = ear.finals.remove(index);
        if words.is_empty() {
            words = last.committed;
        }
        let prompt: Vec<char> = format!("{} {}", ear.prompt, text(&words).trim())
            .chars()
            .collect();
        ear.prompt = prompt[prompt.len().saturating_sub(PROMPT_CHARS)..]
            .iter()
            .collect();
        if self.trace {
            println!(
                "{} {number} = {} [{}..{}, cut {}]",
                self.now_ms,
                text(&words),
                last.request.start_ms,
                last.end_ms,
                last.is_cut
            );
        }
        // The newest one that heard the same.
        let careful = self.careful.iter().rfind(|careful| {
            careful.begun_ms > 0 && careful.done_ms > 0 && careful.audio == last.request.audio
        });
        let way = careful.map(|careful| Way {
            voice_end_ms: last.end_ms,
            asked_ms: careful.asked_ms,
            begun_ms: careful.begun_ms,
            done_ms: careful.done_ms,
            over_ms: last.over_ms,
            is_look: careful.is_look,
        });
        self.heard.shown.push(Shown {
            way,
            track: number,
            at_ms: self.now_ms,
            from_ms: last.request.start_ms,
            to_ms: last.request.start_ms + last.request.audio.len() as u64 / 16,
            committed: words.len(),
            after_speech_ms: (!last.is_cut && !words.is_empty())
                .then(|| self.now_ms.saturating_sub(last.end_ms)),
            words,
            is_final: true,
        });
    }
}

impl Ear {
    fn open(&mut self, number: u64) {
        if self.open.as_ref().is_none_or(|open| open.number != number) {
            self.open = Some(Utterance {
                number,
                agreement: Agreement::default(),
                recognised: None,
                shown_ms: 0,
            });
        }
    }
}
