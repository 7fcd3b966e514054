use super::*;
use chrono::TimeDelta;
use proptest::prelude::*;

const GRACE: Duration = Duration::from_secs(60);

fn at(ms: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(ms)
}

fn room(number: u128, epoch: i64, ends_ms: i64) -> DueRoom {
    DueRoom {
        room: Uuid::from_u128(number),
        organisation: Uuid::nil(),
        livekit_room: format!("rapporteur-{number}"),
        capacity: 20,
        ends_at: at(ends_ms),
        epoch,
        overdue: false,
        untaken_ms: None,
    }
}

fn due(rooms: Vec<DueRoom>) -> Seen {
    Seen {
        due: rooms,
        ..Seen::default()
    }
}

#[test]
fn a_due_room_is_brought_an_agent_at_once_and_kept_open_past_its_end() {
    let plan = Planner::new(GRACE).plan(&due(vec![room(1, 0, 3_600_000)]), at(0));
    let [
        Action::Bring {
            room,
            open_for,
            unless_taken: false,
        },
    ] = &plan.actions[..]
    else {
        panic!("{plan:?}")
    };
    assert_eq!(room.epoch, 0);
    assert!(*open_for >= Duration::from_secs(3600) + GRACE);
}

#[test]
fn the_same_rows_again_give_no_second_action_while_the_first_runs() {
    let mut planner = Planner::new(GRACE);
    let seen = due(vec![room(1, 0, 3_600_000)]);
    assert_eq!(planner.plan(&seen, at(0)).actions.len(), 1);
    assert_eq!(planner.plan(&seen, at(10)).actions, []);
}

#[test]
fn a_lost_agent_is_replaced_at_once_but_not_in_a_tight_loop() {
    let mut planner = Planner::new(GRACE);
    let mut attempts = Vec::new();
    for ms in 0..60_000 {
        let seen = due(vec![room(1, attempts.len() as i64, 3_600_000)]);
        if !planner.plan(&seen, at(ms)).actions.is_empty() {
            attempts.push(ms);
            planner.done(Uuid::from_u128(1));
        }
    }
    assert_eq!(attempts[..5], [0, 1, 501, 1501, 3501]);
    assert!(attempts.len() <= 11, "{attempts:?}");
}

#[test]
fn an_agent_that_has_not_come_is_asked_after_before_the_next_one_is_brought_but_not_for_ever() {
    let asks = |untaken_ms| {
        let waiting = DueRoom {
            untaken_ms,
            ..room(1, 1, 3_600_000)
        };
        let plan = Planner::new(GRACE).plan(&due(vec![waiting]), at(0));
        matches!(
            plan.actions[..],
            [Action::Bring {
                unless_taken: true,
                ..
            }]
        )
    };
    assert!(asks(Some(DISPATCH_GRACE_MS)) && asks(Some(19_999)));
    assert!(!asks(Some(20_000)), "its worker may be dead");
    assert!(!asks(None), "an agent that took the room and died");
    assert!(!asks(Some(-1)));
}

#[test]
fn agents_that_were_shut_out_with_us_get_time_to_renew() {
    let mut planner = Planner::new(GRACE);
    planner.out_of_reach(at(0));
    planner.out_of_reach(at(4_000));
    let mut shut_out = room(1, 1, 3_600_000);
    shut_out.overdue = true;
    let never_had_one = room(2, 0, 3_600_000);
    let seen = due(vec![shut_out.clone(), never_had_one.clone()]);
    let first = planner.plan(&seen, at(4_100));
    assert_eq!(first.actions.len(), 1);
    assert_eq!(first.actions[0].room(), never_had_one.room);
    let seen = due(vec![shut_out.clone()]);
    assert_eq!(planner.plan(&seen, at(13_999)).actions, []);
    assert_eq!(planner.plan(&seen, at(14_000)).actions[0].room(), shut_out.room);
}

#[test]
fn after_a_quiet_minute_the_pace_is_forgotten() {
    let mut planner = Planner::new(GRACE);
    for ms in [0, 61_000, 122_000, 183_000] {
        assert_eq!(
            planner
                .plan(&due(vec![room(1, 0, 3_600_000)]), at(ms))
                .actions
                .len(),
            1,
            "{ms}"
        );
        planner.done(Uuid::from_u128(1));
    }
}

#[test]
fn a_room_is_closed_when_its_grace_is_over() {
    let mut planner = Planner::new(GRACE);
    let seen = Seen {
        past_end: vec![room(1, 1, 1_000)],
        ..Seen::default()
    };
    let early = planner.plan(&seen, at(59_000));
    assert_eq!(early.actions, []);
    assert_eq!(early.look_again_in, Duration::from_secs(2));
    let plan = planner.plan(&seen, at(61_000));
    assert_eq!(
        plan.actions,
        [Action::Close {
            room: room(1, 1, 1_000)
        }]
    );
}

#[test]
fn it_looks_again_when_the_rows_change_by_themselves() {
    let mut planner = Planner::new(GRACE);
    let seen = |ms| Seen {
        next_change: Some(Duration::from_millis(ms)),
        ..Seen::default()
    };
    assert_eq!(
        planner.plan(&seen(700), at(0)).look_again_in,
        Duration::from_millis(700)
    );
    assert_eq!(planner.plan(&seen(0), at(0)).look_again_in, LOOK_AT_MOST);
    assert_eq!(planner.plan(&seen(3_600_000), at(0)).look_again_in, LOOK_AT_LEAST);
}

/// The rows and LiveKit, reduced to what the reconciler reads and does.
#[derive(Clone, Debug)]
struct World {
    now_ms: i64,
    rooms: Vec<RoomRow>,
}

#[derive(Clone, Debug)]
struct RoomRow {
    starts_ms: i64,
    ends_ms: i64,
    epoch: i64,
    ended: bool,
    /// Sessions by epoch from 1: until when each counts as alive.
    alive_until_ms: Vec<i64>,
    /// Epochs that LiveKit was asked to bring.
    dispatched: Vec<i64>,
    /// When the newest epoch was handed out, until an agent takes the room.
    untaken_since_ms: Option<i64>,
    /// Whether workers take the dispatches of this room.
    has_worker: bool,
}

const LEAD_MS: i64 = 60_000;
const DISPATCH_GRACE_MS: i64 = 5_000;
const LEASE_MS: i64 = 5_000;

impl World {
    fn see(&self) -> Seen {
        let rows = self.rooms.iter().zip(1..).filter(|(row, _)| !row.ended);
        let read = |(row, number): (&RoomRow, u128)| DueRoom {
            untaken_ms: row.untaken_since_ms.map(|since_ms| self.now_ms - since_ms),
            ..room(number, row.epoch, row.ends_ms)
        };
        let alive = |row: &RoomRow| row.alive_until_ms.iter().any(|until| *until > self.now_ms);
        let due = rows.clone().filter(|(row, _)| {
            row.starts_ms - LEAD_MS <= self.now_ms && row.ends_ms > self.now_ms && !alive(row)
        });
        let past_end = rows.filter(|(row, _)| row.ends_ms <= self.now_ms);
        Seen {
            due: due.map(read).collect(),
            past_end: past_end.map(read).collect(),
            next_change: None,
        }
    }

    /// `begin_dispatch` as the store promises it.
    fn begin(&mut self, seen: &DueRoom) -> Option<i64> {
        let now_ms = self.now_ms;
        let row = &mut self.rooms[seen.room.as_u128() as usize - 1];
        if row.ended || row.epoch != seen.epoch || row.alive_until_ms.iter().any(|until| *until > now_ms) {
            return None;
        }
        row.epoch += 1;
        row.alive_until_ms.push(now_ms + DISPATCH_GRACE_MS);
        row.untaken_since_ms = Some(now_ms);
        Some(row.epoch)
    }

    /// Whether LiveKit says that a worker has the newest dispatch, and `await_agent` as the store promises it.
    fn is_on_its_way(&mut self, seen: &DueRoom) -> bool {
        let now_ms = self.now_ms;
        let row = &mut self.rooms[seen.room.as_u128() as usize - 1];
        let is_taken = row.has_worker && row.dispatched.last() == Some(&seen.epoch);
        let waits = is_taken && row.epoch == seen.epoch && row.untaken_since_ms.is_some();
        if let Some(until_ms) = row.alive_until_ms.last_mut().filter(|_| waits) {
            *until_ms = now_ms + DISPATCH_GRACE_MS;
        }
        waits
    }

    /// Runs an action up to a step: a killed process does not do the rest.
    fn act(&mut self, action: &Action, steps: u8) {
        let number = action.room().as_u128() as usize - 1;
        match action {
            Action::Bring {
                room, unless_taken, ..
            } if steps > 0 => {
                if *unless_taken && self.is_on_its_way(room) {
                    return;
                }
                if let Some(epoch) = self.begin(room)
                    && steps > 1
                {
                    self.rooms[number].dispatched.push(epoch);
                }
            }
            Action::Close { .. } if steps > 1 => self.rooms[number].ended = true,
            _ => {}
        }
    }

    /// Agents that were asked for and have not been fenced hold their room.
    fn agents_renew(&mut self) {
        for row in &mut self.rooms {
            if row.dispatched.last() == Some(&row.epoch)
                && let Some(until) = row.alive_until_ms.last_mut()
                && *until > self.now_ms
            {
                *until = (*until).max(self.now_ms + LEASE_MS);
                row.untaken_since_ms = None;
            }
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    /// One of two processes looks at the rows; its actions get this far each.
    Look {
        process: usize,
        steps: u8,
    },
    /// One of them is killed and started again.
    Restart {
        process: usize,
    },
    Wait {
        ms: i64,
    },
    AgentsRenew,
    /// Every agent dies.
    AgentsDie,
    /// From now on workers take dispatches, or do not. They need not live to take a room.
    Workers {
        are_there: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2usize, 0..3u8).prop_map(|(process, steps)| Step::Look { process, steps }),
        1 => (0..2usize).prop_map(|process| Step::Restart { process }),
        3 => (1..20_000i64).prop_map(|ms| Step::Wait { ms }),
        2 => Just(Step::AgentsRenew),
        1 => Just(Step::AgentsDie),
        1 => any::<bool>().prop_map(|are_there| Step::Workers { are_there }),
    ]
}

fn look(world: &mut World, planner: &mut Planner, steps: u8) -> Plan {
    let plan = planner.plan(&world.see(), at(world.now_ms));
    for action in &plan.actions {
        world.act(action, steps);
        planner.done(action.room());
    }
    plan
}

/// So many rooms are due at once and nobody's agent takes its room before so long; how many epochs they have used by then.
fn storm(rooms: usize, has_worker: bool, agents_need_ms: i64) -> i64 {
    let row = RoomRow {
        starts_ms: 0,
        ends_ms: 3_600_000,
        epoch: 0,
        ended: false,
        alive_until_ms: vec![],
        dispatched: vec![],
        untaken_since_ms: None,
        has_worker,
    };
    let mut world = World {
        now_ms: 0,
        rooms: vec![row; rooms],
    };
    let mut planner = Planner::new(GRACE);
    while world.now_ms < agents_need_ms {
        look(&mut world, &mut planner, 2);
        world.now_ms += 20;
    }
    world.rooms.iter().map(|row| row.epoch).sum()
}

#[test]
fn a_hundred_agents_that_are_slow_to_come_are_not_asked_for_twice() {
    assert_eq!(storm(107, true, 19_000), 107);
    // A worker that took all of them and died costs 20 s, not for ever.
    assert_eq!(storm(107, true, 24_000), 214);
    // As before where no worker took any: after 5 s each, with growing pauses.
    assert_eq!(storm(107, false, 6_500), 214);
    assert_eq!(storm(107, false, 19_000), 428);
}

proptest! {
    #[test]
    fn two_processes_killed_anywhere_never_give_a_room_two_live_epochs_and_heal(
        starts in prop::collection::vec((0..120_000i64, 60_000..600_000i64), 1..6),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let row = |(starts_ms, length): (i64, i64)| RoomRow {
            starts_ms, ends_ms: starts_ms + length, epoch: 0, ended: false, alive_until_ms: vec![], dispatched: vec![],
            untaken_since_ms: None, has_worker: true,
        };
        let mut world = World { now_ms: 0, rooms: starts.into_iter().map(row).collect() };
        let mut planners = [Planner::new(GRACE), Planner::new(GRACE)];
        for step in steps {
            match step {
                Step::Look { process, steps } => {
                    let before = world.clone();
                    let plan = look(&mut world, &mut planners[process], steps);
                    for action in &plan.actions {
                        let row = &before.rooms[action.room().as_u128() as usize - 1];
                        match action {
                            Action::Bring { .. } => prop_assert!(row.starts_ms - LEAD_MS <= world.now_ms && world.now_ms < row.ends_ms),
                            Action::Close { .. } => prop_assert!(row.ends_ms + GRACE.as_millis() as i64 <= world.now_ms),
                        }
                    }
                }
                Step::Restart { process } => planners[process] = Planner::new(GRACE),
                Step::Wait { ms } => world.now_ms += ms,
                Step::AgentsRenew => world.agents_renew(),
                Step::AgentsDie => {
                    for row in &mut world.rooms {
                        row.dispatched.clear();
                    }
                }
                Step::Workers { are_there } => {
                    for row in &mut world.rooms {
                        row.has_worker = are_there;
                    }
                }
            }
            for row in &world.rooms {
                prop_assert!(row.alive_until_ms.iter().filter(|until| **until > world.now_ms).count() <= 1);
                prop_assert_eq!(row.epoch, row.alive_until_ms.len() as i64);
            }
        }
        // From here on nothing fails: within a dispatch's grace and the longest pause every room has what it needs.
        let mut planner = Planner::new(GRACE);
        for _ in 0..30 {
            world.agents_renew();
            look(&mut world, &mut planner, 2);
            world.now_ms += 1_000;
        }
        for row in world.rooms.iter().filter(|row| !row.ended) {
            let wants_agent = row.starts_ms - LEAD_MS < world.now_ms - 1_000 && world.now_ms < row.ends_ms;
            prop_assert!(!wants_agent || row.dispatched.last() == Some(&row.epoch), "{row:?} at {}", world.now_ms);
            prop_assert!(row.ends_ms + (GRACE.as_millis() as i64) > world.now_ms - 2_000, "{row:?} still open at {}", world.now_ms);
        }
    }

    #[test]
    fn however_many_rooms_are_due_only_so_many_are_acted_on_and_none_is_forgotten(rooms in 0..100u128) {
        let mut planner = Planner::new(GRACE);
        let mut waiting: Vec<DueRoom> = (1..=rooms).map(|number| room(number, 0, 3_600_000)).collect();
        while !waiting.is_empty() {
            let plan = planner.plan(&due(waiting.clone()), at(0));
            prop_assert!(!plan.actions.is_empty() && plan.actions.len() <= AT_ONCE);
            for action in plan.actions {
                planner.done(action.room());
                waiting.retain(|room| room.room != action.room());
            }
        }
    }
}
