//! The text of a document, as Markdown, with the places where its pages begin.
//!
//! Uploads come from strangers: whatever the bytes are, this ends in text or in an error that names what is wrong, within
//! the time limit. The parsers run on a thread of their own with a deep stack, where a panic or an endless loop costs that
//! thread and nothing else; and, where the program allows it ([`isolate_extraction`]), in a process of their own, where
//! the same holds for stack and memory.

mod child;
mod docx;
mod pdf;
mod xml_depth;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::format::{Format, MAX_FILE_BYTES};

pub use child::isolate_extraction;

/// Parsers that may run at the same time, those included that were given up on and have not ended.
const MAX_RUNNING: usize = 4;
/// What is said about a file on which a parser panicked.
const GAVE_UP: &str = "the parser gave up on it";
/// Address space of a parser's stack; only what is touched is memory.
const STACK_BYTES: usize = 256 * 1024 * 1024;

/// What a document may cost. The default is what production uses; tests use smaller ones.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct ExtractLimits {
    /// Size of the file.
    pub file_bytes: usize,
    /// Size of the text that comes out.
    pub text_bytes: usize,
    /// Pages of a PDF.
    pub pages: usize,
    /// Files inside a DOCX.
    pub archive_entries: usize,
    /// What all files inside a DOCX unpack to.
    pub unpacked_bytes: u64,
    /// How deep elements of a DOCX, arrays and dictionaries of a PDF may nest.
    pub nesting: usize,
    /// Time until the parser is given up on.
    pub time_ms: u64,
}

impl Default for ExtractLimits {
    fn default() -> Self {
        Self {
            file_bytes: MAX_FILE_BYTES,
            text_bytes: 4 * 1024 * 1024,
            pages: 2_000,
            archive_entries: 4_096,
            unpacked_bytes: 128 * 1024 * 1024,
            nesting: 512,
            time_ms: 60_000,
        }
    }
}

/// What a document says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extracted {
    /// The format it came in.
    pub format: Format,
    /// The whole text. Markdown, or plain text where `format` is [`Format::Text`].
    pub text: String,
    /// Where pages begin, in order; empty where the format has no pages.
    pub pages: Vec<PageStart>,
}

/// The beginning of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStart {
    /// Number of the page, from 1.
    pub page: u32,
    /// Where it begins in [`Extracted::text`], in bytes.
    pub at_byte: usize,
}

impl Extracted {
    /// The page on which the byte stands.
    pub fn page_at(&self, at_byte: usize) -> Option<u32> {
        let after = self.pages.partition_point(|start| start.at_byte <= at_byte);
        after.checked_sub(1).map(|index| self.pages[index].page)
    }
}

/// Why a document gave no text. The message is for the person who uploaded it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ExtractError {
    /// More bytes than the limit.
    #[error("the file has {bytes} bytes; the limit is {limit_bytes}")]
    FileTooLarge {
        /// Size of the file.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// The text is not UTF-8.
    #[error("the text is not UTF-8 (byte {at_byte}); save it as UTF-8 and upload again")]
    NotUtf8 {
        /// Where the first byte that is not UTF-8 stands.
        at_byte: usize,
    },
    /// A password is needed.
    #[error("the document is protected by a password; remove it and upload again")]
    Encrypted,
    /// More pages than the limit.
    #[error("the document has {pages} pages; the limit is {limit_pages}")]
    TooManyPages {
        /// Pages there are.
        pages: usize,
        /// The limit.
        limit_pages: usize,
    },
    /// More files inside than the limit.
    #[error("the document holds {entries} files; the limit is {limit_entries}")]
    TooManyEntries {
        /// Files there are.
        entries: usize,
        /// The limit.
        limit_entries: usize,
    },
    /// It unpacks to more than the limit.
    #[error("the document unpacks to more than {limit_bytes} bytes, the limit")]
    UnpacksTooLarge {
        /// The limit.
        limit_bytes: u64,
    },
    /// Its structure nests deeper than the limit.
    #[error("the document nests deeper than {limit_levels} levels, the limit")]
    NestsTooDeep {
        /// The limit.
        limit_levels: usize,
    },
    /// More text than the limit.
    #[error("the document has more than {limit_bytes} bytes of text, the limit; split it")]
    TextTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// Reading took longer than the limit.
    #[error("reading the document took longer than {limit_ms} ms, the limit")]
    TooSlow {
        /// The limit.
        limit_ms: u64,
    },
    /// The parser ran out of memory or stack.
    #[error(
        "reading the document broke off: it is damaged or needs more than {limit_bytes} bytes of memory, the limit"
    )]
    Exhausted {
        /// The limit.
        limit_bytes: u64,
    },
    /// Too many documents are being read; later it will work.
    #[error("{MAX_RUNNING} documents are being read already, the limit; try again")]
    Busy,
    /// The file is cut off or broken.
    #[error("the file is damaged: {reason}")]
    Damaged {
        /// What the parser met.
        reason: String,
    },
    /// There are pages but no text on them.
    #[error("the document holds pictures of text, not text; run text recognition on it first")]
    Scanned,
    /// There is no text.
    #[error("the document has no text")]
    NoText,
}

impl ExtractError {
    /// Whether the same file may work later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Busy | Self::TooSlow { .. })
    }
}

/// Reads a document within the default limits. Blocks for up to [`ExtractLimits::time_ms`]: call it on a blocking thread.
pub fn extract(format: Format, bytes: &[u8]) -> Result<Extracted, ExtractError> {
    extract_within(format, bytes, &ExtractLimits::default())
}

/// Reads a document within limits.
pub fn extract_within(
    format: Format,
    bytes: &[u8],
    limits: &ExtractLimits,
) -> Result<Extracted, ExtractError> {
    if bytes.len() > limits.file_bytes {
        return Err(ExtractError::FileTooLarge {
            bytes: bytes.len(),
            limit_bytes: limits.file_bytes,
        });
    }
    let extracted = match (format, child::program()) {
        (Format::Pdf | Format::Docx, Some(program)) => child::read_apart(program, format, bytes, limits)?,
        _ => read_here(format, bytes, limits)?,
    };
    if extracted.text.len() > limits.text_bytes {
        return Err(ExtractError::TextTooLong {
            limit_bytes: limits.text_bytes,
        });
    }
    if !extracted.text.chars().any(char::is_alphanumeric) {
        return Err(ExtractError::NoText);
    }
    Ok(extracted)
}

/// Reads in this process.
fn read_here(format: Format, bytes: &[u8], limits: &ExtractLimits) -> Result<Extracted, ExtractError> {
    match format {
        Format::Markdown | Format::Text => Ok(Extracted {
            format,
            text: utf8(bytes)?.to_owned(),
            pages: Vec::new(),
        }),
        Format::Pdf => on_thread(bytes, limits, pdf::read),
        Format::Docx => on_thread(bytes, limits, docx::read),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, ExtractError> {
    std::str::from_utf8(bytes)
        .map(|text| text.trim_start_matches('\u{feff}'))
        .map_err(|error| ExtractError::NotUtf8 {
            at_byte: error.valid_up_to(),
        })
}

type Reader = fn(&[u8], &ExtractLimits, Instant) -> Result<Extracted, ExtractError>;

/// Runs a parser on its own thread and waits no longer than the limit. A reader looks at the deadline where it can; one
/// that does not come back keeps its place among [`MAX_RUNNING`] until it does.
fn on_thread(bytes: &[u8], limits: &ExtractLimits, read: Reader) -> Result<Extracted, ExtractError> {
    let running = Running::begin()?;
    let bytes = bytes.to_vec();
    let limits = *limits;
    let time = Duration::from_millis(limits.time_ms);
    let deadline = Instant::now() + time;
    let (done, result) = sync_channel(1);
    std::thread::Builder::new()
        .name("extract".into())
        .stack_size(STACK_BYTES)
        .spawn(move || {
            let outcome =
                catch_unwind(AssertUnwindSafe(|| read(&bytes, &limits, deadline))).unwrap_or_else(|_| {
                    Err(ExtractError::Damaged {
                        reason: GAVE_UP.into(),
                    })
                });
            // Before the outcome is known: who asks for the next document with it finds the place free.
            drop(running);
            // Nobody listens any more when this was too slow.
            let _ = done.send(outcome);
        })
        .map_err(|_| ExtractError::Busy)?;
    match result.recv_timeout(time) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(ExtractError::TooSlow {
            limit_ms: limits.time_ms,
        }),
        Err(RecvTimeoutError::Disconnected) => Err(ExtractError::Damaged {
            reason: GAVE_UP.into(),
        }),
    }
}

static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// One place among [`MAX_RUNNING`], given back on drop.
struct Running;

impl Running {
    fn begin() -> Result<Self, ExtractError> {
        let place = Self;
        if RUNNING.fetch_add(1, Ordering::AcqRel) >= MAX_RUNNING {
            return Err(ExtractError::Busy);
        }
        Ok(place)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: ExtractLimits = ExtractLimits {
        file_bytes: 1024,
        text_bytes: 512,
        pages: 1,
        archive_entries: 1,
        unpacked_bytes: 1,
        nesting: 1,
        time_ms: 100,
    };

    #[test]
    fn text_comes_as_it_is_without_its_byte_order_mark() {
        let extracted = extract(Format::Text, "\u{feff}Grüße\n".as_bytes()).unwrap();
        assert_eq!(extracted.text, "Grüße\n");
        assert_eq!(extracted.page_at(3), None);
    }

    #[test]
    fn text_errors_name_the_limit() {
        let said = |bytes: &[u8]| {
            extract_within(Format::Text, bytes, &LIMITS)
                .unwrap_err()
                .to_string()
        };
        assert_eq!(said(&[b'a'; 1025]), "the file has 1025 bytes; the limit is 1024");
        assert_eq!(
            said(&[b'a'; 600]),
            "the document has more than 512 bytes of text, the limit; split it"
        );
        assert_eq!(said(b" \n--- \n"), "the document has no text");
        assert_eq!(
            said(b"abc\xff"),
            "the text is not UTF-8 (byte 3); save it as UTF-8 and upload again"
        );
    }

    #[test]
    fn a_parser_that_panics_or_hangs_costs_nothing_but_its_thread() {
        let panics: Reader = |_, _, _| panic!("a broken parser");
        let outcome = on_thread(b"", &ExtractLimits::default(), panics);
        assert!(matches!(outcome, Err(ExtractError::Damaged { .. })));
        // Waits for longer than its limit, and ends: the places are shared by all tests of this process.
        let hangs: Reader = |_, _, deadline| {
            while Instant::now() < deadline + Duration::from_millis(50) {
                std::thread::yield_now();
            }
            Err(ExtractError::NoText)
        };
        assert_eq!(
            on_thread(b"", &LIMITS, hangs),
            Err(ExtractError::TooSlow { limit_ms: 100 })
        );
    }

    #[test]
    fn a_byte_knows_its_page() {
        let extracted = Extracted {
            format: Format::Pdf,
            text: "one two".into(),
            pages: vec![
                PageStart { page: 1, at_byte: 0 },
                PageStart { page: 3, at_byte: 4 },
            ],
        };
        assert_eq!(extracted.page_at(3), Some(1));
        assert_eq!(extracted.page_at(4), Some(3));
    }
}
