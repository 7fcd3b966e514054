//! The person in the rooms: `runner/python/observer.py`, on LiveKit's own Python SDK, so that ours and others are seen with
//! the same foreign eyes. One JSON object a line in both directions.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::python;
use crate::process::Process;
use crate::servers::Livekit;

const READY_LIMIT: Duration = Duration::from_secs(30);
/// Reports that wait to be read; the observer waits when there are more.
const WAITING_LIMIT: usize = 1024;

/// What the observer reports.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(super) struct Report {
    /// What: `ready`, `published`, `dispatching`, `joined`, `subscribed`, `left`, `out`, `failed`.
    pub event: String,
    /// The LiveKit room.
    pub room: String,
    /// Wall clock.
    pub at_unix_ms: f64,
    /// Of a failure: of what and why.
    #[serde(default)]
    pub what: Option<String>,
}

/// The running observer; it leaves when dropped.
#[derive(Debug)]
pub(super) struct Observer {
    orders: ChildStdin,
    reports: mpsc::Receiver<Report>,
    // After the pipe, so that it has been told to leave before it is ended.
    _process: Process,
}

impl Observer {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start(
        interpreter: &Path,
        workspace: &Path,
        livekit: &Livekit,
        folder: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(interpreter);
        command.arg(python::programs(workspace).join("observer.py"));
        Self::run("observer", command, livekit, folder).await
    }

    /// Starts the program `visitors` of `system-tests`, which does the same for many rooms side by side.
    ///
    /// # Errors
    /// It does not start.
    pub(super) async fn start_lean(binaries: &Path, livekit: &Livekit, folder: &Path) -> Result<Self> {
        let command = Command::new(binaries.join("visitors"));
        Self::run("visitors", command, livekit, folder).await
    }

    async fn run(name: &str, mut command: Command, livekit: &Livekit, folder: &Path) -> Result<Self> {
        command
            .env("LIVEKIT_URL", &livekit.url)
            .env("LIVEKIT_API_KEY", &livekit.api_key)
            .env("LIVEKIT_API_SECRET", &livekit.api_secret);
        let (process, orders, output) = Process::start_talking(name, &mut command, folder)?;
        let (sender, reports) = mpsc::channel(WAITING_LIMIT);
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            for report in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.blocking_send(report).is_err() {
                    return;
                }
            }
        });
        let mut observer = Self {
            orders,
            reports,
            _process: process,
        };
        observer.until("ready", "", READY_LIMIT).await?;
        Ok(observer)
    }

    /// Enters a room and publishes a microphone; without a token, with one that it makes itself.
    ///
    /// # Errors
    /// The observer is gone.
    pub(super) fn enter(&mut self, room: &str, token: Option<&str>) -> Result<()> {
        self.order(&json!({"do": "enter", "room": room, "token": token}))
    }

    /// Asks LiveKit for an agent.
    ///
    /// # Errors
    /// The observer is gone.
    pub(super) fn dispatch(&mut self, room: &str, agent: &str) -> Result<()> {
        self.order(&json!({"do": "dispatch", "room": room, "agent": agent}))
    }

    /// As [`Observer::dispatch`], at a given time. Only `visitors` waits for it.
    ///
    /// # Errors
    /// The observer is gone.
    pub(super) fn dispatch_at(&mut self, room: &str, agent: &str, at_unix_ms: f64) -> Result<()> {
        self.order(&json!({"do": "dispatch", "room": room, "agent": agent, "at_unix_ms": at_unix_ms}))
    }

    /// Leaves a room.
    ///
    /// # Errors
    /// The observer is gone.
    pub(super) fn leave(&mut self, room: &str) -> Result<()> {
        self.order(&json!({"do": "leave", "room": room}))
    }

    /// Closes a room at LiveKit: everybody is sent out.
    ///
    /// # Errors
    /// The observer is gone.
    pub(super) fn close(&mut self, room: &str) -> Result<()> {
        self.order(&json!({"do": "close", "room": room}))
    }

    fn order(&mut self, order: &serde_json::Value) -> Result<()> {
        writeln!(self.orders, "{order}")
            .and_then(|()| self.orders.flush())
            .context("the observer is gone; observer.log says why")
    }

    /// Waits for a report about a room; others are passed over. `None` when `limit` passes.
    ///
    /// # Errors
    /// The observer is gone, or failed to do as it was told in this room.
    pub(super) async fn within(
        &mut self,
        event: &str,
        room: &str,
        limit: Duration,
    ) -> Result<Option<Report>> {
        let deadline = Instant::now() + limit;
        loop {
            let Ok(report) = timeout_at(deadline, self.reports.recv()).await else {
                return Ok(None);
            };
            let report = report.context("the observer is gone; observer.log says why")?;
            if report.room == room && report.event == event {
                return Ok(Some(report));
            }
            if report.room == room && report.event == "failed" {
                bail!("the observer could not {}", report.what.unwrap_or_default());
            }
        }
    }

    /// Waits for a report about each of so many rooms: which came when, by the wall clock in milliseconds. Of several about
    /// one room the first counts; those that do not come until `limit` are missing.
    ///
    /// # Errors
    /// The observer is gone, or failed to do as it was told.
    pub(super) async fn all(
        &mut self,
        event: &str,
        rooms: usize,
        limit: Duration,
    ) -> Result<HashMap<String, f64>> {
        let deadline = Instant::now() + limit;
        let mut came = HashMap::new();
        while came.len() < rooms {
            let Ok(report) = timeout_at(deadline, self.reports.recv()).await else {
                break;
            };
            let report = report.context("the observer is gone; its log says why")?;
            if report.event == event {
                came.entry(report.room).or_insert(report.at_unix_ms);
            } else if report.event == "failed" {
                bail!("the observer could not {}", report.what.unwrap_or_default());
            }
        }
        Ok(came)
    }

    /// As [`Observer::within`], where a report has to come.
    ///
    /// # Errors
    /// It does not.
    pub(super) async fn until(&mut self, event: &str, room: &str, limit: Duration) -> Result<Report> {
        self.within(event, room, limit)
            .await?
            .with_context(|| format!("the observer was not {event} within {limit:?}; see observer.log"))
    }
}
