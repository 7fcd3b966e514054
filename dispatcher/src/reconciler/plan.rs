//! What to do about the schedule as it was read. Pure: the same rows at the same time give the same actions, and rooms
//! that are being acted on are left alone. That a room never has two live epochs is the database's doing (the epoch is
//! raised only from the one that was read); this side keeps a room whose agents die at once from being dispatched in a
//! tight loop.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use store::DueRoom;
use uuid::Uuid;

/// Rooms that are acted on at the same time.
pub const AT_ONCE: usize = 16;
/// The schedule is looked at this often even when nothing seems to change. An outage long enough for a lease to run out
/// in it is so never missed.
pub const LOOK_AT_LEAST: Duration = Duration::from_secs(2);
/// After the database was out of reach its agents get this long to renew before they are held for dead: they were shut
/// out like ourselves, and hold what was said meanwhile. Their renewals come within two seconds of its return.
const RENEWAL_GRACE: Duration = Duration::from_secs(10);
/// And not more often than this by the timer.
const LOOK_AT_MOST: Duration = Duration::from_millis(20);
/// The pause before the third attempt at a room in a row; it doubles with each further one. The second comes at once:
/// a lost agent is replaced without waiting.
const PAUSE_FIRST: Duration = Duration::from_millis(500);
/// Where the doubling ends.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// Attempts further apart than this are not in a row.
const IN_A_ROW: Duration = Duration::from_secs(60);
/// A worker that has a dispatch gets this long to take the room, as long as our agents try: on a machine that is busy with
/// many beginnings another agent would only make it busier. LiveKit's open server does not notice that a worker with a
/// dispatch has died, so it cannot be for ever.
pub const TAKEN_LIMIT: Duration = Duration::from_secs(20);
/// LiveKit keeps a room this much longer than we need it, so that it is we who close it.
const OPEN_MARGIN: Duration = Duration::from_secs(120);

/// The schedule as it was read.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Rooms that should have an agent and have none alive.
    pub due: Vec<DueRoom>,
    /// Open rooms past their end.
    pub past_end: Vec<DueRoom>,
    /// When the rows say something else by themselves, if ever.
    pub next_change: Option<Duration>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Bring an agent, under the epoch after the one in `room`.
    Bring {
        /// The room as it was read.
        room: DueRoom,
        /// How long LiveKit has to keep the room.
        open_for: Duration,
        /// Not if a worker has the newest dispatch: then its agent is waited for once more.
        unless_taken: bool,
    },
    /// Close the room and mark it as over.
    Close {
        /// The room as it was read.
        room: DueRoom,
    },
}

impl Action {
    /// The room it is about.
    pub fn room(&self) -> Uuid {
        match self {
            Self::Bring { room, .. } | Self::Close { room } => room.room,
        }
    }
}

/// What to do, and when to look again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In this order; all may run side by side.
    pub actions: Vec<Action>,
    /// At the latest.
    pub look_again_in: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Attempts {
    last: DateTime<Utc>,
    in_a_row: u32,
}

impl Attempts {
    fn next_at(self) -> DateTime<Utc> {
        let pause = match self.in_a_row {
            0 | 1 => Duration::ZERO,
            more => PAUSE_FIRST.saturating_mul(1 << (more - 2).min(16)).min(PAUSE_MAX),
        };
        self.last + pause
    }

    fn is_old(self, now: DateTime<Utc>) -> bool {
        // A clock that was set back makes every attempt old: rather one too many than none.
        (now - self.last).to_std().map_or(true, |since| since > IN_A_ROW)
    }
}

/// Whether a worker may still be about to take a room that was handed out so long ago.
fn is_early(untaken_ms: i64) -> bool {
    // A clock that was set back: rather one agent too many than none.
    u64::try_from(untaken_ms).is_ok_and(|ms| Duration::from_millis(ms) < TAKEN_LIMIT)
}

/// Decides. Its memory is only about pace: a new one decides the same, sooner.
#[derive(Debug)]
pub struct Planner {
    end_grace: Duration,
    busy: HashSet<Uuid>,
    attempts: HashMap<Uuid, Attempts>,
    wary_until: Option<DateTime<Utc>>,
}

impl Planner {
    /// A planner that closes rooms `end_grace` after their end.
    pub fn new(end_grace: Duration) -> Self {
        Self {
            end_grace,
            busy: HashSet::new(),
            attempts: HashMap::new(),
            wary_until: None,
        }
    }

    /// The database cannot be reached, or could not until just now. Leases that run out meanwhile say nothing about
    /// their agents.
    pub fn out_of_reach(&mut self, now: DateTime<Utc>) {
        self.wary_until = Some(now + RENEWAL_GRACE);
    }

    /// What to do now. The rooms of the actions count as busy until [`Planner::done`].
    pub fn plan(&mut self, seen: &Seen, now: DateTime<Utc>) -> Plan {
        self.attempts.retain(|_, attempts| !attempts.is_old(now));
        let mut plan = Plan {
            actions: Vec::new(),
            look_again_in: seen.next_change.unwrap_or(LOOK_AT_LEAST),
        };
        for room in &seen.past_end {
            let close_at = room.ends_at + self.end_grace;
            self.consider(&mut plan, Action::Close { room: room.clone() }, close_at, now);
        }
        // A clock that was set back must not keep anybody waiting for longer than the grace.
        let overdue_from = self
            .wary_until
            .map_or(now, |until| until.min(now + RENEWAL_GRACE));
        for room in &seen.due {
            let left = (room.ends_at - now).to_std().unwrap_or_default();
            let open_for = left + self.end_grace + OPEN_MARGIN;
            self.consider(
                &mut plan,
                Action::Bring {
                    room: room.clone(),
                    open_for,
                    unless_taken: room.untaken_ms.is_some_and(is_early),
                },
                if room.overdue { overdue_from } else { now },
                now,
            );
        }
        plan.look_again_in = plan.look_again_in.clamp(LOOK_AT_MOST, LOOK_AT_LEAST);
        plan
    }

    fn consider(&mut self, plan: &mut Plan, action: Action, not_before: DateTime<Utc>, now: DateTime<Utc>) {
        let room = action.room();
        if self.busy.contains(&room) {
            return;
        }
        let paced = self.attempts.get(&room).map(|attempts| attempts.next_at());
        let from = paced.map_or(not_before, |paced| paced.max(not_before));
        if from > now {
            let wait = (from - now).to_std().unwrap_or_default();
            plan.look_again_in = plan.look_again_in.min(wait);
            return;
        }
        // The others get their turn when one of these is done.
        if self.busy.len() >= AT_ONCE {
            return;
        }
        self.busy.insert(room);
        let attempts = self.attempts.entry(room).or_insert(Attempts {
            last: now,
            in_a_row: 0,
        });
        *attempts = Attempts {
            last: now,
            in_a_row: attempts.in_a_row.saturating_add(1),
        };
        plan.actions.push(action);
    }

    /// An action has ended, well or not.
    pub fn done(&mut self, room: Uuid) {
        self.busy.remove(&room);
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
