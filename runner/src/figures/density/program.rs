//! A program that is told what to do and reports, one JSON object a line in both directions.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::heard::Heard;
use crate::process::Process;

/// Reports that wait to be read; the program waits when there are more.
const WAITING_LIMIT: usize = 1_024;
const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// What programs report.
#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(super) enum Report {
    Ready,
    Entered {
        room: String,
        #[serde(default)]
        token: String,
    },
    Failed {
        room: String,
        what: String,
    },
    Counted {
        refused_packets: u64,
    },
    Heard(Heard),
}

/// One of them, running.
pub(super) struct Program {
    name: &'static str,
    orders: ChildStdin,
    reports: mpsc::Receiver<Report>,
    process: Process,
}

impl Program {
    /// Starts it and waits until it is ready.
    ///
    /// # Errors
    /// It does not start; its log is in `folder`.
    pub(super) async fn start(name: &'static str, command: &mut Command, folder: &Path) -> Result<Self> {
        let (process, orders, output) = Process::start_talking(name, command, folder)?;
        let (sender, reports) = mpsc::channel(WAITING_LIMIT);
        std::thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            for report in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                if sender.blocking_send(report).is_err() {
                    return;
                }
            }
        });
        let mut program = Self {
            name,
            orders,
            reports,
            process,
        };
        let ready = |report| matches!(report, Report::Ready).then_some(());
        program.until("ready", READY_LIMIT, ready).await?;
        Ok(program)
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Tells it to do something.
    ///
    /// # Errors
    /// It is gone.
    pub(super) fn order(&mut self, order: &serde_json::Value) -> Result<()> {
        writeln!(self.orders, "{order}")
            .and_then(|()| self.orders.flush())
            .with_context(|| format!("{} is gone; its log says why", self.name))
    }

    /// Waits for a report that `wanted` takes; others are passed over.
    ///
    /// # Errors
    /// It does not come, or the program failed to do as it was told.
    pub(super) async fn until<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut wanted: impl FnMut(Report) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            let Ok(report) = timeout_at(deadline, self.reports.recv()).await else {
                bail!("{} was not {what} within {limit:?}; see its log", self.name);
            };
            let report = report.with_context(|| format!("{} is gone; its log says why", self.name))?;
            if let Report::Failed { room, what } = &report {
                bail!("{}, room {room}: {what}", self.name);
            }
            if let Some(found) = wanted(report) {
                return Ok(found);
            }
        }
    }

    /// Waits until it has entered a room; gives the token that it has for somebody who hears.
    ///
    /// # Errors
    /// As [`Program::until`].
    pub(super) async fn entered(&mut self, wanted: &str, limit: Duration) -> Result<String> {
        self.until("in the room", limit, |report| match report {
            Report::Entered { room, token } if room == wanted => Some(token),
            _ => None,
        })
        .await
    }

    /// Ends it: without orders it goes.
    pub(super) async fn stop(self) {
        let Self {
            orders, mut process, ..
        } = self;
        drop(orders);
        if process.ended_within(STOP_LIMIT).await.is_none() {
            process.kill();
        }
    }
}
