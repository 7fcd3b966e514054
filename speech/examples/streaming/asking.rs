//! What a session asks of the recogniser, and when.

use speech::{Audio, ListenerEvent, Request, RequestKind, StreamId};

use crate::ear::Final;
use crate::meeting::{Careful, Meeting};

const ADOPT_WAIT_MS: u64 = 1_000;

impl Meeting<'_> {
    pub(crate) fn listen(&mut self, number: usize, events: Vec<ListenerEvent>) {
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

    pub(crate) fn ask_partial(
        &mut self,
        number: usize,
        utterance: u64,
        audio: Audio,
        start_ms: u64,
        at_pause: bool,
    ) {
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
            prompt: ear.prompt(self.setting.vocabulary),
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
                prompt: ear.prompt(self.setting.vocabulary),
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

    pub(crate) fn ask_due_finals(&mut self) {
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
}
