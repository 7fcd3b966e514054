//! What happens, as the core is told it: in the room, in the database, and what calls come back with.

use store::RoomChange;

use super::super::calls::{Caller, Done};
use super::super::ear::ListenerEar;
use super::super::io::Input;
use super::super::outgoing::{Outgoing, ToRoom};
use super::super::room::{FromRoom, FromTrack};
use super::super::types::EndReason;
use super::Actor;

impl Actor {
    /// Nobody is heard before it is known who may be.
    pub(super) fn begin(&mut self, consents: store::Consents) {
        self.step(Input::Consents(consents.clone()));
        self.caller.link.hear(consents);
    }

    /// Somebody else changed something, in this room or another.
    pub(super) fn changed(&mut self, change: RoomChange) {
        if !change.concerns(self.caller.room) {
            return;
        }
        match change {
            RoomChange::Consents { .. } => self.consents_changed = true,
            RoomChange::Corrected { segment, .. } => {
                self.call(Caller::learn);
                self.call(move |caller| caller.read_corrected(segment));
            }
            RoomChange::Voices { .. } => self.voices_changed = true,
            RoomChange::People { organisation } => {
                self.voices_changed |= organisation == self.caller.organisation;
            }
            RoomChange::Resynchronise => {
                self.consents_changed = true;
                self.voices_changed = true;
                self.call(Caller::learn);
            }
        }
    }

    pub(super) fn sound(&mut self, event: FromTrack) -> Input<ListenerEar> {
        match event {
            FromTrack::Started { track, speaker } => Input::TrackStarted {
                track,
                speaker,
                ear: ListenerEar::new(self.caller.parts.listening, &self.caller.parts.voice),
            },
            FromTrack::Samples { track, samples } => Input::Audio { track, samples },
            FromTrack::Declined { speaker, open } => Input::Declined { speaker, open },
            FromTrack::Missing {
                track,
                ago_ms,
                reason,
            } => Input::AudioMissing {
                track,
                ago_ms,
                reason,
            },
            FromTrack::Muted { track, muted } => Input::TrackMuted { track, muted },
            FromTrack::Ended { track } => {
                self.caller.recogniser.forget(speech::StreamId(track));
                Input::TrackEnded { track }
            }
        }
    }

    pub(super) fn control(&mut self, event: Option<FromRoom>) -> Input<ListenerEar> {
        let reason = match event {
            Some(FromRoom::Joined { identity, name }) => return Input::ParticipantJoined { identity, name },
            Some(FromRoom::Left { identity }) => return Input::ParticipantLeft { identity },
            Some(FromRoom::Chat { identity, text }) => return Input::Chat { identity, text },
            Some(FromRoom::Asked {
                identity,
                text,
                reply,
            }) => {
                self.next_reply += 1;
                self.replies.insert(self.next_reply, reply);
                return Input::Ask {
                    identity,
                    text,
                    reply: self.next_reply,
                };
            }
            Some(FromRoom::ConnectionLost) => return Input::ConnectionLost,
            Some(FromRoom::ConnectionBack) => return Input::ConnectionBack,
            Some(FromRoom::Disconnected(reason)) => reason,
            None => EndReason::ConnectionLost,
        };
        tracing::info!(room = %self.caller.room, epoch = self.caller.epoch, reason = reason.as_str(), "the room is gone");
        self.room_is_there = false;
        self.outgoing = Outgoing::default();
        Input::Drain(reason)
    }

    pub(super) fn done(&mut self, done: Done) -> Option<Input<ListenerEar>> {
        match done {
            Done::Core(input) => return Some(*input),
            Done::Sent { given } => {
                self.sending = false;
                return given.then_some(Input::Given);
            }
            Done::Shown => self.showing = false,
            Done::StateSet => self.setting_state = false,
            Done::NotRead => {}
            Done::Corrected(caption) => {
                let (segment_id, text) = (caption.segment_id, caption.text.clone());
                self.say(ToRoom::Caption(caption));
                return Some(Input::Corrected { segment_id, text });
            }
            Done::Left => {}
            Done::VoicesHeard { identity, heard } => {
                let heard = heard.map(|heard| self.voices_heard(&identity, heard));
                return Some(Input::VoicesHeard { identity, heard });
            }
            Done::VoicesKnown(known) => {
                self.reading_voices = false;
                match known {
                    Some((known, policy)) => {
                        self.diarisers.learn(known);
                        return Some(Input::VoicePolicy(policy));
                    }
                    None => self.voices_changed = true,
                }
            }
            Done::Consents(read) => {
                self.reading_consents = false;
                match read {
                    // The core first: what comes after this is not taken in.
                    Some(consents) => {
                        self.caller.link.hear(consents.clone());
                        return Some(Input::Consents(consents));
                    }
                    None => self.consents_changed = true,
                }
            }
        }
        None
    }
}
