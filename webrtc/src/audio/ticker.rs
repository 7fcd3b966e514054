//! The one clock of all tracks: a thread that calls every active member each 10 or 20 ms, at the slots that [`beat`] gives,
//! and sleeps, at no cost, while there is none. A member that panics is dropped; the others go on.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock, Weak},
    task::Waker,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};

use super::format::TICK_MS;
use crate::beat;

const TICK: Duration = beat::SLOT;
/// How far a starved clock catches up by itself, so that a busy moment delays sound and loses none. A reader who does not
/// get to read between the rounds loses the oldest of more frames than his queue holds, which is ten unless he asks for
/// more. What is older than this is left to the jitter buffers to make up for.
const MAX_BEHIND: Duration = Duration::from_millis(200);

/// Readers are woken when so many have something to read, or everybody has played: each that is woken by itself may take
/// a thread out of its sleep, to which the thread returns before the next one is woken.
const MAX_WAITING_READERS: usize = 64;

/// How often a member is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// Each 10 ms.
    Slot,
    /// Each 20 ms, in the slot in which sound is played.
    Beat,
}

/// Something that has work to do all the time.
pub(crate) trait Paced: Send + Sync {
    /// Does the work of one call; false leaves the ticker until the next [`join`]. `slot` is the
    /// time at which the call was due, which on a starved machine is a little before now. Who has something to read
    /// joins `readers`, whom the ticker wakes together.
    fn tick(&self, slot: Instant, readers: &mut Vec<Waker>) -> bool;
}

/// Has `member` called from the next slot or beat on. A member joins once; only it knows whether it has.
pub(crate) fn join(pace: Pace, member: Weak<dyn Paced>) {
    static TICKER: OnceLock<Option<Arc<Ticker>>> = OnceLock::new();
    if let Some(ticker) = TICKER.get_or_init(Ticker::start) {
        ticker.members.lock().push((pace, member));
        ticker.wake.notify_one();
    }
}

type Member = (Pace, Weak<dyn Paced>);

#[derive(Default)]
struct Ticker {
    members: Mutex<Vec<Member>>,
    wake: Condvar,
}

impl Ticker {
    fn start() -> Option<Arc<Self>> {
        let ticker = Arc::new(Self::default());
        let run = Arc::clone(&ticker);
        match thread::Builder::new()
            .name("audio-ticker".into())
            .spawn(move || run.run())
        {
            Ok(_) => Some(ticker),
            Err(error) => {
                tracing::error!(%error, "no thread for audio: all tracks stay silent");
                None
            }
        }
    }

    fn run(&self) {
        let mut schedule = Schedule::starting(Instant::now());
        let mut round: Vec<Member> = Vec::new();
        let mut readers = Vec::new();
        loop {
            if round.is_empty() {
                let mut members = self.members.lock();
                if members.is_empty() {
                    self.wake.wait_while(&mut members, |members| members.is_empty());
                    schedule = Schedule::starting(Instant::now());
                }
            }
            let now = Instant::now();
            let pace = pace_of(&round);
            let Some(slot) = schedule.take_due(now, pace) else {
                thread::sleep(schedule.next.saturating_duration_since(now));
                continue;
            };
            round.append(&mut self.members.lock());
            let plays = beat::plays(slot);
            round.retain(|(pace, member)| {
                let waits = *pace == Pace::Beat && !plays;
                let stays = waits
                    || member
                        .upgrade()
                        .is_some_and(|member| tick(&*member, slot, &mut readers));
                if readers.len() >= MAX_WAITING_READERS {
                    readers.drain(..).for_each(Waker::wake);
                }
                stays
            });
            readers.drain(..).for_each(Waker::wake);
        }
    }
}

/// The pace of the fastest member.
fn pace_of(round: &[Member]) -> Pace {
    if round.iter().any(|(pace, _)| *pace == Pace::Slot) {
        Pace::Slot
    } else {
        Pace::Beat
    }
}

fn tick(member: &dyn Paced, slot: Instant, readers: &mut Vec<Waker>) -> bool {
    catch_unwind(AssertUnwindSafe(|| member.tick(slot, readers))).unwrap_or_else(|_| {
        tracing::error!("an audio track failed and is dropped");
        false
    })
}

/// When slots are due. Without a clock of its own.
struct Schedule {
    next: Instant,
}

impl Schedule {
    fn starting(now: Instant) -> Self {
        Self {
            next: beat::slot_after(now),
        }
    }

    /// The next slot, or the next in which sound is played, that is due by `now`; slots too far back are passed over.
    fn take_due(&mut self, now: Instant, pace: Pace) -> Option<Instant> {
        let behind = now.saturating_duration_since(self.next);
        if behind > MAX_BEHIND {
            let passed_over = (behind - MAX_BEHIND).as_millis().div_ceil(u128::from(TICK_MS));
            self.next += TICK * u32::try_from(passed_over).unwrap_or(u32::MAX);
        }
        if pace == Pace::Beat && !beat::plays(self.next) {
            self.next += TICK;
        }
        if self.next > now {
            return None;
        }
        let slot = self.next;
        self.next += TICK;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        task::Wake,
    };

    use super::*;

    #[test]
    fn a_punctual_clock_gets_each_slot_once() {
        let mut schedule = Schedule::starting(Instant::now());
        let start = schedule.next;
        for slot in 0..1_000 {
            let due = start + TICK * slot;
            assert_eq!(
                schedule.take_due(due + Duration::from_millis(3), Pace::Slot),
                Some(due)
            );
            assert_eq!(
                schedule.take_due(due + Duration::from_millis(9), Pace::Slot),
                None
            );
        }
    }

    #[test]
    fn a_starved_clock_catches_up_by_a_short_burst_only() {
        let mut schedule = Schedule::starting(Instant::now());
        let start = schedule.next;
        let now = start + Duration::from_millis(1_003);
        let burst: Vec<_> = std::iter::from_fn(|| schedule.take_due(now, Pace::Slot)).collect();
        assert_eq!(burst.len(), 20);
        assert_eq!(burst.last(), Some(&(start + Duration::from_millis(1_000))));
        assert!(burst.windows(2).all(|pair| pair[1] - pair[0] == TICK));
    }

    #[test]
    fn a_clock_of_beats_wakes_half_as_often_and_loses_none() {
        let mut schedule = Schedule::starting(Instant::now());
        let start = schedule.next;
        let slots: Vec<_> = (0..1_000_u32)
            .filter_map(|at| schedule.take_due(start + TICK * at, Pace::Beat))
            .collect();
        assert!(slots.len() >= 499 && slots.iter().all(|slot| beat::plays(*slot)));
        assert!(slots.windows(2).all(|pair| pair[1] - pair[0] == beat::BEAT));
        assert!(
            schedule.next > start + TICK * 999,
            "it sleeps until the next beat"
        );
    }

    struct Heard {
        seen: mpsc::SyncSender<Instant>,
        panics: bool,
    }

    impl Paced for Heard {
        fn tick(&self, slot: Instant, _: &mut Vec<Waker>) -> bool {
            assert!(!self.panics, "a member that fails");
            self.seen.send(slot).is_ok()
        }
    }

    #[test]
    fn a_failing_member_takes_no_other_with_it() {
        let (seen, slots) = mpsc::sync_channel(0);
        let bad: Arc<dyn Paced> = Arc::new(Heard {
            seen: seen.clone(),
            panics: true,
        });
        let good: Arc<dyn Paced> = Arc::new(Heard { seen, panics: false });
        join(Pace::Slot, Arc::downgrade(&bad));
        join(Pace::Slot, Arc::downgrade(&good));
        let slots: Vec<_> = slots.iter().take(3).collect();
        assert!(slots.windows(2).all(|pair| pair[1] > pair[0]));
    }
    /// A reader, and how often he had been woken when each of the calls came.
    #[derive(Default)]
    struct Reader {
        woken: AtomicUsize,
        seen: Mutex<Vec<(Instant, usize)>>,
    }

    impl Wake for Reader {
        fn wake(self: Arc<Self>) {
            self.woken.fetch_add(1, Ordering::Relaxed);
        }
    }

    struct Player(Arc<Reader>);

    impl Paced for Player {
        fn tick(&self, slot: Instant, readers: &mut Vec<Waker>) -> bool {
            let woken = self.0.woken.load(Ordering::Relaxed);
            self.0.seen.lock().push((slot, woken));
            readers.push(Arc::clone(&self.0).into());
            true
        }
    }

    #[test]
    fn readers_are_woken_when_all_have_played() {
        let reader = Arc::<Reader>::default();
        let (seen, slots) = mpsc::sync_channel(0);
        let members: [Arc<dyn Paced>; 3] = [
            Arc::new(Player(reader.clone())),
            Arc::new(Player(reader.clone())),
            Arc::new(Heard { seen, panics: false }),
        ];
        for member in &members {
            join(Pace::Slot, Arc::downgrade(member));
        }
        let _ = slots.iter().take(4).count();
        let seen = reader.seen.lock();
        let rounds: Vec<_> = seen.chunk_by(|a, b| a.0 == b.0).collect();
        assert!(rounds.iter().any(|round| round.len() == 2));
        for round in &rounds {
            assert!(round.iter().all(|(_, woken)| *woken == round[0].1), "{round:?}");
        }
        assert!(rounds.windows(2).all(|pair| pair[1][0].1 > pair[0][0].1));
    }
}
