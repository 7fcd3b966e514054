//! The dispatcher's settings, from the command line or the environment. All bad values are reported at once, each by its
//! name with what is allowed.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use url::Url;

/// Connections to the database.
const CONNECTIONS: std::ops::RangeInclusive<u32> = 4..=200;
/// How long before its start a meeting gets its agent.
const LEAD_SECONDS: std::ops::RangeInclusive<u64> = 0..=3600;
/// How long after its end a meeting may run over.
const END_GRACE_SECONDS: std::ops::RangeInclusive<u64> = 0..=3600;
/// A key shorter than this can be guessed.
const API_KEY_MIN_BYTES: usize = 16;
/// LiveKit signs tokens with HMAC-SHA256: a shorter secret weakens it.
const API_SECRET_MIN_BYTES: usize = 32;

/// Brings Rapporteur's agent into every scheduled LiveKit room; HTTP API and pages.
#[derive(Clone, Parser)]
#[command(version)]
pub struct Options {
    /// Where the API and the pages are served.
    #[arg(long, env = "RAPPORTEUR_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: String,
    /// The key that clients of the API carry.
    #[arg(long, env = "RAPPORTEUR_API_KEY", default_value = "", hide_env_values = true)]
    pub api_key: String,
    /// The address under which browsers reach this server; by default the one it listens on.
    #[arg(long, env = "RAPPORTEUR_PUBLIC_URL", default_value = "")]
    pub public_url: String,
    /// The database: postgres://...
    #[arg(long, env = "DATABASE_URL", default_value = "", hide_env_values = true)]
    pub database_url: String,
    /// Connections to the database.
    #[arg(long, env = "RAPPORTEUR_DATABASE_CONNECTIONS", default_value_t = 16)]
    pub database_connections: u32,
    /// LiveKit's address as this process reaches it: ws:// or wss://.
    #[arg(long, env = "LIVEKIT_URL", default_value = "")]
    pub livekit_url: String,
    /// LiveKit's address as participants reach it; by default the same.
    #[arg(long, env = "RAPPORTEUR_PUBLIC_LIVEKIT_URL", default_value = "")]
    pub public_livekit_url: String,
    /// LiveKit's API key.
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "")]
    pub livekit_api_key: String,
    /// The key's secret.
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "", hide_env_values = true)]
    pub livekit_api_secret: String,
    /// The sentence embedding model: a folder with model.safetensors, tokenizer.json and config.json.
    #[arg(long, env = "RAPPORTEUR_EMBEDDING_MODEL", default_value = "")]
    pub embedding_model: PathBuf,
    /// The file livekit-client.umd.js of the npm package; without it the join page says that it is missing.
    #[arg(long, env = "RAPPORTEUR_LIVEKIT_CLIENT_JS", default_value = "")]
    pub livekit_client_js: PathBuf,
    /// How long before its start a meeting gets its agent.
    #[arg(long, env = "RAPPORTEUR_LEAD_SECONDS", default_value_t = 60)]
    pub lead_seconds: u64,
    /// How long after its end a meeting may run over before its room is closed.
    #[arg(long, env = "RAPPORTEUR_END_GRACE_SECONDS", default_value_t = 60)]
    pub end_grace_seconds: u64,
}

/// Checked settings.
#[derive(Clone)]
pub struct Config {
    /// See [`Options::listen`].
    pub listen: SocketAddr,
    /// See [`Options::api_key`].
    pub api_key: String,
    /// See [`Options::public_url`]; without a slash at the end.
    pub public_url: String,
    /// See [`Options::database_url`].
    pub database_url: String,
    /// See [`Options::database_connections`].
    pub database_connections: u32,
    /// See [`Options::livekit_url`].
    pub livekit_url: String,
    /// See [`Options::public_livekit_url`].
    pub public_livekit_url: String,
    /// See [`Options::livekit_api_key`].
    pub livekit_api_key: String,
    /// See [`Options::livekit_api_secret`].
    pub livekit_api_secret: String,
    /// See [`Options::embedding_model`].
    pub embedding_model: PathBuf,
    /// See [`Options::livekit_client_js`].
    pub livekit_client_js: Option<PathBuf>,
    /// See [`Options::lead_seconds`].
    pub lead: Duration,
    /// See [`Options::end_grace_seconds`].
    pub end_grace: Duration,
}

/// Every setting that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct BadSettings(Vec<(&'static str, String)>);

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self
            .0
            .iter()
            .map(|(name, limit)| format!("{name} must be {limit}"))
            .collect();
        f.write_str(&lines.join("; "))
    }
}

impl std::error::Error for BadSettings {}

/// Whether `text` is a URL of one of these schemes with a host.
fn has_scheme(text: &str, schemes: &[&str]) -> bool {
    Url::parse(text).is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host())
}

impl Options {
    /// Checks every value.
    ///
    /// # Errors
    /// Names each setting that is wrong and what is allowed.
    pub fn check(self) -> Result<Config, BadSettings> {
        const LIVEKIT: &[&str] = &["ws", "wss", "http", "https"];
        let mut bad = Vec::new();
        let mut require = |holds: bool, name: &'static str, limit: String| {
            if !holds {
                bad.push((name, limit));
            }
        };
        let listen = self.listen.parse::<SocketAddr>();
        require(
            listen.is_ok(),
            "RAPPORTEUR_LISTEN",
            "an address like 127.0.0.1:8080".into(),
        );
        require(
            self.api_key.len() >= API_KEY_MIN_BYTES,
            "RAPPORTEUR_API_KEY",
            format!("a secret of at least {API_KEY_MIN_BYTES} characters"),
        );
        require(
            self.public_url.is_empty() || has_scheme(&self.public_url, &["http", "https"]),
            "RAPPORTEUR_PUBLIC_URL",
            "an http:// or https:// address".into(),
        );
        require(
            has_scheme(&self.database_url, &["postgres", "postgresql"]),
            "DATABASE_URL",
            "a postgres:// address".into(),
        );
        require(
            CONNECTIONS.contains(&self.database_connections),
            "RAPPORTEUR_DATABASE_CONNECTIONS",
            format!("{} to {}", CONNECTIONS.start(), CONNECTIONS.end()),
        );
        require(
            has_scheme(&self.livekit_url, LIVEKIT),
            "LIVEKIT_URL",
            "a ws:// or wss:// address".into(),
        );
        require(
            self.public_livekit_url.is_empty() || has_scheme(&self.public_livekit_url, LIVEKIT),
            "RAPPORTEUR_PUBLIC_LIVEKIT_URL",
            "a ws:// or wss:// address".into(),
        );
        require(
            !self.livekit_api_key.is_empty(),
            "LIVEKIT_API_KEY",
            "LiveKit's API key".into(),
        );
        require(
            self.livekit_api_secret.len() >= API_SECRET_MIN_BYTES,
            "LIVEKIT_API_SECRET",
            format!("the key's secret, at least {API_SECRET_MIN_BYTES} characters"),
        );
        require(
            !self.embedding_model.as_os_str().is_empty(),
            "RAPPORTEUR_EMBEDDING_MODEL",
            "the folder of the embedding model".into(),
        );
        require(
            LEAD_SECONDS.contains(&self.lead_seconds),
            "RAPPORTEUR_LEAD_SECONDS",
            format!("{} to {}", LEAD_SECONDS.start(), LEAD_SECONDS.end()),
        );
        require(
            END_GRACE_SECONDS.contains(&self.end_grace_seconds),
            "RAPPORTEUR_END_GRACE_SECONDS",
            format!("{} to {}", END_GRACE_SECONDS.start(), END_GRACE_SECONDS.end()),
        );
        let (Ok(listen), true) = (listen, bad.is_empty()) else {
            return Err(BadSettings(bad));
        };
        let public_url = match self.public_url.trim_end_matches('/') {
            "" => format!("http://{listen}"),
            given => given.to_owned(),
        };
        let public_livekit_url = match self.public_livekit_url {
            given if given.is_empty() => self.livekit_url.clone(),
            given => given,
        };
        let livekit_client_js =
            (!self.livekit_client_js.as_os_str().is_empty()).then_some(self.livekit_client_js);
        Ok(Config {
            listen,
            api_key: self.api_key,
            public_url,
            database_url: self.database_url,
            database_connections: self.database_connections,
            livekit_url: self.livekit_url,
            public_livekit_url,
            livekit_api_key: self.livekit_api_key,
            livekit_api_secret: self.livekit_api_secret,
            embedding_model: self.embedding_model,
            livekit_client_js,
            lead: Duration::from_secs(self.lead_seconds),
            end_grace: Duration::from_secs(self.end_grace_seconds),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> Options {
        Options {
            listen: "127.0.0.1:8080".into(),
            api_key: "k".repeat(32),
            public_url: "https://meet.example/".into(),
            database_url: "postgres://localhost/r".into(),
            database_connections: 8,
            livekit_url: "ws://127.0.0.1:7880".into(),
            public_livekit_url: String::new(),
            livekit_api_key: "key".into(),
            livekit_api_secret: "s".repeat(32),
            embedding_model: "/models".into(),
            livekit_client_js: PathBuf::new(),
            lead_seconds: 60,
            end_grace_seconds: 60,
        }
    }

    #[test]
    fn defaults_follow_from_what_is_given() {
        let config = options().check().unwrap();
        assert_eq!(config.public_url, "https://meet.example");
        assert_eq!(config.public_livekit_url, "ws://127.0.0.1:7880");
        assert!(config.livekit_client_js.is_none());
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let bad = Options {
            listen: "here".into(),
            api_key: "short".into(),
            lead_seconds: 10_000,
            ..options()
        };
        let Err(error) = bad.check() else {
            panic!("accepted")
        };
        let error = error.to_string();
        for name in [
            "RAPPORTEUR_LISTEN",
            "RAPPORTEUR_API_KEY",
            "RAPPORTEUR_LEAD_SECONDS must be 0 to 3600",
        ] {
            assert!(error.contains(name), "{error}");
        }
    }
}
