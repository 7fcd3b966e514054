//! The organisation's knowledge base.

pub mod delete;
pub mod list;
pub mod read;
pub mod upload;

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

/// Where a document stands.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentStatus {
    /// It waits.
    Queued,
    /// It is being read.
    Processing,
    /// Its passages can be found.
    Ready,
    /// It could not be read; `error` says why.
    Failed,
}

/// What a document is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentFormat {
    /// Markdown.
    Markdown,
    /// Plain text.
    Text,
    /// PDF.
    Pdf,
    /// Word.
    Docx,
}

/// A document of the knowledge base.
#[derive(Debug, Serialize, ToSchema)]
pub struct Document {
    /// Its id.
    pub id: Uuid,
    /// Its title; sources of answers show it.
    pub title: String,
    /// As it was uploaded.
    pub file_name: String,
    /// What it is.
    pub format: DocumentFormat,
    /// Where it stands.
    pub status: DocumentStatus,
    /// Why it failed, or why it is tried again.
    pub error: Option<String>,
    /// How many passages were made of it.
    pub passages: i64,
    /// When it was uploaded.
    pub created_at: DateTime<Utc>,
}

impl From<store::Document> for Document {
    fn from(document: store::Document) -> Self {
        Self {
            id: document.id,
            title: document.title,
            file_name: document.file_name,
            format: match document.format {
                store::DocumentFormat::Markdown => DocumentFormat::Markdown,
                store::DocumentFormat::Text => DocumentFormat::Text,
                store::DocumentFormat::Pdf => DocumentFormat::Pdf,
                store::DocumentFormat::Docx => DocumentFormat::Docx,
            },
            status: match document.status {
                store::DocumentStatus::Queued => DocumentStatus::Queued,
                store::DocumentStatus::Processing => DocumentStatus::Processing,
                store::DocumentStatus::Ready => DocumentStatus::Ready,
                store::DocumentStatus::Failed => DocumentStatus::Failed,
            },
            error: document.error,
            passages: document.passages,
            created_at: document.created_at,
        }
    }
}
