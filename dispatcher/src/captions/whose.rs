//! Whose parts of captions are, for those in the room: their pages have the text already, as the agent says it there. No word
//! travels here, so nobody reads what was said before they came.

use std::ops::RangeInclusive;

use serde::Serialize;
use store::CaptionNotice;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::hub::Subscription;
use super::pages::Pages;
use super::viewer::{EXPIRES_CHECK, Gone};
use crate::App;
use crate::links::Claims;
use crate::voices;

/// Whose parts a caption has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Whose {
    /// The segment.
    id: Uuid,
    /// In order; none where nobody is told apart.
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Part {
    /// How many words of the text it has.
    words: usize,
    label: Option<i32>,
    /// Under which name it is shown.
    speaker: String,
    overlapped: bool,
}

impl From<store::Segment> for Whose {
    fn from(segment: store::Segment) -> Self {
        let part = |part: voices::Part| Part {
            words: part.text.split_whitespace().count(),
            label: part.label,
            speaker: voices::speaker(&segment.speaker_name, part.label, part.name.as_deref()),
            overlapped: part.overlapped,
        };
        let parts = voices::parts(&segment).unwrap_or_default();
        Self {
            id: segment.id,
            parts: parts.into_iter().map(part).collect(),
        }
    }
}

/// Tells one page until it goes, its key expires, or the process ends: first of everything, then of what changes.
pub async fn tell(app: App, claims: Claims, subscription: Subscription, out: mpsc::Sender<Vec<Whose>>) {
    app.metrics.caption_viewers.inc();
    let teller = Teller {
        app: app.clone(),
        claims,
        out,
    };
    if let Err(Gone::Store(error)) = teller.run(subscription).await {
        tracing::warn!(room = %claims.room, %error, "a page of the room was let go");
    }
    app.metrics.caption_viewers.dec();
}

struct Teller {
    app: App,
    claims: Claims,
    out: mpsc::Sender<Vec<Whose>>,
}

impl Teller {
    async fn run(&self, mut subscription: Subscription) -> Result<(), Gone> {
        let mut expiry = tokio::time::interval(EXPIRES_CHECK);
        self.tell(None, 0..=i64::MAX).await?;
        loop {
            tokio::select! {
                biased;
                () = self.app.shutdown.cancelled() => return Ok(()),
                () = self.out.closed() => return Ok(()),
                _ = expiry.tick() => {
                    if self.claims.expires_at <= self.app.now().timestamp() {
                        return Ok(());
                    }
                }
                notice = subscription.next() => match notice.ok_or(Gone::Done)? {
                    CaptionNotice::Voices { identity, from_ms, to_ms, .. } => {
                        self.tell(Some(&identity), from_ms..=to_ms).await?;
                    }
                    CaptionNotice::Corrected { segment, .. } => {
                        let Claims { organisation, room, .. } = self.claims;
                        let segment = self.app.store.segment(organisation, room, segment).await?;
                        self.send(vec![segment.into()]).await?;
                    }
                    CaptionNotice::Resynchronise => self.tell(None, 0..=i64::MAX).await?,
                    _ => {}
                },
            }
        }
    }

    async fn tell(&self, identity: Option<&str>, stretch_ms: RangeInclusive<i64>) -> Result<(), Gone> {
        let mut pages = Pages::new(&self.app, self.claims, identity, stretch_ms, i64::MAX);
        while let Some(segments) = pages.next().await? {
            self.send(segments.into_iter().map(Whose::from).collect()).await?;
        }
        Ok(())
    }

    async fn send(&self, whose: Vec<Whose>) -> Result<(), Gone> {
        self.out.send(whose).await.map_err(|_| Gone::Done)
    }
}
