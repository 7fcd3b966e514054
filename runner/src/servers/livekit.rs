//! livekit-server on loopback.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};

use super::relay::{Relay, Sections};
use super::{free_port, secret};
use crate::parts::Parts;
use crate::process::Process;

const READY_LIMIT: Duration = Duration::from_secs(20);
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// Asked once, it waits for everybody to leave; asked twice, it goes. Signals too close to one another are one.
const ASK_AGAIN: Duration = Duration::from_millis(300);
const API_KEY: &str = "rapporteur";

/// A media server, or the one at `LIVEKIT_URL`.
#[derive(Debug)]
pub struct Livekit {
    /// Where clients connect, `ws://`.
    pub url: String,
    /// The API key.
    pub api_key: String,
    /// The API secret.
    pub api_secret: String,
    own: Option<Own>,
}

#[derive(Debug)]
struct Own {
    process: Option<Process>,
    program: PathBuf,
    config: PathBuf,
    udp_port: u16,
    logs: PathBuf,
}

/// How sound reaches a server.
enum Way<'a> {
    Direct,
    /// Over TCP only.
    Tcp,
    /// Through its TURN server too.
    Relay(&'a Relay),
}

impl Livekit {
    /// Starts a server with ports and a secret of its own.
    ///
    /// # Errors
    /// It does not start; the error shows the end of its log.
    pub async fn start(parts: &Parts, folder: &Path) -> Result<Self> {
        Self::start_behind(parts, folder, Ipv4Addr::LOCALHOST).await
    }

    /// As [`Livekit::start`], where clients are told to bring sound to another address, on which somebody passes it on to
    /// the same port of 127.0.0.1.
    ///
    /// # Errors
    /// As [`Livekit::start`].
    pub async fn start_behind(parts: &Parts, folder: &Path, media_address: Ipv4Addr) -> Result<Self> {
        Self::start_configured(parts, folder, media_address, Way::Direct).await
    }

    /// As [`Livekit::start`], with no way for sound but TCP.
    ///
    /// # Errors
    /// As [`Livekit::start`].
    pub async fn start_without_udp(parts: &Parts, folder: &Path) -> Result<Self> {
        Self::start_configured(parts, folder, Ipv4Addr::LOCALHOST, Way::Tcp).await
    }

    /// As [`Livekit::start`], with its TURN server; clients are told of it when they join.
    ///
    /// # Errors
    /// As [`Livekit::start`].
    pub async fn start_with_relay(parts: &Parts, folder: &Path, relay: &Relay) -> Result<Self> {
        Self::start_configured(parts, folder, Ipv4Addr::LOCALHOST, Way::Relay(relay)).await
    }

    async fn start_configured(
        parts: &Parts,
        folder: &Path,
        media_address: Ipv4Addr,
        way: Way<'_>,
    ) -> Result<Self> {
        let Some(program) = parts.livekit_server.clone() else {
            let variable = |name: &str| {
                std::env::var(name).with_context(|| format!("LIVEKIT_URL is set, {name} is not"))
            };
            let (url, api_key) = (variable("LIVEKIT_URL")?, variable("LIVEKIT_API_KEY")?);
            return Ok(Self {
                url,
                api_key,
                api_secret: variable("LIVEKIT_API_SECRET")?,
                own: None,
            });
        };
        std::fs::create_dir_all(folder)?;
        let (port, udp_port, api_secret) = (free_port()?, free_port()?, secret());
        let way = match way {
            Way::Direct => Sections::default(),
            Way::Tcp => Sections {
                in_rtc: "  force_tcp: true\n".to_owned(),
                after: String::new(),
            },
            Way::Relay(relay) => relay.sections(API_KEY, &api_secret)?,
        };
        let config = folder.join("livekit.yaml");
        let text = configuration(
            port,
            free_port()?,
            udp_port,
            media_address,
            &api_secret,
            &way.in_rtc,
        );
        std::fs::write(&config, text + &way.after)?;
        let own = Own {
            process: None,
            program,
            config,
            udp_port,
            logs: folder.to_owned(),
        };
        let mut livekit = Self {
            url: format!("ws://127.0.0.1:{port}"),
            api_key: API_KEY.into(),
            api_secret,
            own: Some(own),
        };
        livekit.launch().await?;
        Ok(livekit)
    }

    /// Where it takes sound, UDP; none of a server that runs elsewhere.
    pub fn udp_port(&self) -> Option<u16> {
        Some(self.own.as_ref()?.udp_port)
    }

    /// The server's process; none of one that runs elsewhere.
    pub fn pid(&self) -> Option<u32> {
        Some(self.own.as_ref()?.process.as_ref()?.pid())
    }

    /// Starts a stopped server again on the same ports.
    ///
    /// # Errors
    /// It does not start.
    pub async fn launch(&mut self) -> Result<()> {
        let http = self.url.replacen("ws", "http", 1);
        let Some(own) = &mut self.own else { return Ok(()) };
        let mut command = Command::new(&own.program);
        command.arg("--config").arg(&own.config);
        let mut process = Process::start("livekit-server", &mut command, &own.logs)?;
        process
            .wait_until_ready(READY_LIMIT, async || super::ours::answers(&http).await)
            .await
            .context(
                "livekit-server did not start. If a port is taken, start again: ports are chosen anew",
            )?;
        own.process = Some(process);
        Ok(())
    }

    /// Stops the server, whoever is still in a room.
    pub async fn stop(&mut self) {
        let Some(mut process) = self.own.as_mut().and_then(|own| own.process.take()) else {
            return;
        };
        process.terminate();
        if process.ended_within(ASK_AGAIN).await.is_none() {
            process.stop(STOP_LIMIT).await;
        }
    }

    /// Kills the server at once.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.own.as_mut().and_then(|own| own.process.take()) {
            process.kill();
        }
    }
}

/// Everything stays on loopback. Without a STUN server of its own, LiveKit names public ones to its clients: nobody answers at
/// this one, and nobody needs it here.
fn configuration(
    port: u16,
    tcp_port: u16,
    udp_port: u16,
    media_address: Ipv4Addr,
    api_secret: &str,
    in_rtc: &str,
) -> String {
    // A lite server only answers. Otherwise it asks clients by itself, from 127.0.0.1, and may find them past the address
    // that they were told.
    let is_lite = media_address != Ipv4Addr::LOCALHOST;
    format!(
        "port: {port}
bind_addresses: [127.0.0.1]
rtc:
  tcp_port: {tcp_port}
  udp_port: {udp_port}
  node_ip: {media_address}
  use_ice_lite: {is_lite}
  enable_loopback_candidate: true
  stun_servers: [127.0.0.1:9]
  interfaces:
    includes: [lo]
{in_rtc}keys:
  {API_KEY}: {api_secret}
enable_participant_data_blob: true
"
    )
}
