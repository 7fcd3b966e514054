//! A meeting in virtual time, with what a session does around the speech crate: one partial of a track at a time, the newest
//! one next, a look at a pause becomes the record if nothing more was said, captions 200 ms apart.

use speech::{Audio, Queue, Recognised, RequestKind, VoiceModel};

use crate::clips::Track;
use crate::ear::Ear;
use crate::heard::Heard;
use crate::recognition::{Recognition, processor_ms};

const WORKERS: usize = 2;
const FRAME_MS: u64 = 10;
/// After the end of the audio everything has to be answered.
const LATEST_MS: u64 = 60_000;

/// How a meeting is held.
pub(crate) struct Setting<'a> {
    /// All of Whisper's work takes so many times as long.
    pub(crate) slower: f64,
    /// What Whisper is told before all that was said.
    pub(crate) vocabulary: &'a str,
    pub(crate) trace: bool,
}

/// A careful recognition: of what, whether a look, when asked for, begun and done.
pub(crate) struct Careful {
    pub(crate) id: u64,
    pub(crate) audio: Audio,
    pub(crate) is_look: bool,
    pub(crate) asked_ms: u64,
    pub(crate) begun_ms: u64,
    pub(crate) done_ms: u64,
}

struct Busy {
    until_ms: u64,
    id: u64,
    track: usize,
    answer: Recognised,
}

pub(crate) struct Meeting<'a> {
    pub(crate) setting: &'a Setting<'a>,
    pub(crate) ears: Vec<Ear>,
    pub(crate) queue: Queue<u64>,
    pub(crate) heard: Heard,
    next: u64,
    pub(crate) now_ms: u64,
    pub(crate) careful: Vec<Careful>,
}

impl Meeting<'_> {
    pub(crate) fn id(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

pub(crate) fn hold(
    tracks: &[Track],
    voice: &VoiceModel,
    recognition: &mut Recognition,
    setting: &Setting,
) -> Heard {
    let mut meeting = Meeting {
        setting,
        ears: tracks.iter().map(|_| Ear::new(voice)).collect(),
        queue: Queue::default(),
        heard: Heard::default(),
        next: 0,
        now_ms: 0,
        careful: Vec::new(),
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
                if setting.trace {
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
                    until_ms: now_ms + (ms * setting.slower).round() as u64,
                    id,
                    track: request.stream.0 as usize,
                    answer,
                });
            }
        }
    }
    meeting.heard
}
