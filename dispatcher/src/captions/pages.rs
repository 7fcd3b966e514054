//! The segments that have voices, page by page.

use std::ops::RangeInclusive;

use store::{Result, Segment};

use crate::App;
use crate::links::Claims;

/// Segments in one event.
pub(super) const SEGMENTS_A_PAGE: i64 = 200;

/// Segments of one microphone or of all within a stretch of the meeting, up to a sequence number.
pub(super) struct Pages<'a> {
    app: &'a App,
    claims: Claims,
    identity: Option<&'a str>,
    stretch_ms: RangeInclusive<i64>,
    last: i64,
    /// The first that was not read yet; none when all were.
    next: Option<i64>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(
        app: &'a App,
        claims: Claims,
        identity: Option<&'a str>,
        stretch_ms: RangeInclusive<i64>,
        last: i64,
    ) -> Self {
        Self {
            app,
            claims,
            identity,
            stretch_ms,
            last,
            next: Some(1).filter(|first| *first <= last),
        }
    }

    /// The next ones, in order; none behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Segment>>> {
        let Some(next) = self.next.take() else {
            return Ok(None);
        };
        let Claims {
            organisation, room, ..
        } = self.claims;
        let (stretch_ms, left) = (self.stretch_ms.clone(), next..=self.last);
        let store = &self.app.store;
        let segments = store
            .segments_with_voices(
                organisation,
                room,
                self.identity,
                stretch_ms,
                left,
                SEGMENTS_A_PAGE,
            )
            .await?;
        if segments.len() as i64 == SEGMENTS_A_PAGE {
            self.next = segments.last().map(|last| last.sequence + 1);
        }
        Ok(Some(segments).filter(|segments| !segments.is_empty()))
    }
}
