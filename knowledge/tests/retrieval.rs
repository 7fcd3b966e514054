//! The real model finds the right place first, and what is quoted stands in the documents word for word.

#![allow(clippy::print_stdout, reason = "the figures are what this test is for")]

mod support;

use knowledge::{Answerer, NOT_IN_DOCUMENTS, cosine};
use support::{Corpus, embedder, questions};

#[tokio::test]
async fn the_right_passage_comes_early() {
    let (mut first, mut among_three, mut all) = (0, 0, 0);
    for set in ["clinic", "academy"] {
        let corpus = Corpus::load(set).await;
        for question in questions().iter().filter(|question| question.set == set) {
            let Some(parts) = &question.answers else { continue };
            let found = corpus.search(question.question, 3).await;
            let place = found.iter().position(|passage| {
                let text = passage.text.split_whitespace().collect::<Vec<_>>().join(" ");
                parts
                    .iter()
                    .any(|part| text.contains(part) || text.contains(&part.replace(", ", " | ")))
            });
            all += 1;
            first += usize::from(place == Some(0));
            among_three += usize::from(place.is_some());
        }
    }
    println!("first {first}, among three {among_three}, of {all}");
    assert!(
        first * 10 >= all * 7,
        "the first passage is right in {first} of {all}"
    );
    assert!(
        among_three * 10 >= all * 9,
        "among the first three in {among_three} of {all}"
    );
}

#[tokio::test]
async fn order_follows_meaning_and_batches_change_nothing() {
    let texts = [
        "The office opens at eight in the morning.",
        "Working hours begin early.",
        "Bananas are rich in potassium.",
    ];
    let together = embedder().embed(&texts).await.expect("embeds");
    assert!(cosine(&together[0], &together[1]) > cosine(&together[0], &together[2]) + 0.2);
    for (text, embedding) in texts.iter().zip(&together) {
        let alone = embedder().embed(&[text]).await.expect("embeds")[0];
        assert!(
            cosine(&alone, embedding) > 0.9999,
            "padding must not change a text"
        );
        assert!((cosine(&alone, &alone) - 1.0).abs() < 1e-4, "length one");
    }
}

#[tokio::test]
async fn text_beyond_the_models_limit_is_cut_and_not_refused() {
    let long = "word ".repeat(5_000);
    assert_eq!(
        embedder()
            .embed(&[long.as_str(), ""])
            .await
            .expect("embeds")
            .len(),
        2
    );
}

#[tokio::test]
async fn quotes_stand_in_the_documents() {
    let corpus = Corpus::load("clinic").await;
    let answerer = Answerer::extractive(embedder());
    let mut grounded = 0;
    for question in questions()
        .iter()
        .filter(|question| question.set == "clinic")
        .step_by(2)
    {
        let answer = answerer.answer(&corpus.ask(question.question).await).await;
        if !answer.grounded {
            assert_eq!(answer.text, NOT_IN_DOCUMENTS);
            assert!(answer.citations.is_empty());
            continue;
        }
        grounded += 1;
        let [citation] = &answer.citations[..] else {
            panic!("one citation: {answer:?}");
        };
        let passage = corpus
            .passages
            .iter()
            .find(|passage| passage.id == citation.passage_id)
            .expect("a passage that exists");
        assert!(
            passage.text.contains(&citation.quote),
            "byte for byte: {}",
            citation.quote
        );
        assert_eq!(words(&answer.spoken()), words(&citation.quote), "word for word");
        assert!(answer.text.ends_with(" [1]"));
    }
    assert!(grounded >= 7, "{grounded} answers were quoted");
}

fn words(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect()
}

#[tokio::test]
async fn no_passages_no_answer() {
    let answer = Answerer::extractive(embedder())
        .answer(&knowledge::AnswerRequest::default())
        .await;
    assert_eq!((answer.text.as_str(), answer.grounded), (NOT_IN_DOCUMENTS, false));
}
