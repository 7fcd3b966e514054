//! Our client for OpenAI-compatible endpoints against our own endpoint: real sockets, real Whisper, a real recording.
#![allow(clippy::unwrap_used)] // helpers of tests are tests, which clippy does not see

use std::path::PathBuf;
use std::sync::Arc;

use agent::transcriber::{Transcriber, router};
use reqwest::multipart::{Form, Part};
use serde_json::Value;
use speech::openai::{OpenAi, OpenAiOptions};
use speech::{
    ApiKey, Audio, Hypothesis, RecogniseError, Recognised, Recogniser, RecogniserLoad, Request, RequestKind,
    StreamId, WhisperOptions, WhisperPool, wav,
};
use tokio::sync::oneshot;

const KEY: &str = "the-key-of-the-tests";

fn from_environment(name: &str) -> PathBuf {
    std::env::var_os(name)
        .map(PathBuf::from)
        .unwrap_or_else(|| panic!("{name} is not set: run `cargo verify`"))
}

async fn serve(recogniser: Arc<dyn Recogniser>) -> String {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let router = router(Arc::new(Transcriber::new(recogniser, KEY)));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    url
}

fn request(audio: &[i16]) -> Request {
    Request {
        stream: StreamId(1),
        utterance: 0,
        kind: RequestKind::Final,
        audio: Audio::from(audio),
        start_ms: 5_000,
        settled: Vec::new(),
        prompt: String::new(),
    }
}

/// The same words at the same times, whether Whisper is asked in the process or through the endpoint.
#[tokio::test]
async fn our_client_reads_our_server() {
    let file = from_environment("RAPPORTEUR_RECORDINGS").join("two_cities.wav");
    let recording = wav::read_mono_16khz(&file).unwrap();
    let model = from_environment("RAPPORTEUR_WHISPER_MODEL");
    let pool = WhisperPool::load(&model, WhisperOptions { workers: 2 }).unwrap();
    let url = serve(Arc::new(pool.clone())).await;
    let client = OpenAi::new(OpenAiOptions {
        base_url: url.clone(),
        language: Some("en".to_owned()),
        ..OpenAiOptions::new(ApiKey::new(KEY))
    })
    .unwrap();
    let utterance = &recording[..8 * 16_000];
    let near = pool.submit(request(utterance)).await.unwrap().unwrap();
    let far = client.submit(request(utterance)).await.unwrap().unwrap();
    assert!(
        near.text().to_lowercase().contains("worst of times"),
        "{}",
        near.text()
    );
    assert_eq!(far.text(), near.text());
    assert_eq!(
        (far.engine.as_str(), far.audio_ms, far.compute_ms),
        ("openai:whisper-1", 8_000, 0)
    );
    for (far, near) in far.words.iter().zip(&near.words) {
        let off_ms = far
            .start_ms
            .abs_diff(near.start_ms)
            .max(far.end_ms.abs_diff(near.end_ms));
        assert!(off_ms <= 1, "{far:?} is not {near:?}");
        assert!((far.confidence - near.confidence).abs() < 1e-3);
    }
    // Times that nobody asks for are not there.
    let form = || {
        Form::new()
            .part("file", part(utterance))
            .text("model", "whisper-1")
    };
    let (status, json) = post(&url, KEY, form()).await;
    assert_eq!(
        (status, json),
        (200, serde_json::json!({"text": near.text()}).to_string())
    );
    let (status, text) = post(&url, KEY, form().text("response_format", "text")).await;
    assert_eq!((status, text), (200, format!("{}\n", near.text())));

    let stranger = OpenAi::new(OpenAiOptions {
        base_url: url,
        ..OpenAiOptions::new(ApiKey::new("another"))
    })
    .unwrap();
    let refused = stranger.submit(request(utterance)).await.unwrap();
    assert_eq!(refused, Err(RecogniseError::Unauthorised));
}

fn part(samples: &[i16]) -> Part {
    Part::bytes(wav::encode(samples)).file_name("a.wav")
}

async fn post(url: &str, key: &str, form: Form) -> (u16, String) {
    let response = reqwest::Client::new()
        .post(format!("{url}/audio/transcriptions"))
        .bearer_auth(key)
        .multipart(form)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

/// Says the same about everything, or that it is busy.
#[derive(Debug)]
struct Played(Result<(), RecogniseError>);

impl Recogniser for Played {
    fn engine(&self) -> &str {
        "whisper:played"
    }

    fn submit(&self, request: Request) -> oneshot::Receiver<Recognised> {
        let (answer, receiver) = oneshot::channel();
        let _ = answer.send(self.0.map(|()| Hypothesis {
            utterance: request.utterance,
            words: Vec::new(),
            engine: "whisper:played".to_owned(),
            audio_ms: (request.audio.len() / 16) as u64,
            is_whole: true,
            compute_ms: 0,
        }));
        receiver
    }

    fn load(&self) -> RecogniserLoad {
        RecogniserLoad {
            waiting_finals: 0,
            at_once: 1,
        }
    }
}

#[tokio::test]
async fn what_does_not_fit_is_named_with_its_limit() {
    let url = serve(Arc::new(Played(Ok(())))).await;
    let second = vec![0i16; 16_000];
    let form = || Form::new().text("model", "played");
    let good = || form().part("file", part(&second));
    let cases = [
        (form(), 400, "file must be there"),
        (
            form().part("file", Part::bytes(b"ID3".to_vec())),
            400,
            "file must be a WAV file of PCM",
        ),
        (
            form().part("file", part(&vec![0; 31 * 16_000])),
            400,
            "file must be at most 30 s of audio",
        ),
        (
            form().part("file", Part::bytes(vec![0; 9 << 20])),
            413,
            "file must be at most 8388608 bytes",
        ),
        (
            Form::new().part("file", part(&second)).text("model", "gpt"),
            404,
            "model must be whisper-1 or played",
        ),
        (
            good().text("response_format", "srt"),
            400,
            "json, text or verbose_json",
        ),
        (
            good().text("timestamp_granularities[]", "word"),
            400,
            "response_format must be verbose_json",
        ),
        (
            good().text("timestamp_granularities[]", "letter"),
            400,
            "timestamp_granularities must be word or segment",
        ),
        (good().text("language", "de"), 400, "language must be en"),
        (good().text("temperature", "0.5"), 400, "temperature must be 0"),
        (good().text("stream", "true"), 400, "stream must be false"),
        (good().text("colour", "red"), 400, "colour is not known"),
        (
            good().text("prompt", "x".repeat(5_000)),
            400,
            "at most 4096 bytes",
        ),
    ];
    for (form, status, message) in cases {
        let (got, body) = post(&url, KEY, form).await;
        let error: Value = serde_json::from_str(&body).unwrap();
        let text = error["error"]["message"].as_str().unwrap();
        assert!(
            got == status && text.contains(message),
            "{got} {body}, not {status} {message}"
        );
    }
    assert_eq!(post(&url, KEY, good()).await, (200, r#"{"text":""}"#.to_owned()));
    assert_eq!(post(&url, "another", good()).await.0, 401);
    let http = reqwest::Client::new();
    let models = http.get(format!("{url}/models"));
    assert_eq!(models.try_clone().unwrap().send().await.unwrap().status(), 401);
    let models: Value = models
        .bearer_auth(KEY)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(models["data"][0]["id"], "played");
    let not_a_form = http
        .post(format!("{url}/audio/transcriptions"))
        .bearer_auth(KEY)
        .body("{}");
    assert_eq!(not_a_form.send().await.unwrap().status(), 415);
}

#[tokio::test]
async fn a_busy_server_says_so_and_a_failure_is_one() {
    let second = vec![0i16; 16_000];
    for (error, status, understood) in [
        (RecogniseError::Overloaded, 429, RecogniseError::RateLimited),
        (RecogniseError::Failed, 500, RecogniseError::Failed),
    ] {
        let url = serve(Arc::new(Played(Err(error)))).await;
        let form = Form::new().part("file", part(&second)).text("model", "whisper-1");
        assert_eq!(post(&url, KEY, form).await.0, status);
        let client = OpenAi::new(OpenAiOptions {
            base_url: url,
            ..OpenAiOptions::new(ApiKey::new(KEY))
        })
        .unwrap();
        assert_eq!(client.submit(request(&second)).await.unwrap(), Err(understood));
    }
}
