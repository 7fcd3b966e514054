//! `cargo figures ledger`: a meeting in which the agent is killed, the recogniser, the media server and the database go away,
//! and the network carries no sound for a while. What of the speech that was played is in no stretch of the coverage ledger?

mod sums;

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::Utc;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::figure::{Figure, OURS, Report};
use crate::api::{Api, Invitation, Stretch};
use crate::process::Process;
use crate::servers::{BadNetwork, Durability, House, Transcriber};
use crate::setup::Ready;
use sums::{Place, covered_ms, missing, overlap_ms, spoken};

/// Our programs that it needs.
pub(super) const PROGRAMS: [&str; 4] = ["agent", "dispatcher", "participant", "transcriber"];
/// The meeting's length unless it is given.
pub(super) const MINUTES: u64 = 60;
/// The media server and the database are away for so long, and so long nothing of the speakers' sound arrives.
const OUTAGE: Duration = Duration::from_secs(10);
/// The recogniser is away for longer than anybody waits for it: what is said meanwhile has to be filled in later.
const RECOGNISER_OUTAGE: Duration = Duration::from_secs(90);
const AGENT_LIMIT: Duration = Duration::from_secs(60);
/// No recording is longer.
const PLAY_LIMIT: Duration = Duration::from_secs(180);
const BETWEEN_TURNS: Duration = Duration::from_secs(1);
/// A stretch may begin or end so far from where the level of the played file does: the way to the agent, and the detector.
const TOLERANCE_MS: i64 = 600;
const RECORDINGS: [&str; 3] = ["two_cities.wav", "beckett.wav", "endgame_nagg_nell.wav"];

const MEANING: &str = "A meeting of two simulated participants who play recordings of human speech in turn, through the \
real room. The only recogniser is a server (`transcriber`). At a sixth of the meeting the agent is killed and started again; \
at two sixths the recogniser is killed, and away for 90 s; at three sixths the network loses all sound that the participants \
send, for ten seconds, and no connection breaks; at four sixths the media server is killed and away for ten seconds; at five \
sixths the database is. Speech is where the \
played file is loud (a fifth of the level that it passes a twentieth of the time, pauses under 0.6 s included); it is unaccounted for when no stretch \
of the speaker's tracks in the coverage ledger, gap or not, reaches within 0.6 s of it. Gaps count open microphones too, \
silent or not. Back-filled is what was a gap and is in the transcript now.";

#[derive(Clone, Debug, Deserialize)]
struct Heard {
    event: String,
    #[serde(default)]
    at_unix_ms: i64,
}

struct Speaker {
    orders: ChildStdin,
    heard: mpsc::Receiver<Heard>,
    identity: String,
    _process: Process,
}

impl Speaker {
    fn start(invitation: &Invitation, binaries: &Path, folder: &Path, name: &str) -> Result<Self> {
        let mut command = Command::new(binaries.join("participant"));
        command
            .args(["--url", &invitation.livekit_url])
            .env("PARTICIPANT_TOKEN", &invitation.token);
        let (process, orders, output) = Process::start_talking(name, &mut command, folder)?;
        let (sender, heard) = mpsc::channel(64);
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            let reports = lines.filter_map(|line| serde_json::from_str::<Heard>(&line).ok());
            for report in
                reports.filter(|report| ["connected", "playing", "played"].contains(&&*report.event))
            {
                if sender.blocking_send(report).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            orders,
            heard,
            identity: invitation.identity.clone(),
            _process: process,
        })
    }

    async fn until(&mut self, event: &str) -> Result<Heard> {
        let wanted = async {
            while let Some(heard) = self.heard.recv().await {
                if heard.event == event {
                    return Ok(heard);
                }
            }
            bail!("a simulated participant is gone; its log says why")
        };
        timeout(PLAY_LIMIT, wanted)
            .await
            .with_context(|| format!("a simulated participant does not report {event}"))?
    }

    /// Plays a file; when it began.
    async fn play(&mut self, file: &Path) -> Result<i64> {
        writeln!(self.orders, "{}", json!({ "play": file }))
            .and_then(|()| self.orders.flush())
            .context("a simulated participant is gone; its log says why")?;
        let began = self.until("playing").await?;
        self.until("played").await?;
        Ok(began.at_unix_ms)
    }
}

/// Measures.
///
/// # Errors
/// A part does not start, or the meeting cannot be held.
pub(super) async fn measure(ready: &Ready, minutes: u64) -> Result<Report> {
    let folder = ready.cache.run_folder("figures-ledger")?;
    let mut house = House::start_behind(
        &ready.parts,
        &ready.binaries,
        &folder.path,
        Durability::Disk,
        BadNetwork::ADDRESS,
        |part, address| eprintln!("  {part:<18} ready  {address}"),
    )
    .await?;
    let port = house
        .livekit
        .udp_port()
        .context("LIVEKIT_URL is set: loss needs a server of our own")?;
    let network = BadNetwork::start(port).await?;
    let recogniser = house.transcriber(&ready.parts, &ready.binaries).await?;
    let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
    let organisation = api.organisation("Figures", "Robin").await?;
    let room = json!({"title": "Ledger", "starts_at": Utc::now(), "recognisers": ["openai"]});
    let scheduled = api.schedule_as(&organisation, &room).await?;
    let room = api.room(&organisation, &scheduled.id);
    let mut speakers = Vec::new();
    for name in ["Alice", "Ben"] {
        let invitation = api.invite(&organisation, &scheduled.id, name, "client").await?;
        let mut speaker = Speaker::start(&invitation, &ready.binaries, &folder.path, name)?;
        speaker.until("connected").await?;
        speakers.push(speaker);
    }
    let until = Instant::now() + AGENT_LIMIT;
    let subscribed =
        |events: &[crate::api::Event]| events.iter().filter(|one| one.kind == "track_subscribed").count();
    while subscribed(&room.events().await?) < speakers.len() {
        if Instant::now() > until {
            bail!(
                "the agent does not hear the room; the logs are in {}",
                folder.path.display()
            );
        }
        sleep(Duration::from_millis(200)).await;
    }
    let length = Duration::from_secs(60 * minutes);
    eprintln!("a meeting of {minutes} min");
    let begun = Instant::now();
    let files: Vec<PathBuf> = RECORDINGS
        .iter()
        .map(|name| ready.parts.recordings.join(name))
        .collect();
    let (said, harmed) = tokio::join!(
        talk(&mut speakers, &files, begun + length),
        harm(&mut house, recogniser, &network, begun, length)
    );
    let mut recogniser = harmed?;
    let said = said?;
    // In order: what is being said is kept, and the ledger is closed.
    house.agent.stop().await;
    recogniser.stop().await;
    let origin_ms = room
        .read()
        .await?
        .clock_origin
        .context("no agent was there")?
        .timestamp_millis();
    let ledger = room.coverage().await?;
    house.stop().await;
    let said: Vec<(String, Vec<Place>)> = said
        .into_iter()
        .map(|(who, began_ms, file)| {
            let places = spoken(&file)?.into_iter();
            let on_the_clock =
                places.map(|(from, to)| (began_ms - origin_ms + from, began_ms - origin_ms + to));
            Ok((who, on_the_clock.collect()))
        })
        .collect::<Result<_>>()?;
    Ok(report(&ledger, &said, minutes))
}

/// Lets them talk in turn until the end; who began when with which file.
async fn talk(
    speakers: &mut [Speaker],
    files: &[PathBuf],
    until: Instant,
) -> Result<Vec<(String, i64, PathBuf)>> {
    let mut said = Vec::new();
    for file in files.iter().cycle() {
        for speaker in speakers.iter_mut() {
            if Instant::now() >= until {
                return Ok(said);
            }
            let began_ms = speaker.play(file).await?;
            said.push((speaker.identity.clone(), began_ms, file.clone()));
            sleep(BETWEEN_TURNS).await;
        }
    }
    Ok(said)
}

async fn harm(
    house: &mut House,
    mut recogniser: Transcriber,
    network: &BadNetwork,
    begun: Instant,
    length: Duration,
) -> Result<Transcriber> {
    let sixths = |number| begun + length * number / 6;
    sleep_until(sixths(1)).await;
    eprintln!("  the agent is killed");
    house.agent.kill();
    house.agent.launch().await?;
    sleep_until(sixths(2)).await;
    eprintln!("  the recogniser is away for {RECOGNISER_OUTAGE:?}");
    recogniser.kill();
    sleep(RECOGNISER_OUTAGE).await;
    recogniser.launch().await?;
    sleep_until(sixths(3)).await;
    eprintln!("  the network loses all sound for {OUTAGE:?}");
    network.lose(100);
    sleep(OUTAGE).await;
    network.lose(0);
    sleep_until(sixths(4)).await;
    eprintln!("  the media server is away for {OUTAGE:?}");
    house.livekit.kill();
    sleep(OUTAGE).await;
    house.livekit.launch().await?;
    sleep_until(sixths(5)).await;
    eprintln!("  the database is away for {OUTAGE:?}");
    house.postgres.kill();
    sleep(OUTAGE).await;
    house.postgres.launch().await?;
    Ok(recogniser)
}

fn report(ledger: &[Stretch], said: &[(String, Vec<Place>)], minutes: u64) -> Report {
    let setting = format!(
        "{minutes} min, 2 speakers in turn, agent, recogniser, sound, media server and database lost once each"
    );
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let mut figures = Vec::new();
    let mut add = |figure: &'static str, of: &str, ms: i64, aim: Option<f64>| {
        figures.push(Figure {
            figure,
            system: OURS.to_owned(),
            setting: format!("{setting}{of}"),
            value: seconds(ms),
            unit: "s",
            aim,
        });
    };
    let missing = missing(ledger, said, TOLERANCE_MS);
    let unaccounted_ms = missing.iter().map(|(_, (from, to))| to - from).sum();
    add("speech_unaccounted_s", "", unaccounted_ms, Some(0.0));
    add("ledger_overlap_s", "", overlap_ms(ledger), Some(0.0));
    let all: i64 = said
        .iter()
        .flat_map(|(_, places)| places)
        .map(|place| place.1 - place.0)
        .sum();
    add("speech_played_s", "", all, None);
    let of_state = |wanted: &str| covered_ms(ledger, |stretch| stretch.state == wanted);
    add("transcribed_s", "", of_state("transcribed"), None);
    add(
        "back_filled_s",
        "",
        covered_ms(ledger, |stretch| stretch.late),
        None,
    );
    add("empty_s", "", of_state("empty"), None);
    let mut reasons: Vec<&str> = ledger
        .iter()
        .filter_map(|stretch| stretch.reason.as_deref())
        .collect();
    reasons.sort_unstable();
    reasons.dedup();
    for reason in reasons {
        let ms = covered_ms(ledger, |stretch| stretch.reason.as_deref() == Some(reason));
        add("gap_s", &format!("; {reason}"), ms, None);
    }
    let open = covered_ms(ledger, |stretch| ["open", "pending"].contains(&&*stretch.state));
    add("unsettled_s", "", open, Some(0.0));
    let mut notes = vec!["Compiled as for tests: nothing here is a speed.".to_owned()];
    let unaccounted = missing.iter().map(|(who, (from, to))| {
        format!(
            "Unaccounted for: {who}, from {:.1} s to {:.1} s.",
            seconds(*from),
            seconds(*to)
        )
    });
    notes.extend(unaccounted);
    Report {
        meaning: MEANING.to_owned(),
        figures,
        notes,
    }
}
