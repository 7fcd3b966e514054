//! The agent's settings, from the command line or the environment. All bad values are reported at once, each
//! by its name with what is allowed.

mod engines;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Parser;

pub use engines::EngineOptions;

/// Meetings that one process may carry.
const SLOTS: std::ops::RangeInclusive<usize> = 1..=500;
/// Threads that recognise speech.
const RECOGNISERS: std::ops::RangeInclusive<usize> = 1..=64;
/// Connections to the database.
const CONNECTIONS: std::ops::RangeInclusive<u32> = 2..=200;

/// A LiveKit agent that captions meetings and answers questions.
#[derive(Clone, Parser)]
#[command(version)]
pub struct Options {
    /// LiveKit's address: ws:// or wss://.
    #[arg(long, env = "LIVEKIT_URL", default_value = "")]
    pub livekit_url: String,
    /// LiveKit's API key.
    #[arg(long, env = "LIVEKIT_API_KEY", default_value = "")]
    pub livekit_api_key: String,
    /// The key's secret.
    #[arg(long, env = "LIVEKIT_API_SECRET", default_value = "", hide_env_values = true)]
    pub livekit_api_secret: String,
    /// The database: postgres://...
    #[arg(long, env = "DATABASE_URL", default_value = "", hide_env_values = true)]
    pub database_url: String,
    /// Connections to the database.
    #[arg(long, env = "RAPPORTEUR_DATABASE_CONNECTIONS", default_value_t = 8)]
    pub database_connections: u32,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, env = "RAPPORTEUR_HEALTH_LISTEN", default_value = "127.0.0.1:8091")]
    pub health_listen: String,
    /// The Whisper model, a ggml file.
    #[arg(long, env = "RAPPORTEUR_WHISPER_MODEL", default_value = "")]
    pub whisper_model: String,
    /// The voice detector's weights: Silero's 16 kHz model, a safetensors file.
    #[arg(long, env = "RAPPORTEUR_VOICE_MODEL", default_value = "")]
    pub voice_model: String,
    /// The speaker networks, a safetensors file; without one, people who share a microphone are not told apart.
    #[arg(long, env = "RAPPORTEUR_SPEAKER_MODEL", default_value = "")]
    pub speaker_model: String,
    /// The sentence embedding model: a folder with model.safetensors, tokenizer.json and config.json.
    #[arg(long, env = "RAPPORTEUR_EMBEDDING_MODEL", default_value = "")]
    pub embedding_model: String,
    /// Meetings that this process carries at most. What it can recognise closes its door before.
    #[arg(long, env = "RAPPORTEUR_AGENT_SLOTS", default_value_t = 150)]
    pub slots: usize,
    /// Threads that recognise speech; 0: one for each processor.
    #[arg(long, env = "RAPPORTEUR_RECOGNISERS", default_value_t = 0)]
    pub recognisers: usize,
    /// An OpenAI-compatible endpoint for answers; used when a chat model is named.
    #[arg(long, env = "OPENAI_BASE_URL", default_value = "")]
    pub openai_base_url: String,
    /// The endpoint's key.
    #[arg(long, env = "OPENAI_API_KEY", default_value = "", hide_env_values = true)]
    pub openai_api_key: String,
    /// The chat model; without one, answers are quoted from the documents.
    #[arg(long, env = "RAPPORTEUR_CHAT_MODEL", default_value = "")]
    pub chat_model: String,
    /// Recognisers besides Whisper.
    #[command(flatten)]
    pub engines: EngineOptions,
}

/// Checked settings.
#[derive(Clone)]
pub struct Config {
    /// See [`Options::livekit_url`].
    pub livekit_url: String,
    /// See [`Options::livekit_api_key`].
    pub livekit_api_key: String,
    /// See [`Options::livekit_api_secret`].
    pub livekit_api_secret: String,
    /// See [`Options::database_url`].
    pub database_url: String,
    /// See [`Options::database_connections`].
    pub database_connections: u32,
    /// See [`Options::health_listen`].
    pub health_listen: SocketAddr,
    /// See [`Options::whisper_model`].
    pub whisper_model: PathBuf,
    /// See [`Options::voice_model`].
    pub voice_model: PathBuf,
    /// See [`Options::speaker_model`].
    pub speaker_model: Option<PathBuf>,
    /// See [`Options::embedding_model`].
    pub embedding_model: PathBuf,
    /// See [`Options::slots`].
    pub slots: usize,
    /// See [`Options::recognisers`].
    pub recognisers: usize,
    /// The chat endpoint, if a model is named.
    pub chat: Option<Chat>,
    /// See [`Options::engines`].
    pub engines: EngineOptions,
}

/// A chat endpoint.
#[derive(Clone)]
pub struct Chat {
    /// Its address.
    pub base_url: String,
    /// Its key; empty where none is needed.
    pub api_key: String,
    /// The model.
    pub model: String,
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

impl Options {
    /// Checks every value.
    ///
    /// # Errors
    /// All of those that are not allowed, each with what is.
    pub fn check(self) -> Result<Config, BadSettings> {
        let whisper_model = PathBuf::from(self.whisper_model);
        let voice_model = PathBuf::from(self.voice_model);
        let speaker_model = (!self.speaker_model.is_empty()).then(|| PathBuf::from(self.speaker_model));
        let embedding_model = PathBuf::from(self.embedding_model);
        let mut bad = Vec::new();
        let mut must = |holds: bool, name: &'static str, limit: &str| {
            if !holds {
                bad.push((name, limit.to_owned()));
            }
        };
        must(
            has_scheme(&self.livekit_url, &["ws", "wss"]),
            "LIVEKIT_URL",
            "a ws:// or wss:// address",
        );
        must(!self.livekit_api_key.is_empty(), "LIVEKIT_API_KEY", "set");
        must(!self.livekit_api_secret.is_empty(), "LIVEKIT_API_SECRET", "set");
        must(
            has_scheme(&self.database_url, &["postgres", "postgresql"]),
            "DATABASE_URL",
            "a postgres:// address",
        );
        let connections = format!("between {} and {}", CONNECTIONS.start(), CONNECTIONS.end());
        must(
            CONNECTIONS.contains(&self.database_connections),
            "RAPPORTEUR_DATABASE_CONNECTIONS",
            &connections,
        );
        must(
            whisper_model.is_file(),
            "RAPPORTEUR_WHISPER_MODEL",
            "a ggml file that exists",
        );
        must(
            voice_model.is_file(),
            "RAPPORTEUR_VOICE_MODEL",
            "a safetensors file that exists",
        );
        must(
            speaker_model.as_ref().is_none_or(|path| path.is_file()),
            "RAPPORTEUR_SPEAKER_MODEL",
            "unset or a safetensors file that exists",
        );
        must(
            is_embedding_folder(&embedding_model),
            "RAPPORTEUR_EMBEDDING_MODEL",
            "a folder with model.safetensors, tokenizer.json and config.json",
        );
        let slots = format!("between {} and {}", SLOTS.start(), SLOTS.end());
        must(SLOTS.contains(&self.slots), "RAPPORTEUR_AGENT_SLOTS", &slots);
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let recognisers = if self.recognisers == 0 {
            processors.min(*RECOGNISERS.end())
        } else {
            self.recognisers
        };
        let limit = format!("0 or between {} and {}", RECOGNISERS.start(), RECOGNISERS.end());
        must(
            RECOGNISERS.contains(&recognisers),
            "RAPPORTEUR_RECOGNISERS",
            &limit,
        );
        let base_url = if self.openai_base_url.is_empty() {
            "https://api.openai.com/v1"
        } else {
            self.openai_base_url.as_str()
        };
        must(
            has_scheme(base_url, &["http", "https"]),
            "OPENAI_BASE_URL",
            "an http:// or https:// address",
        );
        let health_listen: Result<SocketAddr, _> = self.health_listen.parse();
        must(
            health_listen.is_ok(),
            "RAPPORTEUR_HEALTH_LISTEN",
            "an address with a port, as 127.0.0.1:8091",
        );
        must(
            has_scheme(&self.engines.realtime_url, &["ws", "wss"]),
            "RAPPORTEUR_REALTIME_URL",
            "a ws:// or wss:// address",
        );
        for (name, address) in [
            ("RAPPORTEUR_DEEPGRAM_URL", &self.engines.deepgram_url),
            ("RAPPORTEUR_TRANSCRIPTION_URL", &self.engines.transcription_url),
        ] {
            let is_web = has_scheme(address, &["http", "https"]);
            must(is_web, name, "an http:// or https:// address");
        }
        let base_url = base_url.to_owned();
        let chat = (!self.chat_model.is_empty()).then_some(Chat {
            base_url,
            api_key: self.openai_api_key,
            model: self.chat_model,
        });
        match health_listen {
            Ok(health_listen) if bad.is_empty() => Ok(Config {
                livekit_url: self.livekit_url.trim_end_matches('/').to_owned(),
                livekit_api_key: self.livekit_api_key,
                livekit_api_secret: self.livekit_api_secret,
                database_url: self.database_url,
                database_connections: self.database_connections,
                health_listen,
                whisper_model,
                voice_model,
                speaker_model,
                embedding_model,
                slots: self.slots,
                recognisers,
                chat,
                engines: self.engines,
            }),
            _ => Err(BadSettings(bad)),
        }
    }
}

fn has_scheme(address: &str, schemes: &[&str]) -> bool {
    url::Url::parse(address).is_ok_and(|url| schemes.contains(&url.scheme()) && url.has_host())
}

fn is_embedding_folder(folder: &Path) -> bool {
    ["model.safetensors", "tokenizer.json", "config.json"]
        .iter()
        .all(|file| folder.join(file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bad_value_is_named_with_its_limit() {
        let arguments = [
            "agent",
            "--livekit-url=http://x",
            "--livekit-api-key=k",
            "--livekit-api-secret=s",
            "--database-url=mysql://x/y",
            "--database-connections=1",
            "--health-listen=nowhere",
            "--whisper-model=/nonexistent",
            "--voice-model=/nonexistent",
            "--speaker-model=/nonexistent",
            "--embedding-model=/nonexistent",
            "--slots=0",
            "--recognisers=65",
            "--openai-base-url=ftp://x",
            "--chat-model=m",
            "--deepgram-url=wss://x",
            "--transcription-url=x",
            "--realtime-url=https://x",
        ];
        let Err(bad) = Options::parse_from(arguments).check() else {
            panic!("accepted")
        };
        let text = bad.to_string();
        for expected in [
            "LIVEKIT_URL must be a ws:// or wss:// address",
            "DATABASE_URL must be a postgres:// address",
            "RAPPORTEUR_DATABASE_CONNECTIONS must be between 2 and 200",
            "RAPPORTEUR_WHISPER_MODEL must be a ggml file that exists",
            "RAPPORTEUR_VOICE_MODEL must be a safetensors file",
            "RAPPORTEUR_SPEAKER_MODEL must be unset or a safetensors file that exists",
            "RAPPORTEUR_EMBEDDING_MODEL must be a folder with",
            "RAPPORTEUR_AGENT_SLOTS must be between 1 and 500",
            "RAPPORTEUR_RECOGNISERS must be 0 or between 1 and 64",
            "OPENAI_BASE_URL must be an http:// or https:// address",
            "RAPPORTEUR_DEEPGRAM_URL must be an http:// or https:// address",
            "RAPPORTEUR_TRANSCRIPTION_URL must be an http:// or https:// address",
            "RAPPORTEUR_REALTIME_URL must be a ws:// or wss:// address",
            "RAPPORTEUR_HEALTH_LISTEN must be an address with a port",
        ] {
            assert!(text.contains(expected), "{expected} is missing in: {text}");
        }
        assert!(!text.contains("LIVEKIT_API_KEY"));
    }
}
