//! What a viewer is sent from the tables: each reads what is new since it was read last.

use std::ops::RangeInclusive;

use store::{AskedVia, CoverageState};

use super::{Gone, Viewer};
use crate::api::rooms::answers::Source;
use crate::captions::item::{AnswerItem, GapItem, Item, SegmentItem};
use crate::captions::pages::{Pages, SEGMENTS_A_PAGE};
use crate::links::Claims;

/// The shown delay is the middle one of so many finals.
const DELAYS_KEPT: usize = 15;
/// The newest gaps are shown, so many.
const GAPS_SHOWN: i64 = 200;

impl Viewer {
    /// Sends what is missing, if that has changed.
    pub(super) async fn gaps(&mut self) -> Result<(), Gone> {
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
    pub(super) async fn segments(&mut self, live: bool) -> Result<(), Gone> {
        loop {
            let Claims {
                organisation, room, ..
            } = self.claims;
            let segments = self
                .app
                .store
                .segments(organisation, room, self.sequence, SEGMENTS_A_PAGE)
                .await?;
            let Some(last) = segments.last() else {
                return Ok(());
            };
            self.sequence = last.sequence;
            let all = (segments.len() as i64) < SEGMENTS_A_PAGE;
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
    pub(super) async fn corrections(&mut self) -> Result<(), Gone> {
        loop {
            let Claims {
                organisation, room, ..
            } = self.claims;
            let (place, revision) = (self.sequence, self.revision);
            let store = &self.app.store;
            let segments = store
                .corrected_segments(organisation, room, place, revision, SEGMENTS_A_PAGE)
                .await?;
            let Some(last) = segments.last() else {
                return Ok(());
            };
            self.revision = last.revision;
            let all = (segments.len() as i64) < SEGMENTS_A_PAGE;
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
    pub(super) async fn voices(
        &mut self,
        identity: Option<&str>,
        stretch_ms: RangeInclusive<i64>,
    ) -> Result<(), Gone> {
        let mut pages = Pages::new(&self.app, self.claims, identity, stretch_ms, self.sequence);
        while let Some(segments) = pages.next().await? {
            self.send(Item::Voices(
                segments.into_iter().map(SegmentItem::from).collect(),
            ))
            .await?;
        }
        Ok(())
    }

    /// Sends the answers that the viewer has not seen. A private one is for its asker alone.
    pub(super) async fn answers(&mut self) -> Result<(), Gone> {
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
}
