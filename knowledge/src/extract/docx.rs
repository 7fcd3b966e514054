//! Word documents. The archive is measured in full before the parser sees it: number of files, what they unpack to, how
//! deep their XML nests.

use std::io::{Cursor, Read, Write};
use std::time::Instant;

use undoc::render::{RenderOptions, to_markdown};
use zip::ZipArchive;
use zip::result::ZipError;

use super::xml_depth::XmlDepth;
use super::{ExtractError, ExtractLimits, Extracted};
use crate::format::Format;

pub(super) fn read(
    bytes: &[u8],
    limits: &ExtractLimits,
    deadline: Instant,
) -> Result<Extracted, ExtractError> {
    measure(bytes, limits, deadline)?;
    let document = undoc::parse_bytes(bytes).map_err(refused)?;
    let mut options = RenderOptions::new().with_images(false).with_heading_analysis();
    options.escape_special_chars = false;
    let text = to_markdown(&document, &options).map_err(refused)?;
    Ok(Extracted {
        format: Format::Docx,
        text,
        pages: Vec::new(),
    })
}

/// Unpacks every file once into a counter. The sizes that the archive itself declares are not believed.
fn measure(bytes: &[u8], limits: &ExtractLimits, deadline: Instant) -> Result<(), ExtractError> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    if archive.len() > limits.archive_entries {
        return Err(ExtractError::TooManyEntries {
            entries: archive.len(),
            limit_entries: limits.archive_entries,
        });
    }
    let mut left = limits.unpacked_bytes;
    let mut block = [0; 64 * 1024];
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?;
        let is_xml = name.ends_with(".xml") || name.ends_with(".rels");
        let mut depth = is_xml.then(XmlDepth::new);
        loop {
            let count = entry.read(&mut block).map_err(|error| ExtractError::Damaged {
                reason: error.to_string(),
            })?;
            if count == 0 {
                break;
            }
            left = left
                .checked_sub(count as u64)
                .ok_or(ExtractError::UnpacksTooLarge {
                    limit_bytes: limits.unpacked_bytes,
                })?;
            if let Some(depth) = &mut depth {
                let _ = depth.write(&block[..count]);
                if depth.deepest > limits.nesting {
                    return Err(ExtractError::NestsTooDeep {
                        limit_levels: limits.nesting,
                    });
                }
            }
            if Instant::now() > deadline {
                return Err(ExtractError::TooSlow {
                    limit_ms: limits.time_ms,
                });
            }
        }
    }
    Ok(())
}

fn damaged(error: ZipError) -> ExtractError {
    match error {
        ZipError::UnsupportedArchive(ZipError::PASSWORD_REQUIRED) => ExtractError::Encrypted,
        other => ExtractError::Damaged {
            reason: other.to_string(),
        },
    }
}

fn refused(error: undoc::Error) -> ExtractError {
    match error {
        undoc::Error::Encrypted => ExtractError::Encrypted,
        other => ExtractError::Damaged {
            reason: other.to_string(),
        },
    }
}
