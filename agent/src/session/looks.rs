//! Growing utterances are looked at: partials, and looks at pauses, are asked of the recogniser and answered.

use speech::Hypothesis;

use super::core::Session;
use super::hearing::{Purpose, Recognise, RecogniseError};
use super::io::Output;
use super::outbox::Pressure;
use super::track::{AskedPartial, Ear, Look, partial};
use super::usage::Kind;
use super::words::words_of;

impl<E: Ear> Session<E> {
    pub(super) fn ask_partial(&mut self, number: u64, look: Look<E::Audio>) {
        if self.pressure() >= Pressure::NoPartials {
            return;
        }
        let ticket = self.ticket();
        let Some(track) = self.tracks.get_mut(&number) else {
            return;
        };
        if !track.takes(&look) {
            track.partial_waiting = Some(look);
            return;
        }
        track.partial_waiting = None;
        let Look {
            utterance,
            audio,
            start_ms,
            at_pause,
        } = look;
        track.asked.push(AskedPartial {
            ticket,
            utterance,
            audio: audio.clone(),
            at_pause,
            is_stale: false,
        });
        let context = track.context(&self.vocabulary.prompt(), start_ms);
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
        self.adopted(ticket, &result, now_ms);
        let answered = self.tracks.iter_mut().find_map(|(&number, track)| {
            let asked = track.answered(ticket)?;
            Some((number, track, asked))
        });
        let Some((number, track, asked)) = answered else {
            return;
        };
        if let (Ok(hypothesis), Some(open)) = (result, &mut track.open)
            && hypothesis.utterance == open.number
        {
            let is_sentence = speech::is_sentence(&hypothesis.words);
            if asked.at_pause
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
            open.recognised = hypothesis.is_whole.then_some(asked.audio);
            if let Some(text) = open.shown.update(update.text(), now_ms) {
                let caption = partial(&track.speaker, open, text, now_ms);
                self.out.push(Output::Partial(caption));
            }
        }
        if let Some(look) = track.partial_waiting.take() {
            self.ask_partial(number, look);
        }
    }
}
