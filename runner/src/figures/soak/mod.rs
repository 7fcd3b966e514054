//! `cargo figures soak`: participants come, talk and go for half an hour, with agents in their rooms. What is held when
//! everybody has left, after each round?

mod held;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use super::figure::{Figure, Report};
use crate::api::{Api, Room};
use crate::process::Process;
use crate::servers::{Durability, House};
use crate::setup::Ready;
use held::Held;

/// Our programs that it needs.
pub(super) const PROGRAMS: [&str; 3] = ["agent", "dispatcher", "soak"];
/// Of all rounds but the first, unless it is given.
pub(super) const MINUTES: u64 = 30;
/// Between two looks at what is held.
const ROUND: Duration = Duration::from_secs(150);
const SEED: u64 = 20_261_122;
const PEOPLE: usize = 50;
const ROOMS: usize = 5;
/// Who talks at the same time, in all rooms together: what two processors recognise beside the rest.
const TALKERS: usize = 2;
const VOICE: &str = "two_cities.wav";
const AGENT_LIMIT: Duration = Duration::from_secs(60);
/// By then who has left is gone, and so are the agents of rooms that are called off, with all that waited to be recognised.
const REST_LIMIT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(250);
/// After the last of them is gone: threads that wait for work end after ten seconds without any.
const SETTLE: Duration = Duration::from_secs(12);
/// Growth from the first rest to the last that counts as none: what a heap's pages move from one rest to the next.
const AIM_PSS_MIB: f64 = 8.0;
/// A participant who is kept costs some hundred kilobytes.
const AIM_HEAP_KIB: f64 = 64.0;

const CLIENT: &str = "our client";
const AGENT: &str = "rapporteur agent";
const DISPATCHER: &str = "rapporteur dispatcher";

const MEANING: &str = "Fifty participants on our WebRTC, all in one process, come, talk (a recording of human speech), hear \
the others and go in random order under a fixed seed, in five rooms of ten, each with an agent that recognises them; one in \
eight goes without a word (the connection is dropped). Every two and a half minutes all leave and the rooms are called off, \
and when nothing moves any more it is seen what each process holds; then come new rooms. Before is the rest after a first \
round, which makes what stays for good (threads, connections to the database, buffers of the recogniser); after is the last \
rest. Memory is PSS, which keeps what the allocator does not give back to the system; the client also counts what is \
allocated and not freed, which is exact. A leak grows with each round, so the trend over all rests (least squares) stands \
beside the difference of two of them.";

/// A crowd's answer: see the program `soak` of `system-tests`.
#[derive(Clone, Debug, Deserialize)]
struct Crowd {
    tally: Tally,
    heap_bytes: u64,
    tasks: i64,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
struct Tally {
    joins: u64,
    vanished: u64,
    talks: u64,
    tracks: u64,
    failures: u64,
}

/// What one process holds at a rest.
#[derive(Clone, Copy, Debug)]
struct Rest {
    held: Held,
    /// Of the runtime, where they are known.
    tasks: Option<i64>,
    /// Allocated and not freed, where that is known.
    heap_bytes: Option<u64>,
}

/// A process over all rests.
struct System {
    name: &'static str,
    rests: Vec<Rest>,
}

/// The program `soak`.
struct Program {
    orders: ChildStdin,
    answers: mpsc::Receiver<String>,
    process: Process,
}

impl Program {
    fn start(ready: &Ready, house: &House) -> Result<Self> {
        let mut command = Command::new(ready.binaries.join("soak"));
        command
            .args(["--url", &house.livekit.url, "--voice"])
            .arg(ready.parts.recordings.join(VOICE));
        let (process, orders, output) = Process::start_talking("soak", &mut command, &house.folder)?;
        let (sender, answers) = mpsc::channel(4);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.blocking_send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            orders,
            answers,
            process,
        })
    }

    async fn round(&mut self, seed: u64, tokens: &[String]) -> Result<Crowd> {
        let order =
            json!({"seed": seed, "length_ms": ROUND.as_millis(), "talkers": TALKERS, "tokens": tokens});
        writeln!(self.orders, "{order}")
            .and_then(|()| self.orders.flush())
            .context("the crowd is gone; soak.log says why")?;
        let answer = timeout(2 * ROUND + REST_LIMIT, self.answers.recv()).await;
        let answer = answer
            .context("the crowd does not come to rest")?
            .context("the crowd is gone; soak.log says why")?;
        serde_json::from_str(&answer).with_context(|| format!("an unexpected answer: {answer}"))
    }
}

/// Measures.
///
/// # Errors
/// A part does not start, agents do not come or do not go.
pub(super) async fn measure(ready: &Ready, minutes: u64) -> Result<Report> {
    let folder = ready.cache.run_folder("figures-soak")?;
    eprintln!("servers");
    let told = |part: &str, address: &str| eprintln!("  {part:<18} ready  {address}");
    let house = House::start(
        &ready.parts,
        &ready.binaries,
        &folder.path,
        Durability::Memory,
        told,
    )
    .await?;
    let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
    let organisation = api.organisation("Figures", "Robin").await?;
    let mut program = Program::start(ready, &house)?;
    let mut systems = [CLIENT, AGENT, DISPATCHER].map(|name| System {
        name,
        rests: Vec::new(),
    });
    let rounds = (minutes * 60).div_ceil(ROUND.as_secs()).max(1);
    let mut all = Tally::default();
    for round in 0..=rounds {
        let (rooms, tokens) = rooms(&api, &organisation).await?;
        let crowd = program.round(SEED + round, &tokens).await?;
        for room in &rooms {
            api.room(&organisation, &room.id).cancel().await?;
        }
        let tasks = rest(&house).await?;
        let pid = |process: Option<&Process>| process.map(Process::pid).context("a server is gone");
        let pids = [
            program.process.pid(),
            pid(house.agent.process())?,
            pid(house.dispatcher.process())?,
        ];
        let known = [
            (Some(crowd.tasks), Some(crowd.heap_bytes)),
            (Some(tasks), None),
            (None, None),
        ];
        eprintln!("  {round:>2} of {rounds}  {:?}", crowd.tally);
        for ((system, pid), (tasks, heap_bytes)) in systems.iter_mut().zip(pids).zip(known) {
            let rest = Rest {
                held: Held::of(pid)?,
                tasks,
                heap_bytes,
            };
            eprintln!("            {:<22} {rest:?}", system.name);
            system.rests.push(rest);
        }
        all = all.and(crowd.tally);
    }
    drop(program);
    house.stop().await;
    Ok(report(&systems, &all, minutes))
}

impl Tally {
    fn and(self, more: Self) -> Self {
        Self {
            joins: self.joins + more.joins,
            vanished: self.vanished + more.vanished,
            talks: self.talks + more.talks,
            tracks: self.tracks + more.tracks,
            failures: self.failures + more.failures,
        }
    }
}

/// Rooms with their agents, and a token for each person.
async fn rooms(api: &Api, organisation: &str) -> Result<(Vec<Room>, Vec<String>)> {
    let mut rooms = Vec::new();
    for _ in 0..ROOMS {
        rooms.push(api.schedule(organisation, "Soak", Utc::now()).await?);
    }
    let mut tokens = Vec::new();
    for person in 0..PEOPLE {
        let room = &rooms[person % ROOMS];
        let name = format!("Person {person}");
        let invitation = api.invite(organisation, &room.id, &name, "client").await?;
        tokens.push(invitation.token);
    }
    let until = Instant::now() + AGENT_LIMIT;
    for room in &rooms {
        let room = api.room(organisation, &room.id);
        while !room
            .sessions()
            .await?
            .iter()
            .any(|session| session.joined_at.is_some())
        {
            if Instant::now() > until {
                bail!("no agent comes");
            }
            sleep(POLL).await;
        }
    }
    Ok((rooms, tokens))
}

/// Waits until no session is left, and then a little; the agent's tasks.
async fn rest(house: &House) -> Result<i64> {
    let until = Instant::now() + REST_LIMIT;
    while gauge(&house.agent.url, "rapporteur_agent_sessions").await? > 0 {
        if Instant::now() > until {
            bail!("the agents do not leave rooms that are called off");
        }
        sleep(POLL).await;
    }
    sleep(SETTLE).await;
    gauge(&house.agent.url, "rapporteur_agent_tasks").await
}

async fn gauge(url: &str, name: &str) -> Result<i64> {
    // A connection of its own each time, which is gone when the next thing is looked at.
    let text = reqwest::Client::new()
        .get(format!("{url}/metrics"))
        .send()
        .await?
        .text()
        .await?;
    let of_name = |line: &str| Some(line.strip_prefix(name)?.strip_prefix(' ')?.to_owned());
    let value = text.lines().find_map(of_name);
    let value = value.with_context(|| format!("the agent has no figure {name}"))?;
    Ok(value.trim().parse()?)
}

/// Least squares: how much more each is than the one before it.
fn trend(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let middle = (count - 1.0) / 2.0;
    let mean = values.iter().sum::<f64>() / count;
    let offsets = || (0..values.len()).map(|index| index as f64 - middle);
    let together: f64 = offsets()
        .zip(values)
        .map(|(offset, value)| offset * (value - mean))
        .sum();
    let spread: f64 = offsets().map(|offset| offset * offset).sum();
    if spread == 0.0 { 0.0 } else { together / spread }
}

fn report(systems: &[System], all: &Tally, minutes: u64) -> Report {
    let setting = format!("{PEOPLE} people in {ROOMS} rooms, {minutes} min after a first round");
    let mut figures = Vec::new();
    let mut notes = vec![format!(
        "{} comings, {} of them ended without a word, {} talks, {} tracks heard by the participants, {} failures; seed {SEED}.",
        all.joins, all.vanished, all.talks, all.tracks, all.failures
    )];
    let mut add = |figure, system: &System, value: f64, unit, aim| {
        figures.push(Figure {
            figure,
            system: system.name.to_owned(),
            setting: setting.clone(),
            value,
            unit,
            aim,
        });
    };
    for system in systems {
        let (Some(first), Some(last)) = (system.rests.first(), system.rests.last()) else {
            continue;
        };
        let mib: Vec<f64> = system
            .rests
            .iter()
            .map(|rest| rest.held.pss_kib as f64 / 1024.0)
            .collect();
        let grown = last.held.pss_kib as f64 / 1024.0 - first.held.pss_kib as f64 / 1024.0;
        add(
            "pss_before_mib",
            system,
            first.held.pss_kib as f64 / 1024.0,
            "MiB",
            None,
        );
        add("pss_growth_mib", system, grown, "MiB", Some(AIM_PSS_MIB));
        add("pss_trend_mib_a_round", system, trend(&mib), "MiB", None);
        if let (Some(before), Some(after)) = (first.heap_bytes, last.heap_bytes) {
            let grown = (after as f64 - before as f64) / 1024.0;
            add("heap_growth_kib", system, grown, "KiB", Some(AIM_HEAP_KIB));
            let kib: Vec<f64> = system
                .rests
                .iter()
                .filter_map(|rest| Some(rest.heap_bytes? as f64 / 1024.0))
                .collect();
            add("heap_trend_kib_a_round", system, trend(&kib), "KiB", None);
        }
        let more = |before: usize, after: usize| after as f64 - before as f64;
        let counts = [
            ("threads_growth", more(first.held.threads, last.held.threads)),
            ("sockets_growth", more(first.held.sockets, last.held.sockets)),
            (
                "descriptors_growth",
                more(first.held.descriptors, last.held.descriptors),
            ),
        ];
        for (figure, value) in counts {
            add(figure, system, value, "", Some(0.0));
        }
        if let (Some(before), Some(after)) = (first.tasks, last.tasks) {
            add("tasks_growth", system, (after - before) as f64, "", Some(0.0));
        }
        let mib: Vec<String> = mib.iter().map(|mib| format!("{mib:.1}")).collect();
        notes.push(format!(
            "{}: {} MiB of PSS at the rests.",
            system.name,
            mib.join(", ")
        ));
    }
    notes.push("Compiled as for tests: nothing here is a speed.".to_owned());
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
    fn a_trend_is_found_in_noise_and_a_single_jump_is_a_small_one() {
        assert_eq!(trend(&[5.0]), 0.0);
        assert_eq!(trend(&[1.0, 3.0, 5.0, 7.0]), 2.0);
        let noisy = [10.0, 12.0, 11.0, 9.0, 10.0, 11.0, 12.0, 9.5];
        assert!(trend(&noisy).abs() < 0.2, "{}", trend(&noisy));
        assert!(trend(&[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 4.0]) < 0.4);
    }

    #[test]
    fn growth_is_from_the_first_rest_to_the_last() {
        let rest = |pss_kib, threads, heap_bytes| Rest {
            held: Held {
                pss_kib,
                threads,
                descriptors: 20,
                sockets: 10,
            },
            tasks: Some(3),
            heap_bytes: Some(heap_bytes),
        };
        let system = System {
            name: CLIENT,
            rests: vec![
                rest(10_240, 5, 4_096),
                rest(20_480, 9, 9_000),
                rest(11_264, 6, 2_048),
            ],
        };
        let report = report(&[system], &Tally::default(), 30);
        let value = |name: &str| {
            let found = report.figures.iter().find(|figure| figure.figure == name);
            found.unwrap().value
        };
        assert_eq!(value("pss_growth_mib"), 1.0);
        assert_eq!(value("pss_trend_mib_a_round"), 0.5);
        assert_eq!(value("heap_growth_kib"), -2.0);
        assert_eq!(value("threads_growth"), 1.0);
        assert_eq!(value("tasks_growth"), 0.0);
        assert!(
            report.notes[1].contains("10.0, 20.0, 11.0 MiB"),
            "{:?}",
            report.notes
        );
    }
}
