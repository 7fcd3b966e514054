//! A real browser: headless Chromium behind chromedriver, spoken to in the W3C WebDriver protocol. Only what our pages
//! need; the client crates would change features of `serde_json` or `syn` for the whole workspace and build it twice.

mod look;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use runner::process::Process;
use serde_json::{Value, json};

pub use look::{DESKTOP, PHONE, Screen, Setup};

const START_LIMIT: Duration = Duration::from_secs(20);
const COMMAND_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(40);
/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as WebDriver writes them.
pub mod key {
    /// To the next control.
    pub const TAB: &str = "\u{e004}";
    /// Presses what has the focus.
    pub const ENTER: &str = "\u{e007}";
    /// To the one before.
    pub const UP: &str = "\u{e013}";
    /// Leaves.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Presses what has the focus.
    pub const SPACE: &str = " ";
}

/// A browser with one window. Dropping it ends Chromium and chromedriver.
pub struct Browser {
    http: reqwest::Client,
    session: String,
    driver: Process,
}

impl Browser {
    /// Starts chromedriver and a Chromium with a profile of its own; logs and profile are in `folder`.
    ///
    /// # Errors
    /// One of them does not start.
    pub async fn start(folder: &Path, setup: &Setup) -> Result<Self> {
        let port = runner::servers::free_port()?;
        let base = format!("http://127.0.0.1:{port}");
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Process::start("chromedriver", &mut command, folder)?;
        let http = reqwest::Client::builder().timeout(COMMAND_LIMIT).build()?;
        let status = format!("{base}/status");
        driver
            .wait_until_ready(START_LIMIT, async || {
                let answer = http.get(&status).send().await;
                answer.is_ok_and(|answer| answer.status().is_success())
            })
            .await?;
        let profile = folder.join(format!("chromium-{port}"));
        let body = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": look::arguments(&profile, setup)},
        }}});
        let made = send(&http, Method::POST, &format!("{base}/session"), Some(&body)).await?;
        let id = made["sessionId"].as_str().context("no session")?;
        Ok(Self {
            session: format!("{base}/session/{id}"),
            http,
            driver,
        })
    }

    async fn post(&self, command: &str, body: Value) -> Result<Value> {
        let url = format!("{}/{command}", self.session);
        send(&self.http, Method::POST, &url, Some(&body)).await
    }

    /// Chromium's own protocol, where WebDriver has no word for it.
    async fn devtools(&self, command: &str, parameters: Value) -> Result<()> {
        let body = json!({"cmd": command, "params": parameters});
        self.post("goog/cdp/execute", body).await?;
        Ok(())
    }

    /// Makes the window look like another device.
    ///
    /// # Errors
    /// Chromium refuses.
    pub async fn look(&self, screen: Screen) -> Result<()> {
        let Screen {
            width, height, phone, ..
        } = screen;
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": phone});
        self.devtools("Emulation.setDeviceMetricsOverride", metrics)
            .await?;
        let scheme = if screen.dark { "dark" } else { "light" };
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.devtools("Emulation.setEmulatedMedia", features).await
    }

    /// Opens an address and waits until the page is loaded.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn open(&self, url: &str) -> Result<()> {
        self.post("url", json!({"url": url})).await.map(drop)
    }

    /// Loads the page again.
    ///
    /// # Errors
    /// It cannot be loaded.
    pub async fn reload(&self) -> Result<()> {
        self.post("refresh", json!({})).await.map(drop)
    }

    /// What a script returns (`return ...`).
    ///
    /// # Errors
    /// It throws.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", json!({"script": script, "args": []}))
            .await
    }

    /// The value of an expression, once `wanted` accepts it.
    ///
    /// # Errors
    /// `limit` passes first; the error shows the last value and what the page shows.
    pub async fn wait_for(
        &self,
        what: &str,
        limit: Duration,
        expression: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let begun = Instant::now();
        let script = format!("return ({expression});");
        loop {
            let value = self.run(&script).await.with_context(|| what.to_owned())?;
            if wanted(&value) {
                return Ok(value);
            }
            if begun.elapsed() > limit {
                let page = self.run("return document.body.innerText;").await?;
                bail!(
                    "waiting for {what}: not within {limit:?}; the last was {value}; the page shows {page}"
                );
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until an expression is true.
    ///
    /// # Errors
    /// `limit` passes first.
    pub async fn wait_until(&self, what: &str, limit: Duration, expression: &str) -> Result<()> {
        let is_true = |value: &Value| *value == Value::Bool(true);
        self.wait_for(what, limit, &format!("!!({expression})"), is_true)
            .await
            .map(drop)
    }

    /// Types on the keyboard, into whatever has the focus.
    ///
    /// # Errors
    /// The window is gone.
    pub async fn press(&self, keys: &str) -> Result<()> {
        let strokes: Vec<Value> = keys
            .chars()
            .flat_map(|key| {
                [
                    json!({"type": "keyDown", "value": key}),
                    json!({"type": "keyUp", "value": key}),
                ]
            })
            .collect();
        let actions = json!({"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]});
        self.post("actions", actions).await.map(drop)
    }

    /// Goes from control to control with the Tab key until the one with this id has the focus, and shows it.
    ///
    /// # Errors
    /// The keyboard does not get there within 30 steps, or the focus cannot be seen.
    pub async fn tab_to(&self, id: &str) -> Result<()> {
        let mut passed = Vec::new();
        for _ in 0..30 {
            self.press(key::TAB).await?;
            let focus = self
                .run("const e = document.activeElement; const s = getComputedStyle(e); return [e.id, s.outlineStyle, s.outlineWidth];")
                .await?;
            if focus[0] == id {
                if focus[1] == "none" || focus[2] == "0px" {
                    bail!("the focus on #{id} cannot be seen: {focus}");
                }
                return Ok(());
            }
            passed.push(focus[0].to_string());
        }
        bail!("the Tab key does not lead to #{id}, only to {passed:?}")
    }

    /// Clicks with the mouse where the element is.
    ///
    /// # Errors
    /// There is none, or something lies over it.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.post("element", body).await?;
        let id = found[ELEMENT].as_str().context("no element")?;
        self.post(&format!("element/{id}/click"), json!({}))
            .await
            .map(drop)
    }

    /// What the window shows, as PNG.
    ///
    /// # Errors
    /// The window is gone.
    pub async fn screenshot(&self) -> Result<Vec<u8>> {
        let url = format!("{}/screenshot", self.session);
        let picture = send(&self.http, Method::GET, &url, None).await?;
        Ok(STANDARD.decode(picture.as_str().context("no picture")?)?)
    }

    /// Closes the window and ends the browser.
    ///
    /// # Errors
    /// Chromium was gone before.
    pub async fn quit(mut self) -> Result<()> {
        let closed = send(&self.http, Method::DELETE, &self.session, None).await;
        self.driver.stop(STOP_LIMIT).await;
        closed.map(drop)
    }
}

/// One WebDriver command; its value.
async fn send(http: &reqwest::Client, method: Method, url: &str, body: Option<&Value>) -> Result<Value> {
    let mut request = http.request(method, url);
    if let Some(body) = body {
        request = request.json(body);
    }
    let response = request.send().await.context("chromedriver does not answer")?;
    let succeeded = response.status().is_success();
    let mut answer: Value = response
        .json()
        .await
        .context("chromedriver's answer is not JSON")?;
    let value = answer["value"].take();
    if !succeeded {
        bail!("the browser: {}: {}", value["error"], value["message"]);
    }
    Ok(value)
}
