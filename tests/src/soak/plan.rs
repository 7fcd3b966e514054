//! Who comes, talks and goes when: drawn from a seed, the same for the same seed.

use std::ops::RangeInclusive;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

const TALK_MS: RangeInclusive<u64> = 500..=4_000;
/// Between two who talk, or two talks of the same person.
const PAUSE_MS: RangeInclusive<u64> = 0..=3_000;
/// Who comes is in the room by then, if the machine is not too busy.
const ENTER_MS: u64 = 1_000;
/// One goodbye in so many is left unsaid.
const VANISH_ONE_IN: u32 = 8;

/// How long people are there and away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Before somebody comes, and comes back.
    pub away_ms: RangeInclusive<u64>,
    /// From coming to going.
    pub present_ms: RangeInclusive<u64>,
}

impl Pace {
    /// Some seconds to half a minute, and back soon.
    pub const RESTLESS: Self = Self {
        away_ms: 200..=8_000,
        present_ms: 2_000..=30_000,
    };
    /// As many comings and goings as fit into a short test.
    pub const HURRIED: Self = Self {
        away_ms: 100..=800,
        present_ms: 1_500..=4_000,
    };
}

/// One thing that somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Since the beginning.
    pub at_ms: u64,
    /// Who: 0, 1, 2, ...
    pub person: usize,
    /// What.
    pub what: What,
}

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Joins and publishes a microphone.
    Enter,
    /// Says a part of the recording.
    Talk {
        /// Where in the recording it begins.
        from_ms: u64,
        /// How long it takes.
        ms: u64,
    },
    /// Says goodbye.
    Leave,
    /// Is gone without a word.
    Vanish,
}

/// What everybody does, in the order of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    events: Vec<Event>,
}

impl Plan {
    /// A plan for so many people and so long, in which at most `talkers` talk at the same time. At its end everybody has
    /// left.
    pub fn new(seed: u64, people: usize, length_ms: u64, talkers: usize, pace: &Pace) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut events = Vec::new();
        let mut stays = Vec::new();
        for person in 0..people {
            let mut now_ms = random.random_range(pace.away_ms.clone());
            loop {
                let until_ms = now_ms + random.random_range(pace.present_ms.clone());
                if until_ms > length_ms {
                    break;
                }
                let goodbye = match random.random_ratio(1, VANISH_ONE_IN) {
                    true => What::Vanish,
                    false => What::Leave,
                };
                let event = |at_ms, what| Event { at_ms, person, what };
                events.extend([event(now_ms, What::Enter), event(until_ms, goodbye)]);
                stays.push((person, now_ms + ENTER_MS, until_ms));
                now_ms = until_ms + random.random_range(pace.away_ms.clone());
            }
        }
        for _ in 0..talkers {
            talk(&mut random, &stays, length_ms, &mut events);
        }
        // Nobody talks twice at once: a talk that begins in another of the same person waits for its end.
        events.sort_by_key(|event| event.at_ms);
        Self { events }
    }

    /// What one person does.
    pub fn of(&self, person: usize) -> impl Iterator<Item = Event> {
        let of_them = self.events.iter().filter(move |event| event.person == person);
        of_them.copied()
    }
}

/// Gives one talker's place to one after the other of those who are present.
fn talk(random: &mut StdRng, stays: &[(usize, u64, u64)], length_ms: u64, events: &mut Vec<Event>) {
    let mut now_ms = 0;
    while now_ms < length_ms {
        let ms = random.random_range(TALK_MS);
        let present: Vec<usize> = stays
            .iter()
            .filter(|(_, from_ms, until_ms)| *from_ms <= now_ms && now_ms + ms <= *until_ms)
            .map(|(person, ..)| *person)
            .collect();
        if !present.is_empty() {
            let from_ms = random.random_range(0..600_000);
            events.push(Event {
                at_ms: now_ms,
                person: present[random.random_range(0..present.len())],
                what: What::Talk { from_ms, ms },
            });
        }
        now_ms += ms + random.random_range(PAUSE_MS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEOPLE: usize = 50;
    const LENGTH_MS: u64 = 300_000;

    #[test]
    fn a_seed_gives_one_plan_and_another_seed_another() {
        let plan = |seed| Plan::new(seed, PEOPLE, LENGTH_MS, 2, &Pace::RESTLESS);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
    }

    #[test]
    fn everybody_comes_before_they_talk_and_is_gone_in_the_end() {
        let plan = Plan::new(7, PEOPLE, LENGTH_MS, 2, &Pace::RESTLESS);
        let (mut stays, mut talks, mut vanished) = (0, 0, 0);
        for person in 0..PEOPLE {
            let mut present = false;
            for event in plan.of(person) {
                assert!(event.at_ms <= LENGTH_MS);
                assert_eq!(event.what != What::Enter, present, "{event:?}");
                match event.what {
                    What::Enter => {
                        present = true;
                        stays += 1;
                    }
                    What::Talk { .. } => talks += 1,
                    What::Leave => present = false,
                    What::Vanish => {
                        present = false;
                        vanished += 1;
                    }
                }
            }
            assert!(!present, "person {person}");
        }
        // A stay takes 16 s on average, and 4 s lie between two.
        assert!((500..900).contains(&stays), "{stays}");
        assert!((50..200).contains(&vanished) && talks > 100, "{vanished} {talks}");
    }

    #[test]
    fn no_more_talk_at_once_than_may() {
        let plan = Plan::new(3, PEOPLE, LENGTH_MS, 2, &Pace::RESTLESS);
        let mut changes: Vec<(u64, i32)> = (0..PEOPLE)
            .flat_map(|person| plan.of(person))
            .filter_map(|event| match event.what {
                What::Talk { ms, .. } => Some([(event.at_ms, 1), (event.at_ms + ms, -1)]),
                _ => None,
            })
            .flatten()
            .collect();
        changes.sort_unstable();
        let mut at_once = 0;
        let most = changes.iter().map(|(_, change)| {
            at_once += change;
            at_once
        });
        assert_eq!(most.max(), Some(2));
    }
}
