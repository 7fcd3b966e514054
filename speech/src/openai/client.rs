//! The recogniser that sessions hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::OpenAIConfig;
use async_openai::types::InputSource;
use async_openai::types::audio::{
    AudioInput, AudioResponseFormat, CreateTranscriptionRequest, TimestampGranularity,
};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{sleep, timeout};

use super::options::{OpenAiError, OpenAiOptions};
use super::reading::{read_json, read_text};
use super::sender::{Fault, Sender, Watch};
use crate::service::{Door, Meter, Refusal};
use crate::{
    Hypothesis, RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind, SAMPLES_PER_MS,
    Sent, StreamId, Word, wav,
};

/// Finals that may wait. At 20 s each this is 160 MB of audio at most.
const FINALS_MAX: usize = 256;
/// The service refuses audio that is shorter, and there is no word in it.
const SHORTEST_MS: u64 = 100;
/// The service takes 224 tokens of prompt and drops the beginning of a longer one.
const PROMPT_MAX_CHARS: usize = 600;

struct Shared {
    options: OpenAiOptions,
    engine: String,
    http: reqwest::Client,
    door: Door,
    meter: Meter,
    /// The model was found to give no times.
    is_timeless: AtomicBool,
    places: Semaphore,
    waiting_finals: AtomicUsize,
}

/// A handle to the endpoint; clones share its connections and what is known of its refusals.
#[derive(Clone)]
pub struct OpenAi {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl std::fmt::Debug for OpenAi {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OpenAi")
            .field("engine", &self.shared.engine)
            .field("load", &self.load())
            .finish_non_exhaustive()
    }
}

impl OpenAi {
    /// A client; nothing is connected yet. Its requests live on the runtime in which this is called.
    ///
    /// # Errors
    /// An option cannot be used, or the HTTP client cannot be made.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn new(options: OpenAiOptions) -> Result<Self, OpenAiError> {
        options.check()?;
        // Its dependencies bring two providers of cryptography: somebody has to choose. A choice made before stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_millis(options.limits.connect_ms))
            // A key is not to follow wherever an endpoint points.
            .redirect(reqwest::redirect::Policy::none())
            .build()?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine: format!("openai:{}", options.model),
                http,
                door: Door::new(options.limits.refusal_ms),
                meter: Meter::default(),
                is_timeless: AtomicBool::new(false),
                places: Semaphore::new(options.at_once),
                waiting_finals: AtomicUsize::new(0),
                options,
            }),
            runtime: Handle::current(),
        })
    }
}

impl Recogniser for OpenAi {
    fn engine(&self) -> &str {
        &self.shared.engine
    }

    fn gives_partials(&self) -> bool {
        self.shared.options.partials
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (mut answer, receiver) = oneshot::channel();
        match self.shared.admit(request.kind) {
            Ok(()) => {
                let shared = self.shared.clone();
                self.runtime.spawn(async move {
                    let is_final = request.kind == RequestKind::Final;
                    let result = tokio::select! {
                        biased;
                        () = answer.closed() => None,
                        result = shared.recognise(&request) => Some(result),
                    };
                    shared
                        .waiting_finals
                        .fetch_sub(usize::from(is_final), Ordering::Relaxed);
                    if let Some(result) = result {
                        let _ = answer.send(result);
                    }
                });
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        }
        receiver
    }

    fn take_sent(&self, stream: StreamId) -> Vec<Sent> {
        self.shared.meter.take(stream, &self.shared.engine)
    }

    fn load(&self) -> RecogniserLoad {
        RecogniserLoad {
            waiting_finals: self.shared.waiting_finals.load(Ordering::Relaxed),
            at_once: self.shared.options.at_once,
        }
    }
}

impl Shared {
    /// Whether a request is taken; a final is counted.
    fn admit(&self, kind: RequestKind) -> Result<(), RecogniseError> {
        match kind {
            RequestKind::Partial | RequestKind::Pause if !self.options.partials => {
                Err(RecogniseError::NoPartials)
            }
            RequestKind::Partial | RequestKind::Pause if self.places.available_permits() == 0 => {
                Err(RecogniseError::Overloaded)
            }
            RequestKind::Partial | RequestKind::Pause => Ok(()),
            RequestKind::Final => {
                let count = |waiting| (waiting < FINALS_MAX).then_some(waiting + 1);
                self.waiting_finals
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, count)
                    .map(drop)
                    .map_err(|_| RecogniseError::Overloaded)
            }
        }
    }

    async fn recognise(&self, request: &Request) -> Recognised {
        let audio_ms = (request.audio.len() / SAMPLES_PER_MS) as u64;
        let limit_ms = match request.kind {
            RequestKind::Final => self.options.limits.final_ms + audio_ms,
            RequestKind::Partial | RequestKind::Pause => self.options.limits.partial_ms,
        };
        let words = if audio_ms < SHORTEST_MS {
            Vec::new()
        } else {
            let asking = async {
                let _place = self
                    .places
                    .acquire()
                    .await
                    .map_err(|_| RecogniseError::ShutDown)?;
                self.ask(request).await
            };
            timeout(Duration::from_millis(limit_ms), asking)
                .await
                .map_err(|_| RecogniseError::Late)??
        };
        Ok(Hypothesis {
            utterance: request.utterance,
            words,
            engine: self.engine.clone(),
            audio_ms,
            is_whole: true,
            compute_ms: 0,
        })
    }

    /// Asks, and once more where that may help and the wait is short.
    async fn ask(&self, request: &Request) -> Result<Vec<Word>, RecogniseError> {
        let limits = &self.options.limits;
        let file = Bytes::from(wav::encode(&request.audio.to_vec()));
        let mut may_retry = request.kind == RequestKind::Final;
        loop {
            self.door.check()?;
            let has_times = !self.is_timeless.load(Ordering::Relaxed);
            let fault = match self.once(request, file.clone(), has_times).await {
                Ok(words) => {
                    self.door.met(Ok(()));
                    return Ok(words);
                }
                Err(fault) => fault,
            };
            let wait_ms = match fault {
                // Refused before anything was recognised: costs nothing, and never comes again.
                Fault::NoTimes if has_times => {
                    tracing::info!(
                        engine = self.engine,
                        "the model gives no times of words: they are spread"
                    );
                    self.is_timeless.store(true, Ordering::Relaxed);
                    continue;
                }
                Fault::NoTimes => return Err(self.refuse(Refusal::Misconfigured)),
                Fault::Refused(refusal) => return Err(self.refuse(refusal)),
                Fault::SlowDown { wait_ms: None } => return Err(self.refuse(Refusal::RateLimited)),
                Fault::SlowDown {
                    wait_ms: Some(wait_ms),
                } => {
                    self.door.wait(wait_ms);
                    if wait_ms > limits.retry_after_ms {
                        return Err(RecogniseError::RateLimited);
                    }
                    // The gate opens at that very moment.
                    wait_ms + 1
                }
                Fault::Failed => limits.retry_ms,
                Fault::Rubbish => return Err(RecogniseError::Failed),
            };
            if !may_retry {
                return Err(match fault {
                    Fault::SlowDown { .. } => RecogniseError::RateLimited,
                    _ => RecogniseError::Failed,
                });
            }
            may_retry = false;
            sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    fn refuse(&self, refusal: Refusal) -> RecogniseError {
        self.door.met(Err(refusal));
        refusal.into()
    }

    async fn once(&self, request: &Request, file: Bytes, has_times: bool) -> Result<Vec<Word>, Fault> {
        let watch = Watch::default();
        let config = OpenAIConfig::new()
            .with_api_base(self.options.base_url.trim_end_matches('/'))
            .with_api_key(self.options.api_key.reveal());
        let sender = Sender {
            http: self.http.clone(),
            watch: watch.clone(),
        };
        let client = Client::build(self.http.clone(), config).with_http_service(sender);
        let form = self.form(request, file, has_times);
        let audio = Duration::from_millis((request.audio.len() / SAMPLES_PER_MS) as u64);
        // Before the answer: one that is given up on the way may be billed all the same.
        self.meter.sent(request.stream, audio);
        let body = client.audio().transcription().create_raw(form).await;
        if watch.is_free() {
            self.meter.not_taken(request.stream, audio);
        }
        let body = body.map_err(|_| watch.fault())?;
        let audio = request.audio.to_vec();
        let words = if watch.is_plain() {
            let text = std::str::from_utf8(&body).map_err(|_| Fault::Rubbish)?;
            read_text(text, &audio, request.start_ms)
        } else {
            read_json(&body, &audio, request.start_ms)
        };
        words.map_err(|_| {
            tracing::warn!(
                engine = self.engine,
                bytes = body.len(),
                "what came is no transcript"
            );
            Fault::Rubbish
        })
    }

    fn form(&self, request: &Request, file: Bytes, has_times: bool) -> CreateTranscriptionRequest {
        let chars = request.prompt.chars().count();
        let prompt: String = request
            .prompt
            .chars()
            .skip(chars.saturating_sub(PROMPT_MAX_CHARS))
            .collect();
        CreateTranscriptionRequest {
            file: AudioInput {
                source: InputSource::Bytes {
                    filename: "utterance.wav".to_owned(),
                    bytes: file,
                },
            },
            model: self.options.model.clone(),
            language: self.options.language.clone(),
            prompt: Some(prompt).filter(|prompt| !prompt.is_empty()),
            response_format: Some(if has_times {
                AudioResponseFormat::VerboseJson
            } else {
                AudioResponseFormat::Json
            }),
            temperature: Some(0.0),
            timestamp_granularities: has_times
                .then(|| vec![TimestampGranularity::Word, TimestampGranularity::Segment]),
            ..CreateTranscriptionRequest::default()
        }
    }
}
