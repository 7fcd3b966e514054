//! People who have not agreed to be recognised. They are not subscribed to; what they were saying when they withdrew is
//! dropped, and the ledger says for how long their microphones were open.

use std::collections::BTreeMap;

use serde_json::json;
use store::Consents;
use uuid::Uuid;

use super::core::Session;
use super::coverage::{Cover, Microphone, Stretch};
use super::io::Output;
use super::track::{Ear, EarEvent, Speaker, partial};

/// An open microphone of somebody who has not agreed is written again after so long.
pub const WRITTEN_MS: u64 = 30_000;

/// Open microphones of people who have not agreed, by track.
#[derive(Debug, Default)]
pub(super) struct Declined {
    open: BTreeMap<String, Stretch>,
    next_ms: u64,
}

impl Declined {
    pub(super) fn next_tick_ms(&self) -> Option<u64> {
        (!self.open.is_empty()).then_some(self.next_ms)
    }
}

impl<E: Ear> Session<E> {
    /// Somebody may have changed their mind.
    pub(super) fn consents_changed(&mut self, consents: Consents, now_ms: u64) {
        self.consents = consents;
        let withdrawn: Vec<u64> = self
            .tracks
            .iter()
            .filter(|(_, track)| !self.consents.allow(&track.speaker.identity))
            .map(|(number, _)| *number)
            .collect();
        for number in withdrawn {
            self.withdraw(number, now_ms);
        }
    }

    /// Nothing of what is being said is kept, and nothing more is heard.
    fn withdraw(&mut self, number: u64, now_ms: u64) {
        self.undeafen(number, now_ms);
        let Some(mut track) = self.tracks.remove(&number) else {
            return;
        };
        for event in track.ear.flush() {
            if let EarEvent::Finalise { end_ms, .. } = event
                && let Some(open) = &track.open
            {
                self.coverage.end(open.segment_id, track.clock.meeting_ms(end_ms));
            }
        }
        if let Some(open) = &track.open {
            self.coverage.settle(open.segment_id, Cover::Declined);
            let taken_back = partial(&track.speaker, open, String::new(), now_ms);
            self.out.push(Output::Partial(taken_back));
        }
        let speaker = track.speaker;
        let ids = json!({ "identity": speaker.identity, "track": speaker.track_id });
        self.event("track_unsubscribed", ids);
        if !track.muted {
            self.coverage.microphone(&speaker, Microphone::Closed);
            self.microphone_declined(speaker, true, now_ms);
        }
    }

    /// A microphone of somebody who has not agreed is open, or is not any more.
    pub(super) fn microphone_declined(&mut self, speaker: Speaker, open: bool, now_ms: u64) {
        if !open {
            self.close_declined(&speaker.track_id, now_ms);
            return;
        }
        if self.declined.open.is_empty() {
            self.declined.next_ms = now_ms + WRITTEN_MS;
        }
        let id: Uuid = self.ids.fresh();
        self.declined
            .open
            .entry(speaker.track_id.clone())
            .or_insert(Stretch {
                id,
                speaker,
                start_ms: now_ms,
                end_ms: now_ms,
                cover: Cover::Declined,
            });
    }

    /// It is closed, or heard from now on; until when it was open, if it was.
    pub(super) fn close_declined(&mut self, track_id: &str, now_ms: u64) -> Option<u64> {
        let stretch = self.declined.open.remove(track_id)?;
        self.extend_declined(stretch, now_ms);
        Some(now_ms)
    }

    pub(super) fn close_all_declined(&mut self, now_ms: u64) {
        for stretch in std::mem::take(&mut self.declined.open).into_values() {
            self.extend_declined(stretch, now_ms);
        }
    }

    pub(super) fn go_on_declining(&mut self, now_ms: u64) {
        if self.declined.open.is_empty() || now_ms < self.declined.next_ms {
            return;
        }
        self.declined.next_ms = now_ms + WRITTEN_MS;
        let open = std::mem::take(&mut self.declined.open);
        for (track_id, stretch) in open {
            let longer = self.extend_declined(stretch, now_ms);
            self.declined.open.insert(track_id, longer);
        }
    }

    fn extend_declined(&mut self, stretch: Stretch, now_ms: u64) -> Stretch {
        let by_ms = now_ms.saturating_sub(stretch.end_ms);
        let longer = Stretch {
            end_ms: stretch.end_ms + by_ms,
            ..stretch
        };
        if by_ms > 0 {
            self.coverage.extend(longer.clone(), by_ms);
        }
        longer
    }
}
