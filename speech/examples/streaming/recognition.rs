//! Whisper with a clock of the processor's time. The same question is computed once.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use rustix::time::{ClockId, clock_gettime};
use speech::{Hypothesis, Recognised, Request, RequestKind, WhisperModel, WhisperWorker};

pub(crate) struct Recognition {
    worker: WhisperWorker,
    known: HashMap<(u64, String, String, u8), (Recognised, f64)>,
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
        let from_zero = Request {
            start_ms: 0,
            settled: shifted(&request.settled, -(request.start_ms as i64)),
            ..request.clone()
        };
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
        let (answer, ms) = self.known.entry(key).or_insert_with(|| {
            let begun = processor_ms();
            let answer = worker.recognise(&from_zero);
            (answer, processor_ms() - begun)
        });
        let answer = answer.clone().map(|hypothesis| Hypothesis {
            utterance: request.utterance,
            words: shifted(&hypothesis.words, request.start_ms as i64),
            ..hypothesis
        });
        (answer, *ms)
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
