//! LiveKit's Python SDK, in a process of its own (`peer.py`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command};

use anyhow::{Context as _, Result, bail};
use runner::parts::python;
use runner::process::Process;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::ground::{Ground, own_folder, workspace};
use super::{ORDER_LIMIT, STOP_LIMIT};

pub(super) struct Python {
    orders: ChildStdin,
    answers: mpsc::Receiver<Value>,
    process: Process,
}

impl Python {
    pub(super) async fn start(ground: &Ground) -> Result<Self> {
        let interpreter = python::environment(&ground.cache, workspace()?, "livekit")?;
        let mut command = Command::new(interpreter);
        command.arg(own_folder().join("peer.py"));
        let (process, orders, output) =
            Process::start_talking("python-peer", &mut command, &ground.run.path)?;
        let (sender, answers) = mpsc::channel(16);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str(&line) else {
                    continue;
                };
                if sender.blocking_send(value).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            orders,
            answers,
            process,
        })
    }

    pub(super) async fn order(&mut self, name: &str, with: &Value) -> Result<Value> {
        writeln!(self.orders, "{}", json!({"do": name, "with": with}))?;
        let answer = timeout(ORDER_LIMIT, self.answers.recv())
            .await
            .with_context(|| format!("no answer to {name} within {ORDER_LIMIT:?}"))?;
        let mut answer = answer.with_context(|| format!("it ended: {}", self.process.log_tail()))?;
        match answer.get("failed") {
            Some(error) => bail!("{name} in Python: {error}"),
            None => Ok(answer["answer"].take()),
        }
    }

    pub(super) async fn quit(self) {
        let Self {
            orders, mut process, ..
        } = self;
        drop(orders);
        process.wait(STOP_LIMIT).await;
    }
}
