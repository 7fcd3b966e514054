//! Recognisers besides the agent's own Whisper: where they are and with which key. What is not set here, no room gets.

use clap::Args;
use clap::builder::FalseyValueParser;
use speech::ApiKey;
use speech::deepgram::DeepgramOptions;
use speech::openai::OpenAiOptions;
use speech::realtime::RealtimeOptions;

/// The settings of recognition services.
#[derive(Args, Clone)]
pub struct EngineOptions {
    /// Deepgram's key; with one, rooms may use the recogniser `deepgram`.
    #[arg(long, env = "DEEPGRAM_API_KEY", default_value = "", hide_env_values = true)]
    pub deepgram_api_key: String,
    /// Deepgram's address, or that of a server of your own.
    #[arg(
        long,
        env = "RAPPORTEUR_DEEPGRAM_URL",
        default_value = "https://api.deepgram.com"
    )]
    pub deepgram_url: String,
    /// Deepgram's model.
    #[arg(long, env = "RAPPORTEUR_DEEPGRAM_MODEL", default_value = "nova-3")]
    pub deepgram_model: String,
    /// What is spoken, for Deepgram: a BCP-47 tag, or `multi`.
    #[arg(long, env = "RAPPORTEUR_DEEPGRAM_LANGUAGE", default_value = "en")]
    pub deepgram_language: String,
    /// Whether Deepgram tells the voices behind one microphone apart.
    #[arg(long, env = "RAPPORTEUR_DEEPGRAM_DIARIZE", value_parser = FalseyValueParser::new())]
    pub deepgram_diarize: bool,
    /// The model of an OpenAI-compatible transcription endpoint, as whisper-1; with one, rooms may use the recogniser
    /// `openai`.
    #[arg(long, env = "RAPPORTEUR_TRANSCRIPTION_MODEL", default_value = "")]
    pub transcription_model: String,
    /// The endpoint's address.
    #[arg(
        long,
        env = "RAPPORTEUR_TRANSCRIPTION_URL",
        default_value = "https://api.openai.com/v1"
    )]
    pub transcription_url: String,
    /// The endpoint's key.
    #[arg(
        long,
        env = "RAPPORTEUR_TRANSCRIPTION_KEY",
        default_value = "",
        hide_env_values = true
    )]
    pub transcription_key: String,
    /// What is spoken, for the endpoint: an ISO 639-1 code; empty: it finds out by itself.
    #[arg(long, env = "RAPPORTEUR_TRANSCRIPTION_LANGUAGE", default_value = "")]
    pub transcription_language: String,
    /// Whether growing utterances are sent to the endpoint too. Each is a whole request: for a server that bills nothing.
    #[arg(long, env = "RAPPORTEUR_TRANSCRIPTION_PARTIALS", value_parser = FalseyValueParser::new())]
    pub transcription_partials: bool,
    /// The model of OpenAI's realtime transcription, as gpt-live-transcribe; with one, rooms may use the recogniser
    /// `openai_realtime`.
    #[arg(long, env = "RAPPORTEUR_REALTIME_MODEL", default_value = "")]
    pub realtime_model: String,
    /// The realtime service's address.
    #[arg(
        long,
        env = "RAPPORTEUR_REALTIME_URL",
        default_value = "wss://api.openai.com/v1"
    )]
    pub realtime_url: String,
    /// The realtime service's key.
    #[arg(
        long,
        env = "RAPPORTEUR_REALTIME_KEY",
        default_value = "",
        hide_env_values = true
    )]
    pub realtime_key: String,
    /// What is spoken, for the realtime service: an ISO 639-1 code; empty: it finds out by itself.
    #[arg(long, env = "RAPPORTEUR_REALTIME_LANGUAGE", default_value = "")]
    pub realtime_language: String,
}

impl EngineOptions {
    /// How Deepgram is asked, if there is a key.
    pub fn deepgram(&self) -> Option<DeepgramOptions> {
        (!self.deepgram_api_key.is_empty()).then(|| DeepgramOptions {
            base_url: self.deepgram_url.clone(),
            model: self.deepgram_model.clone(),
            language: self.deepgram_language.clone(),
            diarize: self.deepgram_diarize,
            ..DeepgramOptions::new(ApiKey::new(&self.deepgram_api_key))
        })
    }

    /// How the realtime service is asked, if there is a model.
    pub fn realtime(&self) -> Option<RealtimeOptions> {
        (!self.realtime_model.is_empty()).then(|| RealtimeOptions {
            base_url: self.realtime_url.clone(),
            model: self.realtime_model.clone(),
            language: Some(self.realtime_language.clone()).filter(|language| !language.is_empty()),
            ..RealtimeOptions::new(ApiKey::new(&self.realtime_key))
        })
    }

    /// How the transcription endpoint is asked, if there is a model.
    pub fn openai(&self) -> Option<OpenAiOptions> {
        (!self.transcription_model.is_empty()).then(|| OpenAiOptions {
            base_url: self.transcription_url.clone(),
            model: self.transcription_model.clone(),
            language: Some(self.transcription_language.clone()).filter(|language| !language.is_empty()),
            partials: self.transcription_partials,
            ..OpenAiOptions::new(ApiKey::new(&self.transcription_key))
        })
    }
}
