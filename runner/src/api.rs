//! A client of the dispatcher's HTTP API: what the demo and the figures ask of it.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::{DateTime, Utc};
use reqwest::multipart::{Form, Part};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

const REQUEST_LIMIT: Duration = Duration::from_secs(30);
const SEGMENTS_PER_PAGE: usize = 200;

/// A client with its key.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
}

/// A scheduled meeting.
#[derive(Clone, Debug, Deserialize)]
pub struct Room {
    /// Its id.
    pub id: String,
    /// Its name in LiveKit.
    pub livekit_room: String,
    /// When it was scheduled.
    pub created_at: DateTime<Utc>,
    /// Zero of the meeting clock, once an agent was there.
    pub clock_origin: Option<DateTime<Utc>>,
}

/// An invited participant, ready to join.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// At the dispatcher.
    pub participant: String,
    /// In LiveKit.
    pub identity: String,
    /// LiveKit's address.
    pub livekit_url: String,
    /// For LiveKit.
    pub token: String,
}

/// One thing that was said.
#[derive(Clone, Debug, Deserialize)]
pub struct Segment {
    /// 1, 2, 3, ...
    pub sequence: i64,
    /// The same as in the captions.
    pub id: String,
    /// Who.
    pub speaker: Speaker,
    /// The end of its voice on the meeting clock, as the voice detector heard it.
    pub end_ms: i64,
    /// What.
    pub text: String,
    /// Its words.
    pub words: Vec<Word>,
}

/// A stretch of the coverage ledger.
#[derive(Clone, Debug, Deserialize)]
pub struct Stretch {
    /// In LiveKit.
    pub identity: String,
    /// The LiveKit track.
    pub track_id: String,
    /// On the meeting clock.
    pub start_ms: i64,
    /// On the meeting clock.
    pub end_ms: i64,
    /// `transcribed`, `gap`, ...
    pub state: String,
    /// Of a gap.
    pub reason: Option<String>,
    /// Whether it had been a gap before.
    pub late: bool,
}

/// Who said something.
#[derive(Clone, Debug, Deserialize)]
pub struct Speaker {
    /// In LiveKit.
    pub identity: String,
    /// As captions show it.
    pub name: String,
}

/// One word on the meeting clock.
#[derive(Clone, Debug, Deserialize)]
pub struct Word {
    /// With its punctuation.
    pub text: String,
    /// Its beginning.
    pub start_ms: i64,
    /// Its end.
    pub end_ms: i64,
}

/// A question and its answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Answer {
    /// As it was heard or written.
    pub question: String,
    /// The answer.
    pub text: String,
    /// `chat`, `voice` or `private`.
    pub via: String,
    /// Whether documents bear it.
    pub grounded: bool,
    /// Where it comes from.
    pub sources: Vec<Source>,
    /// From question to answer.
    pub latency_ms: i64,
}

/// Where an answer comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Source {
    /// Which document.
    pub document_title: String,
    /// The words that bear the answer.
    pub quote: String,
}

/// What the meeting used.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Usage {
    /// Of what.
    pub kind: String,
    /// In which unit.
    pub unit: String,
    /// How much.
    pub quantity: f64,
    /// By which model.
    #[serde(default)]
    pub engine: Option<String>,
}

/// Pages for people without a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Links {
    /// The live captions.
    pub captions_url: String,
    /// Where a person enters the room.
    pub join_url: String,
}

/// An uploaded document.
#[derive(Clone, Debug, Deserialize)]
pub struct Document {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `queued`, `processing`, `ready` or `failed`.
    pub status: String,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<String>,
    /// Into how many passages it was cut.
    #[serde(default)]
    pub passages: i64,
}

#[derive(Deserialize)]
struct Made {
    id: String,
}

#[derive(Deserialize)]
struct Items<T> {
    items: Vec<T>,
}

impl Api {
    /// A client for the dispatcher at `base` (`http://host:port`).
    pub fn new(base: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            http: reqwest::Client::new(),
            base: base.into(),
            key: key.into(),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let request = self.http.get(format!("{}{path}", self.base));
        self.send(request)
            .await
            .with_context(|| format!("asking for {path}"))
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: &Value) -> Result<T> {
        let request = self.http.post(format!("{}{path}", self.base)).json(body);
        self.send(request)
            .await
            .with_context(|| format!("posting to {path}"))
    }

    async fn send<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let response = request
            .bearer_auth(&self.key)
            .timeout(REQUEST_LIMIT)
            .send()
            .await?;
        let status = response.status();
        let body = response.text().await?;
        if !status.is_success() {
            bail!("the dispatcher answered {status}: {body}");
        }
        serde_json::from_str(&body).with_context(|| format!("an unexpected answer: {body}"))
    }

    /// Makes an organisation; returns its id.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn organisation(&self, name: &str, assistant: &str) -> Result<String> {
        let body = json!({"name": name, "assistant_name": assistant});
        Ok(self.post::<Made>("/v1/organisations", &body).await?.id)
    }

    /// Uploads a document; it is read in the background.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn upload(
        &self,
        organisation: &str,
        file: &str,
        title: &str,
        content: Vec<u8>,
    ) -> Result<String> {
        let form = Form::new()
            .text("title", title.to_owned())
            .part("file", Part::bytes(content).file_name(file.to_owned()));
        let path = format!("{}/v1/organisations/{organisation}/documents", self.base);
        let made: Made = self
            .send(self.http.post(path).multipart(form))
            .await
            .with_context(|| format!("uploading {file}"))?;
        Ok(made.id)
    }

    /// Reads how a document stands.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn document(&self, organisation: &str, document: &str) -> Result<Document> {
        self.get(&format!("/v1/organisations/{organisation}/documents/{document}"))
            .await
    }

    /// Schedules a room.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn schedule(&self, organisation: &str, title: &str, starts_at: DateTime<Utc>) -> Result<Room> {
        let body = json!({"title": title, "starts_at": starts_at});
        self.schedule_as(organisation, &body).await
    }

    /// Schedules a room with every field as it is given.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn schedule_as(&self, organisation: &str, room: &Value) -> Result<Room> {
        self.post(&format!("/v1/organisations/{organisation}/rooms"), room)
            .await
    }

    /// Invites somebody; the token is for joining now.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn invite(&self, organisation: &str, room: &str, name: &str, kind: &str) -> Result<Invitation> {
        #[derive(Deserialize)]
        struct Participant {
            id: String,
            identity: String,
        }
        #[derive(Deserialize)]
        struct Token {
            token: String,
            livekit_url: String,
        }
        let base = format!("/v1/organisations/{organisation}/rooms/{room}/participants");
        let made: Participant = self.post(&base, &json!({"name": name, "kind": kind})).await?;
        let token: Token = self
            .post(&format!("{base}/{}/token", made.id), &json!({}))
            .await?;
        Ok(Invitation {
            participant: made.id,
            identity: made.identity,
            livekit_url: token.livekit_url,
            token: token.token,
        })
    }

    /// The room's parts of the API.
    pub fn room(&self, organisation: &str, room: &str) -> RoomApi {
        RoomApi {
            api: self.clone(),
            base: format!("/v1/organisations/{organisation}/rooms/{room}"),
        }
    }

    /// Whether a page opens, without any key.
    pub async fn opens(&self, url: &str) -> bool {
        let answer = self.http.get(url).timeout(REQUEST_LIMIT).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }
}

/// What the API says about one room.
#[derive(Clone, Debug)]
pub struct RoomApi {
    api: Api,
    base: String,
}

/// When an agent took the room.
#[derive(Clone, Debug, Deserialize)]
pub struct Session {
    /// 1 for the first agent.
    pub epoch: i64,
    /// None before it came.
    pub joined_at: Option<DateTime<Utc>>,
    /// None before it left; then all is written.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Something that happened in the room.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// What.
    pub kind: String,
    /// When.
    pub at: DateTime<Utc>,
}

impl RoomApi {
    /// Reads the room.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn read(&self) -> Result<Room> {
        self.api.get(&self.base).await
    }

    /// The whole transcript.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn transcript(&self) -> Result<Vec<Segment>> {
        #[derive(Deserialize)]
        struct Page {
            segments: Vec<Segment>,
            next_after_sequence: i64,
        }
        let (mut all, mut after) = (Vec::new(), 0);
        loop {
            let path = format!(
                "{}/transcript?after_sequence={after}&limit={SEGMENTS_PER_PAGE}",
                self.base
            );
            let page: Page = self.api.get(&path).await?;
            let last = page.segments.len() < SEGMENTS_PER_PAGE;
            all.extend(page.segments);
            if last {
                return Ok(all);
            }
            after = page.next_after_sequence;
        }
    }

    /// The whole coverage ledger.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn coverage(&self) -> Result<Vec<Stretch>> {
        #[derive(Deserialize)]
        struct Page {
            stretches: Vec<Stretch>,
            next_skip: Option<i64>,
        }
        let (mut all, mut skip) = (Vec::new(), Some(0));
        while let Some(place) = skip {
            let path = format!("{}/coverage?skip={place}&limit=1000", self.base);
            let page: Page = self.api.get(&path).await?;
            all.extend(page.stretches);
            skip = page.next_skip;
        }
        Ok(all)
    }

    /// Questions and answers.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn answers(&self) -> Result<Vec<Answer>> {
        self.items("answers").await
    }

    /// What was used.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn usage(&self) -> Result<Vec<Usage>> {
        self.items("usage").await
    }

    /// The agents that were here.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn sessions(&self) -> Result<Vec<Session>> {
        self.items("sessions").await
    }

    /// What happened, the first thousand things.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn events(&self) -> Result<Vec<Event>> {
        self.items("events?limit=1000").await
    }

    async fn items<T: DeserializeOwned>(&self, what: &str) -> Result<Vec<T>> {
        let list: Items<T> = self.api.get(&format!("{}/{what}", self.base)).await?;
        Ok(list.items)
    }

    /// Pages for people.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn links(&self) -> Result<Links> {
        self.api.post(&format!("{}/links", self.base), &json!({})).await
    }

    /// Where a professional corrects the captions.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn review_url(&self, participant: &str) -> Result<String> {
        #[derive(Deserialize)]
        struct Link {
            review_url: String,
        }
        let path = format!("{}/participants/{participant}/review-link", self.base);
        let link: Link = self.api.post(&path, &json!({})).await?;
        Ok(link.review_url)
    }

    /// Calls the meeting off, which also sends the agent away.
    ///
    /// # Errors
    /// The dispatcher refuses.
    pub async fn cancel(&self) -> Result<Room> {
        self.api.post(&format!("{}/cancel", self.base), &json!({})).await
    }
}
