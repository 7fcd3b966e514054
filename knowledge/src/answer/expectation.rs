//! What kind of thing a question asks for, and whether a sentence has one. "How much does parking cost?" is not answered
//! by a sentence about parking that has no amount in it, however near the two are.
//!
//! English questions only; any other question expects nothing, and everything meets that.

use crate::words::{content_words, is_number, words};

/// What an answer has to contain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// Anything.
    Any,
    /// An amount of money.
    Money,
    /// A point in time or a day.
    Time,
    /// A number: how many, how long, how far.
    Number,
    /// A telephone number or an address for mail.
    Contact,
    /// A person, by name or by role.
    Person,
}

const MONEY: &[&str] = &[
    "euro", "euros", "eur", "dollar", "dollars", "usd", "pound", "pounds", "gbp", "cent", "cents", "franc",
    "francs", "free", "charge", "charged", "cost", "costs", "fee", "fees", "percent", "rate",
];
const TIMES: &[&str] = &[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "mondays",
    "tuesdays",
    "wednesdays",
    "thursdays",
    "fridays",
    "saturdays",
    "sundays",
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "weekday",
    "weekdays",
    "weekend",
    "weekends",
    "noon",
    "midnight",
    "morning",
    "afternoon",
    "evening",
    "night",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "annually",
    "today",
    "tomorrow",
    "immediately",
    "day",
    "days",
    "week",
    "weeks",
    "month",
    "months",
    "year",
    "years",
    "hour",
    "hours",
    "before",
    "after",
    "always",
    "never",
    "every",
    "quarter",
    "spring",
    "summer",
    "autumn",
    "winter",
];
const QUANTITIES: &[&str] = &[
    "none",
    "once",
    "twice",
    "half",
    "unlimited",
    "dozen",
    "several",
    "daily",
    "weekly",
    "monthly",
    "yearly",
    "permanently",
    "indefinitely",
    "forever",
];
const ROLES: &[&str] = &[
    "administrator",
    "anyone",
    "assistant",
    "board",
    "chair",
    "client",
    "coach",
    "colleague",
    "committee",
    "department",
    "desk",
    "director",
    "doctor",
    "employee",
    "everybody",
    "everyone",
    "guardian",
    "guest",
    "head",
    "lead",
    "manager",
    "member",
    "nobody",
    "nurse",
    "office",
    "officer",
    "owner",
    "parent",
    "partner",
    "patient",
    "people",
    "person",
    "physician",
    "professional",
    "pupil",
    "reception",
    "receptionist",
    "relative",
    "secretary",
    "service",
    "staff",
    "student",
    "supervisor",
    "teacher",
    "team",
    "visitor",
];

impl Expectation {
    /// What a question expects.
    pub(crate) fn of(question: &str) -> Self {
        let words = words(question);
        let has = |word: &str| words.iter().any(|known| known == word);
        let pair =
            |first: &str, second: &str| words.windows(2).any(|pair| pair[0] == first && pair[1] == second);
        let any = |list: &[&str]| list.iter().any(|word| has(word));
        if any(&["phone", "telephone", "email", "mail", "fax", "website"])
            && any(&["number", "address", "what", "which"])
            && !any(&["when", "how", "why", "who"])
        {
            Self::Contact
        } else if pair("how", "much")
            && any(&[
                "cost", "costs", "pay", "charge", "price", "fee", "paid", "is", "money",
            ])
            || pair("what", "price")
            || any(&["price", "cost", "costs"]) && any(&["what", "how"])
        {
            Self::Money
        } else if pair("what", "time")
            || pair("which", "day")
            || pair("what", "day")
            || has("when") && !pair("what", "happens") && !pair("what", "do") && !pair("what", "should")
        {
            Self::Time
        } else if pair("how", "many")
            || pair("how", "long")
            || pair("how", "far")
            || pair("how", "often")
            || pair("how", "old")
            || pair("how", "soon")
            || pair("how", "large")
            || pair("how", "big")
            || pair("how", "tall")
        {
            Self::Number
        } else if words
            .first()
            .is_some_and(|first| first == "who" || first == "whom")
        {
            Self::Person
        } else {
            Self::Any
        }
    }

    /// Whether the sentence has what the question expects. What the question says itself is no answer to it.
    pub(crate) fn is_met(self, question: &str, sentence: &str) -> bool {
        let words = words(sentence);
        let any = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let number = words.iter().any(|word| is_number(word));
        match self {
            Self::Any => true,
            Self::Money => {
                sentence.contains(['€', '$', '£', '¥', '%'])
                    || any(MONEY) && (number || any(&["free", "charge"]))
            }
            Self::Time => number || any(TIMES),
            Self::Number => number || any(QUANTITIES),
            Self::Contact => {
                sentence.contains('@')
                    || sentence.chars().filter(char::is_ascii_digit).count() >= 3
                    || sentence.contains("www.")
            }
            Self::Person => names_somebody(question, sentence),
        }
    }
}

/// A role, or a word with a capital letter inside the sentence that is no day or month.
fn names_somebody(question: &str, sentence: &str) -> bool {
    let asked = content_words(question);
    let is_new = |word: &str| content_words(word).is_disjoint(&asked);
    let role = words(sentence).iter().any(|word| {
        let singular = word.strip_suffix('s').unwrap_or(word);
        ROLES.contains(&singular) && is_new(word)
    });
    role || sentence
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()))
        .skip(1)
        .any(|word| {
            word.starts_with(char::is_uppercase)
                && !TIMES.contains(&word.to_lowercase().as_str())
                && is_new(word)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_expect() {
        for (question, expected) in [
            ("How much does parking cost?", Expectation::Money),
            ("What is the price of a visit?", Expectation::Money),
            ("When do you open?", Expectation::Time),
            ("What time does the office close?", Expectation::Time),
            ("How many days of leave do I have?", Expectation::Number),
            ("How long does it take?", Expectation::Number),
            ("What is the phone number of the desk?", Expectation::Contact),
            ("Who approves travel?", Expectation::Person),
            ("Can I bring a dog?", Expectation::Any),
            ("What happens when I cancel late?", Expectation::Any),
            ("Wie viel kostet das?", Expectation::Any),
        ] {
            assert_eq!(Expectation::of(question), expected, "{question}");
        }
    }

    #[test]
    fn sentences_meet_or_do_not() {
        let met = |question: &str, sentence: &str| Expectation::of(question).is_met(question, sentence);
        let cost = "How much does a visit cost?";
        assert!(met(cost, "A visit costs 90 euros."));
        assert!(met(cost, "A visit is free of charge."));
        assert!(!met(cost, "The car park is behind the house."));
        assert!(met("When do you open?", "We open at eight."));
        assert!(!met("When do you open?", "The door opens to the left."));
        assert!(met("How many rooms are there?", "There are two rooms."));
        assert!(!met("How many rooms are there?", "The rooms have a window."));
        let phone = "What is the phone number of the desk?";
        assert!(met(phone, "Call 0301 442."));
        assert!(!met(phone, "Call the front desk."));
        let who = "Who approves travel?";
        assert!(met(who, "Travel is approved by Maria Lopez."));
        assert!(met(who, "Your managers approve travel."));
        assert!(!met(who, "Travel on Monday needs a receipt."));
        assert!(!met(
            "Who is the head teacher?",
            "Letters have to reach the head teacher."
        ));
    }
}
