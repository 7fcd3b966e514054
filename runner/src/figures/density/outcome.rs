//! What is asked of a system, and what came of it.

use super::heard::Gained;
use super::systems::System;
use crate::demo::nearest_rank;

/// What is asked of a system.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) rooms: usize,
    pub(super) participants: usize,
    pub(super) talkers: Talkers,
}

/// Who speaks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Talkers {
    All,
    /// One, now and then two.
    InTurn,
    /// So many, in turn.
    AtOnce(usize),
}

impl Load {
    pub(super) fn setting(self) -> String {
        let Self {
            rooms,
            participants,
            talkers,
        } = self;
        match talkers {
            Talkers::All => format!("{rooms} rooms of {participants} constant talkers"),
            Talkers::InTurn => format!("{rooms} meetings of {participants}, one or two talk"),
            Talkers::AtOnce(talkers) => format!("{rooms} meetings of {participants}, {talkers} talk at once"),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) cores: f64,
    pub(super) server_cores: f64,
    pub(super) crowd_cores: f64,
    pub(super) memory_mb: f64,
    pub(super) gained: Gained,
    pub(super) dropped_datagrams: u64,
    pub(super) quiet: bool,
}

impl Outcome {
    /// Several runs: the median of what they took, and all that was missed.
    pub(super) fn of(runs: &[Self]) -> Self {
        let median = |value: fn(&Self) -> f64| median(runs.iter().map(value).collect());
        let mut gained = Gained::default();
        for run in runs {
            gained += run.gained;
        }
        Self {
            cores: median(|run| run.cores),
            server_cores: median(|run| run.server_cores),
            crowd_cores: median(|run| run.crowd_cores),
            memory_mb: median(|run| run.memory_mb),
            gained,
            dropped_datagrams: runs.iter().map(|run| run.dropped_datagrams).sum(),
            quiet: runs.iter().all(|run| run.quiet),
        }
    }

    pub(super) fn tell(&self, system: System, load: Load) {
        let rooms = load.rooms as f64;
        eprintln!(
            "  {:<24} {:<42} {:.4} cores {:>6.2} MB a room; {} of {} frames missed, {} datagrams dropped; livekit-server {:.2} \
             cores, load {:.2}",
            system.name(),
            load.setting(),
            self.cores / rooms,
            self.memory_mb / rooms,
            self.gained.missed_frames,
            self.gained.expected_frames,
            self.dropped_datagrams,
            self.server_cores,
            self.crowd_cores
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    nearest_rank(&values, 0.5).unwrap_or_default()
}
