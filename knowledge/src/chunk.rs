//! Cutting a document into passages that the embedding model sees whole.
//!
//! A passage never crosses a heading, knows the headings above it and the page it begins on, and overlaps a little with
//! the one before. Nothing that is not white space is lost, and with its headings no passage exceeds the model's tokens.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use text_splitter::{ChunkConfig, MarkdownSplitter};

use crate::extract::Extracted;
use crate::format::Format;
use crate::tokens::{MODEL_TOKENS, TokenCounter};

/// Tokens of a passage together with its headings. The model puts two more around every text.
pub const MAX_CHUNK_TOKENS: usize = MODEL_TOKENS - 2;
/// Tokens that headings may take of a passage; of longer ones the outermost are left out.
const MAX_HEADING_TOKENS: usize = 48;
/// Tokens that two neighbouring passages of a section share.
const OVERLAP_TOKENS: usize = 32;
/// Sections of fewer tokens share a passage with the next of the same parent: a heading over three words finds nothing.
const SMALL_SECTION_TOKENS: usize = 24;
/// Passages of one document.
pub const MAX_CHUNKS: usize = 5_000;

/// A passage of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chunk {
    /// Its place in the document, from 0.
    pub ordinal: u32,
    /// The headings it stands under, outermost first, joined by " > "; empty where there are none.
    pub heading: String,
    /// The page it begins on, where the document has pages.
    pub page: Option<u32>,
    /// The text, as it stands in the document.
    pub text: String,
}

impl Chunk {
    /// What is embedded: a passage in the middle of a section says too little without its headings.
    pub fn embedding_text(&self) -> String {
        if self.heading.is_empty() {
            self.text.clone()
        } else {
            format!("{}\n{}", self.heading, self.text)
        }
    }
}

/// Why a document is not cut.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    /// It would give too many passages.
    #[error("the document gives more than {MAX_CHUNKS} passages, the limit; split it")]
    TooMany,
}

/// Cuts a document into passages. Blocks: about 0.1 s a hundred passages.
pub fn chunk(document: &Extracted, counter: &TokenCounter) -> Result<Vec<Chunk>, ChunkError> {
    let mut chunks = Vec::new();
    for piece in pieces(document, counter)? {
        chunks.push(Chunk {
            ordinal: chunks.len() as u32,
            heading: piece.heading,
            page: document.page_at(piece.range.start),
            text: document.text[piece.range].to_owned(),
        });
    }
    Ok(chunks)
}

/// A passage as a range of the text.
struct Piece {
    heading: String,
    range: Range<usize>,
}

fn pieces(document: &Extracted, counter: &TokenCounter) -> Result<Vec<Piece>, ChunkError> {
    let text = document.text.as_str();
    let headings = match document.format {
        Format::Text => Vec::new(),
        Format::Markdown | Format::Pdf | Format::Docx => headings(text),
    };
    let mut out = Vec::new();
    for section in sections(text, &headings, counter) {
        let heading = heading_path(&section.path, counter);
        let capacity = MAX_CHUNK_TOKENS - counter.count(&heading);
        // White space around a section is nobody's.
        let body = &text[section.range.clone()];
        let begin = section.range.start + (body.len() - body.trim_start().len());
        let body = body.trim();
        if body.is_empty() {
            continue;
        }
        if counter.count(body) <= capacity {
            out.push(Piece {
                heading,
                range: begin..begin + body.len(),
            });
        } else {
            let config = ChunkConfig::new(capacity)
                .with_sizer(counter)
                .with_overlap(OVERLAP_TOKENS)
                .expect("the overlap is smaller than what headings leave");
            for (at, piece) in MarkdownSplitter::new(config).chunk_indices(body) {
                out.push(Piece {
                    heading: heading.clone(),
                    range: begin + at..begin + at + piece.len(),
                });
            }
        }
        if out.len() > MAX_CHUNKS {
            return Err(ChunkError::TooMany);
        }
    }
    Ok(out)
}

struct Heading {
    level: HeadingLevel,
    title: String,
    at_byte: usize,
}

/// The headings of a Markdown text; those inside code and quotes are none.
fn headings(text: &str) -> Vec<Heading> {
    let mut out = Vec::new();
    let mut open: Option<Heading> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level, .. }) => {
                open = Some(Heading {
                    level,
                    title: String::new(),
                    at_byte: range.start,
                });
            }
            Event::Text(piece) | Event::Code(piece) => {
                if let Some(heading) = &mut open {
                    heading.title.push_str(&piece);
                }
            }
            Event::End(TagEnd::Heading(_)) => out.extend(open.take()),
            _ => {}
        }
    }
    out
}

/// A stretch of text under one heading, the heading's own line included.
struct Section {
    path: Vec<String>,
    range: Range<usize>,
}

fn sections(text: &str, headings: &[Heading], counter: &TokenCounter) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    let mut path: Vec<(HeadingLevel, String)> = Vec::new();
    let starts = headings.iter().map(|heading| heading.at_byte);
    let first = starts.clone().next().unwrap_or(text.len());
    if first > 0 {
        out.push(Section {
            path: Vec::new(),
            range: 0..first,
        });
    }
    let ends = starts.skip(1).chain([text.len()]);
    for (heading, end) in headings.iter().zip(ends) {
        path.retain(|(level, _)| *level < heading.level);
        path.push((heading.level, heading.title.trim().to_owned()));
        out.push(Section {
            path: path.iter().map(|(_, title)| title.clone()).collect(),
            range: heading.at_byte..end,
        });
    }
    join_small(out, text, counter)
}

/// Puts a small section together with the next one where that loses no heading: the next stands beside it or below it.
fn join_small(sections: Vec<Section>, text: &str, counter: &TokenCounter) -> Vec<Section> {
    let mut out: Vec<Section> = Vec::new();
    for section in sections {
        if let Some(last) = out.last_mut() {
            let small = counter.count(&text[last.range.clone()]) < SMALL_SECTION_TOKENS;
            let parent = &last.path[..last.path.len().saturating_sub(1)];
            if small && section.path.starts_with(&last.path) {
                // A heading with hardly a word below it, and the first section under it.
                last.path = section.path;
                last.range.end = section.range.end;
                continue;
            }
            if small && !last.path.is_empty() && section.path.starts_with(parent) {
                last.path.truncate(parent.len());
                last.range.end = section.range.end;
                continue;
            }
        }
        out.push(section);
    }
    out
}

/// The headings joined, the outermost left out until they fit.
fn heading_path(path: &[String], counter: &TokenCounter) -> String {
    (0..=path.len())
        .map(|from| {
            path[from..]
                .iter()
                .filter(|title| !title.is_empty())
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(" > ")
        })
        .find(|joined| counter.count(joined) <= MAX_HEADING_TOKENS)
        .unwrap_or_default()
}
