//! The coverage ledger as a state machine: what becomes of each stretch of detected speech, and when open microphones
//! are not heard. It promises that on each track every millisecond that is reported to it is in exactly one stretch, that
//! a stretch moves on and never back, and that what is being said is written down while it is being said.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::track::Speaker;

/// Between two writings. What was said for less than this when an agent dies is in no stretch of its own; the time in
/// which nobody hears is taken to begin a second before the agent's last sign of life, and covers it.
pub const FLUSH_MS: u64 = 500;
/// A stretch that is being said is written again when it has grown by so much.
pub const GROWN_MS: u64 = 2_000;
/// Stretches that are not settled or not written; beyond them no audio is taken in.
pub const STRETCHES_MAX: usize = 4_096;
/// Stretches in one writing.
const BATCH_MAX: usize = 256;

/// Why a stretch is not in the transcript.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum GapReason {
    /// No recogniser gave words for it, often as it was asked.
    RecogniserFailed,
    /// Finals waited for the recogniser beyond the limit: no audio was taken in.
    Overload,
    /// Finals waited for the database beyond the limit: no audio was taken in.
    OutboxFull,
    /// The room was not heard.
    ConnectionLost,
    /// The database refused the segment for good.
    SegmentRefused,
    /// No agent was in the room.
    NoAgent,
}

impl GapReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::RecogniserFailed,
        Self::Overload,
        Self::OutboxFull,
        Self::ConnectionLost,
        Self::SegmentRefused,
        Self::NoAgent,
    ];

    /// As it is in the ledger.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RecogniserFailed => "recogniser_failed",
            Self::Overload => "overload",
            Self::OutboxFull => "outbox_full",
            Self::ConnectionLost => "connection_lost",
            Self::SegmentRefused => "segment_refused",
            Self::NoAgent => "no_agent",
        }
    }
}

/// What becomes of a stretch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cover {
    /// It is being said.
    Open,
    /// It was said and has no words yet.
    Pending,
    /// It has a segment, which brings it into the database.
    Transcribed,
    /// It was recognised, and nothing was said.
    Empty,
    /// The speaker has not agreed.
    Declined,
    /// It is missing.
    Gap(GapReason),
}

/// A stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Its id; the one that its segment has.
    pub id: Uuid,
    /// Who is heard.
    pub speaker: Speaker,
    /// Where it begins.
    pub start_ms: u64,
    /// Where it ends, so far.
    pub end_ms: u64,
    /// What became of it, so far.
    pub cover: Cover,
}

/// How a microphone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Microphone {
    /// Open and heard.
    Heard,
    /// Open, and not heard any more since then.
    HeardUntil(u64),
    /// Muted or gone.
    Closed,
}

/// What is to be written at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CoverageRows {
    /// Stretches that are new or have moved on.
    pub stretches: Vec<Stretch>,
    /// Microphones that are new or have changed.
    pub microphones: Vec<(Speaker, Microphone)>,
}

#[derive(Debug)]
struct Entry {
    track: u64,
    stretch: Stretch,
    dirty: bool,
    written_end_ms: u64,
}

/// The ledger of a session.
#[derive(Debug, Default)]
pub struct Coverage {
    /// Until where each track is accounted for.
    floors: BTreeMap<u64, u64>,
    /// Stretches that are not settled or not written.
    entries: BTreeMap<Uuid, Entry>,
    microphones: BTreeMap<String, (Speaker, Microphone)>,
    writing: bool,
    flush_at_ms: u64,
    settled: Vec<(Cover, u64)>,
}

impl Coverage {
    /// Somebody began to speak.
    pub fn begin(&mut self, track: u64, id: Uuid, speaker: &Speaker, start_ms: u64) {
        let start_ms = start_ms.max(self.floor(track));
        self.put(track, id, speaker, (start_ms, start_ms), Cover::Open);
    }

    /// Whoever speaks on this track has spoken until `until_ms`.
    pub fn grow(&mut self, track: u64, until_ms: u64) {
        let of_track = |entry: &&mut Entry| entry.track == track && entry.stretch.cover == Cover::Open;
        if let Some(entry) = self.entries.values_mut().find(of_track) {
            entry.stretch.end_ms = entry.stretch.end_ms.max(until_ms);
            entry.dirty |= entry.stretch.end_ms >= entry.written_end_ms + GROWN_MS;
        }
    }

    /// It was said from `start_ms` to `end_ms` after all; the place that it has in the ledger.
    pub fn end(&mut self, id: Uuid, end_ms: u64) -> (u64, u64) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return (end_ms, end_ms);
        };
        let stretch = &mut entry.stretch;
        stretch.end_ms = end_ms.max(stretch.start_ms);
        stretch.cover = Cover::Pending;
        entry.dirty = true;
        self.floors.insert(entry.track, stretch.end_ms);
        (stretch.start_ms, stretch.end_ms)
    }

    /// What became of a stretch. A transcribed one leaves the ledger here: its segment carries it from now on.
    pub fn settle(&mut self, id: Uuid, cover: Cover) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        if cover == Cover::Transcribed {
            self.entries.remove(&id);
        } else {
            let length_ms = entry.stretch.end_ms - entry.stretch.start_ms;
            self.settled.push((cover, length_ms));
            entry.stretch.cover = cover;
            entry.dirty = true;
        }
    }

    /// A segment is stored, and with it so much of the ledger.
    pub fn stored(&mut self, heard_ms: (u64, u64)) {
        self.settled.push((Cover::Transcribed, heard_ms.1 - heard_ms.0));
    }

    /// A stretch that had left the ledger, or never was in it, is settled so.
    pub fn restate(&mut self, stretch: Stretch) {
        let length_ms = stretch.end_ms - stretch.start_ms;
        self.extend(stretch, length_ms);
    }

    /// A settled stretch is as long as this now, by so much more than before.
    pub fn extend(&mut self, stretch: Stretch, by_ms: u64) {
        self.settled.push((stretch.cover, by_ms));
        let entry = Entry {
            track: 0,
            stretch,
            dirty: true,
            written_end_ms: 0,
        };
        self.entries.insert(entry.stretch.id, entry);
    }

    /// The track was not heard between two moments. False: that time is accounted for already.
    pub fn unheard(
        &mut self,
        track: u64,
        id: Uuid,
        speaker: &Speaker,
        place: (u64, u64),
        cover: Cover,
    ) -> bool {
        let start_ms = place.0.max(self.floor(track));
        if place.1 <= start_ms {
            return false;
        }
        self.floors.insert(track, place.1);
        self.settled.push((cover, place.1 - start_ms));
        self.put(track, id, speaker, (start_ms, place.1), cover);
        true
    }

    /// Until where a track is accounted for by somebody else.
    pub fn accounted(&mut self, track: u64, until_ms: u64) {
        let floor_ms = self.floor(track).max(until_ms);
        self.floors.insert(track, floor_ms);
    }

    /// A microphone was opened, closed, or is left.
    pub fn microphone(&mut self, speaker: &Speaker, microphone: Microphone) {
        self.microphones
            .insert(speaker.track_id.clone(), (speaker.clone(), microphone));
    }

    /// What is to be written now: nothing while the last writing is on its way, nor before it is time, unless `at_once`.
    pub fn take(&mut self, now_ms: u64, at_once: bool) -> Option<CoverageRows> {
        if self.writing || !self.has_news() || (!at_once && now_ms < self.flush_at_ms) {
            return None;
        }
        self.writing = true;
        self.flush_at_ms = now_ms + FLUSH_MS;
        let mut rows = CoverageRows::default();
        for entry in self
            .entries
            .values_mut()
            .filter(|entry| entry.dirty)
            .take(BATCH_MAX)
        {
            entry.dirty = false;
            entry.written_end_ms = entry.stretch.end_ms;
            rows.stretches.push(entry.stretch.clone());
        }
        rows.microphones = std::mem::take(&mut self.microphones).into_values().collect();
        Some(rows)
    }

    /// The last writing is in the database, or never will be.
    pub fn confirmed(&mut self) {
        self.writing = false;
        let stays =
            |entry: &Entry| entry.dirty || matches!(entry.stretch.cover, Cover::Open | Cover::Pending);
        self.entries.retain(|_, entry| stays(entry));
    }

    /// Whether everything is settled and written.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.microphones.is_empty() && !self.writing
    }

    /// Whether no more stretches are to be opened.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= STRETCHES_MAX
    }

    /// When [`Coverage::take`] wants to be called.
    pub fn next_tick_ms(&self) -> Option<u64> {
        (!self.writing && self.has_news()).then_some(self.flush_at_ms)
    }

    /// What was settled since the last call, with lengths, for the metrics.
    pub fn take_settled(&mut self) -> Vec<(Cover, u64)> {
        std::mem::take(&mut self.settled)
    }

    fn has_news(&self) -> bool {
        !self.microphones.is_empty() || self.entries.values().any(|entry| entry.dirty)
    }

    fn floor(&self, track: u64) -> u64 {
        self.floors.get(&track).copied().unwrap_or(0)
    }

    fn put(&mut self, track: u64, id: Uuid, speaker: &Speaker, place: (u64, u64), cover: Cover) {
        let stretch = Stretch {
            id,
            speaker: speaker.clone(),
            start_ms: place.0,
            end_ms: place.1,
            cover,
        };
        let entry = Entry {
            track,
            stretch,
            dirty: true,
            written_end_ms: place.0,
        };
        self.entries.insert(id, entry);
    }
}

#[cfg(test)]
mod tests;
