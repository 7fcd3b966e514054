//! A server that speaks OpenAI's realtime transcription as it is documented and holds the client to it. Speech is played to
//! it as levels: every 400 ms of one level is a word, named after the level. So it can say what it heard without knowing
//! how the client changes the rate, and a hole, a piece that comes twice or a wrong rate is a wrong word. Where people
//! speak, Whisper is behind it.
//!
//! Sources: developers.openai.com/api/docs/guides/realtime-transcription, /api-reference/realtime-client-events,
//! /api-reference/realtime-server-events.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use speech::{Recogniser as _, WhisperPool};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

use crate::booth::{Booth, Events, Serving, refused};

pub(crate) const KEY: &str = "sk-test-realtime";
pub(crate) const MODEL: &str = "gpt-live-transcribe";
/// Samples of a word at 24 kHz.
const WORD: usize = 9_600;
/// Levels are multiples of this.
pub(crate) const STEP: i16 = 200;

/// How it knows what is said.
#[derive(Clone)]
pub(crate) enum Source {
    #[allow(dead_code, reason = "the tests of the whole system recognise")]
    Levels,
    /// All of it when it is committed.
    #[allow(dead_code, reason = "these tests play levels")]
    Recognised(WhisperPool),
}

/// How one connection goes; without instructions, well.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "each user has its own")]
pub(crate) enum Behaviour {
    Well,
    /// The handshake is refused.
    Refuse(u16),
    /// The session is refused with this code.
    Deny(&'static str),
    /// The line is dead at this commit.
    CutAtCommit(usize),
    /// The session is over at this commit.
    ExpireAtCommit(usize),
    /// Nothing is said any more from this commit on.
    MuteAtCommit(usize),
    /// This commit is transcribed as a word of two megabytes.
    FloodAtCommit(usize),
    /// Rubbish and unknown messages between the real ones.
    Rubbish,
    /// This commit cannot be transcribed.
    FailCommit(usize),
}

/// What a test may wait for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Refused(u16),
    Connected,
    /// What is to be transcribed how.
    SetUp(Value),
    /// Words of a commit.
    Committed(Vec<String>),
    Closed,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) events: Events<Event>,
    booth: Arc<Booth<Behaviour, Event>>,
    _serving: Serving,
}

impl Server {
    pub(crate) async fn start(source: Source, behaviours: &[Behaviour]) -> Self {
        let (booth, events) = Booth::new(behaviours);
        let booth = Arc::new(booth);
        let shared = booth.clone();
        let connections = move |socket| connection(socket, source.clone(), shared.clone());
        let serving = Serving::connections(connections).await;
        Self {
            url: format!("ws://{}/v1", serving.address),
            events,
            booth,
            _serving: serving,
        }
    }

    pub(crate) fn assert_no_violations(&self) {
        self.booth.assert_no_violations();
    }
}

async fn connection(socket: TcpStream, source: Source, booth: Arc<Booth<Behaviour, Event>>) {
    let behaviour = booth.behaviour(Behaviour::Well);
    // The type is the library's.
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, response: Response| {
        let status = match behaviour {
            Behaviour::Refuse(status) => status,
            _ => admit(request),
        };
        if status == 101 {
            return Ok(response);
        }
        booth.tell(Event::Refused(status));
        Err(refused(status))
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(socket, check).await else {
        return;
    };
    booth.tell(Event::Connected);
    let mut talk = Talk {
        socket,
        source,
        booth: booth.clone(),
        behaviour,
        is_ready: false,
        buffer: Vec::new(),
        told: 0,
        commits: 0,
        items: 1,
    };
    talk.run().await;
    booth.tell(Event::Closed);
}

fn admit(request: &Request) -> u16 {
    let uri = request.uri();
    // A model in the address makes a conversation of it.
    if (uri.path(), uri.query()) != ("/v1/realtime", Some("intent=transcription")) {
        return 404;
    }
    let key = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if key == Some(format!("Bearer {KEY}").as_str()) {
        101
    } else {
        401
    }
}

struct Talk {
    socket: WebSocketStream<TcpStream>,
    source: Source,
    booth: Arc<Booth<Behaviour, Event>>,
    behaviour: Behaviour,
    is_ready: bool,
    buffer: Vec<i16>,
    /// Words of the buffer that were said already.
    told: usize,
    commits: usize,
    items: usize,
}

impl Talk {
    async fn run(&mut self) {
        self.send(json!({"type": "session.created", "event_id": "e", "session": {"type": "realtime"}}))
            .await;
        while let Some(Ok(message)) = self.socket.next().await {
            let Message::Text(text) = message else { continue };
            let message: Value = serde_json::from_str(&text).unwrap_or_default();
            if matches!(self.behaviour, Behaviour::Rubbish) {
                for rubbish in [
                    "{",
                    "[]",
                    r#"{"type":"weather.report"}"#,
                    r#"{"type":"error","error":{"code":"odd"}}"#,
                ] {
                    let _ = self.socket.send(Message::text(rubbish)).await;
                }
            }
            let go_on = match message["type"].as_str().unwrap_or("rubbish") {
                "session.update" => self.setup(&message).await,
                _ if !self.is_ready => {
                    self.booth.violation("audio before the session is set up");
                    false
                }
                "input_audio_buffer.append" => self.append(&message).await,
                "input_audio_buffer.clear" => {
                    self.buffer.clear();
                    self.told = 0;
                    self.items += 1;
                    self.send(json!({"type": "input_audio_buffer.cleared"})).await;
                    true
                }
                "input_audio_buffer.commit" => self.commit(&message).await,
                other => {
                    self.booth.violation(format!("unknown message {other}"));
                    false
                }
            };
            if !go_on {
                return;
            }
        }
    }

    async fn setup(&mut self, message: &Value) -> bool {
        let session = &message["session"];
        let input = &session["audio"]["input"];
        let is_right = session["type"] == "transcription"
            && input["format"] == json!({"type": "audio/pcm", "rate": 24_000})
            && input.get("turn_detection") == Some(&Value::Null);
        if !is_right {
            self.booth
                .violation(format!("a session of another kind: {session}"));
        }
        if let Behaviour::Deny(code) = self.behaviour {
            let error = json!({"type": "invalid_request_error", "code": code, "message": "no",
                "event_id": message["event_id"]});
            self.send(json!({"type": "error", "event_id": "e", "error": error}))
                .await;
            return true;
        }
        // This model has keywords, not a prompt.
        let transcription = &input["transcription"];
        if transcription["model"] != MODEL {
            self.booth.violation("another model");
        }
        let fields = transcription
            .as_object()
            .into_iter()
            .flat_map(|fields| fields.keys());
        for field in fields.filter(|field| !["model", "language", "keywords"].contains(&field.as_str())) {
            self.booth.violation(format!("{MODEL} has no {field}"));
        }
        self.booth.tell(Event::SetUp(transcription.clone()));
        self.is_ready = true;
        self.send(json!({"type": "session.updated", "event_id": "e", "session": session}))
            .await;
        true
    }

    async fn append(&mut self, message: &Value) -> bool {
        let bytes = message["audio"]
            .as_str()
            .and_then(|text| STANDARD.decode(text).ok());
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty() && bytes.len().is_multiple_of(2)) else {
            self.booth.violation("audio that is not base64 of 16-bit samples");
            return false;
        };
        let samples = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
        self.buffer.extend(samples);
        if matches!(self.source, Source::Recognised(_)) {
            return true;
        }
        // A word is said once it is over and something is behind it.
        let heard = words(&self.buffer);
        let settled = (self.buffer.len().saturating_sub(WORD / 4)) / WORD;
        for word in heard.iter().take(settled).skip(self.told) {
            let item = self.item();
            self.say(
                json!({"type": "conversation.item.input_audio_transcription.delta", "event_id": "e",
                "item_id": item, "content_index": 0, "delta": format!("{word} ")}),
            )
            .await;
        }
        self.told = self.told.max(settled);
        true
    }

    async fn commit(&mut self, message: &Value) -> bool {
        self.commits += 1;
        match self.behaviour {
            Behaviour::CutAtCommit(number) if number == self.commits => return false,
            Behaviour::ExpireAtCommit(number) if number == self.commits => {
                let error = json!({"type": "invalid_request_error", "code": "session_expired", "message": "60 minutes"});
                self.send(json!({"type": "error", "event_id": "e", "error": error}))
                    .await;
                return false;
            }
            _ => {}
        }
        let audio = std::mem::take(&mut self.buffer);
        self.told = 0;
        if audio.len() < 2_400 {
            let error = json!({"type": "invalid_request_error", "code": "input_audio_buffer_commit_empty",
                "message": "buffer too small", "event_id": message["event_id"]});
            self.send(json!({"type": "error", "event_id": "e", "error": error}))
                .await;
            return true;
        }
        let item = self.item();
        self.items += 1;
        let mut heard = match &self.source {
            Source::Levels => words(&audio),
            Source::Recognised(pool) => recognised(pool, &audio).await,
        };
        if matches!(self.behaviour, Behaviour::FloodAtCommit(number) if number == self.commits) {
            heard = vec!["x".repeat(2 << 20)];
        }
        self.booth.tell(Event::Committed(heard.clone()));
        self.say(
            json!({"type": "input_audio_buffer.committed", "event_id": "e", "previous_item_id": null,
            "item_id": item}),
        )
        .await;
        self.say(json!({"type": "conversation.item.added", "item": {"id": item, "type": "message"}}))
            .await;
        if matches!(self.behaviour, Behaviour::FailCommit(number) if number == self.commits) {
            self.say(json!({"type": "conversation.item.input_audio_transcription.failed", "event_id": "e",
                "item_id": item, "content_index": 0, "error": {"type": "transcription_error", "code": "audio_unintelligible"}}))
                .await;
            return true;
        }
        if matches!(self.source, Source::Recognised(_)) {
            for word in &heard {
                self.say(
                    json!({"type": "conversation.item.input_audio_transcription.delta", "event_id": "e",
                    "item_id": item, "content_index": 0, "delta": format!("{word} ")}),
                )
                .await;
            }
        }
        self.say(
            json!({"type": "conversation.item.input_audio_transcription.completed", "event_id": "e",
            "item_id": item, "content_index": 0, "transcript": heard.join(" "),
            "usage": {"type": "duration", "seconds": 1}}),
        )
        .await;
        true
    }

    fn item(&self) -> String {
        format!("item_{}", self.items)
    }

    /// Says something, unless this session has fallen silent.
    async fn say(&mut self, message: Value) {
        let is_mute = matches!(self.behaviour, Behaviour::MuteAtCommit(number) if self.commits >= number);
        if !is_mute {
            self.send(message).await;
        }
    }

    async fn send(&mut self, message: Value) {
        let _ = self.socket.send(Message::text(message.to_string())).await;
    }
}

/// What Whisper hears, of three samples two.
async fn recognised(pool: &WhisperPool, audio: &[i16]) -> Vec<String> {
    let half = |one: i16, other: i16| i16::midpoint(one, other);
    let at_16_khz = audio
        .chunks_exact(3)
        .flat_map(|three| [three[0], half(three[1], three[2])]);
    let request = speech::Request {
        stream: speech::StreamId(0),
        utterance: 0,
        kind: speech::RequestKind::Final,
        audio: at_16_khz.collect::<Vec<i16>>().into(),
        start_ms: 0,
        prompt: String::new(),
        settled: Vec::new(),
    };
    let heard = pool.submit(request).await.unwrap().unwrap();
    heard.words.into_iter().map(|word| word.text).collect()
}

/// A word for each 400 ms: the level in its middle.
fn words(audio: &[i16]) -> Vec<String> {
    audio
        .chunks(WORD)
        .filter(|chunk| chunk.len() > WORD / 2)
        .map(|chunk| {
            let level = f64::from(chunk[chunk.len() / 2]) / f64::from(STEP);
            format!("w{}", level.round())
        })
        .collect()
}
