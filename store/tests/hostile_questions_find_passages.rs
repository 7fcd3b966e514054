//! Whatever stands in a question is a word or nothing: no operator, no error, no endless search.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::support::{Database, axis, passage};

#[tokio::test]
async fn operators_quotes_and_nuls_are_no_syntax() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    let passages = [
        passage(0, "The deposit is due within fourteen days.", axis(0)),
        passage(1, "Unrelated.", axis(1)),
    ];
    database.ready_document(organisation, "Contract", &passages).await;
    let hostile = [
        "!deposit",
        "deposit & !deposit",
        "deposit:* | 'quoted",
        "'deposit' <-> \"due\" <2> (((",
        "deposit'); DROP TABLE passages; --",
        "\\deposit\\ \\' \\\\",
        "dep\0osit deposit\0",
        "deposit \u{feff}\u{202e}🦀 ﷽",
        "http://deposit.example/a\\b?c='d' deposit",
        "<deposit attr='\\'> deposit",
    ];
    for question in hostile {
        // The embedding points elsewhere: only the words can put the right passage first.
        let found = database
            .store
            .search(organisation, question, &axis(2), 5)
            .await
            .unwrap();
        assert_eq!(
            found[0].text, "The deposit is due within fourteen days.",
            "{question:?}"
        );
        assert!(found[0].score > found[1].score, "{question:?}");
    }
}

#[tokio::test]
async fn a_question_without_a_word_is_answered_by_meaning() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    database
        .ready_document(
            organisation,
            "A",
            &[passage(0, "One.", axis(0)), passage(1, "Two.", axis(1))],
        )
        .await;
    for question in ["", "\0", "the of and", "?!", "'", "\\", "&|!():*<->"] {
        let found = database
            .store
            .search(organisation, question, &axis(1), 5)
            .await
            .unwrap();
        assert_eq!(found[0].text, "Two.", "{question:?}");
    }
}

#[tokio::test]
async fn a_question_of_ten_thousand_bytes_is_cut() {
    let database = Database::new().await;
    let organisation = database.organisation().await;
    database
        .ready_document(
            organisation,
            "A",
            &[passage(0, "The deposit.", axis(0)), passage(1, "Two.", axis(1))],
        )
        .await;
    let many: String = (0..2_000).map(|number| format!("w{number} ")).collect();
    let one = "x".repeat(10_000);
    let wide = "é".repeat(5_000);
    for long in [many, one, wide] {
        let found = database
            .store
            .search(organisation, &format!("deposit {long}"), &axis(2), 5)
            .await
            .unwrap();
        assert_eq!(found[0].text, "The deposit.");
    }
}

#[test]
fn no_question_is_an_error() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let database = runtime.block_on(Database::new());
    let organisation = runtime.block_on(async {
        let organisation = database.organisation().await;
        database
            .ready_document(organisation, "A", &[passage(0, "Something.", axis(0))])
            .await;
        organisation
    });
    let question = prop_oneof![
        any::<String>(),
        "[a-z'\\\\&|!():*<>\" \\-./@#0-9]{0,60}",
        "(https?://)?[a-z]{1,5}\\.com/[ -~]{0,30}",
    ];
    TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    })
    .run(&question, |question| {
        let found = runtime
            .block_on(database.store.search(organisation, &question, &axis(0), 5))
            .unwrap();
        prop_assert_eq!(found.len(), 1);
        Ok(())
    })
    .unwrap();
}
