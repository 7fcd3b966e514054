//! Decides whether words are meant for the assistant, and what it is asked. Recognisers misspell names, so a
//! spoken name is matched by sound and by edit distance; the rest of the sentence has to be a request, because
//! an assistant that answers when it was only mentioned is worse than one that has to be asked twice.

mod likeness;

use likeness::{edit_distance, soundex};

/// A question longer than this is cut.
pub const QUESTION_MAX_CHARS: usize = 1_000;

/// Words before a name that only draw attention.
const GREETINGS: &[&str] = &[
    "hey", "hi", "hello", "ok", "okay", "so", "and", "um", "uh", "well", "now", "please", "dear", "thanks",
    "yes", "no", "alright", "right",
];

/// First words of a request. "Is", "does" and their like begin statements too ("Ada is late"): they ask only with
/// a question mark.
const REQUESTS: &[&str] = &[
    "what",
    "whats",
    "who",
    "whos",
    "whose",
    "when",
    "whens",
    "where",
    "wheres",
    "why",
    "which",
    "how",
    "hows",
    "tell",
    "show",
    "find",
    "give",
    "explain",
    "please",
    "look",
    "search",
    "list",
    "summarise",
    "summarize",
    "remind",
    "describe",
    "define",
    "check",
    "read",
];

/// An assistant's name, prepared for comparison.
#[derive(Clone, Debug)]
pub struct Name {
    words: Vec<String>,
    joined: String,
    sound: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Likeness {
    Exact,
    Similar,
}

/// What an utterance has to do with the assistant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Nothing.
    None,
    /// It is called by name and nothing else: what follows is for it.
    Called,
    /// It is asked this.
    Asked(String),
}

impl Name {
    /// Prepares a name.
    pub fn new(name: &str) -> Self {
        let words: Vec<String> = name
            .split_whitespace()
            .map(plain)
            .filter(|word| !word.is_empty())
            .collect();
        let joined = words.concat();
        let sound = soundex(&joined);
        Self { words, joined, sound }
    }

    /// Judges a recognised utterance.
    pub fn spoken_to(&self, utterance: &str) -> Address {
        if self.joined.is_empty() {
            return Address::None;
        }
        let tokens: Vec<&str> = utterance.split_whitespace().collect();
        let mut called = false;
        for start in sentence_starts(&tokens) {
            let end = sentence_end(&tokens, start);
            match self.at_the_beginning(&tokens, start) {
                Address::Asked(question) => return Address::Asked(question),
                Address::Called if end == tokens.len() => called = true,
                _ => {}
            }
            if let Some(question) = self.at_the_end(&tokens[start..end]) {
                return Address::Asked(question);
            }
        }
        if called { Address::Called } else { Address::None }
    }

    /// Judges an utterance that follows a call by name: is it the question?
    pub fn follow_up(utterance: &str) -> Option<String> {
        let tokens: Vec<&str> = utterance.split_whitespace().collect();
        let start = tokens
            .iter()
            .take(2)
            .take_while(|token| GREETINGS.contains(&plain(token).as_str()))
            .count();
        is_request(&tokens[start..]).then(|| cut(&tokens[start..].join(" ")))
    }

    /// Judges a chat message: `@name` anywhere, or the name at its beginning.
    pub fn written_to(&self, message: &str) -> Option<String> {
        if self.joined.is_empty() {
            return None;
        }
        let tokens: Vec<&str> = message.split_whitespace().collect();
        for start in 0..tokens.len() {
            let mentioned = tokens[start].starts_with('@');
            if !mentioned && start > 0 {
                continue;
            }
            let count = self.words.len();
            let Some(candidate) = tokens.get(start..start + count) else {
                continue;
            };
            if candidate
                .iter()
                .map(|token| plain(token))
                .eq(self.words.iter().cloned())
            {
                let rest: Vec<&str> = tokens[..start]
                    .iter()
                    .chain(&tokens[start + count..])
                    .copied()
                    .collect();
                let question = rest.join(" ");
                let question =
                    question.trim_matches(|c: char| c.is_whitespace() || matches!(c, ',' | ':' | '-'));
                return question.chars().any(char::is_alphanumeric).then(|| cut(question));
            }
        }
        None
    }

    fn at_the_beginning(&self, tokens: &[&str], start: usize) -> Address {
        let greetings = tokens[start..]
            .iter()
            .take(2)
            .take_while(|t| GREETINGS.contains(&plain(t).as_str()))
            .count();
        for skipped in [greetings, 0] {
            let from = start + skipped;
            let Some((count, likeness)) = self.best_match(&tokens[from..]) else {
                continue;
            };
            let after = from + count;
            let called_out = ends_with_any(tokens[after - 1], &[',', '.', '?', '!', ':']);
            let rest = &tokens[after..];
            if !rest.iter().any(|token| !plain(token).is_empty()) {
                return if likeness == Likeness::Exact || skipped > 0 {
                    Address::Called
                } else {
                    Address::None
                };
            }
            if is_request(rest) || (likeness == Likeness::Exact && called_out && rest.len() > 1) {
                return Address::Asked(cut(&rest.join(" ")));
            }
        }
        Address::None
    }

    fn at_the_end(&self, sentence: &[&str]) -> Option<String> {
        for count in 1..=self.longest_match().min(sentence.len().saturating_sub(2)) {
            let (before, name) = sentence.split_at(sentence.len() - count);
            let Some(likeness) = self.likeness(name) else {
                continue;
            };
            let called_out = ends_with_any(before[before.len() - 1], &[',', '?', '!']);
            let asked = ends_with_any(name[count - 1], &['?']);
            let meant = match likeness {
                Likeness::Exact => called_out || (asked && is_request(before)),
                Likeness::Similar => called_out && is_request(before),
            };
            if meant && is_request(before) {
                let question = before.join(" ");
                return Some(cut(question.trim_end_matches(',')));
            }
        }
        None
    }

    /// Recognisers split names ("rapper tour"), so a few more words than the name has may be it.
    fn longest_match(&self) -> usize {
        self.words.len() + 2
    }

    fn best_match(&self, tokens: &[&str]) -> Option<(usize, Likeness)> {
        (1..=self.longest_match().min(tokens.len()))
            .filter_map(|count| {
                let likeness = self.likeness(&tokens[..count])?;
                let distance = edit_distance(&joined(&tokens[..count]), &self.joined);
                Some((likeness, distance, count))
            })
            .min()
            .map(|(likeness, _, count)| (count, likeness))
    }

    fn likeness(&self, tokens: &[&str]) -> Option<Likeness> {
        let candidate = joined(tokens);
        if candidate == self.joined {
            return Some(Likeness::Exact);
        }
        let length = self.joined.chars().count();
        let same_sound = self.sound.len() > 2 && soundex(&candidate) == self.sound;
        // Short names are within two edits of half the language.
        let tolerated = match length {
            0..=3 => 0,
            4..=5 => 1,
            6..=8 => 2,
            _ => 3,
        } + usize::from(same_sound && length > 4);
        // Names are misheard in their middle and at their end; another first sound is another word before the name.
        let same_beginning = candidate.chars().next() == self.joined.chars().next();
        (same_beginning && edit_distance(&candidate, &self.joined) <= tolerated).then_some(Likeness::Similar)
    }
}

fn is_request(tokens: &[&str]) -> bool {
    let words: Vec<String> = tokens
        .iter()
        .map(|token| plain(token))
        .filter(|word| !word.is_empty())
        .collect();
    let begins = words
        .first()
        .is_some_and(|first| REQUESTS.contains(&first.as_str()));
    let asks = tokens.iter().any(|token| ends_with_any(token, &['?']));
    words.len() > 1 && (begins || asks)
}

fn sentence_starts(tokens: &[&str]) -> impl Iterator<Item = usize> {
    let after_stops: Vec<usize> = (1..tokens.len())
        .filter(|index| ends_with_any(tokens[index - 1], &['.', '?', '!']))
        .collect();
    std::iter::once(0)
        .filter(|_| !tokens.is_empty())
        .chain(after_stops)
}

fn sentence_end(tokens: &[&str], start: usize) -> usize {
    let stop = tokens[start..]
        .iter()
        .position(|token| ends_with_any(token, &['.', '?', '!']));
    stop.map_or(tokens.len(), |stop| start + stop + 1)
}

fn ends_with_any(token: &str, marks: &[char]) -> bool {
    token.trim_end_matches(['"', '\'', ')']).ends_with(marks)
}

/// Lower case, letters and digits only.
fn plain(token: &str) -> String {
    token
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

fn joined(tokens: &[&str]) -> String {
    tokens.iter().map(|token| plain(token)).collect()
}

fn cut(question: &str) -> String {
    question.trim().chars().take(QUESTION_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn asked(name: &str, utterance: &str) -> Option<String> {
        match Name::new(name).spoken_to(utterance) {
            Address::Asked(question) => Some(question),
            _ => None,
        }
    }

    #[test]
    fn a_name_at_the_beginning_asks() {
        for utterance in [
            "Rapporteur, what is the notice period?",
            "Hey Rapporteur, what is the notice period?",
            "Reporter, what is the notice period?",
            "Okay rapper tour what is the notice period?",
            "Rapporteur. What is the notice period?",
            "I see. Rapporteur, what is the notice period?",
        ] {
            let question = asked("Rapporteur", utterance).unwrap_or_else(|| panic!("{utterance}"));
            assert_eq!(
                question.to_lowercase(),
                "what is the notice period?",
                "{utterance}"
            );
        }
    }

    #[test]
    fn a_name_at_the_end_asks() {
        assert_eq!(
            asked("Ada", "What is the notice period, Ada?").unwrap(),
            "What is the notice period"
        );
        assert_eq!(
            asked("Rapporteur", "What is the notice period, reporter?").unwrap(),
            "What is the notice period"
        );
    }

    #[test]
    fn a_mention_does_not_ask() {
        for (name, utterance) in [
            ("Rapporteur", "I talked to the reporter."),
            ("Rapporteur", "Reporters were everywhere that day."),
            ("Rapporteur", "The rapporteur is a good tool."),
            ("Rapporteur", "Rapporteur is a good tool."),
            ("Ada", "Adam, what is the notice period?"),
            ("Ada", "And a lot of people were there."),
            ("Ada", "It was the best of times, it was the worst of times."),
            ("", "What is this?"),
        ] {
            assert_eq!(Name::new(name).spoken_to(utterance), Address::None, "{utterance}");
        }
    }

    #[test]
    fn a_call_alone_makes_the_next_utterance_the_question() {
        assert_eq!(
            Name::new("Rapporteur").spoken_to("Hey Rapporteur."),
            Address::Called
        );
        assert_eq!(
            Name::new("Rapporteur").spoken_to("Hey, reporter."),
            Address::Called
        );
        assert_eq!(
            Name::follow_up("What is the notice period?").as_deref(),
            Some("What is the notice period?")
        );
        assert_eq!(Name::follow_up("I will be right back."), None);
    }

    #[test]
    fn chat_asks_by_mention_or_by_name_first() {
        let name = Name::new("Meeting Helper");
        assert_eq!(
            name.written_to("@Meeting Helper when do we close?").as_deref(),
            Some("when do we close?")
        );
        assert_eq!(
            name.written_to("meeting helper: when do we close?").as_deref(),
            Some("when do we close?")
        );
        assert_eq!(
            name.written_to("When do we close, @meeting helper?").as_deref(),
            Some("When do we close")
        );
        assert_eq!(name.written_to("the meeting helper is fine"), None);
        assert_eq!(name.written_to("@meeting helper"), None);
        assert_eq!(name.written_to("@meeting helpers when"), None);
    }

    proptest! {
        #[test]
        fn nothing_that_is_said_or_written_makes_it_panic(name in ".{0,20}", text in ".{0,200}") {
            let name = Name::new(&name);
            let _ = name.spoken_to(&text);
            let _ = Name::follow_up(&text);
            if let Some(question) = name.written_to(&text) {
                prop_assert!(question.chars().count() <= QUESTION_MAX_CHARS);
            }
        }
    }
}
