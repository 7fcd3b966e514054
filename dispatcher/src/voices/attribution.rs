//! Which words of a segment are whose, where several people share its microphone: words and turns in, parts out. A word is
//! of the turn that holds its middle, else of the nearest one; where that leaves a doubt, it is nobody's.

use store::{Segment, Turn, Word};

/// How far a word may be from the turn it belongs to: networks and recognisers do not agree on the edges of speech.
const NEAR_MS: i64 = 500;

/// What one voice says of a segment without a break.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Whose voice at the microphone; none where nobody is sure.
    pub label: Option<i32>,
    /// The voice's name, if it has one.
    pub name: Option<String>,
    /// Its part of the segment's text.
    pub text: String,
    /// Its part of the segment's words.
    pub words: Vec<Word>,
    /// On the meeting clock, within the segment.
    pub start_ms: i64,
    /// On the meeting clock, within the segment.
    pub end_ms: i64,
    /// Whether somebody else spoke at the same time.
    pub overlapped: bool,
}

/// What is known about a word.
struct Heard {
    /// Whose it may be, each once; none where no turn is near.
    candidates: Vec<Option<i32>>,
    overlapped: bool,
}

/// The parts of a segment in order: every word is in exactly one, and neighbours differ in voice or overlap. None where
/// nobody is told apart in it.
pub fn parts(segment: &Segment) -> Option<Vec<Part>> {
    let turns = &segment.turns.as_ref()?.0;
    let words = &segment.words.0;
    if words.is_empty() {
        return without_words(segment, turns).map(|part| vec![part]);
    }
    let heard: Vec<Heard> = words.iter().map(|word| hear(word, turns)).collect();
    let labels = decide(&heard);
    let texts = texts(&segment.text, words);
    let mut parts: Vec<Part> = Vec::new();
    let mut not_before_ms = segment.start_ms;
    let to_ms = segment.end_ms.max(segment.start_ms);
    for (((word, text), label), heard) in words.iter().zip(texts).zip(labels).zip(&heard) {
        let start_ms = word.start_ms.clamp(not_before_ms, to_ms);
        let end_ms = word.end_ms.clamp(start_ms, to_ms);
        not_before_ms = start_ms;
        match parts.last_mut() {
            Some(part) if part.label == label && part.overlapped == heard.overlapped => {
                part.text.push_str(&text);
                part.words.push(word.clone());
                part.end_ms = part.end_ms.max(end_ms);
            }
            _ => parts.push(Part {
                label,
                name: name_of(label, turns),
                text,
                words: vec![word.clone()],
                start_ms,
                end_ms,
                overlapped: heard.overlapped,
            }),
        }
    }
    for part in &mut parts {
        part.text = part.text.trim().to_owned();
    }
    match &parts[..] {
        [only] if only.label.is_none() && !only.overlapped => None,
        _ => Some(parts),
    }
}

/// A recogniser without words' times: the text is somebody's if nobody else was heard.
fn without_words(segment: &Segment, turns: &[Turn]) -> Option<Part> {
    let label = turns.first()?.label?;
    let alone = turns.iter().all(|turn| turn.label == Some(label));
    (alone && !segment.text.trim().is_empty()).then(|| Part {
        label: Some(label),
        name: name_of(Some(label), turns),
        text: segment.text.trim().to_owned(),
        words: Vec::new(),
        start_ms: segment.start_ms,
        end_ms: segment.end_ms,
        overlapped: false,
    })
}

fn name_of(label: Option<i32>, turns: &[Turn]) -> Option<String> {
    let of_label = |turn: &&Turn| label.is_some() && turn.label == label;
    turns.iter().find(of_label)?.name.clone()
}

fn hear(word: &Word, turns: &[Turn]) -> Heard {
    let middle_ms = word.start_ms.midpoint(word.end_ms);
    let mut candidates = Vec::new();
    let mut overlapped = false;
    for turn in turns {
        if (turn.start_ms..turn.end_ms).contains(&middle_ms) {
            overlapped |= turn.overlapped;
            if !candidates.contains(&turn.label) {
                candidates.push(turn.label);
            }
        }
    }
    overlapped |= candidates.len() > 1;
    if candidates.is_empty() {
        let distance_ms = |turn: &&Turn| {
            let before = turn.start_ms.saturating_sub(middle_ms);
            before.max(middle_ms.saturating_sub(turn.end_ms))
        };
        let nearest = turns.iter().min_by_key(distance_ms);
        candidates.extend(
            nearest
                .filter(|turn| distance_ms(turn) <= NEAR_MS)
                .map(|turn| turn.label),
        );
    }
    Heard {
        candidates,
        overlapped,
    }
}

/// Whose each word is. Of two who speak at once it is who spoke before or goes on after; between two words of one voice
/// where nobody else was heard it is that voice.
fn decide(heard: &[Heard]) -> Vec<Option<i32>> {
    let sure = |heard: &Heard| match heard.candidates[..] {
        [label] => Some(label),
        _ => None,
    };
    let mut decided: Vec<Option<Option<i32>>> = heard.iter().map(sure).collect();
    for at in 0..heard.len() {
        let candidates = &heard[at].candidates;
        if candidates.len() > 1 {
            let before = at.checked_sub(1).and_then(|before| decided[before]);
            let after = heard[at + 1..].iter().find(|next| next.candidates.len() < 2);
            let fitting = |label: &Option<i32>| candidates.contains(label);
            let after = after.and_then(sure).filter(fitting);
            decided[at] = Some(before.filter(fitting).or(after).flatten());
        }
    }
    // Where no turn is near at all.
    let mut at = 0;
    while at < decided.len() {
        let silent = decided[at..].iter().take_while(|label| label.is_none()).count();
        let before = at.checked_sub(1).and_then(|before| decided[before]);
        let after = decided.get(at + silent).copied().flatten();
        let around = before.filter(|_| before == after).flatten();
        decided[at..at + silent].fill(Some(around));
        at += silent.max(1);
    }
    decided.into_iter().map(Option::flatten).collect()
}

/// Each word as it stands in the text, with the blanks before it; the last one with all that follows. Where the text is not
/// made of the words, they are written one after the other.
fn texts(text: &str, words: &[Word]) -> Vec<String> {
    let mut found = Vec::with_capacity(words.len());
    let mut rest = text;
    for word in words {
        let blanks = rest.len() - rest.trim_start().len();
        let bare = word.text.trim();
        if !rest[blanks..].starts_with(bare) {
            return words
                .iter()
                .map(|word| format!(" {}", word.text.trim()))
                .collect();
        }
        let (this, after) = rest.split_at(blanks + bare.len());
        found.push(this.to_owned());
        rest = after;
    }
    if let Some(last) = found.last_mut() {
        last.push_str(rest);
    }
    found
}

#[cfg(test)]
#[path = "attribution_tests.rs"]
mod tests;
