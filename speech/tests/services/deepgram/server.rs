//! A server that speaks Deepgram's live protocol as it is documented and holds the client to it. Mostly it knows the recording
//! that is played to it and which words are spoken where in it: audio that is not a part of the recording, sample for
//! sample, is a violation, and so is everything that the documentation does not allow.
//!
//! Sources: developers.deepgram.com/reference/speech-to-text/listen-streaming, /docs/audio-keep-alive, /docs/finalize,
//! /docs/close-stream, /docs/stt-troubleshooting-websocket-data-and-net-errors.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use speech::{Recogniser as _, WhisperPool};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::booth::{Booth, Events, Serving, refused};
use crate::played::Spoken;

/// A word, its place on the tape, and who says it.
struct Said {
    text: String,
    start: usize,
    end: usize,
    voice: usize,
}

pub(crate) const KEY: &str = "a-key-that-nobody-has";
const SAMPLES_PER_MS: usize = 16;
/// New audio after which the server says what it has heard.
const INTERIM_SAMPLES: usize = 500 * SAMPLES_PER_MS;
/// Unsettled audio that is settled without being asked to.
const FINAL_SAMPLES: usize = 3_000 * SAMPLES_PER_MS;
/// Query parameters of the live endpoint that this client may use.
const PARAMETERS: [&str; 11] = [
    "model",
    "language",
    "punctuate",
    "smart_format",
    "diarize_model",
    "keyterm",
    "encoding",
    "sample_rate",
    "channels",
    "endpointing",
    "interim_results",
];

/// How one connection goes; without instructions, well.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Behaviour {
    Well,
    /// The handshake is refused.
    Refuse(u16),
    /// The line is dead after so many samples.
    CutAfter(usize),
    /// Nothing is said any more after so many samples.
    MuteAfter(usize),
    /// Rubbish, errors and unknown messages between the real ones.
    Rubbish,
    /// Every end is confirmed so much later: the service is slow.
    Late(Duration),
}

/// What a test may wait for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    Refused(u16),
    Connected,
    Control(String),
    /// How a connection ended, from the server's side.
    Closed(&'static str),
}

/// Whose a word is, where that can be told.
pub(crate) type VoiceOf = Box<dyn Fn(&str) -> Option<usize> + Send + Sync>;

/// What is said in the audio that comes.
pub(crate) enum Source {
    #[allow(dead_code, reason = "the tests of the whole system recognise")]
    Played(Arc<[i16]>, Vec<Spoken>),
    /// Anything: what is unsettled when an utterance is over is recognised, and `voice_of` says whose a word is; where it does
    /// not know, whose the last one was.
    #[allow(dead_code, reason = "these tests play")]
    Recognised { pool: WhisperPool, voice_of: VoiceOf },
}

/// What a connection sent.
#[derive(Default)]
struct Record {
    audio: Vec<i16>,
    parameters: HashMap<String, Vec<String>>,
}

struct Shared {
    source: Source,
    idle: Duration,
    records: Mutex<Vec<Record>>,
    booth: Booth<Behaviour, Event>,
}

pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) events: Events<Event>,
    shared: Arc<Shared>,
    _serving: Serving,
}

impl Server {
    /// A server that hangs up after `idle` without a message, as the service does after ten seconds.
    pub(crate) async fn start(source: Source, idle: Duration, behaviours: &[Behaviour]) -> Self {
        let (booth, events) = Booth::new(behaviours);
        let shared = Arc::new(Shared {
            source,
            idle,
            records: Mutex::default(),
            booth,
        });
        let connections = shared.clone();
        let serving = Serving::connections(move |socket| connection(socket, connections.clone())).await;
        Self {
            url: format!("http://{}", serving.address),
            events,
            shared,
            _serving: serving,
        }
    }

    /// Every connection's audio.
    pub(crate) fn audio(&self) -> Vec<Vec<i16>> {
        let records = self.shared.records.lock().unwrap();
        records.iter().map(|record| record.audio.clone()).collect()
    }

    pub(crate) fn parameters(&self) -> Vec<HashMap<String, Vec<String>>> {
        let records = self.shared.records.lock().unwrap();
        records.iter().map(|record| record.parameters.clone()).collect()
    }

    pub(crate) fn assert_no_violations(&self) {
        self.shared.booth.assert_no_violations();
    }
}

async fn connection(socket: TcpStream, shared: Arc<Shared>) {
    let behaviour = shared.booth.behaviour(Behaviour::Well);
    let mut parameters = HashMap::new();
    // The type is the library's.
    #[allow(clippy::result_large_err)]
    let check = |request: &Request, response: Response| {
        let status = match behaviour {
            Behaviour::Refuse(status) => status,
            _ => admit(request, &shared, &mut parameters),
        };
        if status == 101 {
            return Ok(response);
        }
        shared.booth.tell(Event::Refused(status));
        Err(refused(status))
    };
    let Ok(socket) = tokio_tungstenite::accept_hdr_async(socket, check).await else {
        return;
    };
    let number = {
        let mut records = shared.records.lock().unwrap();
        records.push(Record {
            audio: Vec::new(),
            parameters,
        });
        records.len() - 1
    };
    shared.booth.tell(Event::Connected);
    let mut talk = Talk {
        socket,
        shared: shared.clone(),
        behaviour,
        number,
        places: Vec::new(),
        settled: 0,
        said: 0,
        voices: Vec::new(),
    };
    let end = talk.run().await;
    shared.booth.tell(Event::Closed(end));
}

/// The status of the handshake.
fn admit(request: &Request, shared: &Shared, parameters: &mut HashMap<String, Vec<String>>) -> u16 {
    if request.uri().path() != "/v1/listen" {
        return 404;
    }
    let authorised = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    if authorised != Some(format!("Token {KEY}").as_str()) {
        return 401;
    }
    for pair in request.uri().query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !PARAMETERS.contains(&name) {
            shared.booth.violation(format!("unknown parameter {name}"));
            return 400;
        }
        parameters
            .entry(name.to_owned())
            .or_default()
            .push(value.to_owned());
    }
    for (name, value) in [
        ("encoding", "linear16"),
        ("sample_rate", "16000"),
        ("channels", "1"),
    ] {
        if parameters
            .get(name)
            .is_none_or(|values| values != &[value.to_owned()])
        {
            shared.booth.violation(format!("{name} is not {value}"));
            return 400;
        }
    }
    101
}

struct Talk {
    socket: WebSocketStream<TcpStream>,
    shared: Arc<Shared>,
    behaviour: Behaviour,
    number: usize,
    /// Where in the recording each message of audio is from: its place on the tape, in the recording, its length.
    places: Vec<(usize, usize, usize)>,
    settled: usize,
    said: usize,
    /// Who was heard on this connection, by their numbers.
    voices: Vec<usize>,
}

impl Talk {
    async fn run(&mut self) -> &'static str {
        loop {
            let Ok(message) = timeout(self.shared.idle, self.socket.next()).await else {
                self.hang_up(CloseCode::Error, "NET-0001").await;
                return "NET-0001";
            };
            let go_on = match message {
                Some(Ok(Message::Binary(bytes))) => self.audio(&bytes).await,
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap_or_default();
                    let kind = message["type"].as_str().unwrap_or("rubbish").to_owned();
                    self.shared.booth.tell(Event::Control(kind.clone()));
                    self.control(&kind).await
                }
                Some(Ok(Message::Close(_))) => return "by the client",
                Some(Ok(_)) => Ok(()),
                Some(Err(_)) | None => return "without a goodbye",
            };
            if let Err(end) = go_on {
                return end;
            }
        }
    }

    fn len(&self) -> usize {
        self.places.last().map_or(0, |(tape, _, len)| tape + len)
    }

    fn is_mute(&self) -> bool {
        matches!(self.behaviour, Behaviour::MuteAfter(samples) if self.len() >= samples)
    }

    async fn audio(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        if bytes.is_empty() || !bytes.len().is_multiple_of(2) {
            self.shared.booth.violation("audio that is not linear16");
            return Err("bad audio");
        }
        let samples: Vec<i16> = bytes
            .chunks_exact(2)
            .map(|pair| i16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let tape = self.len();
        match self.find(&samples) {
            Some(place) => self.places.push((tape, place, samples.len())),
            None => {
                self.shared
                    .booth
                    .violation(format!("{} samples that nobody played", samples.len()));
                return Err("bad audio");
            }
        }
        self.shared.records.lock().unwrap()[self.number]
            .audio
            .extend(samples);
        if matches!(self.behaviour, Behaviour::CutAfter(samples) if self.len() >= samples) {
            return Err("cut");
        }
        if matches!(self.shared.source, Source::Recognised { .. }) {
            return Ok(());
        }
        if self.len() - self.settled >= FINAL_SAMPLES {
            // Settled up to a word's end, as the service does.
            let end = self.last_end(self.len()).await;
            self.say(end, true, false).await;
        } else if self.len() - self.said >= INTERIM_SAMPLES {
            self.say(self.len(), false, false).await;
        }
        Ok(())
    }

    /// Where the samples are in the recording: where the last ones ended, if they go on there.
    fn find(&self, samples: &[i16]) -> Option<usize> {
        let Source::Played(recording, _) = &self.shared.source else {
            return Some(self.len());
        };
        let next = self.places.last().map_or(0, |(_, place, len)| place + len);
        let is_at = |at: &usize| recording.get(*at..*at + samples.len()) == Some(samples);
        Some(next)
            .filter(is_at)
            .or_else(|| (0..recording.len()).find(is_at))
    }

    async fn control(&mut self, kind: &str) -> Result<(), &'static str> {
        match kind {
            "KeepAlive" => {}
            "Finalize" => {
                if let Behaviour::Late(delay) = self.behaviour {
                    tokio::time::sleep(delay).await;
                }
                // Without anything left the service need not confirm.
                if self.settled < self.len() {
                    self.say(self.len(), true, true).await;
                }
            }
            "CloseStream" => {
                if self.settled < self.len() {
                    self.say(self.len(), true, false).await;
                }
                let duration = self.len() as f64 / 16_000.0;
                let summary = json!({"type": "Metadata", "transaction_key": "deprecated", "request_id": "r",
                    "sha256": "0", "created": "2026-01-01T00:00:00Z", "duration": duration, "channels": 1});
                self.send(summary).await;
                self.hang_up(CloseCode::Normal, "").await;
                while let Some(Ok(message)) = self.socket.next().await {
                    if message.is_binary() || message.is_text() {
                        self.shared.booth.violation("something after CloseStream");
                    }
                }
                return Err("in order");
            }
            other => self.shared.booth.violation(format!("unknown message {other}")),
        }
        Ok(())
    }

    /// The end of the last word that is whole before `end`, on the tape.
    async fn last_end(&self, end: usize) -> usize {
        let words = self.words(self.settled, end).await;
        let whole = words.iter().filter(|word| word.end + SAMPLES_PER_MS < end);
        whole.map(|word| word.end).max().unwrap_or(end)
    }

    /// The words between two places on the tape: those whose middle is there.
    async fn words(&self, from: usize, to: usize) -> Vec<Said> {
        match &self.shared.source {
            Source::Played(_, spoken) => self.played(spoken, from, to),
            Source::Recognised { pool, voice_of } => self.recognised(pool, voice_of, from, to).await,
        }
    }

    async fn recognised(
        &self,
        pool: &WhisperPool,
        voice_of: impl Fn(&str) -> Option<usize>,
        from: usize,
        to: usize,
    ) -> Vec<Said> {
        let audio = self.shared.records.lock().unwrap()[self.number].audio[from..to].into();
        let request = speech::Request {
            stream: speech::StreamId(self.number as u64),
            utterance: from as u64,
            kind: speech::RequestKind::Final,
            audio,
            start_ms: 0,
            prompt: String::new(),
            settled: Vec::new(),
        };
        let heard = pool.submit(request).await.unwrap().unwrap();
        let mut last = 0;
        let said = |word: speech::Word| {
            last = voice_of(&word.text).unwrap_or(last);
            Said {
                text: word.text,
                start: from + word.start_ms as usize * SAMPLES_PER_MS,
                end: from + word.end_ms as usize * SAMPLES_PER_MS,
                voice: last,
            }
        };
        heard.words.into_iter().map(said).collect()
    }

    fn played(&self, spoken: &[Spoken], from: usize, to: usize) -> Vec<Said> {
        let mut words = Vec::new();
        for (tape, place, len) in &self.places {
            for word in spoken {
                let (start, end) = (word.start_ms * SAMPLES_PER_MS, word.end_ms * SAMPLES_PER_MS);
                let middle = start + (end - start) / 2;
                let at = (tape + middle).wrapping_sub(*place);
                if (*place..place + len).contains(&middle) && (from..to).contains(&at) {
                    words.push(Said {
                        text: word.text.clone(),
                        start: (tape + start).saturating_sub(*place),
                        end: (tape + end).saturating_sub(*place),
                        voice: word.voice,
                    });
                }
            }
        }
        words
    }

    /// Voices are numbered as they come, on each connection anew.
    fn number(&mut self, voice: usize) -> usize {
        self.voices
            .iter()
            .position(|known| *known == voice)
            .unwrap_or_else(|| {
                self.voices.push(voice);
                self.voices.len() - 1
            })
    }

    async fn say(&mut self, end: usize, is_final: bool, from_finalize: bool) {
        if self.is_mute() {
            return;
        }
        if matches!(self.behaviour, Behaviour::Rubbish) {
            for text in [
                "{",
                r#"{"type":"Results","is_final":true}"#,
                r#"{"type":"Error","variant":"Odd","description":"no idea"}"#,
                r#"{"type":"Weather","rain":true}"#,
                r#"{"type":"UtteranceEnd","channel":[0,1],"last_word_end":1.5}"#,
                "[]",
            ] {
                let _ = self.socket.send(Message::text(text)).await;
            }
        }
        let seconds = |samples: usize| samples as f64 / 16_000.0;
        let words = self.words(self.settled, end).await;
        let words: Vec<Value> = words
            .into_iter()
            .map(|word| {
                json!({"word": word.text.to_lowercase(), "punctuated_word": word.text,
                    "start": seconds(word.start), "end": seconds(word.end), "confidence": 0.9,
                    "speaker": self.number(word.voice)})
            })
            .collect();
        let results = json!({"type": "Results", "channel_index": [0, 1], "start": seconds(self.settled),
            "duration": seconds(end - self.settled), "is_final": is_final, "speech_final": from_finalize,
            "from_finalize": from_finalize,
            "channel": {"alternatives": [{"transcript": "", "confidence": 0.9, "words": words}]},
            "metadata": {"request_id": "r", "model_uuid": "u",
                "model_info": {"name": "n", "version": "v", "arch": "a"}}});
        self.said = self.len();
        if is_final {
            self.settled = end;
        }
        self.send(results).await;
    }

    async fn send(&mut self, message: Value) {
        let _ = self.socket.send(Message::text(message.to_string())).await;
    }

    async fn hang_up(&mut self, code: CloseCode, reason: &'static str) {
        let frame = CloseFrame {
            code,
            reason: reason.into(),
        };
        let _ = self.socket.close(Some(frame)).await;
    }
}
