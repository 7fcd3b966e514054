//! How the service is asked.

use deepgram::common::options::{Encoding, Endpointing, Language, Model, Options};
use deepgram::listen::websocket::WebsocketBuilder;

use crate::SAMPLE_RATE_HZ;
use crate::service::ApiKey;

/// What is asked of the service.
#[derive(Clone, Debug)]
pub struct DeepgramOptions {
    /// `https://api.deepgram.com`, one of the regional addresses, or a server of your own. A path has to end in `/`.
    /// With `http` key and audio go in the clear: for a server on the same host.
    pub base_url: String,
    /// Authorises, and is billed.
    pub api_key: ApiKey,
    /// For example `nova-3`.
    pub model: String,
    /// A BCP-47 tag, or `multi`.
    pub language: String,
    /// Numbers, dates and the like as people write them; punctuation comes with it.
    pub smart_format: bool,
    /// Whether the voices of one track are told apart.
    pub diarize: bool,
    /// A pause after which the service settles what was said, 10 to 5000 ms.
    pub endpointing_ms: u32,
    /// How long what is waited for.
    pub limits: DeepgramLimits,
}

impl DeepgramOptions {
    /// English, formatted, one voice a track.
    pub fn new(api_key: ApiKey) -> Self {
        Self {
            base_url: "https://api.deepgram.com".to_owned(),
            api_key,
            model: "nova-3".to_owned(),
            language: "en".to_owned(),
            smart_format: true,
            diarize: false,
            endpointing_ms: 300,
            limits: DeepgramLimits::default(),
        }
    }

    /// What recognises, for the record.
    pub(super) fn engine(&self) -> String {
        format!("deepgram:{}", self.model)
    }

    /// The connection that these options describe, told of these terms.
    pub(super) fn connection<'a>(
        &self,
        client: &'a deepgram::Deepgram,
        terms: &[String],
    ) -> WebsocketBuilder<'a> {
        let mut options = Options::builder()
            .model(Model::from(self.model.clone()))
            .language(Language::from(self.language.clone()))
            .punctuate(true)
            .smart_format(self.smart_format);
        if self.diarize {
            // The older `diarize` is deprecated (developers.deepgram.com/docs/diarization); the client crate does not
            // know its successor yet.
            options = options.query_params([("diarize_model".to_owned(), "latest".to_owned())]);
        }
        // Older models refuse terms.
        if self.model.starts_with("nova-3") && !terms.is_empty() {
            options = options.keyterms(bounded(terms));
        }
        client
            .transcription()
            .stream_request_with_options(options.build())
            .encoding(Encoding::Linear16)
            .sample_rate(SAMPLE_RATE_HZ)
            .channels(1)
            .interim_results(true)
            .endpointing(Endpointing::CustomDurationMs(self.endpointing_ms))
    }
}

/// The service takes 500 tokens of keyterms and falls silent above (developers.deepgram.com/docs/keyterm). Names fall to
/// tokens of two or three letters.
const KEYTERMS_MAX_BYTES: usize = 1_000;

/// The first keyterms, as many as the service takes.
fn bounded(terms: &[String]) -> impl Iterator<Item = &str> {
    let mut left = KEYTERMS_MAX_BYTES;
    terms.iter().map(String::as_str).take_while(move |term| {
        let fits = term.len() <= left;
        left = left.saturating_sub(term.len());
        fits
    })
}

/// How long what is waited for, in milliseconds. The defaults are for the service; tests have shorter ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeepgramLimits {
    /// A connection that is not there by then has failed.
    pub connect_ms: u64,
    /// A sign of life for a connection on which nothing is said. The service hangs up after ten seconds.
    pub keep_alive_ms: u64,
    /// A partial that is not caught up with by then is answered with the words known so far.
    pub partial_ms: u64,
    /// Without any word from the service for so long, while something is waited for, the connection is made anew.
    pub stall_ms: u64,
    /// A final is answered within this and the length of its unsent audio, or has failed.
    pub final_ms: u64,
    /// The service need not confirm the end of an utterance of which it had nothing left to settle: so long it is
    /// waited for all the same.
    pub confirm_ms: u64,
    /// Of an utterance that was cut while its speaker goes on: how long the service may take to settle it by itself.
    pub cut_ms: u64,
    /// A connection on which nothing is said for so long is closed.
    pub idle_ms: u64,
    /// A track that ended is given so long for its last words to be asked for.
    pub linger_ms: u64,
    /// How long the service may take to say goodbye.
    pub close_ms: u64,
    /// First and longest wait before a connection is made again.
    pub reconnect_ms: (u64, u64),
    /// How long a refusal (key, payment, parameters) is believed before the service is asked again.
    pub refusal_ms: u64,
}

impl Default for DeepgramLimits {
    fn default() -> Self {
        Self {
            connect_ms: 8_000,
            keep_alive_ms: 4_000,
            partial_ms: 1_000,
            stall_ms: 5_000,
            final_ms: 12_000,
            confirm_ms: 2_000,
            cut_ms: 3_000,
            idle_ms: 120_000,
            linger_ms: 5_000,
            close_ms: 5_000,
            reconnect_ms: (250, 5_000),
            refusal_ms: 60_000,
        }
    }
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum DeepgramError {
    /// The address is not usable.
    #[error("{0} is not an http or https address")]
    Address(String),
    /// The client could not be made.
    #[error("the client could not be made")]
    Client(#[source] Box<deepgram::DeepgramError>),
    /// There is no key.
    #[error("the API key is empty or has characters that no header may have")]
    Key,
}
