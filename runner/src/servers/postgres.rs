//! Postgres with pgvector from its wheel, in a data folder of its own, never as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::free_port;
use crate::commands;
use crate::parts::Parts;
use crate::process::Process;

const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Whether a commit waits for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in production.
    Disk,
    /// For tests: a crash of the machine may lose data, a crash of Postgres does not.
    Memory,
}

/// A database server, or the one at `DATABASE_URL`.
#[derive(Debug)]
pub struct Postgres {
    /// Where clients connect.
    pub url: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    process: Option<Process>,
    install: PathBuf,
    data: PathBuf,
    logs: PathBuf,
    port: u16,
    durability: Durability,
}

impl Postgres {
    /// Makes a data folder if there is none, starts the server and makes the database `rapporteur`.
    ///
    /// # Errors
    /// It does not start; the error shows the end of its log.
    pub async fn start(parts: &Parts, folder: &Path, durability: Durability) -> Result<Self> {
        let Some(install) = parts.postgres.clone() else {
            let url = std::env::var("DATABASE_URL").context("DATABASE_URL is not text")?;
            return Ok(Self { url, own: None });
        };
        let data = folder.join("postgres");
        if !data.join("PG_VERSION").exists() {
            init(&install, &data)?;
        }
        let port = free_port()?;
        let url = format!("postgres://rapporteur@127.0.0.1:{port}/rapporteur");
        let own = Own {
            process: None,
            install,
            data,
            logs: folder.to_owned(),
            port,
            durability,
        };
        let mut postgres = Self { url, own: Some(own) };
        postgres.launch().await?;
        postgres.create_database("rapporteur", "template1")?;
        Ok(postgres)
    }

    /// Host and port without user and password.
    pub fn address(&self) -> String {
        let after = self.url.rsplit_once('@').map(|(_, after)| after);
        let after = after.or_else(|| self.url.split_once("://").map(|(_, after)| after));
        after
            .and_then(|after| after.split('/').next())
            .unwrap_or_default()
            .to_owned()
    }

    /// A new database with the content of `template` (which nobody may be connected to); returns its address.
    ///
    /// # Errors
    /// The server is not ours, or refuses.
    pub fn fresh_database(&self, name: &str, template: &str) -> Result<String> {
        anyhow::ensure!(
            self.own.is_some(),
            "databases are only made on a server that the runner started"
        );
        self.create_database(name, template)?;
        let (server, _) = self
            .url
            .rsplit_once('/')
            .context("an address without a database")?;
        Ok(format!("{server}/{name}"))
    }

    /// Starts a stopped server again on the same port.
    ///
    /// # Errors
    /// It does not start.
    pub async fn launch(&mut self) -> Result<()> {
        let Some(own) = &mut self.own else { return Ok(()) };
        // A server that was killed leaves its lock behind; it would be refused only if its pid were in use again.
        let mut command = as_other_user(&own.install.join("bin/postgres"));
        command
            .arg("-D")
            .arg(&own.data)
            .args(["-p", &own.port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "max_connections=200"]);
        if own.durability == Durability::Memory {
            command.args([
                "-c",
                "fsync=off",
                "-c",
                "synchronous_commit=off",
                "-c",
                "full_page_writes=off",
            ]);
        }
        let mut process = Process::start("postgres", &mut command, &own.logs)?;
        let (install, port) = (own.install.clone(), own.port);
        process
            .wait_until_ready(READY_LIMIT, async || {
                let mut probe = Command::new(install.join("bin/psql"));
                probe.args([
                    "-h",
                    "127.0.0.1",
                    "-U",
                    "rapporteur",
                    "-d",
                    "postgres",
                    "-c",
                    "SELECT 1",
                    "-p",
                    &port.to_string(),
                ]);
                commands::run(&mut probe).is_ok()
            })
            .await
            .context("Postgres did not start. A full disk or a foreign data folder are the usual reasons")?;
        own.process = Some(process);
        Ok(())
    }

    fn create_database(&self, name: &str, template: &str) -> Result<()> {
        let Some(own) = &self.own else { return Ok(()) };
        let psql = |database: &str, sql: &str| {
            let mut command = Command::new(own.install.join("bin/psql"));
            command.args([
                "-h",
                "127.0.0.1",
                "-U",
                "rapporteur",
                "-d",
                database,
                "-tA",
                "-p",
                &own.port.to_string(),
            ]);
            commands::run(command.args(["-c", sql]))
        };
        let known = psql(
            "postgres",
            &format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"),
        )?;
        if known.trim().is_empty() {
            psql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"))?;
        }
        Ok(())
    }

    /// Stops the server; connections are cut (Postgres' fast shutdown).
    pub async fn stop(&mut self) {
        if let Some(mut process) = self.own.as_mut().and_then(|own| own.process.take()) {
            // SIGINT is Postgres' fast shutdown: SIGTERM would wait for every client to leave.
            process.interrupt();
            process.wait(STOP_LIMIT).await;
        }
    }

    /// Kills the server and all its processes at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.own.as_mut().and_then(|own| own.process.take()) {
            process.kill();
        }
    }
}

/// Postgres refuses to run as root: root hands the program to `nobody`.
fn as_other_user(program: &Path) -> Command {
    if !rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"])
        .arg(program);
    command
}

fn init(install: &Path, data: &Path) -> Result<()> {
    fs::create_dir_all(data).with_context(|| format!("making {}", data.display()))?;
    if rustix::process::geteuid().is_root() {
        commands::run(Command::new("chown").arg("nobody:nogroup").arg(data))?;
    }
    let mut command = as_other_user(&install.join("bin/initdb"));
    // Only this machine's loopback reaches it, so connections need no password.
    command.arg("-D").arg(data).args([
        "-U",
        "rapporteur",
        "--auth=trust",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--no-sync",
    ]);
    commands::run(&mut command)?;
    Ok(())
}
