//! The formats: how they are asked for, and how a file of each is named and labelled.

use serde::Serialize;
use utoipa::ToSchema;

/// What the transcript can be had as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    /// WebVTT captions with voices.
    Vtt,
    /// SubRip captions.
    Srt,
    /// Plain text, a line a segment.
    Txt,
    /// Markdown, a paragraph a turn.
    Md,
    /// The transcript as the API gives it, as one document.
    Json,
    /// SegLST, which meeteval reads.
    Seglst,
    /// A Word document.
    Docx,
}

impl ExportFormat {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Vtt,
        Self::Srt,
        Self::Txt,
        Self::Md,
        Self::Json,
        Self::Seglst,
        Self::Docx,
    ];

    /// The word in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vtt => "vtt",
            Self::Srt => "srt",
            Self::Txt => "txt",
            Self::Md => "md",
            Self::Json => "json",
            Self::Seglst => "seglst",
            Self::Docx => "docx",
        }
    }

    /// The inverse of [`ExportFormat::name`].
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }

    /// What follows the dot of the file's name.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Seglst => "seglst.json",
            other => other.name(),
        }
    }

    /// The media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Vtt => "text/vtt; charset=utf-8",
            Self::Srt => "application/x-subrip; charset=utf-8",
            Self::Txt => "text/plain; charset=utf-8",
            Self::Md => "text/markdown; charset=utf-8",
            Self::Json | Self::Seglst => "application/json",
            Self::Docx => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        }
    }

    /// Whether segments come in the order in which they began; else in that of their sequence numbers, as in the API.
    pub fn is_by_time(self) -> bool {
        self != Self::Json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        for format in ExportFormat::ALL {
            assert_eq!(ExportFormat::named(format.name()), Some(format));
            assert_eq!(serde_json::to_value(format).unwrap(), format.name());
        }
        assert_eq!(ExportFormat::named("VTT"), None);
        assert_eq!(ExportFormat::named(""), None);
    }
}
