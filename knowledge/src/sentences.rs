//! Cutting text into sentences without losing a byte: the pieces, put together, are the text.
//!
//! Works on prose and on Markdown: a blank line, a list item, a heading and a table row end a sentence even without a full
//! stop. A full stop after an abbreviation, an initial or inside a number does not.

use std::ops::Range;

/// Words that end in a full stop without ending a sentence. Lower case, without the stop.
const ABBREVIATIONS: &[&str] = &[
    "approx", "art", "ca", "cf", "dr", "e.g", "ed", "etc", "ext", "fig", "i.e", "incl", "jr", "max", "min",
    "mr", "mrs", "ms", "no", "nr", "p", "par", "pp", "prof", "resp", "sec", "sr", "st", "tel", "vs",
];

/// The sentences of `text`, in order, without gaps: each begins where the one before ended. White space belongs to the
/// sentence before it.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut characters = text.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        let end = match character {
            '\n' => ends_line(&text[start..at], &text[at + 1..]).then_some(at + 1),
            '。' | '！' | '？' => Some(at + character.len_utf8()),
            '.' | '!' | '?' | '…' => {
                // What closes the sentence stays with it: more stops, quotes, brackets.
                let mut end = at + character.len_utf8();
                while let Some(&(next_at, next)) = characters.peek() {
                    if !matches!(
                        next,
                        '.' | '!' | '?' | '…' | '"' | '\'' | ')' | ']' | '”' | '’' | '»' | '*' | '_'
                    ) {
                        break;
                    }
                    end = next_at + next.len_utf8();
                    characters.next();
                }
                ends_sentence(&text[start..end], &text[end..], character).then_some(end)
            }
            _ => None,
        };
        if let Some(end) = end {
            // White space after the end belongs to this sentence.
            let mut end = end;
            while let Some(&(next_at, next)) = characters.peek() {
                if !next.is_whitespace() {
                    break;
                }
                end = next_at + next.len_utf8();
                characters.next();
            }
            push(&mut out, text, start..end);
            start = end;
        }
    }
    push(&mut out, text, start..text.len());
    out
}

/// White space alone is no sentence: it goes to the one before, or stays open for the one after.
fn push(out: &mut Vec<Range<usize>>, text: &str, range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    match out.last_mut() {
        Some(last) if text[range.clone()].trim().is_empty() => last.end = range.end,
        Some(last) if text[last.clone()].trim().is_empty() => last.end = range.end,
        _ => out.push(range),
    }
}

/// Whether a line break ends what `before` began, seen what comes `after` it.
fn ends_line(before: &str, after: &str) -> bool {
    let line = before.rsplit('\n').next().unwrap_or(before).trim_start();
    let next = after.split('\n').next().unwrap_or(after).trim();
    next.is_empty() || begins_block(next) || line.starts_with('#') || line.starts_with('|')
}

/// Headings, list items, table rows, quotes, rules and fences begin anew whatever stands before them.
fn begins_block(line: &str) -> bool {
    if line.starts_with(['#', '|', '>']) || line.starts_with("```") || line.starts_with("---") {
        return true;
    }
    if let Some(rest) = line.strip_prefix(['-', '*', '+', '•']) {
        return rest.starts_with(' ');
    }
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    (1..=3).contains(&digits) && line[digits..].starts_with(['.', ')']) && line[digits + 1..].starts_with(' ')
}

fn ends_sentence(sentence: &str, rest: &str, stop: char) -> bool {
    let Some(next) = rest.chars().next() else {
        return true;
    };
    if !next.is_whitespace() {
        return false;
    }
    let Some(following) = rest.trim_start().chars().next() else {
        return true;
    };
    if stop != '.' && stop != '…' {
        return true;
    }
    if following.is_lowercase() {
        return false;
    }
    let word = sentence
        .trim_end_matches(|c: char| !c.is_alphanumeric())
        .rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '[' | '"' | '“'))
        .next()
        .unwrap_or("");
    // "1." that begins a list item, and initials: "J. Smith".
    let is_marker = sentence
        .trim_end_matches('.')
        .trim()
        .chars()
        .all(|c| c.is_ascii_digit());
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_uppercase);
    !(is_marker
        || is_initial
        || ABBREVIATIONS.contains(&word.to_lowercase().as_str())
            && sentence.trim_end_matches(|c: char| c != '.').ends_with('.'))
}

/// The sentence as a person reads it: without Markdown's marks, on one line.
pub(crate) fn plain(sentence: &str) -> String {
    let mut line = sentence.trim();
    loop {
        let stripped = line.trim_start_matches(['#', '>']).trim_start();
        let stripped = match stripped.strip_prefix(['-', '*', '+', '•']) {
            Some(rest) if rest.starts_with(' ') => rest.trim_start(),
            _ => stripped,
        };
        if stripped == line {
            break;
        }
        line = stripped;
    }
    if line.starts_with('|') {
        let cells: Vec<&str> = line
            .split('|')
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect();
        return collapse(&cells.join(", "));
    }
    collapse(line)
}

/// Emphasis and code marks off, white space to single blanks.
fn collapse(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        let word = word.replace("**", "").replace("__", "").replace('`', "");
        let word = match word.strip_prefix(['*', '_']) {
            Some(rest) => rest.to_owned(),
            None => word,
        };
        let word = word.replace(['*'], "");
        if word.is_empty() {
            continue;
        }
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(text: &str) -> Vec<&str> {
        sentences(text)
            .into_iter()
            .map(|range| text[range].trim_end())
            .collect()
    }

    #[test]
    fn prose() {
        assert_eq!(
            cut(
                "We open at 8.30 a.m. on weekdays. Ask Dr. Lopez (ext. 4). \"Really?\" Yes! J. Smith said so."
            ),
            [
                "We open at 8.30 a.m. on weekdays.",
                "Ask Dr. Lopez (ext. 4).",
                "\"Really?\"",
                "Yes!",
                "J. Smith said so."
            ]
        );
    }

    #[test]
    fn wrapped_lines_belong_together_and_blocks_do_not() {
        assert_eq!(
            cut(
                "# Parking\nThe car park is\nbehind the house.\n\n- first item\n- second item\n1. One\n\n| a | b |\n| c | d |\n"
            ),
            [
                "# Parking",
                "The car park is\nbehind the house.",
                "- first item",
                "- second item",
                "1. One",
                "| a | b |",
                "| c | d |"
            ]
        );
    }

    #[test]
    fn plain_reads_like_speech() {
        assert_eq!(plain("- **Opening hours:** 8 to\n  18"), "Opening hours: 8 to 18");
        assert_eq!(plain("| First visit | 90 € |\n"), "First visit, 90 €");
        assert_eq!(plain("## `Notes`"), "Notes");
    }

    proptest! {
        #[test]
        fn nothing_is_lost(text in "([a-zA-Z0-9äß]{1,6}|[.!?…。\"')\\]]|\\n|\\n- |\\n# | |\\| |\\[1\\]|Dr\\. |e\\.g\\. ){0,60}") {
            let ranges = sentences(&text);
            let joined: String = ranges.iter().map(|range| &text[range.clone()]).collect();
            prop_assert_eq!(joined, text.clone());
            for pair in ranges.windows(2) {
                prop_assert_eq!(pair[0].end, pair[1].start);
            }
        }

        #[test]
        fn any_text_at_all_is_cut_without_loss(text in any::<String>()) {
            let joined: String = sentences(&text).into_iter().map(|range| &text[range]).collect();
            prop_assert_eq!(joined, text);
        }
    }
}
