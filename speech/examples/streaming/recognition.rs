//! Whisper with a clock of the processor's time. The same question is computed once, wherever in the meeting it is asked. (In
//! noise the answer depends a little on what was said before: there several speakers have less to do than they would.)

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rustix::time::{ClockId, clock_gettime};
use speech::{Hypothesis, Recognised, Request, RequestKind, WhisperModel, WhisperWorker};

pub(crate) struct Recognition {
    worker: WhisperWorker,
    /// By audio, prompt, settled words and kind.
    known: HashMap<(u64, String, String, u8), Known>,
}

struct Known {
    start_ms: u64,
    answer: Recognised,
    ms: f64,
}

/// Of all threads: some of Whisper's work is done by threads that it starts for it.
pub(crate) fn processor_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

impl Recognition {
    pub(crate) fn new(model: &WhisperModel) -> Self {
        Self {
            worker: model.worker().unwrap(),
            known: HashMap::new(),
        }
    }

    /// The answer, and how many milliseconds of a core it takes.
    pub(crate) fn of(&mut self, request: &Request) -> (Recognised, f64) {
        let mut hasher = DefaultHasher::new();
        request.audio.to_vec().hash(&mut hasher);
        let settled: String = request
            .settled
            .iter()
            .map(|word| word.text.clone() + " ")
            .collect();
        let kind = match request.kind {
            RequestKind::Partial => 0,
            RequestKind::Pause => 1,
            RequestKind::Final => 2,
        };
        let key = (hasher.finish(), request.prompt.clone(), settled, kind);
        let worker = &mut self.worker;
        let known = self.known.entry(key).or_insert_with(|| {
            let begun = processor_ms();
            let answer = worker.recognise(request);
            Known {
                start_ms: request.start_ms,
                answer,
                ms: processor_ms() - begun,
            }
        });
        let by_ms = request.start_ms as i64 - known.start_ms as i64;
        let answer = known.answer.clone().map(|hypothesis| Hypothesis {
            utterance: request.utterance,
            words: shifted(&hypothesis.words, by_ms),
            ..hypothesis
        });
        (answer, known.ms)
    }
}

fn shifted(words: &[speech::Word], by_ms: i64) -> Vec<speech::Word> {
    let at = |ms: u64| ms.saturating_add_signed(by_ms);
    words
        .iter()
        .map(|word| speech::Word {
            start_ms: at(word.start_ms),
            end_ms: at(word.end_ms),
            ..word.clone()
        })
        .collect()
}
