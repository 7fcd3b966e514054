//! `visitors`: as `runner/python/observer.py`, on our own client, for a hundred rooms at once: in Python they would take the
//! machine from whom is measured. One person a room publishes a silent microphone and says when the server reports that
//! somebody is subscribed to it. One JSON object a line in both directions.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use clap::Parser;
use livekit::options::TrackPublishOptions;
use livekit::prelude::*;
use livekit::webrtc::audio_source::native::NativeAudioSource;
use livekit::webrtc::audio_source::{AudioSourceOptions, RtcAudioSource};
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_api::services::agent_dispatch::AgentDispatchClient;
use livekit_api::services::room::RoomClient;
use serde::Deserialize;
use serde_json::{Value, json};
use system_tests::speech_file::SAMPLE_RATE_HZ;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::sync::{Mutex, mpsc};

const QUEUE_MS: u32 = 100;

/// Visits LiveKit rooms, as many as it is told to.
#[derive(Parser)]
struct Options {
    #[arg(long, env = "LIVEKIT_URL")]
    url: String,
    #[arg(long, env = "LIVEKIT_API_KEY")]
    api_key: String,
    #[arg(long, env = "LIVEKIT_API_SECRET", hide_env_values = true)]
    api_secret: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
enum Order {
    Enter {
        room: String,
        token: Option<String>,
    },
    /// Asks for an agent, at a given time.
    Dispatch {
        room: String,
        agent: String,
        #[serde(default)]
        at_unix_ms: f64,
    },
    Leave {
        room: String,
    },
    Close {
        room: String,
    },
}

impl Order {
    fn room(&self) -> &str {
        match self {
            Self::Enter { room, .. }
            | Self::Dispatch { room, .. }
            | Self::Leave { room }
            | Self::Close { room } => room,
        }
    }
}

struct Visitors {
    options: Options,
    dispatches: AgentDispatchClient,
    rooms: RoomClient,
    visits: Mutex<HashMap<String, Room>>,
}

#[tokio::main]
async fn main() -> Result<()> {
    rustls::crypto::ring::default_provider().install_default().ok();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter("warn,rtc=error,rtc_ice=error,livekit=error")
        .init();
    agent::session::room::send_at_once();
    let options = Options::parse();
    let visitors = Arc::new(Visitors {
        dispatches: AgentDispatchClient::with_api_key(&options.url, &options.api_key, &options.api_secret),
        rooms: RoomClient::with_api_key(&options.url, &options.api_key, &options.api_secret),
        visits: Mutex::default(),
        options,
    });
    // The first call opens the connection, which is no part of what is measured.
    visitors.rooms.list_rooms(Vec::new()).await?;
    tell(&json!({"event": "ready", "room": "", "at_unix_ms": unix_ms()}));
    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    // Standard input closed means that whoever started us is gone.
    while let Some(line) = orders.next_line().await.context("reading an order")? {
        let order: Order = serde_json::from_str(&line).context("not an order")?;
        let visitors = visitors.clone();
        tokio::spawn(async move {
            if let Err(error) = visitors.obey(&order).await {
                let what = format!("{order:?}: {error:#}");
                tell(
                    &json!({"event": "failed", "room": order.room(), "at_unix_ms": unix_ms(), "what": what}),
                );
            }
        });
    }
    Ok(())
}

impl Visitors {
    async fn obey(&self, order: &Order) -> Result<()> {
        let name = order.room();
        match order {
            Order::Enter { token, .. } => {
                let token = token.clone().map_or_else(|| self.own_token(name), Ok)?;
                let visit = enter(&self.options.url, &token, name).await?;
                self.visits.lock().await.insert(name.to_owned(), visit);
            }
            Order::Dispatch {
                agent, at_unix_ms, ..
            } => {
                let wait_ms = (at_unix_ms - unix_ms()).max(0.0);
                tokio::time::sleep(Duration::from_secs_f64(wait_ms / 1000.0)).await;
                tell(&json!({"event": "dispatching", "room": name, "at_unix_ms": unix_ms()}));
                let request = livekit_protocol::CreateAgentDispatchRequest {
                    room: name.to_owned(),
                    agent_name: agent.clone(),
                    ..Default::default()
                };
                // A room without an agent is counted as such.
                if let Err(error) = self.dispatches.create_dispatch(request).await {
                    tracing::warn!(room = name, %error, "no dispatch");
                }
            }
            Order::Leave { .. } => {
                if let Some(room) = self.visits.lock().await.remove(name) {
                    // One that was closed meanwhile is left.
                    let _ = room.close().await;
                }
                tell(&json!({"event": "out", "room": name, "at_unix_ms": unix_ms()}));
            }
            Order::Close { .. } => {
                self.rooms.delete_room(name).await?;
            }
        }
        Ok(())
    }

    fn own_token(&self, room: &str) -> Result<String> {
        let grants = VideoGrants {
            room_join: true,
            room: room.to_owned(),
            ..Default::default()
        };
        let token = AccessToken::with_api_key(&self.options.api_key, &self.options.api_secret)
            .with_identity("observer")
            .with_grants(grants)
            .to_jwt();
        token.context("signing a token")
    }
}

async fn enter(url: &str, token: &str, name: &str) -> Result<Room> {
    let (room, events) = Room::connect(url, token, RoomOptions::default())
        .await
        .context("joining")?;
    tokio::spawn(report(events, name.to_owned()));
    let source = NativeAudioSource::new(AudioSourceOptions::default(), SAMPLE_RATE_HZ, 1, QUEUE_MS);
    let track = LocalAudioTrack::create_audio_track("microphone", RtcAudioSource::Native(source));
    let options = TrackPublishOptions {
        source: TrackSource::Microphone,
        ..Default::default()
    };
    room.local_participant()
        .publish_track(LocalTrack::Audio(track), options)
        .await
        .context("publishing the microphone")?;
    tell(&json!({"event": "published", "room": name, "at_unix_ms": unix_ms()}));
    Ok(room)
}

async fn report(mut events: mpsc::UnboundedReceiver<RoomEvent>, name: String) {
    while let Some(event) = events.recv().await {
        if matches!(event, RoomEvent::LocalTrackSubscribed { .. }) {
            tell(&json!({"event": "subscribed", "room": name, "at_unix_ms": unix_ms()}));
        }
    }
}

fn tell(report: &Value) {
    let mut stdout = std::io::stdout().lock();
    // Whoever started us is gone: so are we in a moment.
    let _ = writeln!(stdout, "{report}").and_then(|()| stdout.flush());
}

fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1000.0)
}
