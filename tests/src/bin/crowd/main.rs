//! `crowd`: many participants in one process that cost next to nothing: their speech was encoded once, they hear nobody, and
//! they speak no more of WebRTC than somebody who sends has to. Takes orders, one JSON object a line, on stdin, and reports
//! on stdout.

mod offer;
mod pacer;
mod participant;
mod pattern;
mod signalling;
mod sound;
mod transport;

use std::collections::HashMap;
use std::io::Write as _;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::Parser;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, spawn_local};
use tokio_util::sync::CancellationToken;

use crate::pacer::{Counted, Crowd, Talker};
use crate::pattern::Pattern;
use crate::signalling::Server;
use crate::sound::{Microphone, Speech};
use crate::transport::Identity;

/// Frames between the places of the speech at which two participants begin: a prime, so that they stay apart.
const APART_FRAMES: usize = 97;

/// Fills LiveKit rooms with people who speak.
#[derive(Parser)]
struct Options {
    /// LiveKit's address, ws://.
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    /// Its API key.
    #[arg(long, env = "LIVEKIT_API_KEY")]
    api_key: String,
    /// Its API secret.
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    api_secret: String,
    /// What everybody says: a WAV file.
    speech: PathBuf,
}

#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Order {
    /// Answered by `entered` when all of them send.
    Enter {
        room: String,
        participants: usize,
        pattern: Pattern,
        /// Called into the room when it is made.
        agent: Option<String>,
    },
    /// Everybody leaves a room.
    Leave { room: String },
    /// Answered by `counted`.
    Count,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Report {
    Ready,
    /// With a token for somebody who hears them.
    Entered {
        room: String,
        token: String,
    },
    Failed {
        room: String,
        what: String,
    },
    Counted(Counted),
}

fn tell(report: &Report) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(report)?)?;
    Ok(stdout.flush()?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("error")
        .init();
    LocalSet::new().run_until(obey(Options::parse())).await
}

async fn obey(options: Options) -> Result<()> {
    let speech = Speech::read(&options.speech)?;
    let house = Rc::new(House {
        server: Server {
            url: options.url,
            api_key: options.api_key,
            api_secret: options.api_secret,
        },
        identity: Arc::new(Identity::new()?),
        crowd: Crowd::default(),
    });
    let pacing = house.clone();
    spawn_local(async move { pacing.crowd.pace(&speech).await });
    let mut rooms: HashMap<String, CancellationToken> = HashMap::new();
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    tell(&Report::Ready)?;
    // Standard input closed means that whoever started us is gone.
    while let Some(line) = orders.next_line().await.context("reading an order")? {
        match serde_json::from_str(&line).with_context(|| format!("not an order: {line}"))? {
            Order::Enter {
                room,
                participants,
                pattern,
                agent,
            } => {
                let stop = rooms.entry(room.clone()).or_default().clone();
                let party = Party {
                    room,
                    participants,
                    pattern,
                    agent,
                };
                spawn_local(house.clone().fill(party, stop));
            }
            Order::Leave { room } => {
                house.crowd.forget(&room);
                rooms.remove(&room).inspect(CancellationToken::cancel);
            }
            Order::Count => tell(&Report::Counted(house.crowd.counted()))?,
        }
    }
    Ok(())
}

struct House {
    server: Server,
    identity: Arc<Identity>,
    crowd: Crowd,
}

/// Who is to enter a room.
struct Party {
    room: String,
    participants: usize,
    pattern: Pattern,
    agent: Option<String>,
}

impl House {
    /// Has everybody enter a room, and says when they are heard there.
    async fn fill(self: Rc<Self>, party: Party, stop: CancellationToken) {
        let room = party.room.clone();
        match self.enter(party, stop).await {
            Ok(()) => {}
            Err(error) => {
                let what = format!("{error:#}");
                let _ = tell(&Report::Failed { room, what });
            }
        }
    }

    async fn enter(self: &Rc<Self>, party: Party, stop: CancellationToken) -> Result<()> {
        let Party {
            room,
            participants,
            pattern,
            agent,
        } = party;
        let mut entering = Vec::new();
        for number in 0..participants {
            let name = format!("talker-{number}");
            let ssrc = ssrc(&room, number);
            let token = self.server.speaker(&room, &name, agent.as_deref())?;
            let (ready, voice) = oneshot::channel();
            let (house, room, stop) = (self.clone(), room.clone(), stop.clone());
            spawn_local(async move {
                let (server, identity) = (&house.server, house.identity.clone());
                let took_part =
                    participant::take_part(server, identity, &token, &name, ssrc, ready, stop.clone());
                if let Err(error) = took_part.await
                    && !stop.is_cancelled()
                {
                    let what = format!("{name}: {error:#}");
                    let _ = tell(&Report::Failed { room, what });
                }
            });
            entering.push((number, ssrc, voice));
        }
        for (number, ssrc, voice) in entering {
            // Without one it has failed and said so.
            let Ok(voice) = voice.await else { return Ok(()) };
            self.crowd.add(Talker {
                room: room.clone(),
                number,
                of: participants,
                pattern,
                microphone: Microphone::new(ssrc, ssrc as usize % 4_096 * APART_FRAMES),
                voice,
                frames: 0,
            });
        }
        let token = self.server.listener(&room)?;
        tell(&Report::Entered { room, token })
    }
}

/// Numbers that differ between participants and from run to run of a room's name.
fn ssrc(room: &str, number: usize) -> u32 {
    let mut hash = 0x811c_9dc5_u32;
    for byte in room.bytes().chain(number.to_be_bytes()) {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    hash.max(1)
}
