//! A room's transcript from the database to a client, page by page: an export takes the memory of a page and eight bytes
//! a segment. What fails before the answer begins is a problem; what fails later ends the connection, so that no client
//! takes half a transcript for a whole one.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use store::{ParticipantKind, StoreError};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use uuid::Uuid;

use super::file_name::content_disposition;
use super::{ExportFormat, Meeting, Writer, writer};
use crate::App;
use crate::http::{Problem, ProblemKind};

/// Exports that are worked on at the same time; one more is told to come back.
pub const EXPORTS_MAX: usize = 32;
/// A transcript with more is read by `after_sequence`: a word a second, day and night, is this long after a week.
const SEGMENTS_MAX: usize = 500_000;
/// Segments that are read at once.
const PAGE_SEGMENTS: usize = 500;
/// Names in the head of a file.
const NAMES_MAX: i64 = 1_000;
/// A client that takes no page for so long is let go.
const STALLED: Duration = Duration::from_secs(30);

/// Why an export ends early.
#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("writing the file: {0}")]
    Write(#[from] io::Error),
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Store(error) => error.into(),
            ExportError::Write(error) => {
                tracing::error!(%error, "a transcript could not be written");
                Self::new(
                    ProblemKind::Internal,
                    "the fault is logged under this request's id",
                )
            }
        }
    }
}

/// A file on its way.
struct Export {
    app: App,
    organisation: Uuid,
    room: Uuid,
    /// The sequence numbers that are still to come.
    order: std::vec::IntoIter<i64>,
    writer: Box<dyn Writer>,
    _permit: OwnedSemaphorePermit,
}

impl Export {
    /// Writes the next page, and the end after the last one.
    async fn page(&mut self, out: &mut Vec<u8>) -> Result<(), ExportError> {
        let page: Vec<i64> = self.order.by_ref().take(PAGE_SEGMENTS).collect();
        let store = &self.app.store;
        for segment in store.segments_at(self.organisation, self.room, &page).await? {
            self.writer.segment(segment, out)?;
        }
        if self.is_done() {
            self.writer.end(out)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.order.len() == 0
    }

    /// Writes the other pages to a client that takes them.
    async fn run(mut self, client: mpsc::Sender<Result<Bytes, ExportError>>) {
        while !self.is_done() {
            let mut out = Vec::new();
            let page = self.page(&mut out).await.map(|()| out.into());
            if let Err(error) = &page {
                tracing::warn!(room = %self.room, %error, "an export was cut off");
            }
            let failed = page.is_err();
            // The client went away, or is as good as gone.
            let sent = tokio::time::timeout(STALLED, client.send(page)).await;
            if failed || !matches!(sent, Ok(Ok(()))) {
                return;
            }
        }
    }
}

/// The answer with a room's transcript.
///
/// # Errors
/// There is no such room there, its transcript is too long, too many exports are under way, or the database is away.
pub async fn download(
    app: App,
    organisation: Uuid,
    room: Uuid,
    format: ExportFormat,
) -> Result<Response, Problem> {
    let Ok(permit) = app.exports.clone().try_acquire_owned() else {
        let detail = format!("{EXPORTS_MAX} exports are under way");
        return Err(Problem::new(ProblemKind::Overloaded, detail));
    };
    let (room, participants, mut order) = plan(&app, organisation, room).await?;
    if !format.is_by_time() {
        order.sort_unstable();
    }
    let disposition = content_disposition(&room.title, room.starts_at, format);
    let meeting = Meeting {
        room: room.id,
        title: room.title,
        starts_at: room.starts_at,
        clock_origin: room.clock_origin,
        participants,
    };
    let mut export = Export {
        app,
        organisation,
        room: room.id,
        order: order.into_iter(),
        writer: writer(format, meeting),
        _permit: permit,
    };
    let mut first = Vec::new();
    export.writer.begin(&mut first).map_err(ExportError::from)?;
    export.page(&mut first).await?;
    let body = if export.is_done() {
        Body::from(first)
    } else {
        let (client, pages) = mpsc::channel(1);
        // There is room for one.
        let _ = client.try_send(Ok(first.into()));
        tokio::spawn(export.run(client));
        Body::from_stream(ReceiverStream::new(pages))
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(format.content_type()),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    Ok(response)
}

/// The room, its people, and the order of its segments.
async fn plan(
    app: &App,
    organisation: Uuid,
    room: Uuid,
) -> Result<(store::Room, Vec<String>, Vec<i64>), Problem> {
    let (room, invited, speakers, order) = tokio::try_join!(
        app.store.room(organisation, room),
        app.store.participants(organisation, room),
        app.store.speaker_names(organisation, room, NAMES_MAX),
        app.store
            .segment_order(organisation, room, SEGMENTS_MAX as i64 + 1),
    )?;
    if order.len() > SEGMENTS_MAX {
        let detail =
            format!("the transcript has more than {SEGMENTS_MAX} segments; read it by after_sequence");
        return Err(Problem::new(ProblemKind::Conflict, detail));
    }
    let invited = invited
        .into_iter()
        .filter(|person| person.kind != ParticipantKind::Agent)
        .map(|person| person.name);
    let mut names: Vec<String> = Vec::new();
    for name in invited.chain(speakers) {
        // Who came in twice was invited twice.
        if !names.contains(&name) && !name.trim().is_empty() {
            names.push(name);
        }
    }
    Ok((room, names, order))
}
