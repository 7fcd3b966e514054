//! Clients that we did not write, in a room with ours: LiveKit's Python SDK (libwebrtc inside) and its JavaScript SDK in
//! Chromium. Both obey the same orders, each by a program of its own (`peer.py`, `page.html`), play a tone and say what they hear.

mod ground;
mod ours;
mod page;
mod python;
mod sound;

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;

pub use ground::Ground;
pub use ours::Ours;
pub use sound::{SILENCE, Sound, TONE_TOLERANCE_HZ};

use page::Page;
use python::Python;

const ORDER_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(50);
/// Of the text streams; the other clients' programs have it too.
const TEXTS_TOPIC: &str = "texts";

/// Which client it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// LiveKit's Python SDK.
    Python,
    /// LiveKit's JavaScript SDK in Chromium.
    Browser,
}

/// How a text went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// A data packet that is sent until it arrives.
    Reliable,
    /// A data packet that may be lost.
    Lossy,
    /// A text stream.
    Stream,
}

impl How {
    fn name(self) -> &'static str {
        match self {
            Self::Reliable => "reliable",
            Self::Lossy => "lossy",
            Self::Stream => "stream",
        }
    }
}

/// A text that somebody has read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Text {
    /// How it came.
    pub how: How,
    /// What it says.
    pub text: String,
}

/// How a track arrives, as the receiver counts it since the track began.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Reception {
    /// Packets that came.
    pub packets: u64,
    /// Packets that did not.
    pub lost: i64,
    /// Samples that were played.
    pub samples: u64,
    /// Of these, made up.
    pub concealed: u64,
    /// How long all samples together were held back by the jitter buffer.
    pub delay_s: f64,
    /// So many samples.
    pub emitted: u64,
}

/// A client that we did not write. Dropping it ends its process.
pub struct Peer {
    link: Link,
}

enum Link {
    Python(Python),
    Browser(Page),
}

impl Peer {
    /// Starts one, which is in no room yet.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(kind: Kind, ground: &Ground) -> Result<Self> {
        let link = match kind {
            Kind::Python => Link::Python(Python::start(ground).await?),
            Kind::Browser => Link::Browser(Page::start(ground).await?),
        };
        Ok(Self { link })
    }

    /// Gives an order and waits until it is carried out; its answer.
    ///
    /// # Errors
    /// The client cannot do it, which the error explains.
    pub async fn order(&mut self, name: &str, with: Value) -> Result<Value> {
        match &mut self.link {
            Link::Python(python) => python.order(name, &with).await,
            Link::Browser(page) => page.order(name, &with).await,
        }
    }

    /// Plays a tone into the room as a client does it by itself.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn publish(&mut self, hz: f64) -> Result<()> {
        self.order("publish", json!({"hz": hz})).await.map(drop)
    }

    /// Enters a room, without encryption.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn connect(&mut self, url: &str, token: &str) -> Result<()> {
        let order = json!({"url": url, "token": token});
        self.order("connect", order).await.map(drop)
    }

    /// Leaves the room; it may enter another one.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn leave(&mut self) -> Result<()> {
        self.order("leave", json!({})).await.map(drop)
    }

    /// Plays at another pitch from now on.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn tune(&mut self, hz: f64) -> Result<()> {
        self.order("tune", json!({"hz": hz})).await.map(drop)
    }

    /// Mutes its tone, or takes that back.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn mute(&mut self, muted: bool) -> Result<()> {
        let name = if muted { "mute" } else { "unmute" };
        self.order(name, json!({})).await.map(drop)
    }

    /// Sends pictures by this codec, as a camera does.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn show(&mut self, codec: &str) -> Result<()> {
        self.order("show", json!({"codec": codec})).await.map(drop)
    }

    /// Takes the pictures back.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn hide(&mut self) -> Result<()> {
        self.order("hide", json!({})).await.map(drop)
    }

    /// Breaks its connection and waits until it is mended: resumed, or made anew entirely.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn reconnect(&mut self, entirely: bool) -> Result<()> {
        self.order("reconnect", json!({"entirely": entirely}))
            .await
            .map(drop)
    }

    /// Sends a text to the others.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn say(&mut self, how: How, text: &str) -> Result<()> {
        let order = json!({"how": how.name(), "text": text});
        self.order("say", order).await.map(drop)
    }

    /// What it hears.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn sound(&mut self) -> Result<Sound> {
        let sound = self.order("sound", json!({})).await?;
        Ok(Sound {
            hz: sound["hz"].as_f64().context("no pitch")?,
            loudest: sound["loudest"].as_f64().context("no level")?,
            now: sound["now"].as_f64().context("no level")?,
        })
    }

    /// What it has read.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn texts(&mut self) -> Result<Vec<Text>> {
        let texts = self.order("texts", json!({})).await?;
        Ok(serde_json::from_value(texts)?)
    }

    /// What it was told of others.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn told(&mut self) -> Result<Vec<String>> {
        let told = self.order("told", json!({})).await?;
        Ok(serde_json::from_value(told)?)
    }

    /// How the last track that it hears arrives.
    ///
    /// # Errors
    /// As [`Peer::order`].
    pub async fn reception(&mut self) -> Result<Reception> {
        let reception = self.order("reception", json!({})).await?;
        Ok(serde_json::from_value(reception)?)
    }

    /// Waits until it was told something of others.
    ///
    /// # Errors
    /// `limit` passes first; the error shows what it was told.
    pub async fn wait_until_told(&mut self, what: &str, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let told = self.told().await?;
            if told.iter().any(|one| one == what) {
                return Ok(());
            }
            ensure!(begun.elapsed() < limit, "they were told {told:?}, not {what:?}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until what it hears is as `wanted`.
    ///
    /// # Errors
    /// `limit` passes first; the error shows what it hears.
    pub async fn wait_for_sound(
        &mut self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&Sound) -> bool,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let sound = self.sound().await?;
            if wanted(&sound) {
                return Ok(());
            }
            ensure!(begun.elapsed() < limit, "they hear {sound:?} instead of {what}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until it hears a tone, whatever its level.
    ///
    /// # Errors
    /// As [`Peer::wait_for_sound`].
    pub async fn wait_for_tone(&mut self, hz: f64, limit: Duration) -> Result<()> {
        self.wait_for_sound(&format!("{hz} Hz"), limit, |sound| sound.is_tone(hz))
            .await
    }

    /// Waits until it has read a text, however it came.
    ///
    /// # Errors
    /// `limit` passes first; the error shows what it has read.
    pub async fn wait_for_text(&mut self, text: &str, limit: Duration) -> Result<()> {
        let begun = Instant::now();
        loop {
            let texts = self.texts().await?;
            if texts.iter().any(|one| one.text == text) {
                return Ok(());
            }
            ensure!(
                begun.elapsed() < limit,
                "they have read {texts:?} instead of {text:?}"
            );
            tokio::time::sleep(POLL).await;
        }
    }

    /// Ends it; it leaves the room, if it is in one.
    ///
    /// # Errors
    /// It had ended before.
    pub async fn quit(self) -> Result<()> {
        match self.link {
            Link::Python(python) => python.quit().await,
            Link::Browser(page) => return page.quit().await,
        }
        Ok(())
    }
}
