//! PDF, page by page: a long document is left as soon as a limit is reached.

use std::ops::ControlFlow;
use std::time::Instant;

use unpdf::render::{RenderOptions, to_markdown};
use unpdf::{Document, Page, PageStreamOptions, ParseEvent, ParseOptions, PdfParser};

use super::{ExtractError, ExtractLimits, Extracted, PageStart};
use crate::format::Format;

pub(super) fn read(
    bytes: &[u8],
    limits: &ExtractLimits,
    deadline: Instant,
) -> Result<Extracted, ExtractError> {
    if nests_deeper_than(bytes, limits.nesting) {
        return Err(ExtractError::NestsTooDeep {
            limit_levels: limits.nesting,
        });
    }
    let options = ParseOptions::new().lenient().sequential();
    let parser = PdfParser::from_bytes_with_options(bytes, options.clone()).map_err(refused)?;
    let pages = parser.page_count() as usize;
    if pages > limits.pages {
        return Err(ExtractError::TooManyPages {
            pages,
            limit_pages: limits.pages,
        });
    }

    let mut out = Extracted {
        format: Format::Pdf,
        text: String::new(),
        pages: Vec::new(),
    };
    let mut stopped = None;
    let mut scanned = false;
    parser
        .for_each_page(PageStreamOptions::from(&options), |event| match event {
            ParseEvent::PageParsed(page) => match append(&mut out, page, limits, deadline) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    stopped = Some(error);
                    ControlFlow::Break(())
                }
            },
            ParseEvent::DocumentEnd { quality } => {
                scanned = quality.is_scan_pdf;
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Continue(()),
        })
        .map_err(refused)?;
    if let Some(error) = stopped {
        return Err(error);
    }
    if scanned && !out.text.chars().any(char::is_alphanumeric) {
        return Err(ExtractError::Scanned);
    }
    Ok(out)
}

fn append(
    out: &mut Extracted,
    page: Page,
    limits: &ExtractLimits,
    deadline: Instant,
) -> Result<(), ExtractError> {
    if Instant::now() > deadline {
        return Err(ExtractError::TooSlow {
            limit_ms: limits.time_ms,
        });
    }
    let number = page.number;
    let mut document = Document::new();
    document.add_page(page);
    let mut options = RenderOptions::new();
    options.escape_special_chars = false;
    let markdown = to_markdown(&document, &options).map_err(refused)?;
    if out.text.len() + markdown.len() > limits.text_bytes {
        return Err(ExtractError::TextTooLong {
            limit_bytes: limits.text_bytes,
        });
    }
    out.pages.push(PageStart {
        page: number,
        at_byte: out.text.len(),
    });
    out.text.push_str(markdown.trim());
    out.text.push_str("\n\n");
    Ok(())
}

/// Arrays and dictionaries within one another, told from the bytes: the parser recurses into them. Strings and compressed
/// streams are looked at as well; what is in them can only make the answer too careful by a hair, since `]` and `>>` count
/// back.
fn nests_deeper_than(bytes: &[u8], limit: usize) -> bool {
    let mut open = 0usize;
    let mut previous = 0u8;
    for (at, &byte) in bytes.iter().enumerate() {
        match (previous, byte) {
            (_, b'[') => open += 1,
            (b'<', b'<') => {
                open += 1;
                previous = 0;
                if open > limit {
                    return true;
                }
                continue;
            }
            (_, b']') => open = open.saturating_sub(1),
            (b'>', b'>') => {
                open = open.saturating_sub(1);
                previous = 0;
                continue;
            }
            // Whatever was open inside is over.
            (b'b', b'j') if bytes[..=at].ends_with(b"endobj") => open = 0,
            (b'a', b'm') if bytes[..=at].ends_with(b"endstream") => open = 0,
            _ => {}
        }
        if open > limit {
            return true;
        }
        previous = byte;
    }
    false
}

fn refused(error: unpdf::Error) -> ExtractError {
    match error {
        unpdf::Error::Encrypted | unpdf::Error::InvalidPassword => ExtractError::Encrypted,
        other => ExtractError::Damaged {
            reason: other.to_string(),
        },
    }
}
