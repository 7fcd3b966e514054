//! LiveKit's JavaScript SDK in headless Chromium (`page.html`).

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use runner::process::Process;
use runner::servers::free_port;
use serde_json::{Value, json};

use super::ORDER_LIMIT;
use super::ground::{Ground, own_folder};
use crate::browser::{Browser, Setup};

pub(super) struct Page {
    browser: Browser,
    /// Serves the page: workers and cryptography are for pages with an origin.
    _files: Process,
}

impl Page {
    pub(super) async fn start(ground: &Ground) -> Result<Self> {
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
            .wait_until_ready(ORDER_LIMIT, async || {
                tokio::net::TcpStream::connect(&address).await.is_ok()
            })
            .await?;
        let browser = Browser::start(&ground.run.path, &Setup::default()).await?;
        browser.open(&format!("http://{address}/page.html")).await?;
        // Sound begins with a person's click.
        browser.click("#begin").await?;
        browser
            .wait_until("the page", ORDER_LIMIT, "window.peer.begun")
            .await?;
        Ok(Self {
            browser,
            _files: files,
        })
    }

    pub(super) async fn order(&self, name: &str, with: &Value) -> Result<Value> {
        self.browser
            .run(&format!("window.peer.obey({}, {with});", json!(name)))
            .await?;
        let mut answer = self
            .browser
            .wait_for(name, ORDER_LIMIT, "window.peer.answer", |answer| {
                !answer.is_null()
            })
            .await?;
        match answer.get("failed") {
            Some(error) => bail!("{name} in the browser: {error}"),
            None => Ok(answer["answer"].take()),
        }
    }

    pub(super) async fn quit(self) -> Result<()> {
        self.browser.quit().await
    }
}
