//! How well the citation check tells what a passage says from what it does not: on 24 claims.

#![allow(clippy::print_stdout, reason = "the figures are what this test is for")]

use knowledge::{Passage, check};
use uuid::Uuid;

#[test]
fn claims_are_told_apart() {
    let (mut kept, mut kept_wrongly, mut lost) = (0, Vec::new(), Vec::new());
    let lines = include_str!("data/claims.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'));
    for line in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        let [says, claim, text] = fields[..] else {
            panic!("three fields: {line}");
        };
        let passage = Passage {
            id: Uuid::from_u128(1),
            document_title: String::new(),
            heading: String::new(),
            page: None,
            text: text.to_owned(),
            distance: 0.4,
        };
        let checked = check(&format!("{claim} [1]"), true, &[passage]);
        match (says, checked.kept) {
            ("yes", 1) => kept += 1,
            ("yes", _) => lost.push(claim),
            (_, 1) => kept_wrongly.push(claim),
            _ => {}
        }
    }
    println!("kept {kept}, lost {lost:?}, kept though not said {kept_wrongly:?}");
    assert!(kept_wrongly.is_empty(), "{kept_wrongly:?}");
    assert!(lost.len() <= 1, "{lost:?}");
}
