//! Many participants in one process, who come, talk and go by a plan: the load of the soak.

mod person;
mod plan;
pub mod silence;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep_until};

use person::Person;
pub use plan::{Event, Pace, Plan, What};

/// What came of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Rooms entered.
    pub joins: u64,
    /// Of those, gone without a word: what held the room was dropped, and the server was not told.
    pub vanished: u64,
    /// Times that somebody talked.
    pub talks: u64,
    /// Tracks of others that were heard.
    pub tracks: u64,
    /// Frames of 10 ms of others' sound that were more than silence.
    pub loud_frames: u64,
    /// Rooms that could not be entered, left or talked in.
    pub failures: u64,
}

#[derive(Debug, Default)]
struct Counters {
    joins: AtomicU64,
    vanished: AtomicU64,
    talks: AtomicU64,
    tracks: AtomicU64,
    loud_frames: AtomicU64,
    failures: AtomicU64,
}

impl Counters {
    fn read(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            joins: read(&self.joins),
            vanished: read(&self.vanished),
            talks: read(&self.talks),
            tracks: read(&self.tracks),
            loud_frames: read(&self.loud_frames),
            failures: read(&self.failures),
        }
    }
}

fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// Has everybody do what the plan says; returns when everybody has left. `tokens` has one for each person of the plan,
/// `voice` is what they say (16 kHz mono).
pub async fn run(url: &str, plan: &Plan, tokens: &[String], voice: Arc<[i16]>) -> Tally {
    let counters = Arc::new(Counters::default());
    let begun = Instant::now();
    let people = tokens.iter().enumerate().map(|(person, token)| {
        let events: Vec<Event> = plan.of(person).collect();
        tokio::spawn(live(
            url.to_owned(),
            token.clone(),
            events,
            begun,
            voice.clone(),
            counters.clone(),
        ))
    });
    for person in people.collect::<Vec<_>>() {
        if person.await.is_err() {
            count(&counters.failures);
        }
    }
    counters.read()
}

/// One person's part of the plan. Who was slow to enter is late with what follows.
async fn live(
    url: String,
    token: String,
    events: Vec<Event>,
    begun: Instant,
    voice: Arc<[i16]>,
    counters: Arc<Counters>,
) {
    let mut present: Option<Person> = None;
    for event in events {
        sleep_until(begun + Duration::from_millis(event.at_ms)).await;
        let done = match (event.what, present.take()) {
            (What::Enter, _) => Person::enter(&url, &token, counters.clone()).await.map(|person| {
                count(&counters.joins);
                present = Some(person);
            }),
            (What::Talk { from_ms, ms }, Some(person)) => {
                count(&counters.talks);
                let talked = person.talk(&voice, from_ms, ms).await;
                present = Some(person);
                talked
            }
            (What::Leave, Some(person)) => person.leave().await,
            (What::Vanish, Some(person)) => {
                count(&counters.vanished);
                person.vanish();
                Ok(())
            }
            // Could not enter: that was counted.
            (_, None) => Ok(()),
        };
        if let Err(error) = done {
            tracing::warn!(
                ?event,
                error = format!("{error:#}"),
                "somebody could not do as planned"
            );
            count(&counters.failures);
        }
    }
}
