//! A chat model behind any OpenAI-compatible endpoint: one streamed completion, bounded in time, bytes and tokens.
//!
//! It never fails as a call: what came until then is kept together with the reason why it ended early.

mod gate;
mod sender;

use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::chat::{
    ChatCompletionRequestMessage, ChatCompletionRequestSystemMessage, ChatCompletionRequestUserMessage,
    ChatCompletionStreamOptions, CreateChatCompletionRequest,
};
use futures_util::StreamExt;
use prompts::Prompt;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::answer::Fallback;
use sender::{Sender, Watch, client};

/// Where the model is.
#[derive(Clone)]
pub struct ChatEndpoint {
    /// The API's root, such as `https://api.openai.com/v1` or `http://127.0.0.1:11434/v1`.
    pub base_url: String,
    /// The key; many local servers take any.
    pub api_key: String,
    /// The model's name at the endpoint.
    pub model: String,
    /// Sampling temperature. Left out where `None`: some models take no other than their own.
    pub temperature: Option<f32>,
    /// What an answer may cost.
    pub limits: ChatLimits,
}

impl ChatEndpoint {
    /// An endpoint with the default limits.
    pub fn new(base_url: impl Into<String>, api_key: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key: api_key.into(),
            model: model.into(),
            temperature: None,
            limits: ChatLimits::default(),
        }
    }
}

impl std::fmt::Debug for ChatEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ChatEndpoint")
            .field("base_url", &self.base_url)
            .field("model", &self.model)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// What one answer of a chat endpoint may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatLimits {
    /// Until a connection stands.
    pub connect_ms: u64,
    /// From the question to the first word.
    pub first_word_ms: u64,
    /// Between two pieces of the stream.
    pub silence_ms: u64,
    /// From the question to the end; what is verified by then is the answer.
    pub total_ms: u64,
    /// The longest wait that an endpoint may ask for before a second try. There is no third.
    pub retry_after_ms: u64,
    /// Bytes of the whole response.
    pub response_bytes: usize,
    /// Tokens of the reply.
    pub completion_tokens: u32,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self {
            connect_ms: 2_000,
            first_word_ms: 8_000,
            silence_ms: 4_000,
            total_ms: 15_000,
            retry_after_ms: 2_000,
            response_bytes: 1024 * 1024,
            completion_tokens: 500,
        }
    }
}

/// The endpoint cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The address is no http(s) URL.
    #[error("the chat endpoint's address is no http or https URL")]
    Address,
    /// The HTTP client could not be made, for example for want of root certificates.
    #[error("the chat endpoint's client: {0}")]
    Client(#[from] reqwest::Error),
}

/// What came, and why no more came.
#[derive(Debug, Default)]
pub(crate) struct Reply {
    pub(crate) text: String,
    pub(crate) prompt_tokens: Option<u32>,
    pub(crate) completion_tokens: Option<u32>,
    /// `None` when the model came to its end.
    pub(crate) cut: Option<Fallback>,
}

/// The endpoint, ready. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Chat {
    http: reqwest::Client,
    endpoint: ChatEndpoint,
}

impl Chat {
    pub(crate) fn new(endpoint: ChatEndpoint) -> Result<Self, ChatError> {
        if !endpoint.base_url.starts_with("http://") && !endpoint.base_url.starts_with("https://") {
            return Err(ChatError::Address);
        }
        Ok(Self {
            http: client(&endpoint.limits)?,
            endpoint,
        })
    }

    pub(crate) fn model(&self) -> &str {
        &self.endpoint.model
    }

    /// One completion. Ends within the limits whatever the endpoint does.
    pub(crate) async fn complete(&self, prompt: Prompt) -> Reply {
        let limits = &self.endpoint.limits;
        let begin = Instant::now();
        let end = begin + Duration::from_millis(limits.total_ms);
        let first_word = end.min(begin + Duration::from_millis(limits.first_word_ms));

        let watch = Watch::default();
        let config = OpenAIConfig::new()
            .with_api_base(self.endpoint.base_url.trim_end_matches('/'))
            .with_api_key(&self.endpoint.api_key);
        let sender = Sender::new(self.http.clone(), *limits, watch.clone());
        let client = Client::build(self.http.clone(), config).with_http_service(sender);

        let mut reply = Reply::default();
        let chat = client.chat();
        let opening = chat.create_stream_byot::<_, Value>(self.request(prompt));
        let mut stream = match timeout_at(first_word, opening).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(_)) => {
                reply.cut = Some(watch.failure());
                return reply;
            }
            Err(_) => {
                reply.cut = Some(Fallback::TooSlow);
                return reply;
            }
        };
        let mut ending = None;
        let cut = loop {
            let next = if reply.text.is_empty() {
                first_word
            } else {
                end.min(Instant::now() + Duration::from_millis(limits.silence_ms))
            };
            match timeout_at(next, stream.next()).await {
                Err(_) => break Some(Fallback::TooSlow),
                Ok(Some(Err(_))) => break Some(watch.failure()),
                Ok(Some(Ok(event))) => match take(&event, &mut reply) {
                    Taken::Piece => {}
                    Taken::Ended(how) => ending = Some(how),
                    Taken::Refused => break Some(Fallback::Refused),
                },
                // A connection that is cut can look like an end; only a model that says it is done is done.
                Ok(None) if watch.is_done() => break None,
                Ok(None) => break Some(watch.failure()),
            }
        };
        // The usage comes after the text: a stream that breaks in between has lost nothing that counts.
        reply.cut = match ending {
            Some(how) => how,
            None => cut,
        };
        reply
    }

    fn request(&self, prompt: Prompt) -> CreateChatCompletionRequest {
        CreateChatCompletionRequest {
            model: self.endpoint.model.clone(),
            messages: vec![
                ChatCompletionRequestMessage::System(ChatCompletionRequestSystemMessage::from(prompt.system)),
                ChatCompletionRequestMessage::User(ChatCompletionRequestUserMessage::from(prompt.user)),
            ],
            max_completion_tokens: Some(self.endpoint.limits.completion_tokens),
            temperature: self.endpoint.temperature,
            stream: Some(true),
            stream_options: Some(ChatCompletionStreamOptions {
                include_usage: Some(true),
                include_obfuscation: None,
            }),
            ..Default::default()
        }
    }
}

enum Taken {
    Piece,
    /// The model stopped: by itself, or because it ran into a limit.
    Ended(Option<Fallback>),
    Refused,
}

/// Reads one event. Fields that an endpoint leaves out are no reason to refuse it.
fn take(event: &Value, reply: &mut Reply) -> Taken {
    if event.get("error").is_some_and(|error| !error.is_null()) {
        return Taken::Refused;
    }
    if let Some(usage) = event.get("usage") {
        let count = |name: &str| usage.get(name)?.as_u64()?.try_into().ok();
        reply.prompt_tokens = count("prompt_tokens").or(reply.prompt_tokens);
        reply.completion_tokens = count("completion_tokens").or(reply.completion_tokens);
    }
    let choice = &event["choices"][0];
    if let Some(piece) = choice["delta"]["content"].as_str() {
        reply.text.push_str(piece);
    }
    match choice["finish_reason"].as_str() {
        None => Taken::Piece,
        // Cut off by the limit of tokens: its last sentence may not be whole.
        Some("length") => Taken::Ended(Some(Fallback::TooLong)),
        Some(_) => Taken::Ended(None),
    }
}
