//! The answer in the documents' own words: the sentence nearest to the question, quoted, or none when none is near enough.
//! No I/O: embeddings come in, a choice goes out.

use std::ops::Range;

use super::expectation::Expectation;
use super::{Answer, Citation, EXTRACTIVE_ENGINE, Passage};
use crate::embed::{Embedding, cosine};
use crate::sentences::{plain, sentences};
use crate::words::{content_words, coverage};

/// Sentences that are compared with the question. About 5 ms each.
const MAX_CANDIDATES: usize = 48;
/// A quote has no more sentences than this.
const MAX_QUOTED: usize = 3;
/// A sentence of fewer content words is a title or a fragment.
const MIN_CONTENT_WORDS: usize = 2;

/// What is near enough to be quoted. Measured: see `tests/thresholds.rs`, which says the figures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least cosine of question and sentence, whatever the words.
    pub cosine: f32,
    /// Least score: cosine and shared words together.
    pub score: f32,
    /// Weight of the question's words that the sentence has, beside the cosine.
    pub words_weight: f32,
    /// Least share of the question's words when there are no embeddings to go by.
    pub words_alone: f32,
    /// A sentence next to the chosen one is quoted with it from this share of its score.
    pub neighbour: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            cosine: 0.35,
            score: 0.55,
            words_weight: 0.3,
            words_alone: 0.75,
            neighbour: 0.8,
        }
    }
}

/// A sentence that might answer.
#[derive(Debug)]
pub(crate) struct Candidate {
    /// Index of its passage.
    passage: usize,
    /// Where it stands in the passage.
    range: Range<usize>,
    /// The sentence as it is read.
    plain: String,
    /// What is embedded: with its nearest heading, for "It costs 90 euros." says little alone.
    pub(crate) embedded: String,
}

/// The sentences of the passages, those of the better passages first, up to a limit.
pub(crate) fn candidates(passages: &[Passage]) -> Vec<Candidate> {
    let mut out: Vec<Candidate> = Vec::new();
    for (index, passage) in passages.iter().enumerate() {
        let context = passage
            .heading
            .rsplit(" > ")
            .next()
            .filter(|heading| !heading.is_empty());
        let context = context.unwrap_or(&passage.document_title);
        for range in sentences(&passage.text) {
            let sentence = passage.text[range.clone()].trim();
            let plain = plain(sentence);
            let is_new = || !out.iter().any(|known| known.plain == plain);
            if sentence.starts_with('#') || content_words(&plain).len() < MIN_CONTENT_WORDS || !is_new() {
                continue;
            }
            if out.len() == MAX_CANDIDATES {
                return out;
            }
            out.push(Candidate {
                passage: index,
                range,
                embedded: format!("{context}: {plain}"),
                plain,
            });
        }
    }
    out
}

/// Chooses and quotes. `embeddings` has the question first, then the candidates; without it, words decide alone.
pub(crate) fn choose(
    question: &str,
    passages: &[Passage],
    candidates: &[Candidate],
    embeddings: Option<&[Embedding]>,
    thresholds: &Thresholds,
) -> Option<Answer> {
    let expectation = Expectation::of(question);
    let scores = scores(question, passages, candidates, embeddings, thresholds);
    let best = (0..candidates.len())
        .filter(|&at| scores[at] > 0.0 && expectation.is_met(&candidates[at].plain))
        .reduce(|best, next| if scores[next] > scores[best] { next } else { best })?;

    // The sentences around it belong to the answer when they are nearly as near.
    let near = |at: usize| {
        candidates[at].passage == candidates[best].passage
            && scores[at] >= scores[best] * thresholds.neighbour
    };
    let mut chosen = best..best + 1;
    while chosen.len() < MAX_QUOTED && chosen.end < candidates.len() && near(chosen.end) {
        chosen.end += 1;
    }
    while chosen.len() < MAX_QUOTED && chosen.start > 0 && near(chosen.start - 1) {
        chosen.start -= 1;
    }

    let passage = &passages[candidates[best].passage];
    let quoted = candidates[chosen.start].range.start..candidates[chosen.end - 1].range.end;
    let text = candidates[chosen]
        .iter()
        .map(|candidate| candidate.plain.as_str())
        .collect::<Vec<_>>()
        .join(" ");
    Some(Answer {
        text: format!("“{text}” [1]"),
        grounded: true,
        citations: vec![Citation {
            passage_id: passage.id,
            document_title: passage.document_title.clone(),
            heading: passage.heading.clone(),
            page: passage.page,
            quote: passage.text[quoted].trim().to_owned(),
        }],
        engine: EXTRACTIVE_ENGINE.to_owned(),
        prompt_tokens: None,
        completion_tokens: None,
        fallback: None,
    })
}

/// One score a candidate; 0 is not near enough.
fn scores(
    question: &str,
    passages: &[Passage],
    candidates: &[Candidate],
    embeddings: Option<&[Embedding]>,
    thresholds: &Thresholds,
) -> Vec<f32> {
    let wanted = content_words(question);
    candidates
        .iter()
        .enumerate()
        .map(|(at, candidate)| {
            let passage = &passages[candidate.passage];
            let shared = coverage(
                &wanted,
                &content_words(&format!(
                    "{} {} {}",
                    passage.document_title, passage.heading, candidate.plain
                )),
            );
            match embeddings {
                Some(embeddings) => {
                    let near = cosine(&embeddings[0], &embeddings[at + 1]);
                    let score = near + thresholds.words_weight * shared;
                    if near >= thresholds.cosine && score >= thresholds.score {
                        score
                    } else {
                        0.0
                    }
                }
                None if shared >= thresholds.words_alone && !wanted.is_empty() => shared,
                None => 0.0,
            }
        })
        .collect()
}
