//! Checks that every sentence of an answer points at passages that support it. No I/O, no state.
//!
//! A sentence is kept when at least one of its pointers names an existing passage, all its numbers stand in the passages
//! it names, and these share enough of its content words. Pointers are renumbered so that `[n]` is the n-th citation.
//! What this cannot see: a sentence of the right words with the meaning turned around.

use std::collections::HashSet;
use std::ops::Range;

use super::{Citation, NOT_IN_DOCUMENTS, Passage};
use crate::sentences::{plain, sentences};
use crate::words::{content_words, coverage, is_number};

/// Share of a sentence's content words that has to stand in the passages it points at. Set on the sentences under
/// `tests/data/claims.tsv`.
const MIN_SUPPORT: f32 = 0.6;
/// Share that each single one of several pointers has to bring; a pointer below it is taken off.
const MIN_SUPPORT_EACH: f32 = 0.25;
/// Of a longer reply no more is read.
const MAX_REPLY_BYTES: usize = 16 * 1024;
/// Sentences of an answer; further ones are dropped.
const MAX_SENTENCES: usize = 12;

/// A reply after the check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The sentences that hold, each with its pointers; or [`NOT_IN_DOCUMENTS`].
    pub text: String,
    /// The passages they point at, in the order of the pointers. Empty exactly when nothing holds.
    pub citations: Vec<Citation>,
    /// Number of sentences that were kept.
    pub kept: usize,
    /// Why the others were not, in order.
    pub dropped: Vec<Dropped>,
}

/// Why a sentence was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// It points nowhere.
    NoPointer,
    /// It points at passages that do not exist, and at no other.
    NoSuchPassage,
    /// It says too little to be checked.
    NothingToCheck,
    /// A number in it stands in none of its passages.
    WrongNumber,
    /// Its passages say something else.
    NotSupported,
    /// The reply ended inside it.
    Unfinished,
    /// There were enough sentences already.
    TooMany,
}

/// Checks a reply. `finished` tells whether the model came to its end; a last sentence that was cut off is dropped.
pub fn check(reply: &str, finished: bool, passages: &[Passage]) -> Checked {
    let reply = without_thinking(clip(reply));
    let words: Vec<HashSet<String>> = passages
        .iter()
        .map(|passage| {
            content_words(&format!(
                "{}\n{}\n{}",
                passage.document_title, passage.heading, passage.text
            ))
        })
        .collect();

    let mut checked = Checked {
        text: String::new(),
        citations: Vec::new(),
        kept: 0,
        dropped: Vec::new(),
    };
    let mut numbers: Vec<usize> = Vec::new();
    let claims = claims(reply);
    let count = claims.len();
    for (index, claim) in claims.into_iter().enumerate() {
        let cut_off = !finished && index + 1 == count && !claim.closed;
        match verdict(&claim, &words) {
            _ if is_refusal(&claim.text) => {}
            _ if cut_off => checked.dropped.push(Dropped::Unfinished),
            _ if checked.kept == MAX_SENTENCES => checked.dropped.push(Dropped::TooMany),
            Err(reason) => checked.dropped.push(reason),
            Ok(supporting) => {
                checked.kept += 1;
                if !checked.text.is_empty() {
                    checked.text.push(' ');
                }
                checked.text.push_str(&claim.text);
                checked.text.push(' ');
                for passage in supporting {
                    let number = match numbers.iter().position(|known| *known == passage) {
                        Some(at) => at,
                        None => {
                            numbers.push(passage);
                            checked.citations.push(cite(&passages[passage], &claim.text));
                            numbers.len() - 1
                        }
                    };
                    checked.text.push_str(&format!("[{}]", number + 1));
                }
            }
        }
    }
    if checked.citations.is_empty() {
        checked.text = NOT_IN_DOCUMENTS.to_owned();
    }
    checked
}

/// The text without its pointers.
pub(crate) fn without_pointers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = 0;
    for pointer in pointers(text) {
        out.push_str(text[rest..pointer.range.start].trim_end_matches(' '));
        rest = pointer.range.end;
    }
    out.push_str(&text[rest..]);
    out.trim().to_owned()
}

/// One sentence of the reply with the numbers it points at, as the model wrote them.
struct Claim {
    text: String,
    pointers: Vec<usize>,
    /// Ends in a full stop or a pointer.
    closed: bool,
}

/// A citation mark in a text: `[1]`, `[1, 2]`, `[1-3]`, `【1】`.
struct Pointer {
    range: Range<usize>,
    numbers: Vec<usize>,
}

fn claims(reply: &str) -> Vec<Claim> {
    let marks = pointers(reply);
    // Marks become blanks, so that "eight. [2] Then" is cut after the stop, and places stay what they are.
    let mut bare = reply.to_owned().into_bytes();
    for mark in &marks {
        bare[mark.range.clone()].fill(b' ');
    }
    let bare = String::from_utf8(bare).expect("whole characters were replaced by blanks");

    let mut out: Vec<Claim> = Vec::new();
    for range in sentences(&bare) {
        let text = without_marks(&plain(&bare[range.clone()]));
        let pointers: Vec<usize> = marks
            .iter()
            .filter(|mark| range.contains(&mark.range.start))
            .flat_map(|mark| mark.numbers.iter().copied())
            .collect();
        if !text.chars().any(char::is_alphanumeric) {
            if let Some(last) = out.last_mut() {
                last.closed |= !pointers.is_empty();
                last.pointers.extend(pointers);
            }
            continue;
        }
        let closed =
            !pointers.is_empty() || text.ends_with(['.', '!', '?', '…', '。', '！', '？', '"', '”', ')']);
        out.push(Claim {
            text,
            pointers,
            closed,
        });
    }
    out
}

/// Takes out what would read as a pointer only now: of `[90 【1】]` the inner mark was taken, of `[*90*]` the emphasis,
/// and `[90]` is left, which the model never wrote and nobody checked.
fn without_marks(text: &str) -> String {
    let mut text = tidy(text);
    while !pointers(&text).is_empty() {
        text = tidy(&without_pointers(&text));
    }
    text
}

/// "eight ." after a mark was taken from between: the blank goes.
fn tidy(text: &str) -> String {
    let mut out = text.to_owned();
    for stop in [" .", " ,", " !", " ?", " ;", " :"] {
        out = out.replace(stop, &stop[1..]);
    }
    out
}

fn pointers(text: &str) -> Vec<Pointer> {
    let mut out = Vec::new();
    let mut rest = 0;
    while let Some(found) = text[rest..].find(['[', '【']) {
        let start = rest + found;
        let close = if text[start..].starts_with('[') {
            ']'
        } else {
            '】'
        };
        let open_bytes = if close == ']' { 1 } else { '【'.len_utf8() };
        rest = start + open_bytes;
        let Some(length) = text[rest..].find(close) else {
            continue;
        };
        if let Some(numbers) = numbers(&text[rest..rest + length]) {
            rest += length + close.len_utf8();
            out.push(Pointer {
                range: start..rest,
                numbers,
            });
        }
    }
    out
}

/// `2`, `1, 3`, `1-3`: passage numbers and nothing else, at most a dozen.
fn numbers(inside: &str) -> Option<Vec<usize>> {
    let mut out = Vec::new();
    for part in inside.split([',', ';']) {
        let part = part.trim();
        match part.split_once(['-', '–']) {
            Some((from, to)) => {
                let (from, to): (usize, usize) = (from.trim().parse().ok()?, to.trim().parse().ok()?);
                if from > to || to - from > 11 {
                    return None;
                }
                out.extend(from..=to);
            }
            None => out.push(part.parse().ok()?),
        }
        if out.len() > 12 {
            return None;
        }
    }
    Some(out)
}

fn verdict(claim: &Claim, passages: &[HashSet<String>]) -> Result<Vec<usize>, Dropped> {
    if claim.pointers.is_empty() {
        return Err(Dropped::NoPointer);
    }
    let mut named: Vec<usize> = Vec::new();
    for number in &claim.pointers {
        if let Some(index) = number.checked_sub(1)
            && index < passages.len()
            && !named.contains(&index)
        {
            named.push(index);
        }
    }
    if named.is_empty() {
        return Err(Dropped::NoSuchPassage);
    }
    let said = content_words(&claim.text);
    if said.is_empty() {
        return Err(Dropped::NothingToCheck);
    }
    named.retain(|&index| coverage(&said, &passages[index]) >= MIN_SUPPORT_EACH);
    let all: HashSet<String> = named
        .iter()
        .flat_map(|&index| passages[index].iter().cloned())
        .collect();
    if named.is_empty() || coverage(&said, &all) < MIN_SUPPORT {
        return Err(Dropped::NotSupported);
    }
    if said
        .iter()
        .any(|word| is_number(word) && word != "0" && !all.contains(word))
    {
        return Err(Dropped::WrongNumber);
    }
    Ok(named)
}

fn cite(passage: &Passage, claim: &str) -> Citation {
    let said = content_words(claim);
    let best = sentences(&passage.text)
        .into_iter()
        .map(|range| passage.text[range].trim())
        .filter(|sentence| !sentence.starts_with('#'))
        .map(|sentence| (coverage(&said, &content_words(sentence)), sentence))
        .reduce(|best, next| if next.0 > best.0 { next } else { best });
    Citation {
        passage_id: passage.id,
        document_title: passage.document_title.clone(),
        heading: passage.heading.clone(),
        page: passage.page,
        quote: best
            .map_or(passage.text.as_str(), |(_, sentence)| sentence)
            .to_owned(),
    }
}

fn is_refusal(text: &str) -> bool {
    let letters = |text: &str| -> String {
        text.chars()
            .filter(|c| c.is_alphanumeric())
            .collect::<String>()
            .to_lowercase()
    };
    letters(text) == letters(NOT_IN_DOCUMENTS)
}

/// Some models think aloud in front of their answer.
fn without_thinking(reply: &str) -> &str {
    match reply.rsplit_once("</think>") {
        Some((_, answer)) => answer,
        // Still thinking when the reply ended.
        None if reply.trim_start().starts_with("<think>") => "",
        None => reply,
    }
}

fn clip(reply: &str) -> &str {
    let mut end = reply.len().min(MAX_REPLY_BYTES);
    while !reply.is_char_boundary(end) {
        end -= 1;
    }
    &reply[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use uuid::Uuid;

    fn passage(number: u128, text: &str) -> Passage {
        Passage {
            id: Uuid::from_u128(number),
            document_title: "House rules".into(),
            heading: String::new(),
            page: Some(number as u32),
            text: text.into(),
            distance: 0.3,
        }
    }

    fn two() -> Vec<Passage> {
        vec![
            passage(
                1,
                "## Hours\n\nThe practice opens at eight on weekdays. It is closed on Sundays.",
            ),
            passage(2, "A first consultation costs 90 euros and takes 45 minutes."),
        ]
    }

    #[test]
    fn supported_sentences_stay_and_pointers_are_renumbered() {
        let checked = check(
            "A first consultation costs 90 euros. [2] The practice opens at 8 on weekdays [1].",
            true,
            &two(),
        );
        assert_eq!(
            checked.text,
            "A first consultation costs 90 euros. [1] The practice opens at 8 on weekdays. [2]"
        );
        assert_eq!(checked.citations[0].passage_id, Uuid::from_u128(2));
        assert_eq!(
            checked.citations[1].quote,
            "The practice opens at eight on weekdays."
        );
        assert_eq!((checked.kept, checked.dropped.len()), (2, 0));
    }

    #[test]
    fn every_fault_has_its_name() {
        let why = |reply: &str| check(reply, true, &two()).dropped;
        assert_eq!(why("The practice opens at eight."), [Dropped::NoPointer]);
        assert_eq!(why("The practice opens at eight. [7]"), [Dropped::NoSuchPassage]);
        assert_eq!(why("The practice opens at eight. [0]"), [Dropped::NoSuchPassage]);
        assert_eq!(
            why("The practice opens at nine on weekdays. [1]"),
            [Dropped::WrongNumber]
        );
        assert_eq!(why("Parking is free for visitors. [1]"), [Dropped::NotSupported]);
        assert_eq!(why("It is so. [1]"), [Dropped::NothingToCheck]);
        assert_eq!(
            check("It is closed on Sundays. [1] The practice op", false, &two()).dropped,
            [Dropped::Unfinished]
        );
    }

    #[test]
    fn a_refusal_is_a_refusal() {
        for reply in [
            "The documents do not say.",
            "the documents do not say",
            "",
            "<think>hm [1]",
        ] {
            let checked = check(reply, true, &two());
            assert_eq!(checked.text, NOT_IN_DOCUMENTS);
            assert!(checked.citations.is_empty() && checked.dropped.is_empty());
        }
    }

    #[test]
    fn many_ways_to_point() {
        let checked = check(
            "<think>which one?</think>- The practice opens at eight【1】\n- On weekdays the practice opens for a consultation [1, 2]",
            true,
            &two(),
        );
        assert_eq!(
            checked.text,
            "The practice opens at eight [1] On weekdays the practice opens for a consultation [1][2]"
        );
        assert_eq!(
            without_pointers(&checked.text),
            "The practice opens at eight On weekdays the practice opens for a consultation"
        );
    }

    #[test]
    fn no_pointer_comes_about_by_taking_others_off() {
        for reply in [
            "It is closed on Sundays [90 【1】].",
            "It is closed on Sundays [*90*] [1].",
        ] {
            let checked = check(reply, true, &two());
            assert_eq!(checked.text, "It is closed on Sundays. [1]", "{reply}");
        }
    }

    #[test]
    fn a_pointer_that_adds_nothing_is_taken_off() {
        let checked = check("The practice is closed on Sundays. [1][2]", true, &two());
        assert_eq!(checked.text, "The practice is closed on Sundays. [1]");
        assert_eq!(checked.citations.len(), 1);
    }

    proptest! {
        #[test]
        fn no_pointer_to_nothing_is_ever_accepted(
            reply in "((The practice|opens|at eight|on weekdays|costs|90|91|euros|closed|Sundays)[ .]{1,2}|\\[[0-9]{1,3}\\]|\\[[0-9]-[0-9]\\]|【[0-9]】|\\[|\\]|\\n){0,30}",
            finished in any::<bool>(),
            count in 0usize..3,
        ) {
            let passages = two()[..count].to_vec();
            let checked = check(&reply, finished, &passages);
            for mark in pointers(&checked.text) {
                for number in mark.numbers {
                    prop_assert!((1..=checked.citations.len()).contains(&number), "{:?}", checked);
                }
            }
            for citation in &checked.citations {
                let passage = passages.iter().find(|passage| passage.id == citation.passage_id);
                prop_assert!(passage.is_some_and(|passage| passage.text.contains(&citation.quote)));
            }
            prop_assert_eq!(checked.citations.is_empty(), checked.text == NOT_IN_DOCUMENTS);
            prop_assert_eq!(checked.citations.is_empty(), checked.kept == 0);
        }

        #[test]
        fn any_reply_ends_in_a_verdict(reply in any::<String>(), finished in any::<bool>()) {
            let checked = check(&reply, finished, &two());
            prop_assert!(!checked.text.is_empty());
        }
    }
}
