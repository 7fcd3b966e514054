//! What somebody says as captions: at most two lines and seven seconds each, cut between words, at the end of a sentence where
//! there is one.

use super::said::Said;
use super::text::one_line;

/// Of a line, as broadcasters' guidelines have it.
pub(super) const LINE_CHARACTERS: usize = 42;
/// How long a cue stays at most.
pub(super) const CUE_MAX_MS: i64 = 7_000;

/// What is shown at one time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cue {
    pub(super) start_ms: i64,
    /// After `start_ms`.
    pub(super) end_ms: i64,
    /// One or two.
    pub(super) lines: Vec<String>,
}

/// A word, or a piece of one that is longer than a line.
struct Piece {
    text: String,
    characters: usize,
    start_ms: i64,
    end_ms: i64,
}

/// The cues of one voice's words, in order.
pub(super) fn cues(said: &Said) -> Vec<Cue> {
    let pieces = pieces(said);
    let mut rest = pieces.as_slice();
    let mut cues = Vec::new();
    while !rest.is_empty() {
        let (cue, later) = rest.split_at(cut(rest));
        cues.push(shown(cue));
        rest = later;
    }
    cues
}

/// The words with times that lie within what is said and do not go back, whatever the recogniser said.
fn pieces(said: &Said) -> Vec<Piece> {
    let from_ms = said.start_ms.max(0);
    let to_ms = said.end_ms.max(from_ms);
    let mut pieces = Vec::new();
    let mut not_before_ms = from_ms;
    for word in &said.words {
        let start_ms = word.start_ms.clamp(not_before_ms, to_ms);
        let end_ms = word.end_ms.clamp(start_ms, to_ms);
        spread(&one_line(&word.text), start_ms, end_ms, &mut pieces);
        // The last piece of a long word begins later than the word.
        not_before_ms = pieces.last().map_or(start_ms, |piece: &Piece| piece.start_ms);
    }
    // A recogniser without words' times: every character takes equally long.
    if pieces.is_empty() {
        spread(&one_line(&said.text), from_ms, to_ms, &mut pieces);
    }
    pieces
}

/// Cuts a text at blanks, and where it is longer than a line; the time is shared by the characters.
fn spread(text: &str, start_ms: i64, end_ms: i64, pieces: &mut Vec<Piece>) {
    let total = text.chars().count().max(1);
    let at = |characters: usize| {
        // In 128 bits no product of a time and a length overflows.
        let share = i128::from(end_ms - start_ms) * characters as i128 / total as i128;
        start_ms + i64::try_from(share).unwrap_or(0)
    };
    let mut before = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let characters: Vec<char> = word.chars().collect();
        for part in characters.chunks(LINE_CHARACTERS) {
            pieces.push(Piece {
                text: part.iter().collect(),
                characters: part.len(),
                start_ms: at(before),
                end_ms: at(before + part.len()),
            });
            before += part.len();
        }
        before += 1;
    }
}

/// How many pieces the next cue takes: as many as end a sentence or a clause, unless that is few; else as many as fit, but
/// no last word is left to a cue of its own.
fn cut(pieces: &[Piece]) -> usize {
    let fitting = fitting(pieces);
    if fitting == pieces.len() {
        return fitting;
    }
    let ends_with = |ends: &[char]| {
        let mut counts = (fitting / 3 + 1..=fitting).rev();
        counts.find(|&count| pieces[count - 1].text.ends_with(ends))
    };
    let even = || {
        let few_are_left = pieces.len() - fitting <= fitting / 3;
        if few_are_left {
            pieces.len().div_ceil(2)
        } else {
            fitting
        }
    };
    ends_with(&['.', '?', '!', '…'])
        .or_else(|| ends_with(&[',', ';', ':']))
        .unwrap_or_else(even)
}

/// How many pieces fit two lines and the time; at least one.
fn fitting(pieces: &[Piece]) -> usize {
    let (mut line, mut lines) = (0, 1);
    for (index, piece) in pieces.iter().enumerate() {
        let longer = if line == 0 { 0 } else { line + 1 } + piece.characters;
        if longer <= LINE_CHARACTERS {
            line = longer;
        } else {
            line = piece.characters;
            lines += 1;
        }
        if index > 0 && (lines > 2 || piece.end_ms - pieces[0].start_ms > CUE_MAX_MS) {
            return index;
        }
    }
    pieces.len()
}

fn shown(pieces: &[Piece]) -> Cue {
    let start_ms = pieces.first().map_or(0, |piece| piece.start_ms);
    let end_ms = pieces.iter().map(|piece| piece.end_ms).max().unwrap_or(start_ms);
    Cue {
        start_ms,
        // A reader of captions refuses a cue that ends as it begins.
        end_ms: end_ms.clamp(start_ms + 1, start_ms + CUE_MAX_MS),
        lines: lines(pieces),
    }
}

/// One line if it is enough, else two whose longer one is the shortest.
fn lines(pieces: &[Piece]) -> Vec<String> {
    let length = |pieces: &[Piece]| {
        pieces
            .iter()
            .map(|piece| piece.characters + 1)
            .sum::<usize>()
            .saturating_sub(1)
    };
    let joined = |pieces: &[Piece]| {
        let texts: Vec<&str> = pieces.iter().map(|piece| piece.text.as_str()).collect();
        texts.join(" ")
    };
    if length(pieces) <= LINE_CHARACTERS {
        return vec![joined(pieces)];
    }
    let longer = |&split: &usize| length(&pieces[..split]).max(length(&pieces[split..]));
    match (1..pieces.len()).min_by_key(longer) {
        Some(split) => vec![joined(&pieces[..split]), joined(&pieces[split..])],
        None => vec![joined(pieces)],
    }
}

#[cfg(test)]
#[path = "cues_tests.rs"]
mod tests;
