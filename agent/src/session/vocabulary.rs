//! What the recogniser is told before it listens: names and words that it would spell wrongly. Recognisers hear
//! "Rapporteur" as "wrap or to work" and "metoprolol" as "met a prowl" unless these were said before; so they were.

use std::collections::HashSet;

/// Of everybody's name, every word, and what is between them. Much more would take the place of what was just said.
pub const VOCABULARY_MAX_CHARS: usize = 240;
/// People whose names are remembered, those who came last.
const PEOPLE_MAX: usize = 50;

/// Names and words of a meeting.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    assistant: String,
    /// Who came into the room, the last one first.
    present: Vec<String>,
    known: Known,
}

/// What is known from outside the room; each list begins with what is most worth knowing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Who was invited.
    pub names: Vec<String>,
    /// What people had to correct.
    pub corrected: Vec<String>,
    /// What the documents speak of.
    pub terms: Vec<String>,
}

impl Vocabulary {
    /// The name by which the assistant is called.
    pub fn new(assistant: &str) -> Self {
        Self {
            assistant: assistant.trim().to_owned(),
            ..Self::default()
        }
    }

    /// Takes the place of what was known before.
    pub fn learn(&mut self, known: Known) {
        self.known = known;
    }

    /// Somebody is in the room.
    pub fn meet(&mut self, name: &str) {
        self.present.retain(|other| other != name);
        self.present.insert(0, name.to_owned());
        self.present.truncate(PEOPLE_MAX);
    }

    /// All of it, what is most worth knowing first.
    pub fn terms(&self) -> Vec<String> {
        let name = Some(self.assistant.as_str()).filter(|name| !name.is_empty());
        name.into_iter().chain(self.words()).map(str::to_owned).collect()
    }

    /// Names and words, each once.
    fn words(&self) -> impl Iterator<Item = &str> {
        let lists = [
            &self.present,
            &self.known.names,
            &self.known.corrected,
            &self.known.terms,
        ];
        let mut seen = HashSet::new();
        let words = lists.into_iter().flatten().map(|word| word.trim());
        words.filter(move |word| !word.is_empty() && seen.insert(word.to_ascii_lowercase()))
    }

    /// As it could have been said: the call by which the assistant is addressed, then a list.
    pub fn prompt(&self) -> String {
        let mut prompt = match self.assistant.as_str() {
            "" => String::new(),
            name => format!("Hey {name}, {name}."),
        };
        let mut left = VOCABULARY_MAX_CHARS.saturating_sub(prompt.chars().count() + 2);
        let mut listed: Vec<&str> = Vec::new();
        for word in self.words() {
            let needs = word.chars().count() + 2;
            if needs <= left {
                left -= needs;
                listed.push(word);
            }
        }
        if !listed.is_empty() {
            if !prompt.is_empty() {
                prompt.push(' ');
            }
            prompt.push_str(&listed.join(", "));
            prompt.push('.');
        }
        prompt
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn who_is_there_comes_before_who_may_come_and_people_before_things() {
        let mut vocabulary = Vocabulary::new(" Robin ");
        assert_eq!(vocabulary.prompt(), "Hey Robin, Robin.");
        vocabulary.learn(Known {
            names: all(&["Siobhan Okonkwo", "Ben Ito"]),
            corrected: all(&["Falkenstein"]),
            terms: all(&["metoprolol", "falkenstein"]),
        });
        vocabulary.meet("Ben Ito");
        let prompt = "Hey Robin, Robin. Ben Ito, Siobhan Okonkwo, Falkenstein, metoprolol.";
        assert_eq!(vocabulary.prompt(), prompt);
    }

    #[test]
    fn without_anything_to_say_it_says_nothing() {
        assert_eq!(Vocabulary::new("").prompt(), "");
        let mut vocabulary = Vocabulary::new(" ");
        vocabulary.meet("Ann");
        assert_eq!(vocabulary.prompt(), "Ann.");
    }

    proptest! {
        #[test]
        fn it_stays_short_and_what_is_in_it_is_whole(
            assistant in "\\PC{0,40}", people in prop::collection::vec("\\PC{0,100}", 0..80),
            terms in prop::collection::vec("[a-z]{1,40}", 0..80),
        ) {
            let mut vocabulary = Vocabulary::new(&assistant);
            for name in &people {
                vocabulary.meet(name);
            }
            vocabulary.learn(Known { terms: terms.clone(), ..Known::default() });
            let prompt = vocabulary.prompt();
            prop_assert!(prompt.chars().count() <= VOCABULARY_MAX_CHARS, "{prompt}");
            if people.is_empty() && assistant.trim().is_empty() && let Some(list) = prompt.strip_suffix('.') {
                prop_assert!(list.split(", ").all(|word| terms.iter().any(|term| term == word)), "{prompt}");
            }
        }
    }
}
