//! LiveKit's JavaScript SDK in headless Chromium (`page.html`).

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use runner::process::Process;
use runner::servers::free_port;
use serde_json::{Value, json};
use system_tests::browser::{Browser, Setup};

use crate::Peer;
use crate::ground::{Ground, Sound, own_folder};

const LIMIT: Duration = Duration::from_secs(30);

pub(crate) struct Page {
    browser: Browser,
    /// Serves the page: workers and cryptography are for pages with an origin.
    _files: Process,
}

impl Page {
    async fn order(&self, name: &str, order: Value) -> Result<()> {
        self.browser
            .run(&format!("window.peer.obey({}, {order});", json!(name)))
            .await?;
        let done = format!("window.peer.done[{}]", json!(name));
        let answer = self
            .browser
            .wait_for(name, LIMIT, &done, |done| !done.is_null())
            .await?;
        match answer {
            Value::Bool(true) => Ok(()),
            error => bail!("{name} in the browser: {error}"),
        }
    }
}

impl Peer for Page {
    async fn start(ground: &Ground) -> Result<Self> {
        let folder = ground.run.path.join("page");
        std::fs::create_dir_all(&folder)?;
        std::fs::copy(own_folder().join("page.html"), folder.join("page.html"))?;
        let library = &ground.parts.livekit_client_js;
        let worker = library.with_file_name("livekit-client.e2ee.worker.js");
        for file in [library, &worker] {
            let name = file.file_name().context("a file without a name")?;
            std::fs::copy(file, folder.join(name)).with_context(|| format!("copying {}", file.display()))?;
        }
        let port = free_port()?;
        let mut command = Command::new("python3");
        command.args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"]);
        command.arg(&folder).arg(port.to_string());
        let mut files = Process::start("page-server", &mut command, &ground.run.path)?;
        let address = format!("127.0.0.1:{port}");
        files
            .wait_until_ready(LIMIT, async || {
                tokio::net::TcpStream::connect(&address).await.is_ok()
            })
            .await?;
        let browser = Browser::start(&ground.run.path, &Setup::default()).await?;
        browser.open(&format!("http://{address}/page.html")).await?;
        // Sound begins with a person's click.
        browser.click("#begin").await?;
        browser
            .wait_until("the page", LIMIT, "window.peer.done.begin")
            .await?;
        Ok(Self {
            browser,
            _files: files,
        })
    }

    async fn derive_by(&mut self, algorithm: &str) -> Result<()> {
        self.order("derive_by", json!({"algorithm": algorithm})).await
    }

    async fn connect(&mut self, url: &str, token: &str, secret: Option<&str>, window: i32) -> Result<()> {
        let order = json!({"url": url, "token": token, "secret": secret, "window": window});
        self.order("connect", order).await
    }

    async fn connect_openly(&mut self, url: &str, token: &str) -> Result<()> {
        self.order("connect_openly", json!({"url": url, "token": token}))
            .await
    }

    async fn publish(&mut self, hz: f64) -> Result<()> {
        self.order("publish", json!({"hz": hz})).await
    }

    async fn ratchet(&mut self) -> Result<()> {
        self.order("ratchet", json!({})).await
    }

    async fn say(&mut self, text: &str) -> Result<()> {
        self.order("say", json!({"text": text})).await
    }

    async fn sound(&mut self) -> Result<Sound> {
        let sound = self.browser.run("return window.peer.sound();").await?;
        Ok(Sound {
            hz: sound["hz"].as_f64().context("no pitch")?,
            loudest: sound["loudest"].as_f64().context("no level")?,
            now: sound["now"].as_f64().context("no level")?,
        })
    }

    async fn texts(&mut self) -> Result<Vec<String>> {
        let texts = self.browser.run("return window.peer.texts;").await?;
        Ok(serde_json::from_value(texts)?)
    }

    async fn leave(self) -> Result<()> {
        self.browser.quit().await
    }
}
