//! Which kind of document an upload is: by its name, and by its content. Where the two disagree, it is an error that says so.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The largest upload that is looked at.
pub const MAX_FILE_BYTES: usize = 20 * 1024 * 1024;

/// The kinds of documents that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Markdown (CommonMark, tables).
    Markdown,
    /// Plain text in UTF-8.
    Text,
    /// PDF with a text layer.
    Pdf,
    /// Word 2007 and later.
    Docx,
}

/// Why an upload is refused before anything is read from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The upload has no bytes.
    #[error("the file is empty")]
    Empty,
    /// The upload is larger than [`MAX_FILE_BYTES`].
    #[error("the file has {bytes} bytes; the limit is {limit_bytes}")]
    TooLarge {
        /// Size of the upload.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The name does not end in a known extension.
    #[error("the file name must end in .md, .markdown, .txt, .pdf or .docx")]
    UnknownExtension,
    /// The name says one thing, the content another.
    #[error("the file is named as {claimed} but holds {found}")]
    Mismatch {
        /// What the name says.
        claimed: Format,
        /// What the content is, in words.
        found: &'static str,
    },
    /// A Word document behind a password.
    #[error("the document is protected by a password; remove it and upload again")]
    Encrypted,
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8 (byte {at_byte}); save it as UTF-8 and upload again")]
    NotUtf8 {
        /// Where the first byte that is not UTF-8 stands.
        at_byte: usize,
    },
}

impl Format {
    /// The format of an upload. The extension decides what is expected; the content has to be that.
    pub fn sniff(file_name: &str, bytes: &[u8]) -> Result<Self, FormatError> {
        let claimed = Self::by_name(file_name).ok_or(FormatError::UnknownExtension)?;
        if bytes.is_empty() {
            return Err(FormatError::Empty);
        }
        if bytes.len() > MAX_FILE_BYTES {
            return Err(FormatError::TooLarge {
                bytes: bytes.len(),
                limit_bytes: MAX_FILE_BYTES,
            });
        }
        match (claimed, Content::of(bytes)) {
            (Self::Pdf, Content::Pdf) | (Self::Docx, Content::Docx) => Ok(claimed),
            (Self::Markdown | Self::Text, Content::Text) => Ok(claimed),
            (Self::Markdown | Self::Text, Content::NotUtf8 { at_byte }) => {
                Err(FormatError::NotUtf8 { at_byte })
            }
            (Self::Docx, Content::EncryptedOffice) => Err(FormatError::Encrypted),
            (_, content) => Err(FormatError::Mismatch {
                claimed,
                found: content.in_words(),
            }),
        }
    }

    /// The name the format has in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Pdf => "pdf",
            Self::Docx => "docx",
        }
    }

    fn by_name(file_name: &str) -> Option<Self> {
        let (_, extension) = file_name.rsplit_once('.')?;
        match extension.to_ascii_lowercase().as_str() {
            "md" | "markdown" => Some(Self::Markdown),
            "txt" | "text" => Some(Self::Text),
            "pdf" => Some(Self::Pdf),
            "docx" => Some(Self::Docx),
            _ => None,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Markdown => "Markdown",
            Self::Text => "plain text",
            Self::Pdf => "PDF",
            Self::Docx => "a Word document",
        })
    }
}

impl FromStr for Format {
    type Err = FormatError;

    /// The inverse of [`Format::as_str`].
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        [Self::Markdown, Self::Text, Self::Pdf, Self::Docx]
            .into_iter()
            .find(|format| format.as_str() == name)
            .ok_or(FormatError::UnknownExtension)
    }
}

/// What the bytes are, by their own marks.
enum Content {
    Pdf,
    Docx,
    EncryptedOffice,
    OldOffice,
    Spreadsheet,
    Presentation,
    Zip,
    Picture,
    Html,
    Text,
    NotUtf8 { at_byte: usize },
    Binary,
}

impl Content {
    fn of(bytes: &[u8]) -> Self {
        // ISO 32000 asks for the mark at the start; readers accept it within the first kilobyte.
        let head = &bytes[..bytes.len().min(1024)];
        if head.windows(5).any(|window| window == b"%PDF-") {
            return Self::Pdf;
        }
        if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
            return Self::of_zip(bytes);
        }
        if bytes.starts_with(&[0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1]) {
            // An Office file behind a password is a compound file with one stream of this name (MS-OFFCRYPTO 2.3.4.4).
            let name: Vec<u8> = "EncryptedPackage"
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect();
            return if contains(bytes, &name) {
                Self::EncryptedOffice
            } else {
                Self::OldOffice
            };
        }
        if bytes.starts_with(b"\x89PNG") || bytes.starts_with(b"\xFF\xD8\xFF") || bytes.starts_with(b"GIF8") {
            return Self::Picture;
        }
        if head.contains(&0) {
            return Self::Binary;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let start = text.trim_start_matches('\u{feff}').trim_start();
                let is_html = ["<!doctype html", "<html"].iter().any(|mark| {
                    start
                        .get(..mark.len())
                        .is_some_and(|begin| begin.eq_ignore_ascii_case(mark))
                });
                if is_html { Self::Html } else { Self::Text }
            }
            Err(error) => Self::NotUtf8 {
                at_byte: error.valid_up_to(),
            },
        }
    }

    /// Entry names stand uncompressed in a ZIP archive, so looking for them is enough to tell the kinds apart.
    fn of_zip(bytes: &[u8]) -> Self {
        if contains(bytes, b"word/document.xml") {
            Self::Docx
        } else if contains(bytes, b"xl/workbook.xml") {
            Self::Spreadsheet
        } else if contains(bytes, b"ppt/presentation.xml") {
            Self::Presentation
        } else {
            Self::Zip
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Self::Pdf => "a PDF",
            Self::Docx => "a Word document",
            Self::EncryptedOffice => "an Office file protected by a password",
            Self::OldOffice => "an Office file of the old kind (before 2007)",
            Self::Spreadsheet => "a spreadsheet",
            Self::Presentation => "a presentation",
            Self::Zip => "a ZIP archive that is no Word document",
            Self::Picture => "a picture",
            Self::Html => "an HTML page",
            Self::Text => "plain text",
            Self::NotUtf8 { .. } | Self::Binary => "binary data",
        }
    }
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_contents_that_agree() {
        assert_eq!(Format::sniff("a.md", b"# Hi"), Ok(Format::Markdown));
        assert_eq!(Format::sniff("A.TXT", b"Hi"), Ok(Format::Text));
        assert_eq!(Format::sniff("x.pdf", b"%PDF-1.7 ..."), Ok(Format::Pdf));
        for format in [Format::Markdown, Format::Text, Format::Pdf, Format::Docx] {
            assert_eq!(format.as_str().parse(), Ok(format));
        }
    }

    #[test]
    fn every_disagreement_has_its_own_words() {
        let said = |name: &str, bytes: &[u8]| Format::sniff(name, bytes).unwrap_err().to_string();
        assert_eq!(
            said("a.pdf", b"hello"),
            "the file is named as PDF but holds plain text"
        );
        assert_eq!(
            said("a.pdf", b"<!DOCTYPE html><p>404"),
            "the file is named as PDF but holds an HTML page"
        );
        assert_eq!(
            said("a.docx", b"%PDF-1.4"),
            "the file is named as a Word document but holds a PDF"
        );
        assert_eq!(
            said("a.docx", b"PK\x03\x04....readme.txt"),
            "the file is named as a Word document but holds a ZIP archive that is no Word document"
        );
        assert_eq!(
            said("a.md", b"\x89PNG\r\n"),
            "the file is named as Markdown but holds a picture"
        );
        assert_eq!(said("a.txt", b""), "the file is empty");
        assert_eq!(
            said("a.txt", b"caf\xe9 au lait"),
            "the text is not UTF-8 (byte 3); save it as UTF-8 and upload again"
        );
        assert_eq!(
            said("a.exe", b"MZ"),
            "the file name must end in .md, .markdown, .txt, .pdf or .docx"
        );
    }
}
