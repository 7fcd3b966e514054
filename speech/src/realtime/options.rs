//! How the service is asked.

use crate::service::ApiKey;

/// What is asked of the service.
#[derive(Clone, Debug)]
pub struct RealtimeOptions {
    /// The API's root: `wss://api.openai.com/v1`, or a server of your own. With `ws` key and audio go in the clear: for a
    /// server on the same host.
    pub base_url: String,
    /// Authorises, and is billed. Servers of one's own may take none: empty is fine.
    pub api_key: ApiKey,
    /// For example `gpt-live-transcribe`. Only models that transcribe while they hear give partials.
    pub model: String,
    /// An ISO 639-1 code; `None`: the service finds out by itself.
    pub language: Option<String>,
    /// How long what is waited for.
    pub limits: RealtimeLimits,
}

impl RealtimeOptions {
    /// OpenAI's own service.
    pub fn new(api_key: ApiKey) -> Self {
        Self {
            base_url: "wss://api.openai.com/v1".to_owned(),
            api_key,
            model: "gpt-live-transcribe".to_owned(),
            language: None,
            limits: RealtimeLimits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), RealtimeError> {
        let url = reqwest::Url::parse(&self.base_url).ok();
        if !url.is_some_and(|url| ["ws", "wss"].contains(&url.scheme()) && url.has_host()) {
            return Err(RealtimeError::Address(self.base_url.clone()));
        }
        if !self.api_key.reveal().chars().all(|c| c.is_ascii_graphic()) {
            return Err(RealtimeError::Key);
        }
        Ok(())
    }
}

/// How long what is waited for, in milliseconds. The defaults are for the service; tests have shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealtimeLimits {
    /// A session that is not ready by then has failed.
    pub connect_ms: u64,
    /// A partial without new words by then is answered with those known so far.
    pub partial_ms: u64,
    /// A final is answered within this and the length of its audio, or has failed.
    pub final_ms: u64,
    /// Without any word from the service for so long, while a final is waited for, the connection is made anew.
    pub stall_ms: u64,
    /// A connection on which nothing is said for so long is closed.
    pub idle_ms: u64,
    /// First and longest wait before a connection is made again.
    pub reconnect_ms: (u64, u64),
    /// How long a refusal (key, payment, parameters) is believed before the service is asked again.
    pub refusal_ms: u64,
}

impl Default for RealtimeLimits {
    fn default() -> Self {
        Self {
            connect_ms: 8_000,
            partial_ms: 1_000,
            final_ms: 10_000,
            stall_ms: 5_000,
            idle_ms: 120_000,
            reconnect_ms: (250, 5_000),
            refusal_ms: 60_000,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum RealtimeError {
    /// The address is not usable.
    #[error("{0} is not a ws or wss address")]
    Address(String),
    /// The key is no header.
    #[error("the API key has characters that no header may have")]
    Key,
}
