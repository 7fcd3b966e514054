//! A house of real servers with one organisation and one meeting that is due: where a whole-system test begins.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use runner::cache::{Cache, RunFolder};
use runner::parts::{self, Parts};
use runner::servers::{BadNetwork, Durability, House, Transcriber};
use runner::setup;
use serde_json::{Value, json};

use crate::api::{Api, id};
use crate::ears::Ears;
use crate::participant::Participant;
use crate::speech_file;

/// An agent comes within a second or two; a loaded machine takes its time.
const AGENT_LIMIT: Duration = Duration::from_secs(30);
const DOCUMENT_LIMIT: Duration = Duration::from_secs(30);

/// A meeting with an agent in it, and everything behind it.
pub struct Meeting {
    /// The servers.
    pub house: House,
    /// With the key.
    pub api: Api,
    /// Its organisation, whose assistant is called Robin.
    pub organisation: String,
    /// Its id.
    pub room: String,
    recordings: PathBuf,
    conversation: PathBuf,
    logs: LogsOfAFailure,
    run: RunFolder,
    // One meeting at a time, in this process and beside it: recognition takes all that a small machine has.
    _turn: File,
}

impl Meeting {
    /// Waits for its turn, starts all servers, and waits until the agent is in the room.
    ///
    /// # Errors
    /// A part does not start, or the agent does not come.
    pub async fn begin(title: &str) -> Result<Self> {
        let (meeting, ()) = Self::begin_behind(title, Ipv4Addr::LOCALHOST, async |_| Ok(())).await?;
        Ok(meeting)
    }

    /// As [`Meeting::begin`], with all sound going through a bad network, which loses nothing until it is told to.
    ///
    /// # Errors
    /// As [`Meeting::begin`].
    pub async fn begin_on_a_bad_network(title: &str) -> Result<(Self, BadNetwork)> {
        Self::begin_behind(title, BadNetwork::ADDRESS, async |house| {
            BadNetwork::start(house.livekit.udp_port().context("a server of our own")?).await
        })
        .await
    }

    /// `before` is done before anybody is in the room.
    async fn begin_behind<T>(
        title: &str,
        media_address: Ipv4Addr,
        before: impl AsyncFnOnce(&House) -> Result<T>,
    ) -> Result<(Self, T)> {
        let cache = Cache::open()?;
        let turn = File::create(cache.path("meeting.running"))?;
        turn.lock()?;
        let run = cache.run_folder("tests")?;
        let logs = LogsOfAFailure(run.path.clone());
        let parts = parts(&cache)?;
        let binaries = setup::binaries()?;
        let house = House::start_behind(
            &parts,
            &binaries,
            &run.path,
            Durability::Memory,
            media_address,
            |_, _| {},
        )
        .await?;
        let done = before(&house).await?;
        let api = Api::new(&house.dispatcher.url, &house.dispatcher.api_key);
        let organisation = api.organisation("Harbour Street Clinic").await?;
        let room = id(&api.room_due_now(&organisation, title).await?)?;
        let meeting = Self {
            house,
            api,
            organisation,
            room,
            recordings: parts.recordings,
            conversation: parts.conversation,
            logs,
            run,
            _turn: turn,
        };
        meeting.wait_for_agent(1).await?;
        Ok((meeting, done))
    }

    /// A transcriber, which is given to the agent as its OpenAI-compatible endpoint: the agent is started again for it.
    ///
    /// # Errors
    /// One of the two does not start.
    pub async fn transcriber(&mut self) -> Result<Transcriber> {
        let parts = parts(&Cache::open()?)?;
        self.house.transcriber(&parts, &setup::binaries()?).await
    }

    /// Goes on in another room, which is due now and has a setting of its own, for instance `recognisers`.
    ///
    /// # Errors
    /// It is refused, or the agent does not come.
    pub async fn move_to_room_with(&mut self, setting: &str, value: Value) -> Result<()> {
        let starts_at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let mut body = json!({"title": "Another room", "starts_at": starts_at});
        body[setting] = value;
        let path = format!("/v1/organisations/{}/rooms", self.organisation);
        self.room = id(&self.api.post(&path, &body).await?)?;
        self.wait_for_agent(1).await
    }

    /// Waits until the agent of an epoch, or of a later one, is in the room.
    ///
    /// # Errors
    /// It does not come.
    pub async fn wait_for_agent(&self, epoch: i64) -> Result<()> {
        self.api
            .wait_for(&self.path("sessions"), AGENT_LIMIT, |sessions| {
                items(sessions).any(|one| one["epoch"].as_i64() >= Some(epoch) && !one["joined_at"].is_null())
            })
            .await
            .map(drop)
    }

    /// The link to a page of this meeting: `captions_url` or `join_url`.
    ///
    /// # Errors
    /// The API refuses.
    pub async fn link(&self, name: &str) -> Result<String> {
        let links = self.api.post(&self.path("links"), &json!({})).await?;
        links[name].as_str().map(str::to_owned).context("no such link")
    }

    /// Somebody who joins, and whom the agent already hears; returns the identity too.
    ///
    /// # Errors
    /// They cannot join, or the agent does not hear them.
    pub async fn guest(&self, name: &str) -> Result<Guest> {
        let (identity, url, token) = self.api.invite(&self.organisation, &self.room, name).await?;
        let (participant, heard) = Participant::join(&url, &token).await?;
        self.wait_until_heard(&identity).await?;
        Ok(Guest {
            identity,
            participant,
            ears: Ears::new(heard),
        })
    }

    /// Waits until the agent hears somebody's microphone.
    ///
    /// # Errors
    /// It does not.
    pub async fn wait_until_heard(&self, identity: &str) -> Result<()> {
        self.wait_for_event("track_subscribed", identity).await
    }

    /// Waits for an event of the room in which something is mentioned.
    ///
    /// # Errors
    /// It does not happen.
    pub async fn wait_for_event(&self, kind: &str, mentioned: &str) -> Result<()> {
        let events = self.path("events?limit=1000");
        self.api
            .wait_for(&events, AGENT_LIMIT, |events| {
                items(events).any(|event| event["kind"] == kind && event.to_string().contains(mentioned))
            })
            .await
            .map(drop)
    }

    /// A part of the room in the API.
    pub fn path(&self, part: &str) -> String {
        let path = format!(
            "/v1/organisations/{}/rooms/{}/{part}",
            self.organisation, self.room
        );
        path.trim_end_matches('/').to_owned()
    }

    /// The stored segments, whose sequence is checked to have no gap.
    ///
    /// # Errors
    /// The API refuses, or there is a gap.
    pub async fn segments(&self) -> Result<Vec<Value>> {
        let segments = self.api.segments(&self.organisation, &self.room).await?;
        for (index, segment) in segments.iter().enumerate() {
            ensure!(
                segment["sequence"] == index + 1,
                "segment {} has sequence {}",
                index + 1,
                segment["sequence"]
            );
        }
        Ok(segments)
    }

    /// Everything that one participant said as it is stored, lower case, without punctuation.
    ///
    /// # Errors
    /// The API refuses, or the sequence has a gap.
    pub async fn said(&self, identity: &str) -> Result<String> {
        let segments = self.segments().await?;
        let of_them = segments
            .iter()
            .filter(|segment| segment["speaker"]["identity"] == identity);
        let texts: Vec<&str> = of_them.filter_map(|segment| segment["text"].as_str()).collect();
        Ok(plain(&texts.join(" ")))
    }

    /// Waits until what one participant said is stored with these words in it.
    ///
    /// # Errors
    /// They are not stored within `limit`; the error says what is.
    pub async fn wait_until_stored(&self, identity: &str, words: &str, limit: Duration) -> Result<()> {
        let begun = std::time::Instant::now();
        loop {
            let said = self.said(identity).await?;
            if said.contains(words) {
                return Ok(());
            }
            if begun.elapsed() > limit {
                bail!("{words:?} is not stored after {limit:?}; this is: {said:?}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Gives the organisation a document and waits until it is read.
    ///
    /// # Errors
    /// It is refused or cannot be read.
    pub async fn document(&self, file_name: &str, content: &str) -> Result<()> {
        let (status, made) = self
            .api
            .upload_any(&self.organisation, file_name, content.into())
            .await?;
        ensure!(status == 202 || status == 201, "{status}: {made}");
        let path = format!("/v1/organisations/{}/documents/{}", self.organisation, id(&made)?);
        self.api
            .wait_for(&path, DOCUMENT_LIMIT, |document| document["status"] == "ready")
            .await
            .map(drop)
    }

    /// A stretch of a recording of human speech, 16 kHz mono.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn speech(&self, name: &str, from: Duration, to: Duration) -> Result<Vec<i16>> {
        stretch(&self.recordings.join(name), from, to)
    }

    /// A stretch of the recording of two women on the telephone, 16 kHz mono.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn conversation(&self, from: Duration, to: Duration) -> Result<Vec<i16>> {
        stretch(&self.conversation.join("sample.wav"), from, to)
    }

    /// Where the recordings are.
    pub fn recording(&self, name: &str) -> PathBuf {
        self.recordings.join(name)
    }

    /// A folder for what the test itself writes.
    pub fn folder(&self) -> &Path {
        &self.run.path
    }

    /// Stops everything in order. The logs stay only when a test fails before.
    ///
    /// # Errors
    /// The folder cannot be removed.
    pub async fn end(self) -> Result<()> {
        self.house.stop().await;
        self.logs.are_not_needed();
        Ok(fs::remove_dir_all(&self.run.path)?)
    }
}

/// When a test fails, what the servers wrote last is the best that there is to read; it is printed with the failure.
struct LogsOfAFailure(PathBuf);

impl LogsOfAFailure {
    const LINES: usize = 25;
    const NAMES: [&str; 3] = ["dispatcher.log", "agent.log", "livekit-server.log"];

    fn are_not_needed(mut self) {
        self.0 = PathBuf::new();
    }
}

impl Drop for LogsOfAFailure {
    // The test's own output: shown when it failed, and only then.
    #[allow(clippy::print_stdout)]
    fn drop(&mut self) {
        for name in Self::NAMES {
            let Ok(log) = fs::read_to_string(self.0.join(name)) else {
                continue;
            };
            let lines: Vec<&str> = log.lines().collect();
            println!("--- {name}, the end of {} lines", lines.len());
            for line in &lines[lines.len().saturating_sub(Self::LINES)..] {
                println!("{}", line.get(..400).unwrap_or(line));
            }
        }
    }
}

fn stretch(file: &Path, from: Duration, to: Duration) -> Result<Vec<i16>> {
    let samples = speech_file::read(file)?;
    let at = |time: Duration| (time.as_secs_f64() * f64::from(speech_file::SAMPLE_RATE_HZ)) as usize;
    Ok(samples[at(from).min(samples.len())..at(to).min(samples.len())].to_vec())
}

/// A simulated participant in a meeting.
pub struct Guest {
    /// In LiveKit.
    pub identity: String,
    /// Who speaks.
    pub participant: Participant,
    /// Who listens.
    pub ears: Ears,
}

/// Lower case, letters and digits only, one space between words.
pub fn plain(text: &str) -> String {
    let letters: String = text
        .chars()
        .map(|letter| if letter.is_alphanumeric() { letter } else { ' ' })
        .collect();
    letters
        .to_lowercase()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The stretches of a coverage ledger as the API gives it.
pub fn stretches(ledger: &Value) -> impl Iterator<Item = &Value> {
    ledger["stretches"].as_array().into_iter().flatten()
}

/// The items of a list that the API answered.
pub fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

/// The fetched parts; with a Postgres of the test's own, also where `cargo verify` gives one to the other tests.
///
/// # Errors
/// One of them is not to be had.
pub fn parts(cache: &Cache) -> Result<Parts> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("a workspace")?;
    let mut parts = parts::ensure(cache, workspace)?;
    if let Some(postgres) = std::env::var_os("RAPPORTEUR_POSTGRES") {
        parts.postgres = Some(postgres.into());
    }
    Ok(parts)
}
