//! Cutting a document into passages that the embedding model sees whole.
//!
//! A passage is made of whole sentences of one section, knows the headings above it and the page it begins on, and repeats
//! the end of the one before. Nothing but white space is lost, and with its headings no passage exceeds the model's tokens.

use std::ops::Range;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

use crate::extract::Extracted;
use crate::format::Format;
use crate::sentences::sentences;
use crate::tokens::{MODEL_TOKENS, TokenCounter};

/// Tokens of a passage together with its headings. The model puts two more around every text.
pub const MAX_CHUNK_TOKENS: usize = MODEL_TOKENS - 2;
/// Tokens that headings may take of a passage; of longer ones the outermost are left out.
const MAX_HEADING_TOKENS: usize = 48;
/// Tokens that two neighbouring passages of a section share at most.
const OVERLAP_TOKENS: usize = 32;
/// Sections of fewer tokens share a passage with the next of the same parent: a heading over three words finds nothing.
const SMALL_SECTION_TOKENS: usize = 24;
/// The piece into which a word without a blank is cut when it has to be.
const MAX_WORD_CHARS: usize = 64;
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
        for range in packed(text, section.range, capacity, counter) {
            out.push(Piece {
                heading: heading.clone(),
                range,
            });
        }
        if out.len() > MAX_CHUNKS {
            return Err(ChunkError::TooMany);
        }
    }
    Ok(out)
}

/// Fills passages with as many sentences as fit; each begins with the last ones of the passage before.
fn packed(text: &str, section: Range<usize>, capacity: usize, counter: &TokenCounter) -> Vec<Range<usize>> {
    let units = units(text, section, capacity, counter);
    let mut out = Vec::new();
    let mut first = 0;
    while first < units.len() {
        let mut next = first;
        let mut tokens = 0;
        while next < units.len() && tokens + units[next].tokens <= capacity {
            tokens += units[next].tokens;
            next += 1;
        }
        next = next.max(first + 1);
        let mut range = trimmed(text, units[first].range.start..units[next - 1].range.end);
        // Pieces of one word can be more tokens together than each for itself.
        while next > first + 1 && counter.count(&text[range.clone()]) > capacity {
            next -= 1;
            range = trimmed(text, units[first].range.start..units[next - 1].range.end);
        }
        if !range.is_empty() {
            out.push(range);
        }
        if next == units.len() {
            break;
        }
        let mut shared = 0;
        let mut begin = next;
        while begin > first + 1 && shared + units[begin - 1].tokens <= OVERLAP_TOKENS {
            begin -= 1;
            shared += units[begin].tokens;
        }
        // An overlap that leaves no room for the next sentence would only repeat.
        first = if shared + units[next].tokens <= capacity {
            begin
        } else {
            next
        };
    }
    out
}

/// What is not divided any further: a sentence, or a piece of one that is too long by itself.
struct Unit {
    range: Range<usize>,
    tokens: usize,
}

fn units(text: &str, section: Range<usize>, capacity: usize, counter: &TokenCounter) -> Vec<Unit> {
    let unit = |range: Range<usize>| Unit {
        tokens: counter.count(&text[range.clone()]),
        range,
    };
    let mut out = Vec::new();
    for sentence in sentences(&text[section.clone()]) {
        let sentence = section.start + sentence.start..section.start + sentence.end;
        let whole = unit(sentence.clone());
        if whole.tokens <= capacity {
            out.push(whole);
        } else {
            out.extend(words(text, sentence).map(unit));
        }
    }
    out
}

/// Words with the white space behind them, and pieces of very long ones.
fn words(text: &str, sentence: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let mut from = sentence.start;
    std::iter::from_fn(move || {
        let rest = &text[from..sentence.end];
        let mut blank = false;
        let end = rest
            .char_indices()
            .enumerate()
            .find(|(count, (_, character))| {
                let starts_anew = blank && !character.is_whitespace();
                blank |= character.is_whitespace();
                starts_anew || *count == MAX_WORD_CHARS
            })
            .map_or(sentence.end, |(_, (at, _))| from + at);
        let word = from..end;
        from = end;
        (!word.is_empty()).then_some(word)
    })
}

fn trimmed(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    start..start + inside.trim().len()
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
    /// Several sections of one parent, whose path this is.
    shared: bool,
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
            shared: false,
        });
    }
    let ends = starts.skip(1).chain([text.len()]);
    for (heading, end) in headings.iter().zip(ends) {
        path.retain(|(level, _)| *level < heading.level);
        path.push((heading.level, heading.title.trim().to_owned()));
        out.push(Section {
            path: path.iter().map(|(_, title)| title.clone()).collect(),
            range: heading.at_byte..end,
            shared: false,
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
                // A heading with hardly a word below it, and the first section under it; or one more of several.
                if !last.shared {
                    last.path = section.path;
                }
                last.range.end = section.range.end;
                continue;
            }
            if small && !last.shared && section.path.starts_with(parent) {
                last.path.truncate(parent.len());
                last.range.end = section.range.end;
                last.shared = true;
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
