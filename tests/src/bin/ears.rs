//! `ears`: the agent's ear in many rooms, with nothing behind it: the room adapter and the listener that sessions use, without
//! recognisers and database. Takes orders, one JSON object a line, on stdin, and reports on stdout. Only measured with.

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use agent::session::ear::ListenerEar;
use agent::session::room::{self, FromTrack, RoomEvents, RoomLink};
use agent::session::track::Ear as _;
use anyhow::{Context as _, Result};
use clap::Parser;
use serde::Deserialize;
use serde_json::json;
use speech::{ListenerOptions, VoiceModel};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const SAMPLES_PER_MS: u64 = 16;

/// Hears rooms.
#[derive(Parser)]
struct Options {
    /// LiveKit's address, ws://.
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    /// The voice detector's weights.
    #[arg(long)]
    voice_model: PathBuf,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    /// Answered by `entered`.
    Enter { room: String, token: String },
    /// Leaves; answered by nothing.
    Leave { room: String },
    /// Answered by `heard`.
    Count,
}

/// How much was heard of each track, by room and track.
#[derive(Default)]
struct Heard(Mutex<BTreeMap<(String, String), Arc<Count>>>);

#[derive(Default)]
struct Count {
    samples: AtomicU64,
    utterances: AtomicU64,
}

fn tell(report: &serde_json::Value) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{report}")?;
    Ok(stdout.flush()?)
}

#[tokio::main]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("warn,rtc=error,rtc_ice=error")
        .init();
    room::send_at_once();
    let options = Options::parse();
    let voice = VoiceModel::load(&options.voice_model)?;
    let heard = Arc::<Heard>::default();
    let links = Arc::<tokio::sync::Mutex<HashMap<String, RoomLink>>>::default();
    let began = Instant::now();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    tell(&json!({"event": "ready"}))?;
    // Standard input closed means that whoever started us is gone.
    while let Some(line) = orders.next_line().await.context("reading an order")? {
        match serde_json::from_str(&line).with_context(|| format!("not an order: {line}"))? {
            Order::Enter { room, token } => {
                let (url, voice) = (options.url.clone(), voice.clone());
                let (heard, links) = (heard.clone(), links.clone());
                tokio::spawn(async move {
                    match room::join(&url, &token).await {
                        Ok((link, events)) => {
                            link.hear(store::Consents::default());
                            links.lock().await.insert(room.clone(), link);
                            let _ = tell(&json!({"event": "entered", "room": room}));
                            listen(&room, events, &voice, &heard).await;
                        }
                        Err(error) => {
                            let what = format!("{error}: {error:?}");
                            let _ = tell(&json!({"event": "failed", "room": room, "what": what}));
                        }
                    }
                });
            }
            Order::Leave { room } => {
                heard.forget(&room);
                let link = links.lock().await.remove(&room);
                if let Some(link) = link {
                    tokio::spawn(async move { link.leave().await });
                }
            }
            Order::Count => {
                let at_ms = began.elapsed().as_secs_f64() * 1_000.0;
                tell(&json!({"event": "heard", "at_ms": at_ms, "tracks": heard.tracks()}))?;
            }
        }
    }
    Ok(())
}

/// As a session hears: a listener for each track.
async fn listen(room: &str, mut events: RoomEvents, voice: &VoiceModel, heard: &Heard) {
    let mut ears: HashMap<u64, (ListenerEar, Arc<Count>)> = HashMap::new();
    loop {
        tokio::select! {
            sound = events.sound.recv() => match sound {
                Some(FromTrack::Started { track, speaker }) => {
                    let ear = ListenerEar::new(ListenerOptions::default(), voice);
                    ears.insert(track, (ear, heard.track(room, &speaker.identity)));
                }
                Some(FromTrack::Samples { track, samples }) => {
                    if let Some((ear, count)) = ears.get_mut(&track) {
                        count.samples.fetch_add(samples.len() as u64, Ordering::Relaxed);
                        count.utterances.fetch_add(utterances(ear.push(&samples)), Ordering::Relaxed);
                    }
                }
                Some(_) => {}
                None => return,
            },
            // A session hears these too.
            control = events.control.recv() => if control.is_none() { return },
        }
    }
}

fn utterances(events: Vec<agent::session::track::EarEvent<speech::Audio>>) -> u64 {
    use agent::session::track::EarEvent;
    let begun = |event: &&EarEvent<_>| matches!(event, EarEvent::SpeechStarted { .. });
    events.iter().filter(begun).count() as u64
}

impl Heard {
    fn track(&self, room: &str, identity: &str) -> Arc<Count> {
        let mut tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tracks
            .entry((room.to_owned(), identity.to_owned()))
            .or_default()
            .clone()
    }

    fn forget(&self, room: &str) {
        let mut tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tracks.retain(|(of, _), _| of != room);
    }

    /// Frames of 10 ms of each track, and how many utterances began.
    fn tracks(&self) -> BTreeMap<String, [u64; 2]> {
        let tracks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = tracks.iter().map(|((room, identity), count)| {
            let frames = count.samples.load(Ordering::Relaxed) / (10 * SAMPLES_PER_MS);
            let utterances = count.utterances.load(Ordering::Relaxed);
            (format!("{room}/{identity}"), [frames, utterances])
        });
        counts.collect()
    }
}
