//! What the figures page says of it.

use super::super::figure::{Figure, OURS, ROOMS_HELD, Report};
use super::outcome::{Load, Outcome, Talkers};
use super::systems::System;
use super::{ROUNDS, SETTLE, WINDOW};

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
second one too, or as many as is said speak at once; the others send what an encoder sends that has nothing to say (DTX), a packet each 400 ms. Cores are processor time \
of the system's processes by the time measured; memory is their PSS (shared pages by their share) less what they had before the \
first room. Missed frames are 10 ms of a track that did not reach the program, of those that were due. livekit-server and the load \
run on the same two cores.";

/// The figures page's section.
pub(super) fn of(outcomes: &[(System, Load, Outcome)], held: &[(Load, Outcome)]) -> Report {
    let mut figures: Vec<Figure> = outcomes
        .iter()
        .flat_map(|(system, load, outcome)| {
            let has_aims = *system == System::Ours && load.talkers == Talkers::All;
            rows(system.name(), *load, outcome, has_aims)
        })
        .collect();
    let cores = |wanted: System| {
        let constant =
            |(system, load, _): &&(System, Load, Outcome)| *system == wanted && load.talkers == Talkers::All;
        outcomes
            .iter()
            .find(constant)
            .map(|(_, _, outcome)| outcome.cores)
    };
    if let (Some(ours), Some(theirs)) = (cores(System::Ours), cores(System::LivekitAgents)) {
        figures.push(Figure {
            figure: "cores_against_livekit_agents",
            system: OURS.to_owned(),
            setting: "rooms of 2 constant talkers, by what livekit-agents takes".to_owned(),
            value: ours / theirs,
            unit: "share",
            aim: Some(AIM_SHARE),
        });
    }
    let whole = held
        .iter()
        .rfind(|(_, outcome)| outcome.gained.missed_frames == 0);
    if let Some((load, outcome)) = whole {
        figures.extend(rows(OURS, *load, outcome, true));
    }
    figures.push(Figure {
        figure: ROOMS_HELD,
        system: OURS.to_owned(),
        setting: "2 constant talkers each, no frame missed; livekit-server and load on the same 2 cores"
            .to_owned(),
        value: whole.map_or(0.0, |(load, _)| load.rooms as f64),
        unit: "rooms",
        aim: Some(AIM_ROOMS),
    });
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
        "Runs of {} s after {} s of settling; single ones, but where systems are compared with constant talkers: there each had its \
         turn {ROUNDS} times, medians are quoted, and missed frames are those of all runs. A frame that the jitter buffer had to make \
         up is not missed, since the program got one; dropped datagrams say how many that can be.",
        WINDOW.as_secs(),
        SETTLE.as_secs()
    ));
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}

/// What a room takes, and what was missed.
fn rows(system: &str, load: Load, outcome: &Outcome, has_aims: bool) -> [Figure; 3] {
    let row = |figure, value, unit, aim| Figure {
        figure,
        system: system.to_owned(),
        setting: load.setting(),
        value,
        unit,
        aim: Some(aim).filter(|_| has_aims),
    };
    let rooms = load.rooms as f64;
    let missed = outcome.gained.missed_frames as f64 / outcome.gained.expected_frames.max(1) as f64;
    [
        row("cores_per_room", outcome.cores / rooms, "cores", AIM_CORES),
        row("memory_per_room_mb", outcome.memory_mb / rooms, "MB", AIM_MB),
        row("missed_frames", missed, "share", 0.0),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::heard::Gained;
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
            talkers: Talkers::All,
        }
    }

    #[test]
    fn a_room_s_share_stands_beside_others_and_only_ours_has_aims() {
        let outcomes = [
            (System::Ours, load(8), outcome(0.04, 0)),
            (System::LivekitAgents, load(8), outcome(0.8, 100)),
        ];
        let report = of(
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

    #[test]
    fn of_several_runs_the_middle_one_counts_and_every_loss() {
        let all = Outcome::of(&[outcome(0.09, 0), outcome(0.06, 5), outcome(0.07, 0)]);
        assert_eq!(all.cores, 0.07);
        assert_eq!((all.gained.missed_frames, all.gained.expected_frames), (5, 3_000));
    }
}
