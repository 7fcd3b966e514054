//! `cargo figures density`: what a room costs that is only heard, ours and others' with the same load, one system after the
//! other in one run.

mod heard;
mod outcome;
mod program;
mod report;
mod systems;
mod usage;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::{Instant, sleep};

use self::heard::{EDGE_FRAMES, SILENT_EDGE_FRAMES};
use self::outcome::{Load, Outcome, Talkers};
use self::program::{Program, Report as Told};
use self::systems::{Places, Running, System, gained};
use self::usage::{Usage, dropped_datagrams};
use super::figure::Report;
use super::{machine, python};
use crate::servers::Livekit;
use crate::setup::Ready;

/// Our programs that it needs.
pub(super) const PROGRAMS: [&str; 2] = ["crowd", "ears"];
/// Rooms in which systems are compared, one system after the other,
const ROOMS: usize = 8;
/// so often.
const ROUNDS: usize = 3;
/// Rooms of a meeting.
const MEETINGS: usize = 4;
/// So many rooms of two constant talkers are tried, more each time, until a frame is missed.
const HELD: [usize; 6] = [30, 45, 60, 80, 110, 150];
/// What is measured.
const WINDOW: Duration = Duration::from_secs(25);
/// Before it: encoders, delays and detectors have settled, and the rooms' joining is over.
const SETTLE: Duration = Duration::from_secs(8);
/// Before the first room: the program has started.
const IDLE: Duration = Duration::from_secs(3);
const ENTER_LIMIT: Duration = Duration::from_secs(60);
const COUNT_LIMIT: Duration = Duration::from_secs(20);
/// Others' work on the machine may take this long; then the run is taken anyway, and the report says so.
const QUIET_LIMIT: Duration = Duration::from_secs(60);
/// What everybody says, round and round, its pauses shortened to 200 ms.
const SPEECH: &str = "two_cities.wav";

/// Measures.
///
/// # Errors
/// A part does not start, or rooms cannot be entered.
pub(super) async fn measure(ready: &Ready, workspace: &Path) -> Result<Report> {
    let interpreter = python::environment(&ready.cache, workspace, "livekit-agents")?;
    let run = ready.cache.run_folder("figures-density")?;
    let mut livekit = Livekit::start(&ready.parts, &run.path).await?;
    let server_pid = livekit
        .pid()
        .context("this needs a LiveKit of its own: unset LIVEKIT_URL")?;
    let places = Places {
        binaries: &ready.binaries,
        voice_model: &ready.parts.voice_model,
        workspace,
        interpreter: &interpreter,
        folder: &run.path,
        livekit: &livekit,
    };
    let mut command = places.command(ready.binaries.join("crowd"));
    command.arg(ready.parts.recordings.join(SPEECH));
    let mut ground = Ground {
        crowd: Program::start("crowd", &mut command, &run.path).await?,
        server_pid,
        places,
        rooms_made: 0,
    };
    let constant = Load {
        rooms: ROOMS,
        participants: 2,
        talkers: Talkers::All,
    };
    let meeting = |participants, talkers| Load {
        rooms: MEETINGS,
        participants,
        talkers,
    };
    let compared = [System::Ours, System::LivekitAgents, System::PythonClient];
    let mut rounds = compared.map(|system| (system, Vec::new()));
    for _ in 0..ROUNDS {
        for (system, taken) in &mut rounds {
            taken.push(ground.take(*system, constant).await?);
        }
    }
    let mut outcomes: Vec<_> = rounds
        .iter()
        .map(|(system, taken)| (*system, constant, Outcome::of(taken)))
        .collect();
    let plan = [
        (System::Ours, meeting(10, Talkers::InTurn)),
        (System::LivekitAgents, meeting(10, Talkers::InTurn)),
        (System::PythonClient, meeting(10, Talkers::InTurn)),
        (System::Ours, meeting(20, Talkers::InTurn)),
        (System::Ours, meeting(10, Talkers::AtOnce(4))),
        (System::Ours, meeting(10, Talkers::AtOnce(8))),
    ];
    for (system, load) in plan {
        outcomes.push((system, load, ground.take(system, load).await?));
    }
    let mut held = Vec::new();
    for rooms in HELD {
        let load = Load { rooms, ..constant };
        let outcome = ground.take(System::Ours, load).await?;
        held.push((load, outcome));
        if outcome.gained.missed_frames > 0 {
            break;
        }
    }
    ground.crowd.stop().await;
    livekit.stop().await;
    Ok(report::of(&outcomes, &held))
}

struct Ground<'a> {
    crowd: Program,
    server_pid: u32,
    places: Places<'a>,
    rooms_made: usize,
}

impl Ground<'_> {
    async fn take(&mut self, system: System, load: Load) -> Result<Outcome> {
        let quiet = machine::quiet(QUIET_LIMIT).await?;
        let mut running = Running::start(system, &self.places).await?;
        sleep(IDLE).await;
        let idle = running.usage()?;
        let mut rooms = Vec::new();
        for _ in 0..load.rooms {
            self.rooms_made += 1;
            let room = format!("density-{}", self.rooms_made);
            let pattern = match load.talkers {
                Talkers::All => json!("constant"),
                Talkers::InTurn => json!("meeting"),
                Talkers::AtOnce(talkers) => json!({"at_once": talkers}),
            };
            let order = json!({"do": "enter", "room": room, "participants": load.participants, "pattern": pattern,
                "agent": system.agent()});
            self.crowd.order(&order)?;
            let token = self.crowd.entered(&room, ENTER_LIMIT).await?;
            running.enter(&room, &token, load.participants).await?;
            rooms.push(room);
        }
        sleep(SETTLE).await;
        let mut outcome = self.watch(&mut running, &idle, load).await?;
        outcome.quiet = quiet;
        outcome.tell(system, load);
        for room in &rooms {
            running.leave(room)?;
            self.crowd.order(&json!({"do": "leave", "room": room}))?;
        }
        running.stop().await;
        Ok(outcome)
    }

    async fn watch(&mut self, running: &mut Running, idle: &Usage, load: Load) -> Result<Outcome> {
        let edge_frames = match load.talkers {
            Talkers::All => EDGE_FRAMES,
            Talkers::InTurn | Talkers::AtOnce(_) => SILENT_EDGE_FRAMES,
        };
        let dropped = dropped_datagrams()?;
        let pids = [self.server_pid, self.crowd.pid()];
        let others = pids.map(Usage::of);
        let (before, heard, began) = (running.usage()?, running.heard().await?, Instant::now());
        sleep(WINDOW).await;
        let (after, heard_after) = (running.usage()?, running.heard().await?);
        let seconds = began.elapsed().as_secs_f64();
        let [server_cores, crowd_cores] = {
            let mut cores = [0.0; 2];
            for ((cores, before), pid) in cores.iter_mut().zip(others).zip(pids) {
                *cores = (Usage::of(pid)?.core_seconds - before?.core_seconds) / seconds;
            }
            cores
        };
        self.crowd.order(&json!({"do": "count"}))?;
        let counted = |told| match told {
            Told::Counted { refused_packets, .. } => Some(refused_packets),
            _ => None,
        };
        let refused = self.crowd.until("counting", COUNT_LIMIT, counted).await?;
        anyhow::ensure!(
            refused == 0,
            "the load could not be sent: {refused} packets found no place"
        );
        Ok(Outcome {
            cores: (after.core_seconds - before.core_seconds) / seconds,
            server_cores,
            crowd_cores,
            memory_mb: after.memory_bytes.saturating_sub(idle.memory_bytes) as f64 / 1e6,
            gained: gained(&heard, &heard_after, edge_frames),
            dropped_datagrams: dropped_datagrams()? - dropped,
            quiet: false,
        })
    }
}
