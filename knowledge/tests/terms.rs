//! Names and jargon are found, ordinary words are not, with the tokenizer of the real model.
#![allow(clippy::unwrap_used)]

use knowledge::{TokenCounter, terms};
use proptest::prelude::*;

fn counter() -> TokenCounter {
    let folder = std::env::var("RAPPORTEUR_EMBEDDING_MODEL")
        .expect("RAPPORTEUR_EMBEDDING_MODEL names the embedding model's folder; `cargo verify` sets it");
    TokenCounter::load(folder.as_ref()).unwrap()
}

const LEAFLET: &str = "\
# Medication at home

Dr Kowalczyk prescribes metoprolol or apixaban. Take metoprolol in the morning. Do not stop metoprolol by yourself: call
the practice in Brightwater first. Siobhan Okonkwo answers the telephone on weekdays; her colleague Ben keeps the
appointments. Kowalczyk's patients bring their GDPR form. Write to desk@brightwater.example or see www.example.com/form.
";

#[test]
fn names_and_jargon_are_found() {
    let found = terms(LEAFLET, &counter(), 20);
    for term in [
        "Kowalczyk",
        "metoprolol",
        "apixaban",
        "Siobhan",
        "Okonkwo",
        "Brightwater",
        "GDPR",
    ] {
        assert!(
            found.iter().any(|found| found == term),
            "{term} is not in {found:?}"
        );
    }
    for word in [
        "Medication",
        "morning",
        "telephone",
        "weekdays",
        "appointments",
        "Do",
        "Take",
        "Ben",
    ] {
        assert!(
            !found.iter().any(|found| found.eq_ignore_ascii_case(word)),
            "{word} is in {found:?}"
        );
    }
    // The rarest and most frequent come first, and the limit cuts the others.
    assert_eq!(terms(LEAFLET, &counter(), 2).len(), 2);
    assert!(terms(LEAFLET, &counter(), 3).contains(&"metoprolol".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_text_has_terms_of_its_own_within_the_limit(text in "\\PC{0,400}", limit in 0usize..10) {
        let found = terms(&text, &counter(), limit);
        prop_assert!(found.len() <= limit);
        let lower = text.to_lowercase();
        for term in &found {
            prop_assert!((3..=30).contains(&term.chars().count()), "{term}");
            prop_assert!(lower.contains(&term.to_lowercase()), "{term}");
        }
        prop_assert_eq!(found, terms(&text, &counter(), limit));
    }
}
