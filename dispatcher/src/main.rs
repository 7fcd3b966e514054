//! The dispatcher's process: settings, migrations, the server, the background parts, the end in order.

use std::io::IsTerminal as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::Utc;
use clap::Parser as _;
use dispatcher::app::{Parts, Setup, router};
use dispatcher::config::{Config, Options};
use dispatcher::links::Links;
use dispatcher::livekit::LiveKit;
use dispatcher::pages::assets::LiveKitClient;
use dispatcher::reconciler::actor::{self, Timing};
use dispatcher::{App, captions, knowledge_base, wake};
use knowledge::Embedder;
use store::Store;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Requests under way and background parts get this long at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// Closing the database's connections may take so long.
const CLOSE_LIMIT: Duration = Duration::from_secs(3);

fn main() -> Result<()> {
    // First, and before any thread: a child that reads one document does that here and does not return.
    knowledge::isolate_extraction();
    serve()
}

#[tokio::main]
async fn serve() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    // Fails only when somebody has installed one already, and then there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Options::parse().check()?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let shutdown = CancellationToken::new();
    tokio::spawn({
        let shutdown = shutdown.clone();
        async move {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: shutting down"),
                _ = interrupt.recv() => tracing::info!("SIGINT: shutting down"),
            }
            shutdown.cancel();
        }
    });

    let app = assemble(&config, shutdown.clone()).await?;
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("RAPPORTEUR_LISTEN: binding {}", config.listen))?;
    tracing::info!(listen = %config.listen, public_url = config.public_url, "the dispatcher is up");
    let serving = axum::serve(listener, router(app.clone()))
        .with_graceful_shutdown(shutdown.clone().cancelled_owned())
        .into_future();

    let mut parts = JoinSet::new();
    parts.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server failed");
        }
    });
    // The server answers "not ready" until the schema is there; nothing else can work before.
    if migrate(&app).await {
        let timing = Timing {
            lead: config.lead,
            end_grace: config.end_grace,
        };
        parts.spawn(actor::run(app.clone(), timing));
        parts.spawn(knowledge_base::run(app.clone()));
        parts.spawn(captions::run(app.clone()));
    }

    // A part ends early only by a fault: then the whole process ends, and is started again by whoever runs it.
    tokio::select! {
        () = shutdown.cancelled() => {}
        Some(ended) = parts.join_next() => {
            shutdown.cancel();
            ended.context("a part of the dispatcher failed")?;
        }
    }
    app.health.drain();
    let drained =
        tokio::time::timeout(DRAIN_LIMIT, async { while parts.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!("requests were cut off: they took too long to end");
    }
    if tokio::time::timeout(CLOSE_LIMIT, app.store.close())
        .await
        .is_err()
    {
        tracing::warn!("the database's connections did not close in time");
    }
    tracing::info!("shut down");
    Ok(())
}

async fn assemble(config: &Config, shutdown: CancellationToken) -> Result<App> {
    let store =
        Store::connect_lazy(&config.database_url, config.database_connections).context("DATABASE_URL")?;
    let folder = config.embedding_model.clone();
    let embedder = tokio::task::spawn_blocking(move || Embedder::load(&folder))
        .await?
        .with_context(|| {
            format!(
                "RAPPORTEUR_EMBEDDING_MODEL: loading {}",
                config.embedding_model.display()
            )
        })?;
    let livekit_client = match &config.livekit_client_js {
        None => None,
        Some(path) => Some(
            LiveKitClient::load(path)
                .with_context(|| format!("RAPPORTEUR_LIVEKIT_CLIENT_JS: reading {}", path.display()))?,
        ),
    };
    Ok(Parts::new(Setup {
        livekit: LiveKit::new(
            &config.livekit_url,
            &config.public_livekit_url,
            &config.livekit_api_key,
            &config.livekit_api_secret,
        ),
        links: Links::new(&config.api_key, &config.livekit_api_secret),
        api_key: config.api_key.clone(),
        public_url: config.public_url.clone(),
        now: Utc::now,
        store,
        embedder,
        livekit_client,
        shutdown,
    }))
}

/// Brings the schema up to date, however long the database is away. Whether it is there; not when the process ends first.
async fn migrate(app: &App) -> bool {
    let mut backoff = wake::Backoff::default();
    while let Err(error) = app.store.migrate().await {
        app.metrics.failure("database");
        app.health.trouble("migrations", error.to_string());
        tracing::error!(error = ?error, "the schema could not be brought up to date; trying again");
        tokio::select! {
            () = app.shutdown.cancelled() => return false,
            () = tokio::time::sleep(backoff.next()) => {}
        }
    }
    app.health.migrated();
    app.health.well("migrations");
    true
}
