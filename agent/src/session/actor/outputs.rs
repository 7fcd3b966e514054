//! What the core says is done here, each thing a future beside the loop.

use tokio::time::Instant;

use super::super::calls::{Caller, Done};
use super::super::ear::ListenerEar;
use super::super::io::{Input, Output};
use super::super::outgoing::{Outgoing, ToRoom};
use super::super::reply;
use super::super::room::RPC_PAYLOAD_MAX_BYTES;
use super::super::voices::{VoiceSound, VoicesHeard};
use super::{Actor, FLUSH_LIMIT};
use crate::metrics::Metrics;
use crate::speakers::Heard;

impl Actor {
    /// Does one thing that the core wants; what follows from it at once comes back as an input.
    pub(super) fn act(&mut self, output: Output<speech::Audio>, now_ms: u64) -> Option<Input<ListenerEar>> {
        let metrics = self.caller.parts.metrics.clone();
        match output {
            Output::Recognise(request) => self.call(|caller| caller.recognise(request)),
            Output::PauseOver { track, utterance } => {
                let stream = speech::StreamId(track);
                self.caller.recogniser.pause_over(stream, utterance);
            }
            Output::Awaited { track, utterance } => {
                let stream = speech::StreamId(track);
                self.caller.recogniser.awaited(stream, utterance);
            }
            Output::Terms(terms) => self.caller.recogniser.expect(&terms),
            Output::HearVoices(request) => {
                let diariser = self.diarisers.lend(&request.identity);
                self.call(|caller| caller.hear_voices(diariser, request));
            }
            Output::Partial(caption) => {
                Metrics::count(&metrics.partials);
                self.live.push(ToRoom::Caption(caption.clone()));
                self.say(ToRoom::Caption(caption));
            }
            Output::Final(caption) => {
                Metrics::count(&metrics.finals);
                metrics.final_delay.observe(now_ms.saturating_sub(caption.end_ms));
                self.say(ToRoom::Caption(caption));
            }
            Output::Store { ticket, write } => self.call(|caller| caller.store(ticket, write)),
            Output::Renew => self.call(Caller::renew),
            Output::LookUp { question, lines } => {
                Metrics::count(&metrics.questions);
                self.call(|caller| caller.look_up(question, lines));
            }
            Output::Give { .. } if !self.room_is_there => return Some(Input::Given),
            Output::Give { id, answer } => self.say(ToRoom::Answer {
                id,
                text: reply::chat_text(&answer),
            }),
            Output::Notice(text) => self.say(ToRoom::Notice {
                text: text.to_owned(),
            }),
            Output::Reply { reply, answer } => {
                let payload =
                    answer.map(|(id, answer)| reply::private_json(id, &answer, RPC_PAYLOAD_MAX_BYTES));
                if let Some(caller) = self.replies.remove(&reply) {
                    // A caller that is gone wants no answer.
                    let _ = caller.send(payload.map_err(str::to_owned));
                }
            }
            Output::State(state) => self.state = Some(state),
            Output::Leave => {
                self.room_is_there = false;
                self.outgoing = Outgoing::default();
                self.call(Caller::leave);
            }
            Output::Release(reason) => self.release = Some((reason, Instant::now() + FLUSH_LIMIT)),
            // `step` has taken it.
            Output::Finished(_) => {}
        }
        None
    }

    /// The diariser of a participant is back.
    pub(super) fn voices_heard(&mut self, identity: &str, heard: Heard) -> VoicesHeard {
        let voices = heard.diariser.voices();
        let sound = |label| {
            let (sound, heard_ms) = voices.sound_of(label)?;
            Some(VoiceSound {
                label,
                sound: sound.to_vec(),
                heard_ms,
            })
        };
        let sounds = voices.labels().filter_map(sound).collect();
        self.diarisers.give_back(identity, heard.diariser);
        VoicesHeard {
            turns: heard.turns.turns,
            recognised: self.diarisers.recognised(identity, &heard.events),
            events: heard.events,
            sounds,
            compute_ms: heard.compute_ms,
        }
    }

    pub(super) fn call<F: Future<Output = Done> + Send + 'static>(&self, call: impl FnOnce(Caller) -> F) {
        self.calls.push(Box::pin(call(self.caller.clone())));
    }

    pub(super) fn say(&mut self, message: ToRoom) {
        if self.room_is_there {
            self.outgoing.push(message);
        }
    }

    /// Starts what is next on each way out, and gives the lease back when it is time.
    pub(super) fn send_on(&mut self) {
        if self.consents_changed && !self.reading_consents {
            self.consents_changed = false;
            self.reading_consents = true;
            self.call(Caller::read_consents);
        }
        if self.voices_changed && !self.reading_voices && self.caller.parts.speakers.is_some() {
            self.voices_changed = false;
            self.reading_voices = true;
            self.call(Caller::read_voices);
        }
        if !self.sending
            && let Some(message) = self.outgoing.pop()
        {
            self.sending = true;
            self.call(|caller| caller.send(message));
        }
        if !self.showing
            && let Some(ToRoom::Caption(caption)) = self.live.pop()
        {
            self.showing = true;
            self.call(|caller| caller.show_partial(caption));
        }
        if !self.setting_state
            && self.room_is_there
            && let Some(state) = self.state.take()
        {
            self.setting_state = true;
            self.call(|caller| caller.show_state(state));
        }
        if let Some((reason, until)) = self.release {
            let delivered = self.outgoing.is_empty() && !self.sending;
            if delivered || !self.room_is_there || Instant::now() >= until {
                self.release = None;
                self.call(|caller| caller.release(reason));
            }
        }
    }
}
