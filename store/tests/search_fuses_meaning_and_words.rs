//! The right passage is found by its meaning, by its words, and best by both.

use crate::support::{Database, axis, between, passage};
use store::NewPassage;

#[tokio::test]
async fn the_passage_that_both_find_comes_first() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let passages = [
        passage(0, "Our office is closed on Sundays.", between(0, 1, 0.05)),
        passage(
            1,
            "The notice period is three months to the end of a quarter.",
            between(0, 1, 0.1),
        ),
        passage(2, "Notice boards hang in every corridor.", axis(5)),
        passage(3, "The cafeteria serves soup.", axis(6)),
    ];
    database.ready_document(organisation, "Handbook", &passages).await;
    let found = database
        .store
        .search(organisation, "How long is the notice period?", &axis(0), 3)
        .await
        .unwrap();
    let texts: Vec<_> = found.iter().map(|found| found.text.as_str()).collect();
    // By meaning alone the office would be first; by words alone the boards would be second.
    assert_eq!(texts[0], passages[1].text);
    assert_eq!(texts.len(), 3);
    assert!(found.is_sorted_by(|better, worse| better.score >= worse.score));
    // First by words, second by meaning.
    assert!(
        (found[0].score - (1.0 / 61.0 + 1.0 / 62.0)).abs() < 1e-9,
        "{}",
        found[0].score
    );
    assert!((found[0].distance - (1.0 - f64::from((0.1 * std::f32::consts::FRAC_PI_2).cos()))).abs() < 1e-6);
    assert_eq!(found[0].document_title, "Handbook");
}

#[tokio::test]
async fn a_word_in_any_form_and_in_the_heading_counts() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let headed = NewPassage {
        ordinal: 0,
        heading: "Cancellation".into(),
        page: Some(4),
        text: "It is free of charge for two weeks.".into(),
        embedding: axis(7),
    };
    let others = [
        headed,
        passage(1, "Payments are made monthly.", axis(8)),
        passage(2, "Chairs.", axis(9)),
    ];
    database.ready_document(organisation, "Terms", &others).await;
    let found = database
        .store
        .search(organisation, "May I cancel?", &axis(0), 1)
        .await
        .unwrap();
    assert_eq!(
        (found[0].heading.as_str(), found[0].page),
        ("Cancellation", Some(4))
    );
    let found = database
        .store
        .search(organisation, "who is paying?", &axis(0), 1)
        .await
        .unwrap();
    assert_ne!(found[0].text, "Chairs.");
    let found = database
        .store
        .search(organisation, "payment of a chair", &axis(9), 1)
        .await
        .unwrap();
    assert_eq!(found[0].text, "Chairs.");
}

#[tokio::test]
async fn fewer_passages_than_asked_for() {
    let database = Database::new().await;
    let (empty, some) = (database.organisation().await, database.organisation().await);
    database
        .ready_document(
            some,
            "A",
            &[passage(0, "One.", axis(0)), passage(1, "Two.", axis(1))],
        )
        .await;
    assert!(
        database
            .store
            .search(empty, "one", &axis(0), 8)
            .await
            .unwrap()
            .is_empty()
    );
    let found = database.store.search(some, "one", &axis(0), 8).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(
        database
            .store
            .search(some, "one", &axis(0), 0)
            .await
            .unwrap()
            .is_empty()
    );
    // Each passage once, though both searches find it.
    assert_ne!(found[0].id, found[1].id);
}
