//! The transcript as a file. One format a file behind one small trait: segments go in one after the other, bytes come
//! out, nothing else happens. What is kept meanwhile is what people said at the same time or in one turn, so a meeting of
//! any length is exported in little memory. Only [`download`] reads the database.

mod cue_order;
mod cues;
mod docx;
mod docx_parts;
pub mod download;
pub mod file_name;
pub mod format;
mod json;
mod markdown;
mod said;
mod seglst;
mod srt;
mod text;
mod turns;
mod txt;
mod vtt;

use std::io;

use chrono::{DateTime, Utc};
use store::Segment;
use uuid::Uuid;

pub use format::ExportFormat;
pub use json::TranscriptDocument;

/// What a file says about the meeting, beside what was said in it.
#[derive(Clone, Debug)]
pub struct Meeting {
    /// The room's id.
    pub room: Uuid,
    /// What it was about.
    pub title: String,
    /// When it began by plan.
    pub starts_at: DateTime<Utc>,
    /// Zero of the meeting clock, on which all times of the transcript are.
    pub clock_origin: Option<DateTime<Utc>>,
    /// Who was invited or spoke.
    pub participants: Vec<String>,
}

/// Writes one file. Segments have to come in the order that [`ExportFormat::is_by_time`] asks for.
pub trait Writer: Send {
    /// What comes before the first segment.
    ///
    /// # Errors
    /// What was given could not be encoded, which no valid segment causes.
    fn begin(&mut self, out: &mut Vec<u8>) -> io::Result<()>;

    /// What is settled once this segment is known.
    ///
    /// # Errors
    /// As [`Writer::begin`].
    fn segment(&mut self, segment: Segment, out: &mut Vec<u8>) -> io::Result<()>;

    /// What comes after the last segment.
    ///
    /// # Errors
    /// As [`Writer::begin`].
    fn end(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// A writer of a format.
pub fn writer(format: ExportFormat, meeting: Meeting) -> Box<dyn Writer> {
    match format {
        ExportFormat::Vtt => Box::new(vtt::Vtt::default()),
        ExportFormat::Srt => Box::new(srt::Srt::default()),
        ExportFormat::Txt => Box::new(txt::Txt),
        ExportFormat::Md => Box::new(markdown::Markdown::new(meeting)),
        ExportFormat::Json => Box::new(json::Json::new(meeting)),
        ExportFormat::Seglst => Box::new(seglst::SegLst::new(meeting.room)),
        ExportFormat::Docx => Box::new(docx::Docx::new(meeting)),
    }
}

#[cfg(test)]
pub(crate) mod testing;
