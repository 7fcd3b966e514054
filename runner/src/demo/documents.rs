//! The documents of the demo's organisation: Markdown as it is, PDF and DOCX made when the demo begins.

use anyhow::Result;

use super::{docx, pdf};

/// A file as it is uploaded.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// With the extension that says what it is.
    pub file_name: &'static str,
    /// What the sources of an answer call it.
    pub title: &'static str,
    /// The file.
    pub content: Vec<u8>,
}

/// All of them.
///
/// # Errors
/// One cannot be made.
pub(super) fn all() -> Result<Vec<Document>> {
    let document = |file_name, title, content| Document {
        file_name,
        title,
        content,
    };
    Ok(vec![
        document(
            "recordings.md",
            "Recordings and transcripts",
            include_bytes!("../../texts/documents/recordings.md").to_vec(),
        ),
        document(
            "house.md",
            "The house",
            include_bytes!("../../texts/documents/house.md").to_vec(),
        ),
        document(
            "appointments.pdf",
            "Appointments",
            pdf::write(include_str!("../../texts/documents/appointments.txt")),
        ),
        document(
            "handbook.docx",
            "Staff handbook",
            docx::write(include_str!("../../texts/documents/handbook.txt"))?,
        ),
    ])
}
