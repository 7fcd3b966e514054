//! `cargo figures join`: from the moment a meeting is due to the moment an agent hears it, ours and livekit-agents in turn;
//! one room after another, and a hundred at once.

mod hundred;

use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use chrono::{DateTime, Utc};
use tokio::time::sleep;

use super::figure::{Figure, OURS, Report, percentile};
use super::observer::Observer;
use super::peer::{AGENT_NAME, LIVEKIT_AGENTS, Worker};
use super::{machine, python};
use crate::api::Api;
use crate::servers::{Durability, House};
use crate::setup::Ready;
use hundred::Hundred;

/// Our programs that it needs.
pub(super) const PROGRAMS: [&str; 3] = ["agent", "dispatcher", "visitors"];
/// So often, each.
const ROUNDS: usize = 20;
/// Before the rounds that count: code, caches and connections that a running service has used before.
const WARM_UP_ROUNDS: usize = 1;
/// The median, ours.
const AIM_MS: f64 = 250.0;
/// The dispatcher brings its agent so long before a meeting's start, unless told otherwise: then it is due.
const LEAD: Duration = Duration::from_secs(60);
/// The observer has to be in the room and published by then.
const UNTIL_DUE: Duration = Duration::from_secs(3);
const ENTER_LIMIT: Duration = Duration::from_secs(15);
const JOIN_LIMIT: Duration = Duration::from_secs(20);
const LEAVE_LIMIT: Duration = Duration::from_secs(15);
/// Others' work on the machine may take this long; then the round is taken anyway, and the report says so.
const QUIET_LIMIT: Duration = Duration::from_secs(300);
/// Rooms to which no agent came, of one system; with more there is nothing to measure.
const MISSED_LIMIT: usize = 10;

const MEANING: &str = "From the moment an agent is due in a room until it hears the room. A person is in the room already \
and publishes a microphone. Due is, for Rapporteur, the moment written in the schedule (nobody calls anything: the dispatcher \
notices by itself, takes an epoch in the database, makes the room and the dispatch, the agent takes its lease); for \
livekit-agents, the call of CreateDispatch, which is only the last of these steps. It ends, for both, when the publishing \
person's client (LiveKit's Python SDK) is told by the server that a subscriber's connection is up and bound to the microphone \
(`local_track_subscribed`). livekit-agents runs `start` with the settings that it ships (a warm process for each processor); \
its agent only connects and subscribes to sound. A hundred at once: the same for a hundred rooms that are due at the same \
moment (their hundred calls of CreateDispatch are made at that moment, side by side), each with a person in it on our own \
client, for both systems: a hundred in Python would take the machine from whom is measured. What it hears ends it, as above. \
A room is without an agent when nobody hears it a minute later. People, media server, database and agents share the \
machine.";

/// What came of one system's rounds.
#[derive(Debug, Default)]
struct Taken {
    joins_ms: Vec<f64>,
    missed: usize,
}

/// Everything that takes part.
struct Ground<'a> {
    api: Api,
    organisation: String,
    house: &'a House,
    observer: Observer,
    noisy_rounds: usize,
}

/// Measures.
///
/// # Errors
/// A part does not start, or agents do not come.
pub(super) async fn measure(ready: &Ready, workspace: &Path) -> Result<Report> {
    let interpreter = python::environment(&ready.cache, workspace, "livekit-agents")?;
    let folder = ready.cache.run_folder("figures-join")?;
    eprintln!("servers");
    let told = |part: &str, address: &str| eprintln!("  {part:<18} ready  {address}");
    let house = House::start(
        &ready.parts,
        &ready.binaries,
        &folder.path,
        Durability::Disk,
        told,
    )
    .await?;
    let peer = Worker::start(&interpreter, workspace, &house.livekit, &folder.path).await?;
    eprintln!("  {LIVEKIT_AGENTS:<18} ready");
    let observer = Observer::start(&interpreter, workspace, &house.livekit, &folder.path).await?;
    let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
    let organisation = api.organisation("Figures", "Robin").await?;
    let mut ground = Ground {
        api,
        organisation,
        house: &house,
        observer,
        noisy_rounds: 0,
    };
    let (mut ours, mut theirs) = (Taken::default(), Taken::default());
    eprintln!("rounds (ms)");
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        let our_ms = ground.until_joined(System::Ours, &mut ours).await?;
        let their_ms = ground.until_joined(System::LivekitAgents, &mut theirs).await?;
        if round < WARM_UP_ROUNDS {
            eprintln!("  warming up   {our_ms:>8.1}  {their_ms:>8.1}");
            continue;
        }
        let number = round + 1 - WARM_UP_ROUNDS;
        eprintln!("  {number:>2} of {ROUNDS}     {our_ms:>8.1}  {their_ms:>8.1}");
        ours.joins_ms.push(our_ms);
        theirs.joins_ms.push(their_ms);
    }
    eprintln!("a hundred at once");
    let mut visitors = Observer::start_lean(&ready.binaries, &house.livekit, &folder.path).await?;
    let mut hundreds = Vec::new();
    for system in [System::Ours, System::LivekitAgents] {
        if !machine::quiet(QUIET_LIMIT).await? {
            ground.noisy_rounds += 1;
        }
        let taken = hundred::take(system, &ground.api, &ground.organisation, &mut visitors).await?;
        eprintln!(
            "  {system:?}: {} rooms have an agent, the last after {:.0} ms",
            taken.joins_ms.len(),
            taken.joins_ms.last().unwrap_or(&0.0)
        );
        hundreds.push(taken);
    }
    let report = match &hundreds[..] {
        [our_hundred, their_hundred] => report(
            [
                (OURS, &ours, our_hundred),
                (LIVEKIT_AGENTS, &theirs, their_hundred),
            ],
            ground.noisy_rounds,
        ),
        _ => bail!("two systems are measured"),
    };
    drop((ground, visitors));
    eprintln!("stopping");
    peer.stop().await;
    house.stop().await;
    Ok(report)
}

#[derive(Clone, Copy, Debug)]
enum System {
    Ours,
    LivekitAgents,
}

impl Ground<'_> {
    /// One room after another until an agent came to one.
    async fn until_joined(&mut self, system: System, taken: &mut Taken) -> Result<f64> {
        loop {
            if !machine::quiet(QUIET_LIMIT).await? {
                self.noisy_rounds += 1;
            }
            let joined_ms = match system {
                System::Ours => self.our_join().await?,
                System::LivekitAgents => self.their_join().await?,
            };
            match joined_ms {
                Some(ms) => return Ok(ms),
                None => taken.missed += 1,
            }
            if taken.missed > MISSED_LIMIT {
                bail!(
                    "agents do not come: the logs are in {}",
                    self.house.folder.display()
                );
            }
        }
    }

    /// Milliseconds; none when nobody came.
    async fn our_join(&mut self) -> Result<Option<f64>> {
        let due = Utc::now() + UNTIL_DUE;
        let scheduled = self.api.schedule(&self.organisation, "Join", due + LEAD).await?;
        let person = self
            .api
            .invite(&self.organisation, &scheduled.id, "Observer", "client")
            .await?;
        let room = &scheduled.livekit_room;
        self.observer.enter(room, Some(&person.token))?;
        let published = self.observer.until("published", room, ENTER_LIMIT).await?;
        if published.at_unix_ms > unix_ms(due) {
            bail!("the observer was late: it took more than {UNTIL_DUE:?} to publish");
        }
        let limit = JOIN_LIMIT + UNTIL_DUE;
        let heard = self.observer.within("subscribed", room, limit).await?;
        self.api.room(&self.organisation, &scheduled.id).cancel().await?;
        self.out(room).await?;
        Ok(heard.map(|heard| heard.at_unix_ms - unix_ms(due)))
    }

    /// Milliseconds; none when nobody came.
    async fn their_join(&mut self) -> Result<Option<f64>> {
        let due = Utc::now() + UNTIL_DUE;
        let room = format!("join-{}", due.timestamp_millis());
        self.observer.enter(&room, None)?;
        self.observer.until("published", &room, ENTER_LIMIT).await?;
        // As long in the room as with us.
        sleep((due - Utc::now()).to_std().unwrap_or_default()).await;
        self.observer.dispatch(&room, AGENT_NAME)?;
        let asked = self.observer.until("dispatching", &room, ENTER_LIMIT).await?;
        let heard = self.observer.within("subscribed", &room, JOIN_LIMIT).await?;
        self.observer.close(&room)?;
        self.out(&room).await?;
        Ok(heard.map(|heard| heard.at_unix_ms - asked.at_unix_ms))
    }

    async fn out(&mut self, room: &str) -> Result<()> {
        self.observer.leave(room)?;
        self.observer.until("out", room, LEAVE_LIMIT).await.map(|_| ())
    }
}

fn unix_ms(at: DateTime<Utc>) -> f64 {
    at.timestamp_micros() as f64 / 1000.0
}

fn report(systems: [(&str, &Taken, &Hundred); 2], noisy_rounds: usize) -> Report {
    let shares: [(&'static str, f64); 4] = [
        ("join_ms_p50", 0.5),
        ("join_ms_p90", 0.9),
        ("join_ms_min", 0.0),
        ("join_ms_max", 1.0),
    ];
    let mut figures = Vec::new();
    for (figure, share) in shares {
        for (system, taken, _) in systems {
            let Some(value) = percentile(&taken.joins_ms, share) else {
                continue;
            };
            figures.push(Figure {
                figure,
                system: system.to_owned(),
                setting: format!(
                    "{} rooms in turn, one silent microphone in each",
                    taken.joins_ms.len()
                ),
                value,
                unit: "ms",
                aim: (system == OURS && figure == "join_ms_p50").then_some(AIM_MS),
            });
        }
    }
    figures.extend(hundred::figures(
        &systems.map(|(system, _, hundred)| (system, hundred, system == OURS)),
    ));
    let mut notes = vec![format!(
        "The two take turns on one livekit-server, both workers running all the time, after {WARM_UP_ROUNDS} round each that \
         does not count. A round waits until the machine is less than a third busy, which also lets livekit-agents refill its \
         warm processes."
    )];
    for (system, taken, _) in systems {
        let mut all = taken.joins_ms.clone();
        all.sort_by(f64::total_cmp);
        let all: Vec<String> = all.iter().map(|ms| format!("{ms:.0}")).collect();
        notes.push(format!("{system}: {} ms.", all.join(", ")));
        if taken.missed > 0 {
            notes.push(format!(
                "{system}: to {} more rooms no agent came within {} s.",
                taken.missed,
                JOIN_LIMIT.as_secs()
            ));
        }
    }
    notes.push(
        "A hundred at once: first ours, then theirs, each one worker with the settings that it ships, the other one idle \
         beside it. livekit-agents takes no job while the machine is busier than it likes, and LiveKit does not ask again; \
         our dispatcher does."
            .to_owned(),
    );
    if noisy_rounds > 0 {
        notes.push(format!(
            "{noisy_rounds} rounds were taken although the machine was not quiet."
        ));
    }
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_stands_beside_theirs_and_only_our_median_has_an_aim() {
        let ours = Taken {
            joins_ms: vec![90.0, 80.0, 100.0],
            missed: 0,
        };
        let theirs = Taken {
            joins_ms: vec![2900.0, 2800.0, 3000.0],
            missed: 2,
        };
        let hundred = Hundred::default();
        let report = report([(OURS, &ours, &hundred), (LIVEKIT_AGENTS, &theirs, &hundred)], 1);
        let values: Vec<_> = report
            .figures
            .iter()
            .take(4)
            .map(|figure| (figure.figure, figure.system.as_str(), figure.value, figure.aim))
            .collect();
        assert_eq!(
            values,
            [
                ("join_ms_p50", OURS, 90.0, Some(AIM_MS)),
                ("join_ms_p50", LIVEKIT_AGENTS, 2900.0, None),
                ("join_ms_p90", OURS, 100.0, None),
                ("join_ms_p90", LIVEKIT_AGENTS, 3000.0, None),
            ]
        );
        let notes = report.notes.join("\n");
        assert!(
            notes.contains("rapporteur: 80, 90, 100 ms.")
                && notes.contains("to 2 more rooms")
                && notes.contains("1 rounds"),
            "{notes}"
        );
    }
}
