//! How often the extractive answer is right, and how often it says what the documents do not: on 66 questions to two
//! collections, of which the second had no part in setting the thresholds.

#![allow(clippy::print_stdout, reason = "the figures are what this test is for")]

mod support;

use knowledge::Answerer;
use support::{Corpus, embedder, questions};

#[derive(Debug, Default)]
struct Tally {
    right: usize,
    wrong: usize,
    refused_though_answerable: usize,
    refused: usize,
    answered_though_not: usize,
}

async fn measure(set: &str) -> Tally {
    let corpus = Corpus::load(set).await;
    let answerer = Answerer::extractive(embedder());
    let mut tally = Tally::default();
    for question in questions().into_iter().filter(|question| question.set == set) {
        let answer = answerer.answer(&corpus.ask(question.question).await).await;
        let flat = answer.text.clone();
        let outcome = match (&question.answers, answer.grounded) {
            (Some(parts), true) if parts.iter().any(|part| flat.contains(part)) => {
                tally.right += 1;
                "right"
            }
            (Some(_), true) => {
                tally.wrong += 1;
                "WRONG"
            }
            (Some(_), false) => {
                tally.refused_though_answerable += 1;
                "MISSED"
            }
            (None, false) => {
                tally.refused += 1;
                "refused"
            }
            (None, true) => {
                tally.answered_though_not += 1;
                "INVENTED"
            }
        };
        println!("{outcome:9} {} -> {flat}", question.question);
    }
    println!("{set}: {tally:?}");
    tally
}

/// Nothing invented, most found. One sentence of slack for the arithmetic of other processors.
#[tokio::test]
async fn the_collection_the_thresholds_were_set_on() {
    let tally = measure("clinic").await;
    assert!(tally.right >= 18, "{tally:?}");
    assert!(tally.wrong + tally.answered_though_not <= 1, "{tally:?}");
}

#[tokio::test]
async fn a_collection_they_were_not_set_on() {
    let tally = measure("academy").await;
    assert!(tally.right >= 13, "{tally:?}");
    assert!(tally.wrong + tally.answered_though_not <= 2, "{tally:?}");
}
