//! One viewer of one room: first what is stored, then what comes. Its place is the sequence number of the last segment it
//! was sent, which is also the event id that its browser gives back after a cut.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ops::RangeInclusive;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::{AskedVia, CaptionNotice, CoverageState, RoomStatus, StoreError};
use tokio::sync::mpsc;
use uuid::Uuid;

use super::hub::Subscription;
use crate::App;
use crate::api::rooms::answers::{AskedVia as Via, Source};
use crate::api::rooms::transcript::VoicePart;
use crate::links::Claims;

/// Segments in one event.
const SEGMENTS_AN_EVENT: i64 = 200;
/// The small figures are sent this often.
const STATUS_INTERVAL: Duration = Duration::from_secs(5);
/// The shown delay is the middle one of so many finals.
const DELAYS_KEPT: usize = 15;
/// The newest gaps are shown, so many.
const GAPS_SHOWN: i64 = 200;
/// A viewer that the database fails is let go: its browser comes back by itself, at its own pace.
const EXPIRES_CHECK: Duration = Duration::from_secs(30);

/// What a viewer is sent.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Item {
    /// Settled captions, in order; with the sequence number of the last.
    Segments(Vec<SegmentItem>),
    /// Settled captions that were sent before and read differently now.
    Corrections(Vec<SegmentItem>),
    /// Settled captions that were sent before and of which now others may have said parts.
    Voices(Vec<SegmentItem>),
    /// A caption that still changes.
    Partial(PartialItem),
    /// Answers; one that was sent before may come again and replaces itself.
    Answers(Vec<AnswerItem>),
    /// Everything that is not in the transcript, as it is now: what was filled in the meantime is not among it any more.
    Gaps(Vec<GapItem>),
    /// How the meeting and its captions are doing.
    Status(StatusItem),
}

impl Item {
    /// The name of the event.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Segments(_) => "segments",
            Self::Corrections(_) => "corrections",
            Self::Voices(_) => "voices",
            Self::Partial(_) => "partial",
            Self::Answers(_) => "answers",
            Self::Gaps(_) => "gaps",
            Self::Status(_) => "status",
        }
    }

    /// The place that a browser gives back after a cut.
    pub fn place(&self) -> Option<i64> {
        match self {
            Self::Segments(segments) => segments.last().map(|segment| segment.sequence),
            _ => None,
        }
    }
}

/// A settled caption.
#[derive(Clone, Debug, Serialize)]
pub struct SegmentItem {
    sequence: i64,
    id: Uuid,
    identity: String,
    name: String,
    text: String,
    start_ms: i64,
    /// 0 as it was recognised.
    revision: i64,
    /// Whose correction the text is, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    corrected_by: Option<String>,
    /// What was recognised, if the text is a correction.
    #[serde(skip_serializing_if = "Option::is_none")]
    recognised_text: Option<String>,
    /// Whether it was recognised only after it had been a gap.
    late: bool,
    /// What each of those who share the microphone says of it; absent where nobody is told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    voices: Option<Vec<VoicePart>>,
}

impl From<store::Segment> for SegmentItem {
    fn from(segment: store::Segment) -> Self {
        Self {
            voices: VoicePart::of(&segment),
            sequence: segment.sequence,
            id: segment.id,
            identity: segment.identity,
            name: segment.speaker_name,
            text: segment.text,
            start_ms: segment.start_ms,
            revision: segment.revision,
            corrected_by: segment.corrected_by,
            recognised_text: segment.recognised_text,
            late: segment.late,
        }
    }
}

/// Something that is not in the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct GapItem {
    id: Uuid,
    name: String,
    /// `declined`, or why it is missing.
    reason: String,
    start_ms: i64,
    end_ms: i64,
}

/// A caption that still changes.
#[derive(Clone, Debug, Serialize)]
pub struct PartialItem {
    id: Uuid,
    identity: String,
    name: String,
    text: String,
    start_ms: i64,
}

/// A question with its answer.
#[derive(Clone, Debug, Serialize)]
pub struct AnswerItem {
    id: Uuid,
    question: String,
    text: String,
    asked_by: String,
    via: Via,
    grounded: bool,
    sources: Vec<Source>,
    /// On the meeting clock.
    at_ms: i64,
}

/// How the meeting and its captions are doing.
#[derive(Clone, Debug, Serialize)]
pub struct StatusItem {
    status: crate::api::rooms::RoomStatus,
    /// From the end of speech to the settled caption, the middle of the last ones.
    settled_ms: Option<i64>,
    /// The share of speech that is in the transcript, 0 to 1.
    coverage: Option<f64>,
    /// What is left out under load: `nothing`, `partials`, `audio`.
    left_out: &'static str,
}

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
enum Gone {
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

    /// Sends what is missing, if that has changed.
    async fn gaps(&mut self) -> Result<(), Gone> {
        let Claims {
            organisation, room, ..
        } = self.claims;
        let missing = self.app.store.missing(organisation, room, GAPS_SHOWN).await?;
        let item = |stretch: store::Stretch| GapItem {
            id: stretch.id,
            name: stretch.speaker_name,
            reason: if stretch.state == CoverageState::Declined {
                "declined".to_owned()
            } else {
                stretch.reason
            },
            start_ms: stretch.start_ms,
            end_ms: stretch.end_ms,
        };
        let gaps: Vec<GapItem> = missing.into_iter().map(item).collect();
        if gaps == self.gaps {
            return Ok(());
        }
        self.gaps.clone_from(&gaps);
        self.send(Item::Gaps(gaps)).await
    }

    /// Sends every segment after the viewer's place. `live` ones count for the shown delay.
    async fn segments(&mut self, live: bool) -> Result<(), Gone> {
        loop {
            let Claims {
                organisation, room, ..
            } = self.claims;
            let segments = self
                .app
                .store
                .segments(organisation, room, self.sequence, SEGMENTS_AN_EVENT)
                .await?;
            let Some(last) = segments.last() else {
                return Ok(());
            };
            self.sequence = last.sequence;
            let all = (segments.len() as i64) < SEGMENTS_AN_EVENT;
            let filled = segments.iter().any(|segment| segment.late);
            if let (true, Some(origin)) = (live, self.clock_origin) {
                let now_ms = (self.app.now() - origin).num_milliseconds();
                self.delays_ms.extend(
                    segments
                        .iter()
                        .filter(|segment| !segment.late)
                        .map(|segment| (now_ms - segment.end_ms).max(0)),
                );
                let surplus = self.delays_ms.len().saturating_sub(DELAYS_KEPT);
                self.delays_ms.drain(..surplus);
            }
            self.send(Item::Segments(
                segments.into_iter().map(SegmentItem::from).collect(),
            ))
            .await?;
            if live && filled {
                self.gaps().await?;
            }
            if all {
                return Ok(());
            }
        }
    }

    /// Sends what was sent before and was corrected since.
    async fn corrections(&mut self) -> Result<(), Gone> {
        loop {
            let Claims {
                organisation, room, ..
            } = self.claims;
            let (place, revision) = (self.sequence, self.revision);
            let store = &self.app.store;
            let segments = store
                .corrected_segments(organisation, room, place, revision, SEGMENTS_AN_EVENT)
                .await?;
            let Some(last) = segments.last() else {
                return Ok(());
            };
            self.revision = last.revision;
            let all = (segments.len() as i64) < SEGMENTS_AN_EVENT;
            self.send(Item::Corrections(
                segments.into_iter().map(SegmentItem::from).collect(),
            ))
            .await?;
            if all {
                return Ok(());
            }
        }
    }

    /// Sends again what was sent before and has voices, of one microphone or of all, within a stretch of the meeting.
    async fn voices(&mut self, identity: Option<&str>, stretch_ms: RangeInclusive<i64>) -> Result<(), Gone> {
        let mut from = 1;
        while from <= self.sequence {
            let Claims {
                organisation, room, ..
            } = self.claims;
            let (stretch_ms, sequences) = (stretch_ms.clone(), from..=self.sequence);
            let store = &self.app.store;
            let segments = store
                .segments_with_voices(
                    organisation,
                    room,
                    identity,
                    stretch_ms,
                    sequences,
                    SEGMENTS_AN_EVENT,
                )
                .await?;
            let Some(last) = segments.last() else {
                return Ok(());
            };
            from = last.sequence + 1;
            let all = (segments.len() as i64) < SEGMENTS_AN_EVENT;
            self.send(Item::Voices(
                segments.into_iter().map(SegmentItem::from).collect(),
            ))
            .await?;
            if all {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Sends the answers that the viewer has not seen. A private one is for its asker alone.
    async fn answers(&mut self) -> Result<(), Gone> {
        let Claims {
            organisation, room, ..
        } = self.claims;
        let mut answers = self.app.store.answers(organisation, room).await?;
        answers.retain(|answer| answer.via != AskedVia::Private && self.answers.insert(answer.id));
        if answers.is_empty() {
            return Ok(());
        }
        if answers
            .iter()
            .any(|answer| !self.names.contains_key(&answer.asked_by))
        {
            let people = self.app.store.participants(organisation, room).await?;
            self.names
                .extend(people.into_iter().map(|person| (person.identity, person.name)));
        }
        let origin = self.clock_origin;
        let item = |answer: store::Answer| AnswerItem {
            at_ms: origin.map_or(0, |origin| {
                (answer.created_at - origin).num_milliseconds() - answer.latency_ms
            }),
            asked_by: self.names.get(&answer.asked_by).cloned().unwrap_or_default(),
            id: answer.id,
            question: answer.question,
            text: answer.text,
            via: answer.via.into(),
            grounded: answer.grounded,
            sources: answer.sources.0.into_iter().map(Source::from).collect(),
        };
        self.send(Item::Answers(answers.into_iter().map(item).collect()))
            .await
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
