//! The words that carry a sentence's content, in a form in which two sentences can be compared.
//!
//! Lower case, stop words out, endings off, numbers in one spelling ("1,200" and "1200", "eight" and "8"). English; other
//! languages go through with their words as they are, which compares exact words.

use std::collections::HashSet;

const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "before", "being", "both", "but", "by", "can", "could", "did", "do", "does", "doing", "done",
    "each", "for", "from", "further", "get", "give", "given", "had", "has", "have", "having", "he", "her",
    "here", "hers", "him", "his", "how", "i", "if", "in", "into", "is", "it", "its", "just", "know", "let",
    "like", "may", "me", "might", "more", "most", "much", "must", "my", "no", "nor", "not", "now", "of",
    "off", "on", "only", "or", "other", "our", "ours", "out", "over", "own", "please", "same", "say",
    "shall", "she", "should", "so", "some", "such", "tell", "than", "that", "the", "their", "them", "then",
    "there", "these", "they", "this", "those", "through", "to", "too", "under", "until", "up", "us", "very",
    "was", "we", "were", "what", "when", "where", "which", "while", "who", "whom", "whose", "why", "will",
    "with", "would", "you", "your", "yours",
];

const NUMBER_WORDS: &[(&str, &str)] = &[
    ("zero", "0"),
    ("one", "1"),
    ("two", "2"),
    ("three", "3"),
    ("four", "4"),
    ("five", "5"),
    ("six", "6"),
    ("seven", "7"),
    ("eight", "8"),
    ("nine", "9"),
    ("ten", "10"),
    ("eleven", "11"),
    ("twelve", "12"),
    ("thirteen", "13"),
    ("fourteen", "14"),
    ("fifteen", "15"),
    ("sixteen", "16"),
    ("seventeen", "17"),
    ("eighteen", "18"),
    ("nineteen", "19"),
    ("twenty", "20"),
    ("thirty", "30"),
    ("forty", "40"),
    ("fifty", "50"),
    ("sixty", "60"),
    ("seventy", "70"),
    ("eighty", "80"),
    ("ninety", "90"),
    ("hundred", "100"),
    ("thousand", "1000"),
];

/// The content words of a text.
pub(crate) fn content_words(text: &str) -> HashSet<String> {
    words(text)
        .into_iter()
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
        .map(|word| stem(&word))
        .collect()
}

/// Whether a content word is a number. Numbers are never "nearly" right.
pub(crate) fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// The part of `wanted` that stands in `text`: 1 when nothing is wanted.
pub(crate) fn coverage(wanted: &HashSet<String>, text: &HashSet<String>) -> f32 {
    if wanted.is_empty() {
        return 1.0;
    }
    wanted.intersection(text).count() as f32 / wanted.len() as f32
}

/// All words in order, lower case, numbers in one spelling.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word = String::new();
    let characters: Vec<char> = text.chars().collect();
    for (at, &character) in characters.iter().enumerate() {
        let next_is_digit = || characters.get(at + 1).is_some_and(char::is_ascii_digit);
        let after_digit = word.ends_with(|c: char| c.is_ascii_digit());
        let inside =
            character.is_alphanumeric() || after_digit && matches!(character, '.' | ',') && next_is_digit();
        // "8am", "90€", "5kg": the number and its unit are two words.
        let changes = character.is_alphabetic() && word.starts_with(|c: char| c.is_ascii_digit());
        if !inside || changes {
            finish(&mut out, &mut word);
        }
        if inside {
            word.extend(character.to_lowercase());
        }
    }
    finish(&mut out, &mut word);
    out
}

fn finish(out: &mut Vec<String>, word: &mut String) {
    let word = std::mem::take(word);
    if word.is_empty() {
        return;
    }
    if let Some((_, number)) = NUMBER_WORDS.iter().find(|(name, _)| *name == word) {
        out.push((*number).to_owned());
    } else if is_number(&word) {
        out.push(number(&word));
    } else {
        out.push(word);
    }
}

/// "1,200" and "1.200" lose the sign between thousands, "08" its zero, "4.50" keeps its decimals.
fn number(word: &str) -> String {
    let groups: Vec<&str> = word.split([',', '.']).collect();
    let thousands = groups.len() > 1
        && (1..=3).contains(&groups[0].len())
        && groups[0] != "0"
        && groups[1..].iter().all(|group| group.len() == 3);
    let plain = if thousands {
        groups.concat()
    } else {
        word.replace(',', ".")
    };
    let trimmed = plain.trim_start_matches('0');
    if trimmed.is_empty() || trimmed.starts_with('.') {
        format!("0{trimmed}")
    } else {
        trimmed.to_owned()
    }
}

/// A light stemmer: the commonest endings of English, and never so much that another word appears.
fn stem(word: &str) -> String {
    if !word.is_ascii() || is_number(word) || word.len() < 4 {
        return word.to_owned();
    }
    let cut = |ending: &str, least: usize| {
        word.strip_suffix(ending)
            .filter(|rest| rest.len() >= least)
            .map(str::to_owned)
    };
    let stem = cut("ies", 2)
        .map(|rest| rest + "y")
        .or_else(|| cut("sses", 2).map(|rest| rest + "ss"))
        .or_else(|| cut("ing", 3))
        .or_else(|| cut("ed", 3))
        .or_else(|| cut("es", 3))
        .or_else(|| {
            (!word.ends_with("ss") && !word.ends_with("us"))
                .then(|| cut("s", 3))
                .flatten()
        })
        .unwrap_or_else(|| word.to_owned());
    // "cancelled" and "cancel", "parking" and "park", "closed" and "close" meet.
    let stem = stem.strip_suffix('e').unwrap_or(&stem);
    let mut letters = stem.chars().rev();
    match (letters.next(), letters.next()) {
        (Some(last), Some(before))
            if last == before
                && matches!(last, 'l' | 'n' | 'p' | 't' | 'g' | 'm' | 'r')
                && stem.len() > 4 =>
        {
            stem[..stem.len() - 1].to_owned()
        }
        _ => stem.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_a_word_meet() {
        for (a, b) in [
            ("cancelled", "cancel"),
            ("opens", "open"),
            ("opening", "opened"),
            ("closes", "closed"),
            ("policies", "policy"),
            ("appointments", "appointment"),
            ("1,200", "1200"),
            ("eight", "08"),
            ("planned", "plan"),
        ] {
            assert_eq!(content_words(a), content_words(b), "{a} and {b}");
        }
    }

    #[test]
    fn different_numbers_stay_different() {
        for (a, b) in [("4.50", "450"), ("1.200", "1.20"), ("10", "100"), ("0.5", "5")] {
            assert_ne!(content_words(a), content_words(b), "{a} and {b}");
        }
    }

    #[test]
    fn units_and_times_fall_into_their_parts() {
        assert_eq!(
            words("8am, 20:30, 90€, COVID19"),
            ["8", "am", "20", "30", "90", "covid19"]
        );
    }

    #[test]
    fn stop_words_carry_nothing() {
        assert!(content_words("What is it that you have?").is_empty());
        assert_eq!(coverage(&content_words("the"), &content_words("x")), 1.0);
    }
}
