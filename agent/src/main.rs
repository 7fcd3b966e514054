//! The agent's process: settings, models, the health server, the worker, the drain.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use agent::changes::Changes;
use agent::config::{Chat, Config, Options};
use agent::engines::Engines;
use agent::health::{self, Health};
use agent::host::{Host, Parts};
use agent::metrics::Metrics;
use agent::session::room;
use agent::speakers::Speakers;
use agent::worker::link::{self, Server};
use agent::worker::protocol::Worker;
use anyhow::{Context as _, Result};
use clap::Parser as _;
use knowledge::{Answerer, ChatEndpoint, Embedder};
use speech::{ListenerOptions, SpeakerModel, VoiceModel, WhisperOptions, WhisperPool};
use store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Without RUST_LOG. The model loader and the media engine tell much that helps nobody who runs a meeting.
const LOG_DEFAULT: &str = "info,whisper_rs=warn,rtc=error,livekit=warn,libwebrtc=warn";
/// Closing the database's connections may take so long.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(std::io::stderr)
        .init();
    // Fails only when somebody has installed one already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Options::parse().check()?;

    let drain = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;

    let metrics = Arc::new(Metrics::default());
    let store =
        Store::connect_lazy(&config.database_url, config.database_connections).context("DATABASE_URL")?;
    let health = Arc::new(Health {
        store: store.clone(),
        metrics: metrics.clone(),
        draining: AtomicBool::new(false),
    });
    let listener = tokio::net::TcpListener::bind(config.health_listen)
        .await
        .with_context(|| format!("RAPPORTEUR_HEALTH_LISTEN: binding {}", config.health_listen))?;
    let serving = tokio::spawn(axum::serve(listener, health::router(health.clone())).into_future());

    // The health server answers "not ready" while the models load.
    let models = config.clone();
    room::send_at_once();
    let Models {
        recogniser,
        voice,
        speakers,
        embedder,
    } = tokio::task::spawn_blocking(move || load(&models)).await??;
    if speakers.is_none() {
        tracing::info!(
            "RAPPORTEUR_SPEAKER_MODEL is not set: people who share a microphone are not told apart"
        );
    }
    let answerer = answerer(&embedder, config.chat.clone())?;
    let engines = Engines::new(
        Arc::new(recogniser),
        config.engines.openai(),
        config.engines.realtime(),
        config.engines.deepgram(),
    )?;
    let instance = uuid::Uuid::new_v4().to_string();
    let changes = Changes::default();
    let hearing_changes = tokio::spawn(changes.clone().run(store.clone()));
    let parts = Arc::new(Parts {
        changes,
        store: store.clone(),
        engines,
        listening: ListenerOptions::default(),
        voice,
        speakers: speakers.map(Speakers::new),
        embedder,
        answerer,
        metrics: metrics.clone(),
        livekit_url: config.livekit_url.clone(),
        instance: instance.clone(),
    });
    let worker = Worker::new(env!("CARGO_PKG_VERSION"), &instance, config.slots, rand::random());
    let server = Server {
        url: config.livekit_url.clone(),
        api_key: config.livekit_api_key.clone(),
        api_secret: config.livekit_api_secret.clone(),
    };
    tracing::info!(
        instance,
        slots = config.slots,
        recognisers = config.recognisers,
        "the agent is up"
    );
    let working = tokio::spawn(link::run(
        server,
        worker,
        Arc::new(Host::new(parts, config.slots)),
        drain.clone(),
    ));

    tokio::select! {
        _ = terminate.recv() => tracing::info!("SIGTERM: draining"),
        _ = interrupt.recv() => tracing::info!("SIGINT: draining"),
    }
    health.draining.store(true, Ordering::Relaxed);
    drain.cancel();
    let left = working.await.context("the worker")?;
    serving.abort();
    hearing_changes.abort();
    if tokio::time::timeout(CLOSE_LIMIT, store.close()).await.is_err() {
        tracing::warn!("the database's connections did not close in time");
    }
    if left > 0 {
        anyhow::bail!("{left} sessions did not end in time");
    }
    tracing::info!("drained");
    Ok(())
}

struct Models {
    recogniser: WhisperPool,
    voice: VoiceModel,
    speakers: Option<SpeakerModel>,
    embedder: Embedder,
}

/// Loads the models: seconds of reading and computing, away from the async threads.
fn load(config: &Config) -> Result<Models> {
    let recogniser = WhisperPool::load(
        &config.whisper_model,
        WhisperOptions {
            workers: config.recognisers,
        },
    )
    .with_context(|| {
        format!(
            "RAPPORTEUR_WHISPER_MODEL: loading {}",
            config.whisper_model.display()
        )
    })?;
    let voice = VoiceModel::load(&config.voice_model).context("RAPPORTEUR_VOICE_MODEL")?;
    let speakers = config
        .speaker_model
        .as_deref()
        .map(SpeakerModel::load)
        .transpose();
    let speakers = speakers.context("RAPPORTEUR_SPEAKER_MODEL")?;
    let embedder = Embedder::load(&config.embedding_model).with_context(|| {
        format!(
            "RAPPORTEUR_EMBEDDING_MODEL: loading {}",
            config.embedding_model.display()
        )
    })?;
    Ok(Models {
        recogniser,
        voice,
        speakers,
        embedder,
    })
}

fn answerer(embedder: &Embedder, chat: Option<Chat>) -> Result<Answerer> {
    match chat {
        None => Ok(Answerer::extractive(embedder.clone())),
        Some(Chat {
            base_url,
            api_key,
            model,
        }) => {
            let endpoint = ChatEndpoint::new(base_url, api_key, model);
            Answerer::with_endpoint(embedder.clone(), endpoint)
                .context("OPENAI_BASE_URL, RAPPORTEUR_CHAT_MODEL")
        }
    }
}
