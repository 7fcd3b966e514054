//! One viewer of one room: first what is stored, then what comes. Its place is the sequence number of the last segment it
//! was sent, which is also the event id that its browser gives back after a cut.

mod sending;

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use chrono::{DateTime, Utc};
use store::{CaptionNotice, RoomStatus, StoreError};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::hub::Subscription;
use super::item::{GapItem, Item, PartialItem, StatusItem};
use crate::App;
use crate::links::Claims;

/// The small figures are sent this often.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// A viewer that the database fails is let go: its browser comes back by itself, at its own pace.
pub(super) const EXPIRES_CHECK: Duration = Duration::from_secs(30);

struct Viewer {
    app: App,
    claims: Claims,
    out: mpsc::Sender<Item>,
    sequence: i64,
    /// Corrections up to this revision were sent.
    revision: i64,
    answers: HashSet<Uuid>,
    names: HashMap<String, String>,
    clock_origin: Option<DateTime<Utc>>,
    delays_ms: VecDeque<i64>,
    gaps: Vec<GapItem>,
}

/// Why a viewer is let go.
pub(super) enum Gone {
    /// Its browser went away, the link expired, or the process ends.
    Done,
    Store(StoreError),
}

impl From<StoreError> for Gone {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Serves a viewer from `after` until it goes, its link expires, or the process ends.
pub async fn watch(
    app: App,
    claims: Claims,
    after: i64,
    mut subscription: Subscription,
    out: mpsc::Sender<Item>,
) {
    app.metrics.caption_viewers.inc();
    let mut viewer = Viewer {
        app: app.clone(),
        claims,
        out,
        sequence: after,
        revision: 0,
        answers: HashSet::new(),
        names: HashMap::new(),
        clock_origin: None,
        delays_ms: VecDeque::new(),
        gaps: Vec::new(),
    };
    if let Err(Gone::Store(error)) = viewer.run(&mut subscription).await {
        tracing::warn!(room = %claims.room, %error, "a captions viewer was let go");
    }
    app.metrics.caption_viewers.dec();
}

impl Viewer {
    async fn run(&mut self, subscription: &mut Subscription) -> Result<(), Gone> {
        let (app, out) = (self.app.clone(), self.out.clone());
        let mut status = tokio::time::interval(STATUS_INTERVAL);
        status.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        status.tick().await;
        let mut expiry = tokio::time::interval(EXPIRES_CHECK);
        self.status().await?;
        self.catch_up().await?;
        loop {
            tokio::select! {
                biased;
                () = app.shutdown.cancelled() => return Ok(()),
                () = out.closed() => return Ok(()),
                _ = expiry.tick() => {
                    if self.claims.expires_at <= app.now().timestamp() {
                        return Ok(());
                    }
                }
                _ = status.tick() => self.status().await?,
                notice = subscription.next() => match notice.ok_or(Gone::Done)? {
                    CaptionNotice::Partial { caption, .. } => self.send(Item::Partial(PartialItem {
                        id: caption.segment,
                        identity: caption.identity,
                        name: caption.name,
                        text: caption.text,
                        start_ms: caption.start_ms,
                    })).await?,
                    CaptionNotice::Final { sequence, .. } if sequence <= self.sequence => {}
                    CaptionNotice::Final { .. } => self.segments(true).await?,
                    // What is not sent yet is read with its correction.
                    CaptionNotice::Corrected { sequence, .. } if sequence > self.sequence => {}
                    CaptionNotice::Corrected { .. } => self.corrections().await?,
                    CaptionNotice::Voices { identity, from_ms, to_ms, .. } => {
                        self.voices(Some(&identity), from_ms..=to_ms).await?;
                    }
                    CaptionNotice::Answer { answer, .. } if self.answers.contains(&answer) => {}
                    CaptionNotice::Answer { .. } => self.answers().await?,
                    CaptionNotice::Record { .. } => {
                        self.status().await?;
                        self.gaps().await?;
                    }
                    CaptionNotice::Resynchronise => {
                        app.metrics.caption_resyncs.inc();
                        self.catch_up().await?;
                    }
                },
            }
        }
    }

    async fn send(&self, item: Item) -> Result<(), Gone> {
        self.out.send(item).await.map_err(|_| Gone::Done)
    }

    async fn catch_up(&mut self) -> Result<(), Gone> {
        self.corrections().await?;
        self.voices(None, 0..=i64::MAX).await?;
        self.segments(false).await?;
        self.answers().await?;
        self.gaps().await
    }

    async fn status(&mut self) -> Result<(), Gone> {
        let Claims {
            organisation, room, ..
        } = self.claims;
        let store = &self.app.store;
        let (room, totals, pressure) = tokio::try_join!(
            store.room(organisation, room),
            store.coverage_totals(organisation, room),
            store.pressure(organisation, room),
        )?;
        self.clock_origin = room.clock_origin;
        // A place beyond the transcript is not of this room: begin at its beginning.
        if self.sequence > room.last_sequence {
            self.sequence = 0;
        }
        let mut delays: Vec<i64> = self.delays_ms.iter().copied().collect();
        delays.sort_unstable();
        let settled_ms = (room.status == RoomStatus::Live)
            .then(|| delays.get(delays.len() / 2).copied())
            .flatten();
        self.send(Item::Status(StatusItem {
            status: room.status.into(),
            settled_ms,
            coverage: store::share_covered(&totals),
            left_out: pressure.left_out(),
        }))
        .await
    }
}
