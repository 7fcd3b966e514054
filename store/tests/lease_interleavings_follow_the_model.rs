//! Two dispatchers and two agents in any order: what the database answers is what a model without a database answers.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use store::{SessionStatus, StoreError};
use uuid::Uuid;

use crate::support::{Database, new_segment};

const LEASE_MINUTES: i64 = 60;
const GRACE_MINUTES: i64 = 90;

/// One step. Dispatchers and agents are numbered 0 and 1.
#[derive(Clone, Debug)]
enum Step {
    /// A dispatcher looks at the schedule and remembers the epoch it saw.
    Look(usize),
    /// A dispatcher hands out the epoch after the one it remembers, however old that is.
    Dispatch(usize),
    /// An agent takes the newest epoch, or the one before.
    Take(usize, i64),
    Renew(usize),
    Append(usize),
    Release(usize),
    Pass(i64),
    End,
    Sweep,
}

/// What was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Done,
    Number(i64),
    Nothing,
    Fenced(i64),
    Conflict,
}

#[derive(Debug)]
struct Session {
    status: SessionStatus,
    worker: Option<usize>,
    lease_ends: i64,
}

/// The rules, in memory and on a clock of minutes.
#[derive(Debug, Default)]
struct Model {
    now: i64,
    epoch: i64,
    ended: bool,
    sequence: i64,
    sessions: BTreeMap<i64, Session>,
}

impl Model {
    fn is_alive(&self, epoch: i64) -> bool {
        self.sessions
            .get(&epoch)
            .is_some_and(|session| is_open(session) && session.lease_ends > self.now)
    }

    fn look(&self) -> Answer {
        if self.ended || self.is_alive(self.epoch) {
            Answer::Nothing
        } else {
            Answer::Number(self.epoch)
        }
    }

    fn dispatch(&mut self, expected: i64) -> Answer {
        if expected != self.epoch || self.ended || self.is_alive(self.epoch) {
            return Answer::Nothing;
        }
        if let Some(old) = self
            .sessions
            .get_mut(&self.epoch)
            .filter(|session| is_open(session))
        {
            old.status = SessionStatus::Expired;
        }
        self.epoch += 1;
        let lease_ends = self.now + GRACE_MINUTES;
        let session = Session {
            status: SessionStatus::Dispatched,
            worker: None,
            lease_ends,
        };
        self.sessions.insert(self.epoch, session);
        Answer::Number(self.epoch)
    }

    fn take(&mut self, epoch: i64, worker: usize) -> Answer {
        if epoch != self.epoch {
            return Answer::Fenced(self.epoch);
        }
        let Some(session) = self.sessions.get_mut(&epoch) else {
            return Answer::Conflict;
        };
        let free = match session.status {
            SessionStatus::Dispatched => true,
            SessionStatus::Running => session.worker == Some(worker),
            SessionStatus::Ended | SessionStatus::Expired => false,
        };
        if self.ended || !free {
            return Answer::Conflict;
        }
        *session = Session {
            status: SessionStatus::Running,
            worker: Some(worker),
            lease_ends: self.now + LEASE_MINUTES,
        };
        Answer::Done
    }

    fn renew(&mut self, epoch: i64) -> Answer {
        match self.sessions.get_mut(&epoch) {
            Some(session) if session.status == SessionStatus::Running => {
                session.lease_ends = self.now + LEASE_MINUTES;
                if self.ended {
                    Answer::Conflict
                } else {
                    Answer::Done
                }
            }
            _ if epoch != self.epoch => Answer::Fenced(self.epoch),
            _ => Answer::Conflict,
        }
    }

    fn append(&mut self, epoch: i64) -> Answer {
        if epoch != self.epoch {
            return Answer::Fenced(self.epoch);
        }
        self.sequence += 1;
        Answer::Number(self.sequence)
    }

    fn release(&mut self, epoch: i64) -> Answer {
        if let Some(session) = self.sessions.get_mut(&epoch)
            && session.status == SessionStatus::Running
        {
            session.status = SessionStatus::Ended;
        }
        Answer::Done
    }

    fn sweep(&mut self) -> Answer {
        let (now, ended) = (self.now, self.ended);
        let lapsed = |session: &&mut Session| ended && is_open(session) && session.lease_ends <= now;
        let mut count = 0;
        for session in self.sessions.values_mut().filter(lapsed) {
            session.status = SessionStatus::Expired;
            count += 1;
        }
        Answer::Number(count)
    }
}

fn is_open(session: &Session) -> bool {
    matches!(session.status, SessionStatus::Dispatched | SessionStatus::Running)
}

fn minutes(minutes: i64) -> Duration {
    Duration::from_secs(60 * u64::try_from(minutes).unwrap())
}

fn answer<T>(result: Result<T, StoreError>, good: impl FnOnce(T) -> Answer) -> Answer {
    match result {
        Ok(value) => good(value),
        Err(StoreError::Fenced { current, .. }) => Answer::Fenced(current),
        Err(StoreError::Conflict { .. }) => Answer::Conflict,
        Err(other) => panic!("{other:?}"),
    }
}

/// A case in a room of its own, of which nothing is left to the next one's looks and sweeps, however it ended.
async fn follow(database: &Database, organisation: Uuid, steps: &[Step]) -> Result<(), TestCaseError> {
    let room = database.room_of(organisation).await.id;
    let outcome = compare(database, organisation, room, steps).await;
    database.store.end_room(organisation, room).await.unwrap();
    database.age_leases(room, 1_000).await;
    database.store.expire_sessions(1_000).await.unwrap();
    outcome
}

/// Runs the steps against both and compares every answer, then the rows.
async fn compare(
    database: &Database,
    organisation: Uuid,
    room: Uuid,
    steps: &[Step],
) -> Result<(), TestCaseError> {
    let store = &database.store;
    let mut model = Model::default();
    let mut remembered = [0; 2];
    let mut held = [0; 2];
    let mut written = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let (expected, real) = match *step {
            Step::Look(dispatcher) => {
                let due = store.due_rooms(Duration::ZERO, 1_000).await.unwrap();
                let real = due
                    .iter()
                    .find(|due| due.room == room)
                    .map_or(Answer::Nothing, |due| Answer::Number(due.epoch));
                if let Answer::Number(epoch) = real {
                    remembered[dispatcher] = epoch;
                }
                (model.look(), real)
            }
            Step::Dispatch(dispatcher) => {
                let epoch = remembered[dispatcher];
                let real = store.begin_dispatch(room, epoch, minutes(GRACE_MINUTES)).await;
                (
                    model.dispatch(epoch),
                    answer(real, |next| next.map_or(Answer::Nothing, Answer::Number)),
                )
            }
            Step::Take(agent, back) => {
                let epoch = model.epoch - back;
                let real = store
                    .take_lease(room, epoch, &format!("worker-{agent}"), minutes(LEASE_MINUTES))
                    .await;
                let real = answer(real, |_| Answer::Done);
                if real == Answer::Done {
                    held[agent] = epoch;
                }
                (model.take(epoch, agent), real)
            }
            Step::Renew(agent) => {
                let real = store.renew_lease(room, held[agent], minutes(LEASE_MINUTES)).await;
                (model.renew(held[agent]), answer(real, |()| Answer::Done))
            }
            Step::Append(agent) => {
                let segment = new_segment(&format!("Step {number}."));
                let real = store
                    .append_segment(organisation, room, held[agent], &segment)
                    .await;
                let real = answer(real, Answer::Number);
                if let Answer::Number(sequence) = real {
                    written.push((sequence, held[agent], segment.text));
                }
                (model.append(held[agent]), real)
            }
            Step::Release(agent) => {
                let real = store.release(organisation, room, held[agent], "test").await;
                (model.release(held[agent]), answer(real, |()| Answer::Done))
            }
            Step::Pass(minutes) => {
                model.now += minutes;
                database.age_leases(room, minutes).await;
                (Answer::Done, Answer::Done)
            }
            Step::End => {
                model.ended = true;
                store.end_room(organisation, room).await.unwrap();
                (Answer::Done, Answer::Done)
            }
            Step::Sweep => {
                // A sweep passes over rows that somebody holds; the next one finds them.
                database.undisturbed(room).await;
                let swept = store.expire_sessions(1_000).await;
                (
                    model.sweep(),
                    answer(swept, |count| Answer::Number(i64::try_from(count).unwrap())),
                )
            }
        };
        prop_assert_eq!(real, expected, "step {}: {:?} in {:?}", number, step, steps);
    }
    let sessions = store.sessions(organisation, room).await.unwrap();
    let real: Vec<_> = sessions
        .iter()
        .map(|session| (session.epoch, session.status))
        .collect();
    let expected: Vec<_> = model
        .sessions
        .iter()
        .map(|(epoch, session)| (*epoch, session.status))
        .collect();
    prop_assert_eq!(real, expected);
    let segments = store.segments(organisation, room, 0, 1_000).await.unwrap();
    let real: Vec<_> = segments
        .into_iter()
        .map(|segment| (segment.sequence, segment.epoch, segment.text))
        .collect();
    prop_assert!(
        real.iter()
            .zip(1..)
            .all(|((sequence, ..), place)| *sequence == place)
    );
    prop_assert!(real.is_sorted_by_key(|(_, epoch, _)| *epoch));
    prop_assert_eq!(real, written);
    Ok(())
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let who = || 0_usize..2;
    let step = prop_oneof![
        4 => who().prop_map(Step::Look),
        4 => who().prop_map(Step::Dispatch),
        5 => (who(), prop_oneof![4 => Just(0), 1 => Just(1_i64)]).prop_map(|(agent, back)| Step::Take(agent, back)),
        4 => who().prop_map(Step::Renew),
        5 => who().prop_map(Step::Append),
        1 => who().prop_map(Step::Release),
        4 => prop_oneof![Just(25_i64), Just(65), Just(95)].prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ];
    // Most meetings do not end within the case.
    (
        prop::collection::vec(step, 5..60),
        prop::option::weighted(0.3, 0_usize..60),
    )
        .prop_map(|(mut steps, end)| {
            if let Some(place) = end.filter(|place| *place < steps.len()) {
                steps.insert(place, Step::End);
            }
            steps
        })
}

#[test]
fn every_answer_is_the_models() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (database, organisation) = runtime.block_on(async {
        let database = Database::new().await;
        let organisation = database.organisation().await;
        (database, organisation)
    });
    TestRunner::new(Config {
        cases: 60,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&steps(), |steps| {
        runtime.block_on(follow(&database, organisation, &steps))
    })
    .unwrap();
}
