//! `cargo figures density`: what a room costs that is only heard, ours and others' with the same load, one system after the
//! other in one run.

mod heard;
mod program;
mod systems;
mod usage;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::json;
use tokio::time::{Instant, sleep};

use self::heard::{EDGE_FRAMES, Gained, SILENT_EDGE_FRAMES};
use self::program::{Program, Report as Told};
use self::systems::{Places, Running, System, gained};
use self::usage::{Usage, dropped_datagrams};
use super::figure::{Figure, OURS, ROOMS_HELD, Report};
use super::{machine, python};
use crate::servers::Livekit;
use crate::setup::Ready;

/// Our programs that it needs.
pub(super) const PROGRAMS: [&str; 2] = ["crowd", "ears"];
/// Rooms in which systems are compared.
const ROOMS: usize = 8;
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

const AIM_CORES: f64 = 0.008;
const AIM_MB: f64 = 1.0;
/// Of what livekit-agents takes.
const AIM_SHARE: f64 = 1.0 / 12.0;
const AIM_ROOMS: f64 = 150.0;

const MEANING: &str = "Rooms that are heard, with no recogniser. Everybody's sound is subscribed to, decoded, brought to 16 kHz mono \
and given to the voice detector. rapporteur: the room adapter and the listener of its sessions in one process, without what stands \
behind them (`tests/src/bin/ears.rs`); livekit-agents: a worker whose job does the same with the bundled detector \
(`inference.VAD`), as it ships but for the load at which it takes no more rooms; the Python client alone: one process, the same \
audio streams and no detector. The load is the same for each and comes from one process of our own (`tests/src/bin/crowd`): real \
clients of LiveKit with one connection each, whose speech was encoded once (a human voice, 20 ms Opus at 32 kbit/s, audio levels as \
they are). Constant talkers never pause for more than 200 ms. In a meeting one speaks for five seconds, in every third turn a \
second one too; the others send what an encoder sends that has nothing to say (DTX), a packet each 400 ms. Cores are processor time \
of the system's processes by the time measured; memory is their PSS (shared pages by their share) less what they had before the \
first room. Missed frames are 10 ms of a track that did not reach the program, of those that were due. livekit-server and the load \
run on the same two cores.";

/// What is asked of a system.
#[derive(Clone, Copy)]
struct Load {
    rooms: usize,
    participants: usize,
    meeting: bool,
}

impl Load {
    fn setting(self) -> String {
        let Self {
            rooms, participants, ..
        } = self;
        match self.meeting {
            true => format!("{rooms} meetings of {participants}, one or two talk"),
            false => format!("{rooms} rooms of {participants} constant talkers"),
        }
    }
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Outcome {
    cores: f64,
    server_cores: f64,
    crowd_cores: f64,
    memory_mb: f64,
    gained: Gained,
    dropped_datagrams: u64,
    quiet: bool,
}

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
        meeting: false,
    };
    let meeting = |participants| Load {
        rooms: MEETINGS,
        participants,
        meeting: true,
    };
    let plan = [
        (System::Ours, constant),
        (System::LivekitAgents, constant),
        (System::PythonClient, constant),
        (System::Ours, meeting(10)),
        (System::LivekitAgents, meeting(10)),
        (System::Ours, meeting(20)),
    ];
    let mut outcomes = Vec::new();
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
    Ok(report(&outcomes, &held))
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
            let pattern = if load.meeting { "meeting" } else { "constant" };
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
        let edge_frames = if load.meeting {
            SILENT_EDGE_FRAMES
        } else {
            EDGE_FRAMES
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

impl Outcome {
    fn tell(&self, system: System, load: Load) {
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

fn report(outcomes: &[(System, Load, Outcome)], held: &[(Load, Outcome)]) -> Report {
    let mut figures = Vec::new();
    let row = |figure, system: &str, setting: String, value, unit, aim| Figure {
        figure,
        system: system.to_owned(),
        setting,
        value,
        unit,
        aim,
    };
    for (system, load, outcome) in outcomes {
        let rooms = load.rooms as f64;
        let aim = |aim| Some(aim).filter(|_| *system == System::Ours && !load.meeting);
        figures.push(row(
            "cores_per_room",
            system.name(),
            load.setting(),
            outcome.cores / rooms,
            "cores",
            aim(AIM_CORES),
        ));
        figures.push(row(
            "memory_per_room_mb",
            system.name(),
            load.setting(),
            outcome.memory_mb / rooms,
            "MB",
            aim(AIM_MB),
        ));
        let missed = outcome.gained.missed_frames as f64;
        let frames = outcome.gained.expected_frames.max(1) as f64;
        figures.push(row(
            "missed_frames",
            system.name(),
            load.setting(),
            missed / frames,
            "share",
            aim(0.0),
        ));
    }
    let cores = |wanted: System| {
        let constant = |(system, load, _): &&(System, Load, Outcome)| *system == wanted && !load.meeting;
        outcomes
            .iter()
            .find(constant)
            .map(|(_, _, outcome)| outcome.cores)
    };
    if let (Some(ours), Some(theirs)) = (cores(System::Ours), cores(System::LivekitAgents)) {
        let setting = "rooms of 2 constant talkers, by what livekit-agents takes".to_owned();
        figures.push(row(
            "cores_against_livekit_agents",
            OURS,
            setting,
            ours / theirs,
            "share",
            Some(AIM_SHARE),
        ));
    }
    let whole = held
        .iter()
        .rfind(|(_, outcome)| outcome.gained.missed_frames == 0);
    figures.push(row(
        ROOMS_HELD,
        OURS,
        "2 constant talkers each, no frame missed; livekit-server and load on the same 2 cores".to_owned(),
        whole.map_or(0.0, |(load, _)| load.rooms as f64),
        "rooms",
        Some(AIM_ROOMS),
    ));
    let mut notes = vec![
        "The code that all rooms share is brought into memory by the first ones: memory a room falls with their number.".to_owned(),
    ];
    for (load, outcome) in held {
        notes.push(format!(
            "{}: agent {:.2} cores ({:.4} and {:.2} MB a room), livekit-server {:.2}, load {:.2}; {} of {} frames missed, {} datagrams \
             dropped at full sockets, of the server's or the agent's.",
            load.setting(),
            outcome.cores,
            outcome.cores / load.rooms as f64,
            outcome.memory_mb / load.rooms as f64,
            outcome.server_cores,
            outcome.crowd_cores,
            outcome.gained.missed_frames,
            outcome.gained.expected_frames,
            outcome.dropped_datagrams
        ));
    }
    for (system, load, outcome) in outcomes {
        notes.push(format!(
            "{}, {}: livekit-server {:.3} cores, load {:.3}; {} utterances found, {} datagrams dropped at full sockets.",
            system.name(),
            load.setting(),
            outcome.server_cores,
            outcome.crowd_cores,
            outcome.gained.utterances,
            outcome.dropped_datagrams
        ));
    }
    let all = outcomes.iter().map(|(_, _, outcome)| outcome);
    let noisy = all
        .chain(held.iter().map(|(_, outcome)| outcome))
        .filter(|outcome| !outcome.quiet)
        .count();
    if noisy > 0 {
        notes.push(format!(
            "{noisy} runs were taken although the machine was not quiet."
        ));
    }
    notes.push(format!(
        "Single runs of {} s after {} s of settling. A frame that the jitter buffer had to make up is not missed, since the program \
         got one; dropped datagrams say how many that can be.",
        WINDOW.as_secs(),
        SETTLE.as_secs()
    ));
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(cores: f64, missed_frames: u64) -> Outcome {
        Outcome {
            cores,
            memory_mb: 8.0,
            gained: Gained {
                tracks: 16,
                expected_frames: 1_000,
                missed_frames,
                utterances: 3,
            },
            quiet: true,
            ..Outcome::default()
        }
    }

    fn load(rooms: usize) -> Load {
        Load {
            rooms,
            participants: 2,
            meeting: false,
        }
    }

    #[test]
    fn a_room_s_share_stands_beside_others_and_only_ours_has_aims() {
        let outcomes = [
            (System::Ours, load(8), outcome(0.04, 0)),
            (System::LivekitAgents, load(8), outcome(0.8, 100)),
        ];
        let report = report(
            &outcomes,
            &[(load(30), outcome(0.2, 0)), (load(60), outcome(0.4, 7))],
        );
        let value = |figure: &str, system: &str| {
            let found = report
                .figures
                .iter()
                .find(|it| it.figure == figure && it.system == system);
            found.map(|it| (it.value, it.aim)).unwrap()
        };
        assert_eq!(value("cores_per_room", OURS), (0.005, Some(AIM_CORES)));
        assert_eq!(value("memory_per_room_mb", OURS), (1.0, Some(AIM_MB)));
        let theirs = System::LivekitAgents.name();
        assert_eq!(value("cores_per_room", theirs), (0.1, None));
        assert_eq!(value("missed_frames", theirs), (0.1, None));
        let (share, aim) = value("cores_against_livekit_agents", OURS);
        assert!((share - 0.05).abs() < 1e-9 && aim == Some(AIM_SHARE), "{share}");
        assert_eq!(
            value(ROOMS_HELD, OURS),
            (30.0, Some(AIM_ROOMS)),
            "60 lost something"
        );
    }
}
