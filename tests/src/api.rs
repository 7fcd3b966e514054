//! The dispatcher's HTTP API as a client sees it: just what the whole-system tests need, in its JSON.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use reqwest::Method;
use serde_json::{Value, json};

/// A client with its key.
#[derive(Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    key: String,
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

    /// A request without the key, to see it refused.
    pub fn anonymous(&self) -> Self {
        Self {
            key: String::new(),
            ..self.clone()
        }
    }

    /// The status and the JSON body of a GET.
    ///
    /// # Errors
    /// No answer, or one that is not JSON.
    pub async fn get_any(&self, path: &str) -> Result<(u16, Value)> {
        let request = self
            .http
            .get(format!("{}{path}", self.base))
            .bearer_auth(&self.key);
        answer(request).await.with_context(|| format!("GET {path}"))
    }

    /// The status and the JSON body of a POST.
    ///
    /// # Errors
    /// No answer, or one that is not JSON.
    pub async fn post_any(&self, path: &str, body: &Value) -> Result<(u16, Value)> {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .json(body);
        answer(request).await.with_context(|| format!("POST {path}"))
    }

    /// The body of a GET that succeeds.
    ///
    /// # Errors
    /// Any other answer than 2xx.
    pub async fn get(&self, path: &str) -> Result<Value> {
        success(self.get_any(path).await?, path)
    }

    /// The body of a POST that succeeds.
    ///
    /// # Errors
    /// Any other answer than 2xx.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value> {
        success(self.post_any(path, body).await?, path)
    }

    /// The body of a PUT that succeeds.
    ///
    /// # Errors
    /// Any other answer than 2xx.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Value> {
        self.change(Method::PUT, path, body).await
    }

    /// The body of a PATCH that succeeds.
    ///
    /// # Errors
    /// Any other answer than 2xx.
    pub async fn patch(&self, path: &str, body: &Value) -> Result<Value> {
        self.change(Method::PATCH, path, body).await
    }

    async fn change(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let request = self
            .http
            .request(method.clone(), format!("{}{path}", self.base))
            .bearer_auth(&self.key)
            .json(body);
        let answer = answer(request)
            .await
            .with_context(|| format!("{method} {path}"))?;
        success(answer, path)
    }

    /// Uploads a document.
    ///
    /// # Errors
    /// No answer, or one that is not JSON.
    pub async fn upload_any(
        &self,
        organisation: &str,
        file_name: &str,
        content: Vec<u8>,
    ) -> Result<(u16, Value)> {
        let part = reqwest::multipart::Part::bytes(content).file_name(file_name.to_owned());
        let form = reqwest::multipart::Form::new().part("file", part);
        let request = self
            .http
            .post(format!("{}/v1/organisations/{organisation}/documents", self.base))
            .bearer_auth(&self.key)
            .multipart(form);
        answer(request).await.context("uploading a document")
    }

    /// Makes an organisation whose assistant is called Robin; returns its id.
    ///
    /// # Errors
    /// The API refuses.
    pub async fn organisation(&self, name: &str) -> Result<String> {
        let made = self
            .post(
                "/v1/organisations",
                &json!({"name": name, "assistant_name": "Robin"}),
            )
            .await?;
        id(&made)
    }

    /// Schedules a room that is due now; returns the room.
    ///
    /// # Errors
    /// The API refuses.
    pub async fn room_due_now(&self, organisation: &str, title: &str) -> Result<Value> {
        let starts_at = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
        let body = json!({"title": title, "starts_at": starts_at});
        self.post(&format!("/v1/organisations/{organisation}/rooms"), &body)
            .await
    }

    /// Adds a participant and gets a token; returns identity, LiveKit's address and the token.
    ///
    /// # Errors
    /// The API refuses.
    pub async fn invite(
        &self,
        organisation: &str,
        room: &str,
        name: &str,
    ) -> Result<(String, String, String)> {
        let base = format!("/v1/organisations/{organisation}/rooms/{room}/participants");
        let made = self.post(&base, &json!({"name": name, "kind": "client"})).await?;
        let token = self
            .post(&format!("{base}/{}/token", id(&made)?), &json!({}))
            .await?;
        let text = |value: &Value, field: &str| {
            value[field]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {field} in the answer"))
        };
        Ok((
            text(&made, "identity")?,
            text(&token, "livekit_url")?,
            text(&token, "token")?,
        ))
    }

    /// All segments of a room so far.
    ///
    /// # Errors
    /// The API refuses.
    pub async fn segments(&self, organisation: &str, room: &str) -> Result<Vec<Value>> {
        let path = format!("/v1/organisations/{organisation}/rooms/{room}/transcript?limit=500");
        let transcript = self.get(&path).await?;
        transcript["segments"]
            .as_array()
            .cloned()
            .context("no segments in the transcript")
    }

    /// Asks again and again until `found` says yes; the last answer is in the error when time is up.
    ///
    /// # Errors
    /// `limit` passes first, or the API refuses.
    pub async fn wait_for(
        &self,
        path: &str,
        limit: Duration,
        found: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let begun = Instant::now();
        loop {
            let body = self.get(path).await?;
            if found(&body) {
                return Ok(body);
            }
            if begun.elapsed() > limit {
                bail!("GET {path}: not as expected after {limit:?}; the last answer was {body}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The `id` of an answer.
///
/// # Errors
/// There is none.
pub fn id(value: &Value) -> Result<String> {
    value["id"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no id in {value}"))
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(u16, Value)> {
    let response = request.timeout(Duration::from_secs(30)).send().await?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    let json = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).context("not JSON")?
    };
    Ok((status, json))
}

fn success((status, body): (u16, Value), path: &str) -> Result<Value> {
    if !(200..300).contains(&status) {
        bail!("{path}: status {status}: {body}");
    }
    Ok(body)
}
