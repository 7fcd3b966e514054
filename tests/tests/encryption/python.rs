//! LiveKit's Python SDK, in a process of its own (`peer.py`).

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use runner::parts::python;
use runner::process::Process;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::Peer;
use crate::ground::{Ground, Sound, own_folder, workspace};

const ANSWER_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);

pub(crate) struct Python {
    orders: Option<ChildStdin>,
    told: mpsc::Receiver<Value>,
    texts: Vec<String>,
    process: Process,
}

impl Python {
    pub(crate) async fn keep(&mut self, of: &str, secret: &str) -> Result<()> {
        let order = json!({"do": "key", "of": of, "secret": secret});
        self.order(order, "kept").await.map(drop)
    }

    /// Gives an order and waits for its answer.
    async fn order(&mut self, order: Value, answer: &str) -> Result<Value> {
        let orders = self.orders.as_mut().context("it has been told to leave")?;
        writeln!(orders, "{order}")?;
        loop {
            let told = timeout(ANSWER_LIMIT, self.told.recv())
                .await
                .with_context(|| format!("no {answer:?} within {ANSWER_LIMIT:?}"))?;
            let told = told.with_context(|| format!("it ended: {}", self.process.log_tail()))?;
            match told["event"].as_str() {
                Some("text") => self.keep_text(&told),
                Some("failed") => bail!("{order}: {}", told["what"]),
                Some(event) if event == answer => return Ok(told),
                _ => {}
            }
        }
    }

    fn keep_text(&mut self, told: &Value) {
        self.texts.extend(told["text"].as_str().map(str::to_owned));
    }
}

impl Peer for Python {
    async fn start(ground: &Ground) -> Result<Self> {
        let interpreter = python::environment(&ground.cache, workspace()?, "livekit")?;
        let mut command = Command::new(interpreter);
        command.arg(own_folder().join("peer.py"));
        let (process, orders, output) =
            Process::start_talking("python-peer", &mut command, &ground.run.path)?;
        let (sender, told) = mpsc::channel(1_024);
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
            orders: Some(orders),
            told,
            texts: Vec::new(),
            process,
        })
    }

    async fn derive_by(&mut self, algorithm: &str) -> Result<()> {
        let order = json!({"do": "derive", "by": algorithm});
        self.order(order, "derives").await.map(drop)
    }

    async fn connect(&mut self, url: &str, token: &str, secret: Option<&str>, window: i32) -> Result<()> {
        let order = json!({"do": "connect", "url": url, "token": token, "secret": secret, "window": window});
        self.order(order, "connected").await.map(drop)
    }

    async fn connect_openly(&mut self, url: &str, token: &str) -> Result<()> {
        let order = json!({"do": "connect_openly", "url": url, "token": token});
        self.order(order, "connected").await.map(drop)
    }

    async fn publish(&mut self, hz: f64) -> Result<()> {
        let order = json!({"do": "publish", "hz": hz});
        self.order(order, "published").await.map(drop)
    }

    async fn ratchet(&mut self) -> Result<()> {
        self.order(json!({"do": "ratchet"}), "ratcheted").await.map(drop)
    }

    async fn say(&mut self, text: &str) -> Result<()> {
        self.order(json!({"do": "say", "text": text}), "said")
            .await
            .map(drop)
    }

    async fn sound(&mut self) -> Result<Sound> {
        let told = self.order(json!({"do": "sound"}), "sound").await?;
        Ok(Sound {
            hz: told["hz"].as_f64().context("no pitch")?,
            loudest: told["loudest"].as_f64().context("no level")?,
            now: told["now"].as_f64().context("no level")?,
        })
    }

    async fn texts(&mut self) -> Result<Vec<String>> {
        // The answer comes after whatever was told before.
        self.sound().await?;
        Ok(self.texts.clone())
    }

    async fn leave(mut self) -> Result<()> {
        drop(self.orders.take());
        self.process.wait(STOP_LIMIT).await;
        Ok(())
    }
}
