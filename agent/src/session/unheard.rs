//! Open microphones that are not heard: no agent was in the room, the connection to it was lost, or the session takes no
//! audio. Each such time is in the ledger, from the last that was heard of the microphone to the first that is heard again.

use uuid::Uuid;

use super::core::Session;
use super::coverage::{Cover, GapReason, Microphone, Stretch};
use super::track::{Ear, Speaker};

/// A lost connection sounds like perfect silence until somebody notices that it is lost; so far back it is believed.
const LOST_BEFORE_MS: u64 = 15_000;
/// Less than this is jitter.
const UNHEARD_MIN_MS: u64 = 500;
/// A microphone that is heard so soon after the session began was open all the time since the session before.
const TAKEOVER_MS: u64 = 10_000;
/// What took the agent's connection may have taken everybody's. Whoever is back so soon after the agent was there all the
/// time; clients try longer than this only seldom.
const RETURN_MS: u64 = 30_000;

/// A microphone that is not heard.
#[derive(Debug)]
pub(super) struct Unheard {
    track: u64,
    speaker: Speaker,
    from_ms: u64,
    /// The row that says so already, written when the lease was taken.
    row: Option<Stretch>,
}

impl<E: Ear> Session<E> {
    /// What the session before this one left: rows are there until the moment of the lease.
    pub(super) fn take_over(&mut self, unheard: Vec<Stretch>) {
        for row in unheard {
            let left = Unheard {
                track: 0,
                speaker: row.speaker.clone(),
                from_ms: row.start_ms,
                row: Some(row),
            };
            self.unheard.insert(left.speaker.track_id.clone(), left);
        }
    }

    pub(super) fn connection_lost(&mut self, now_ms: u64) {
        self.connected = false;
        self.back_ms = None;
        for (number, track) in self.tracks.iter().filter(|(_, track)| !track.muted) {
            let lost = Unheard {
                track: *number,
                speaker: track.speaker.clone(),
                from_ms: track.last_sound_ms.max(now_ms.saturating_sub(LOST_BEFORE_MS)),
                row: None,
            };
            self.unheard.entry(track.speaker.track_id.clone()).or_insert(lost);
        }
    }

    /// The agent hears the room again; whom it does not find there may be on their way.
    pub(super) fn connection_back(&mut self, now_ms: u64) {
        self.connected = true;
        self.back_ms = Some(now_ms);
    }

    /// Somebody is not in the room any more. While the agent's own connection is lost, that says nothing about them.
    pub(super) fn left_unheard(&mut self, identity: &str, now_ms: u64) {
        if self.connected {
            self.give_up_unheard(now_ms, |speaker| speaker.identity == identity);
        }
    }

    /// Those who did not come back were not there from the moment when the agent was.
    pub(super) fn go_on_waiting(&mut self, now_ms: u64) {
        let Some(back_ms) = self.back_ms.filter(|back_ms| now_ms >= back_ms + RETURN_MS) else {
            return;
        };
        self.back_ms = None;
        let gone: Vec<Speaker> = self
            .unheard
            .values()
            .filter(|unheard| unheard.row.is_none() && !self.tracks.contains_key(&unheard.track))
            .map(|unheard| unheard.speaker.clone())
            .collect();
        for speaker in gone {
            self.give_up_unheard(back_ms, |unheard| *unheard == speaker);
            self.coverage.microphone(&speaker, Microphone::Closed);
        }
    }

    pub(super) fn waiting_tick_ms(&self) -> Option<u64> {
        self.back_ms.map(|back_ms| back_ms + RETURN_MS)
    }

    /// The first sound of a track since it may not have been heard; `from_ms` is where that sound begins.
    pub(super) fn heard_again(&mut self, number: u64, from_ms: u64) {
        let Some(track) = self.tracks.get(&number).filter(|_| !self.unheard.is_empty()) else {
            return;
        };
        let speaker = track.speaker.clone();
        // After a connection was made anew the same microphone may have another number.
        let is_this = |unheard: &Unheard| {
            unheard.speaker.track_id == speaker.track_id
                || unheard.speaker.identity == speaker.identity && !self.tracks.contains_key(&unheard.track)
        };
        let Some((key, same)) = self
            .unheard
            .iter()
            .find(|(_, unheard)| is_this(unheard))
            .map(|(key, unheard)| (key.clone(), unheard.track == number))
        else {
            return;
        };
        if same && !self.connected {
            return;
        }
        // What was heard in spite of the lost connection was heard.
        let heard_ms = if same { track.last_sound_ms } else { 0 };
        let is_speaking = track.speaking;
        let Some(unheard) = self.unheard.remove(&key) else {
            return;
        };
        if key != speaker.track_id {
            self.coverage.microphone(&unheard.speaker, Microphone::Closed);
        }
        match unheard.row {
            Some(row) => {
                let soon = from_ms <= self.began_ms + TAKEOVER_MS;
                self.coverage.accounted(number, row.end_ms);
                if soon && from_ms > row.end_ms {
                    self.coverage.accounted(number, from_ms);
                    self.coverage.restate(Stretch {
                        end_ms: from_ms,
                        ..row
                    });
                }
            }
            None if !is_speaking => {
                let place = (unheard.from_ms.max(heard_ms), from_ms);
                self.not_heard(number, &speaker, place, GapReason::ConnectionLost);
            }
            None => {}
        }
    }

    /// Nothing more will be heard of these microphones: what was not heard ends here.
    pub(super) fn give_up_unheard(&mut self, now_ms: u64, is_one: impl Fn(&Speaker) -> bool) {
        let over: Vec<String> = self
            .unheard
            .iter()
            .filter(|(_, unheard)| is_one(&unheard.speaker))
            .map(|(key, _)| key.clone())
            .collect();
        for key in over {
            if let Some(unheard) = self.unheard.remove(&key)
                && unheard.row.is_none()
            {
                let place = (unheard.from_ms, now_ms);
                self.not_heard(unheard.track, &unheard.speaker, place, GapReason::ConnectionLost);
            }
        }
    }

    /// The session takes audio in again, or the track ends before it does.
    pub(super) fn undeafen(&mut self, number: u64, until_ms: u64) -> bool {
        let Some(track) = self.tracks.get_mut(&number) else {
            return false;
        };
        let Some((from_ms, reason)) = track.deaf_since.take() else {
            return false;
        };
        track.clock.resynchronise();
        let speaker = track.speaker.clone();
        self.not_heard(number, &speaker, (from_ms, until_ms), reason);
        let place = serde_json::json!({ "track": speaker.track_id, "from_ms": from_ms, "to_ms": until_ms });
        self.event("audio_shed", place);
        true
    }

    /// Sound of a track did not come to the session. What is lost of a muted microphone is not missing.
    pub(super) fn audio_missing(&mut self, number: u64, ago_ms: (u64, u64), reason: GapReason, now_ms: u64) {
        self.interrupt(number, now_ms);
        if let Some(track) = self
            .tracks
            .get(&number)
            .filter(|track| track.deaf_since.is_none() && !track.muted)
        {
            let speaker = track.speaker.clone();
            let from_ms = now_ms.saturating_sub(ago_ms.0).max(track.open_since_ms);
            let until_ms = now_ms.saturating_sub(ago_ms.1);
            self.not_heard(number, &speaker, (from_ms, until_ms), reason);
        }
    }

    /// How a microphone is left whose track ends: after a lost connection it may still be open.
    pub(super) fn left_behind(&self, last_sound_ms: u64) -> Microphone {
        if self.connected {
            Microphone::Closed
        } else {
            Microphone::HeardUntil(last_sound_ms)
        }
    }

    fn not_heard(&mut self, number: u64, speaker: &Speaker, place: (u64, u64), reason: GapReason) {
        if place.1 < place.0 + UNHEARD_MIN_MS {
            return;
        }
        let id: Uuid = self.ids.fresh();
        self.coverage
            .unheard(number, id, speaker, place, Cover::Gap(reason));
    }
}
