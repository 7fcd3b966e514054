//! How the endpoint is asked.

use crate::service::ApiKey;

/// What is asked of the endpoint.
#[derive(Clone, Debug)]
pub struct OpenAiOptions {
    /// The API's root, such as `https://api.openai.com/v1`. With `http` key and audio go in the clear: for a server on
    /// the same host or network.
    pub base_url: String,
    /// Authorises, and is billed. Many servers of one's own take none: empty is fine.
    pub api_key: ApiKey,
    /// For example `whisper-1` or `gpt-4o-transcribe`.
    pub model: String,
    /// An ISO 639-1 code; `None`: the endpoint finds out by itself.
    pub language: Option<String>,
    /// Whether growing utterances are asked for too: each is a whole request.
    pub partials: bool,
    /// Requests under way at the same time, 1 to 64; more finals wait, more partials are refused.
    pub at_once: usize,
    /// How long what is waited for.
    pub limits: OpenAiLimits,
}

impl OpenAiOptions {
    /// OpenAI's own endpoint, finals only.
    pub fn new(api_key: ApiKey) -> Self {
        Self {
            base_url: "https://api.openai.com/v1".to_owned(),
            api_key,
            model: "whisper-1".to_owned(),
            language: None,
            partials: false,
            at_once: 8,
            limits: OpenAiLimits::default(),
        }
    }

    pub(super) fn check(&self) -> Result<(), OpenAiError> {
        let url = reqwest::Url::parse(&self.base_url).ok();
        if !url.is_some_and(|url| ["http", "https"].contains(&url.scheme()) && url.has_host()) {
            return Err(OpenAiError::Address(self.base_url.clone()));
        }
        if !self.api_key.reveal().chars().all(|c| c.is_ascii_graphic()) {
            return Err(OpenAiError::Key);
        }
        if !(1..=64).contains(&self.at_once) {
            return Err(OpenAiError::AtOnce(self.at_once));
        }
        Ok(())
    }
}

/// How long what is waited for, in milliseconds. The defaults are for the service; tests have shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenAiLimits {
    /// Until a connection stands.
    pub connect_ms: u64,
    /// A final is answered within this and the length of its audio, or has failed.
    pub final_ms: u64,
    /// A partial is answered within this, or has failed.
    pub partial_ms: u64,
    /// The wait before a final is tried again, once, after a failure of the network or the server.
    pub retry_ms: u64,
    /// The longest wait that the endpoint may ask for before that second try.
    pub retry_after_ms: u64,
    /// How long a refusal (key, payment, parameters) is believed before the endpoint is asked again.
    pub refusal_ms: u64,
}

impl Default for OpenAiLimits {
    fn default() -> Self {
        Self {
            connect_ms: 3_000,
            final_ms: 10_000,
            partial_ms: 2_500,
            retry_ms: 250,
            retry_after_ms: 2_000,
            refusal_ms: 60_000,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum OpenAiError {
    /// The address is not usable.
    #[error("{0} is not an http or https address")]
    Address(String),
    /// The key is no header.
    #[error("the API key has characters that no header may have")]
    Key,
    /// The number of requests is outside its limit.
    #[error("requests at once must be 1 to 64, not {0}")]
    AtOnce(usize),
    /// The client could not be made, for example for want of root certificates.
    #[error("the HTTP client could not be made")]
    Client(#[from] reqwest::Error),
}
