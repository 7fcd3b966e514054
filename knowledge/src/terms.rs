//! The words of a text that a recogniser would hardly spell right by itself: names, drugs, products, acronyms. It does when
//! it is told them before.
//!
//! How rare a word is says the tokenizer of the embedding model: what its makers met often is one piece of its vocabulary,
//! what they never met falls to many.

use std::collections::HashMap;

use crate::tokens::TokenCounter;

/// Characters of a term. What is longer is an address or a chemical formula.
const LENGTH: std::ops::RangeInclusive<usize> = 3..=30;
/// A word in small letters is rare from so many pieces on, a name from so many.
const RARE_PIECES: (usize, usize) = (3, 2);
/// An acronym has so many letters at most; longer ones are headings.
const ACRONYM_MAX: usize = 5;
/// Different words that are looked at.
const WORDS_MAX: usize = 50_000;

/// How a word occurs.
#[derive(Default)]
struct Uses {
    count: usize,
    /// As it was written first.
    written: String,
    /// Never in small letters, and not only where a sentence begins.
    is_name: bool,
    is_small: bool,
}

/// The terms of a text, at most `limit`, the one most worth knowing first.
pub fn terms(text: &str, counter: &TokenCounter, limit: usize) -> Vec<String> {
    let mut words: HashMap<String, Uses> = HashMap::new();
    let mut begins = true;
    for raw in text.split_whitespace() {
        let word = bare(raw);
        let at_begin = begins || raw.starts_with(['#', '-', '*', '|', '"', '“', '(']);
        begins = raw.ends_with(['.', '!', '?', ':', '|']);
        if !is_candidate(word) || (words.len() >= WORDS_MAX && !words.contains_key(&word.to_lowercase())) {
            continue;
        }
        let uses = words.entry(word.to_lowercase()).or_default();
        uses.count += 1;
        let capital = word.starts_with(char::is_uppercase);
        uses.is_small |= !capital;
        uses.is_name |= capital && !at_begin;
        if uses.written.is_empty() || (capital && uses.is_name) {
            word.clone_into(&mut uses.written);
        }
    }
    let mut found: Vec<(f32, Uses)> = words
        .into_iter()
        .filter_map(|(word, uses)| Some((worth(&word, &uses, counter)?, uses)))
        .collect();
    found.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.written.cmp(&other.written)));
    found
        .into_iter()
        .take(limit)
        .map(|(_, uses)| {
            if uses.is_small {
                uses.written.to_lowercase()
            } else {
                uses.written
            }
        })
        .collect()
}

/// How much is won by knowing a word: more the rarer it is and the more often it comes. None if it is an ordinary one.
fn worth(word: &str, uses: &Uses, counter: &TokenCounter) -> Option<f32> {
    // A hyphen makes two words for the tokenizer, and for whoever speaks them.
    let pieces = word.split('-').map(|part| counter.count(part)).max().unwrap_or(0);
    let letters = uses.written.chars().count();
    let is_acronym = letters <= ACRONYM_MAX
        && uses
            .written
            .chars()
            .all(|c| c.is_uppercase() || c.is_ascii_digit());
    let is_name = uses.is_name && !uses.is_small;
    let least = if is_name { RARE_PIECES.1 } else { RARE_PIECES.0 };
    if pieces < least && !is_acronym {
        return None;
    }
    let often = 1.0 + (uses.count as f32).ln();
    Some(pieces as f32 * often * if is_name { 1.5 } else { 1.0 })
}

fn is_candidate(word: &str) -> bool {
    LENGTH.contains(&word.chars().count())
        && word
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '-' | '\'' | '’'))
        && word.chars().filter(|c| c.is_alphabetic()).count() * 2 > word.chars().count()
}

/// Without punctuation around it and without a possessive.
fn bare(word: &str) -> &str {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.strip_suffix("'s")
        .or_else(|| word.strip_suffix("’s"))
        .unwrap_or(word)
}
