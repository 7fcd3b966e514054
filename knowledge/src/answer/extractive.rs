//! The answer in the documents' own words: the sentence nearest to the question, quoted, or none when none is near enough.
//! No I/O: embeddings come in, a choice goes out.

use std::ops::Range;

use super::expectation::Expectation;
use super::{Answer, Citation, EXTRACTIVE_ENGINE, Passage};
use crate::embed::{Embedding, cosine};
use crate::sentences::{plain, sentences};
use crate::words::{content_words, coverage};

/// Sentences that are compared with the question, those of the best passages.
const MAX_CANDIDATES: usize = 24;
/// A quote has no more sentences than this.
const MAX_QUOTED: usize = 3;
/// A sentence of fewer content words is a title or a fragment.
const MIN_CONTENT_WORDS: usize = 2;

/// What is near enough to be quoted. Measured by `tests/thresholds.rs` on 38 questions, of which 16 have no answer in the
/// documents, and on 28 more to another collection that had no part in setting them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Least cosine of question and sentence.
    pub cosine: f32,
    /// Least score: the sentence's cosine and, weighted, its passage's.
    pub score: f32,
    /// Weight of the passage's cosine beside the sentence's.
    pub passage_weight: f32,
    /// Least share of the question's words when there are no embeddings to go by.
    pub words_alone: f32,
    /// A sentence next to the chosen one is quoted with it from this share of its score.
    pub neighbour: f32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            cosine: 0.3,
            score: 0.6,
            passage_weight: 0.3,
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
        .filter(|&at| scores[at] > 0.0 && expectation.is_met(question, &candidates[at].plain))
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
    let Some([asked, sentences @ ..]) = embeddings else {
        return by_words(question, passages, candidates, thresholds);
    };
    candidates
        .iter()
        .zip(sentences)
        .map(|(candidate, sentence)| {
            let near = cosine(asked, sentence);
            let around = 1.0 - passages[candidate.passage].distance;
            let score = near + thresholds.passage_weight * around;
            if near >= thresholds.cosine && score >= thresholds.score {
                score
            } else {
                0.0
            }
        })
        .collect()
}

fn by_words(
    question: &str,
    passages: &[Passage],
    candidates: &[Candidate],
    thresholds: &Thresholds,
) -> Vec<f32> {
    let wanted = content_words(question);
    candidates
        .iter()
        .map(|candidate| {
            let passage = &passages[candidate.passage];
            let there = content_words(&format!(
                "{} {} {}",
                passage.document_title, passage.heading, candidate.plain
            ));
            let shared = coverage(&wanted, &there);
            if !wanted.is_empty() && shared >= thresholds.words_alone {
                shared
            } else {
                0.0
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn passages() -> Vec<Passage> {
        let passage = |number: u128, heading: &str, text: &str| Passage {
            id: Uuid::from_u128(number),
            document_title: "House rules".into(),
            heading: heading.into(),
            page: None,
            text: text.into(),
            distance: 0.5,
        };
        vec![
            passage(
                1,
                "Parking",
                "# Parking\n\nThe car park is behind the house. It has twelve places.\n\n- Visitors park in front.",
            ),
            passage(2, "Hours", "# Hours\n\nWe open at eight. We close at six."),
        ]
    }

    /// The question's embedding is the first axis; a candidate's cosine to it is what the test says.
    fn embeddings(cosines: &[f32]) -> Vec<Embedding> {
        std::iter::once(1.0)
            .chain(cosines.iter().copied())
            .map(|cosine| {
                let mut embedding = [0.0; crate::embed::EMBEDDING_DIMENSIONS];
                embedding[0] = cosine;
                embedding[1] = (1.0 - cosine * cosine).sqrt();
                embedding
            })
            .collect()
    }

    fn chosen(question: &str, cosines: &[f32]) -> Option<Answer> {
        let passages = passages();
        let candidates = candidates(&passages);
        assert_eq!(candidates.len(), cosines.len());
        choose(
            question,
            &passages,
            &candidates,
            Some(&embeddings(cosines)),
            &Thresholds::default(),
        )
    }

    #[test]
    fn the_nearest_sentence_is_quoted_with_near_neighbours() {
        let answer = chosen("Where can I park?", &[0.8, 0.7, 0.1, 0.0, 0.0]).unwrap();
        assert_eq!(
            answer.text,
            "“The car park is behind the house. It has twelve places.” [1]"
        );
        assert_eq!(answer.citations[0].passage_id, Uuid::from_u128(1));
        assert_eq!(
            answer.citations[0].quote,
            "The car park is behind the house. It has twelve places."
        );
    }

    #[test]
    fn nothing_near_is_no_answer() {
        assert_eq!(chosen("Where can I park?", &[0.44, 0.3, 0.1, 0.0, 0.0]), None);
    }

    #[test]
    fn a_sentence_without_what_is_asked_for_is_no_answer() {
        assert_eq!(
            chosen("What does parking cost?", &[0.8, 0.7, 0.6, 0.0, 0.0]),
            None
        );
        let when = chosen("When do you open?", &[0.8, 0.1, 0.1, 0.7, 0.1]).unwrap();
        assert_eq!(when.text, "“We open at eight.” [1]");
    }

    #[test]
    fn without_embeddings_words_decide() {
        let passages = passages();
        let candidates = candidates(&passages);
        let ask = |question| choose(question, &passages, &candidates, None, &Thresholds::default());
        assert_eq!(
            ask("Where is the car park?").unwrap().citations[0].passage_id,
            Uuid::from_u128(1)
        );
        assert_eq!(ask("Is the weather nice?"), None);
        assert_eq!(ask("What?"), None);
    }
}
