//! Where the session's course meets its voices.

use serde_json::json;

use super::{ENGINE, Spoken, VoicesHeard};
use crate::session::core::Session;
use crate::session::io::Output;
use crate::session::outbox::Pressure;
use crate::session::track::Ear;
use crate::session::types::Word;
use crate::session::usage::Kind;

impl<E: Ear> Session<E> {
    /// An utterance has words; it may be heard again, for voices.
    pub(in crate::session) fn hear_voices(&mut self, spoken: Spoken<E::Audio>, words: &[Word]) {
        if self.holds_lease() {
            let pressure = self.pressure();
            self.voices.spoken(spoken, words, pressure);
        }
    }

    pub(in crate::session) fn voices_heard(&mut self, identity: &str, heard: Option<VoicesHeard>) {
        if let Some(heard) = &heard {
            self.usage.add_ms(Kind::VoicesCompute, ENGINE, heard.compute_ms);
        }
        self.voices.heard(identity, heard);
    }

    pub(in crate::session) fn go_on_with_voices(&mut self) {
        for (identity, voices) in self.voices.become_several() {
            self.event(
                "several_voices",
                json!({ "identity": identity, "voices": voices }),
            );
        }
        for (identity, from, to) in self.voices.take_splits() {
            self.event(
                "voices_split",
                json!({ "identity": identity, "from": from, "to": to }),
            );
        }
        if self.pressure() == Pressure::None {
            while let Some(request) = self.voices.next() {
                self.out.push(Output::HearVoices(request));
            }
        }
        if let Some(write) = self.voices.rows() {
            self.outbox.push(write);
        }
    }
}
