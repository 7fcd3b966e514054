//! What a session does with answers.

use speech::{Hypothesis, Recognised, Request, RequestKind, Word};

use crate::clips::text;
use crate::ear::Final;
use crate::heard::{Shown, Way};
use crate::meeting::Meeting;

const CAPTIONS_APART_MS: u64 = 200;

impl Meeting<'_> {
    pub(crate) fn answered(&mut self, number: usize, id: u64, answer: Recognised) {
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
        if self.setting.trace {
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

    /// What the last look has heard whole is the record.
    pub(crate) fn settle_known(&mut self, number: usize) {
        let is_known = |f: &Final| f.ask_ms.is_none() && f.adopts.is_none();
        while let Some(index) = self.ears[number].finals.iter().position(is_known) {
            let words = std::mem::take(&mut self.ears[number].finals[index].request.settled);
            self.settle(number, index, words);
        }
    }

    fn settle(&mut self, number: usize, index: usize, mut words: Vec<Word>) {
        let ear = &mut self.ears[number];
        let last = ear.finals.remove(index);
        if words.is_empty() {
            words = last.committed;
        }
        ear.said(text(&words).trim());
        if self.setting.trace {
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
