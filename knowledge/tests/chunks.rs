//! Passages against the real tokenizer: nothing is lost, nothing is too long, headings and pages are right.

mod support;

use knowledge::{Chunk, Extracted, Format, MAX_CHUNK_TOKENS, PageStart, TokenCounter, chunk};
use proptest::prelude::*;
use std::sync::OnceLock;

fn counter() -> &'static TokenCounter {
    static COUNTER: OnceLock<TokenCounter> = OnceLock::new();
    let folder = support::model_folder();
    COUNTER.get_or_init(|| TokenCounter::load(&folder).expect("the tokenizer loads"))
}

fn markdown(text: &str) -> Extracted {
    Extracted {
        format: Format::Markdown,
        text: text.to_owned(),
        pages: Vec::new(),
    }
}

fn cut(text: &str) -> Vec<Chunk> {
    chunk(&markdown(text), counter()).expect("few passages")
}

#[test]
fn a_passage_knows_its_headings() {
    let body = "Fifteen words are enough to make this section stand on its own, as a real one would do, with two sentences. Here is the second.";
    let text = format!(
        "Before.\n\n# House\n\n{body}\n\n## Parking\n\n{body}\n\n```\n# no heading\n```\n\n## Hours\n\n{body}\n"
    );
    let headings: Vec<String> = cut(&text).into_iter().map(|chunk| chunk.heading).collect();
    assert_eq!(headings, ["House", "House > Parking", "House > Hours"]);
}

#[test]
fn plain_text_has_no_headings() {
    let document = Extracted {
        format: Format::Text,
        ..markdown("# 1 on the list\n\nIs this.")
    };
    let chunks = chunk(&document, counter()).expect("few passages");
    assert_eq!((chunks.len(), chunks[0].heading.as_str()), (1, ""));
}

#[test]
fn tiny_sections_share_a_passage() {
    let chunks = cut("# List\n\n## A\n\none\n\n## B\n\ntwo\n\n## C\n\nthree\n");
    assert_eq!(chunks.len(), 1, "{chunks:?}");
    assert_eq!(chunks[0].heading, "List");
    assert!(chunks[0].text.contains("one") && chunks[0].text.contains("three"));
}

#[test]
fn long_sections_overlap() {
    let text: String = (0..200)
        .map(|n| format!("Sentence number {n} says a little more than the last. "))
        .collect();
    let chunks = cut(&format!("# Long\n\n{text}"));
    assert!(chunks.len() > 5);
    for pair in chunks.windows(2) {
        let first = pair[1].text.split(". ").next().expect("a sentence");
        assert!(pair[0].text.contains(first), "{first}");
        assert!(pair[0].text.ends_with('.'), "whole sentences");
    }
}

#[test]
fn a_passage_knows_its_page() {
    let document = Extracted {
        format: Format::Pdf,
        text: "# One\n\nfirst page\n\n# Two\n\nsecond page".into(),
        pages: vec![
            PageStart { page: 1, at_byte: 0 },
            PageStart { page: 2, at_byte: 19 },
        ],
    };
    let pages: Vec<Option<u32>> = chunk(&document, counter())
        .expect("few passages")
        .into_iter()
        .map(|chunk| chunk.page)
        .collect();
    assert_eq!(pages.first(), Some(&Some(1)));
}

#[test]
fn a_document_of_crumbs_is_refused() {
    let word = "considerably more than twenty-four tokens of text so that this section is not joined with the next one, not even nearly";
    let text: String = (0..5_100).map(|n| format!("# {n}\n\n{word}\n\n")).collect();
    let error = chunk(&markdown(&text), counter()).expect_err("too many");
    assert_eq!(
        error.to_string(),
        "the document gives more than 5000 passages, the limit; split it"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_too_long(
        text in "(#{1,3} [a-z]{1,9}\\n|\\n\\n|[a-zA-Z]{1,12} |[äöß漢字]{1,8}|[.!?] |- item |\\| a \\| b \\|\\n|x{300}|```\\n|1[.] |Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed diam nonumy eirmod tempor invidunt[.] ){0,120}",
        plain in any::<bool>(),
    ) {
        let format = if plain { Format::Text } else { Format::Markdown };
        let document = Extracted { format, ..markdown(&text) };
        let chunks = chunk(&document, counter()).expect("few passages");

        // In order, each passage begins no later than where the last ended, but for white space.
        let mut covered = 0;
        for (at, chunk) in chunks.iter().enumerate() {
            prop_assert_eq!(chunk.ordinal as usize, at);
            prop_assert!(!chunk.text.trim().is_empty());
            prop_assert!(counter().count(&chunk.embedding_text()) <= MAX_CHUNK_TOKENS + 1, "{}", chunk.text);
            let earliest = (0..=covered.min(text.len()))
                .filter(|from| text.is_char_boundary(*from))
                .find_map(|from| text[from..].strip_prefix(chunk.text.as_str()).map(|_| from).filter(|from| from + chunk.text.len() > covered));
            let begin = match earliest {
                Some(begin) => begin,
                None => {
                    let blank = text[covered..].len() - text[covered..].trim_start().len();
                    prop_assert!(text[covered + blank..].starts_with(&chunk.text), "a gap before {:?}", chunk.text);
                    covered + blank
                }
            };
            covered = begin + chunk.text.len();
        }
        prop_assert!(text[covered..].trim().is_empty(), "lost: {:?}", &text[covered..]);
    }
}
